//! Keeps tokens out of what is said of them: a file can be named after a key, and so can its author.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use super::detect::Detector;
use super::place::{Commit, Part, Place};

/// Makes the texts of `place` fit to be shown: every token is replaced by its prefix and last four
/// characters.
pub(super) fn mask_place(detector: &Detector, place: &mut Place) {
    mask_path(detector, &mut place.path);
    for member in &mut place.members {
        mask_path(detector, member);
    }
    if place.part == Part::Name && !place.decoded.is_empty() {
        // The name holds the token in a form a search for its text does not find.
        let named = place.members.last_mut().unwrap_or(&mut place.path);
        named.set_file_name(WITHHELD);
    }
    if let Some(commit) = &mut place.commit
        && let Some(author) = masked(detector, commit.author.as_bytes())
    {
        let author = String::from_utf8_lossy(&author).into_owned();
        *commit = Arc::new(Commit { author, ..(**commit).clone() });
    }
}

/// As [`mask_place`]. A leading `./` goes, too: nobody typed it.
pub(super) fn mask_path(detector: &Detector, path: &mut PathBuf) {
    if let Ok(rest) = path.strip_prefix(".")
        && !rest.as_os_str().is_empty()
    {
        *path = rest.to_owned();
    }
    if let Some(bytes) = masked(detector, path.as_os_str().as_bytes()) {
        *path = PathBuf::from(OsString::from_vec(bytes));
    }
}

/// Returns `text` without the tokens in it, if there are any.
pub(super) fn masked(detector: &Detector, text: &[u8]) -> Option<Vec<u8>> {
    let mut hits = Vec::new();
    detector.search(text, &mut hits);
    if hits.is_empty() {
        return None;
    }
    hits.sort_unstable();
    let mut clean = Vec::with_capacity(text.len());
    let mut kept = 0;
    for hit in hits {
        // Tokens can overlap: the tail of one may be the prefix of another.
        if hit.start < kept {
            kept = kept.max(hit.end);
            continue;
        }
        clean.extend_from_slice(&text[kept..hit.start]);
        let token = hit.token(text);
        clean.extend_from_slice(
            format!("{}…{}", detector.key_type(hit.key_type).prefix, token.last_four()).as_bytes(),
        );
        kept = hit.end;
    }
    clean.extend_from_slice(&text[kept..]);
    Some(clean)
}

/// Stands for a file name that cannot be shown.
const WITHHELD: &str = "[name withheld]";

#[cfg(test)]
mod tests {
    use super::super::detect::tests::{detector, token};
    use super::super::place::Encoding;
    use std::path::Path;

    use super::*;
    use crate::key::Timestamp;

    #[test]
    fn tokens_in_names_are_masked_wherever_they_stand() {
        let detector = detector(&["acme_live"]);
        let token = token("acme_live", 1);
        let masked = format!("acme_live…{}", &token[token.len() - 4..]);
        let mut place = Place {
            members: vec![format!("in/x{token}y.txt").into(), "plain".into()],
            commit: Some(Arc::new(Commit {
                date: Timestamp::from_secs(0),
                id: "0".repeat(40),
                author: format!("{token} <a@b>"),
            })),
            ..Place::in_content(format!("keys/{token}{token}.txt").into(), 0, 1, 1)
        };
        mask_place(&detector, &mut place);
        assert_eq!(place.path, Path::new(&format!("keys/{masked}{masked}.txt")));
        assert_eq!(place.members, [PathBuf::from(format!("in/x{masked}y.txt")), "plain".into()]);
        assert_eq!(place.commit.unwrap().author, format!("{masked} <a@b>"));
        let decoded = vec![Encoding::Base64];
        let mut place =
            Place { part: Part::Name, decoded, ..Place::in_content("keys/YWNtZQ.txt".into(), 0, 1, 1) };
        mask_place(&detector, &mut place);
        assert_eq!(place.path, Path::new("keys/[name withheld]"));
    }
}
