//! Ending what was found.

use crate::cli::failure::Failure;
use crate::cli::key::warn_of_successor;
use crate::cli::session::Session;
use crate::cli::ui::clean;
use crate::cli::values::counted;
use crate::key::{AdminKeyRecord, KeyId, Kind, RevokeReason, Status, redact_tokens};
use crate::scan::{Finding, Known, Report};
use crate::store::{End, Store};

use super::args::LeakScan;
use super::forms::known;

/// Says whether a key found can and should be revoked: ours, live, secret, not accepted.
pub(super) fn is_revocable(finding: &Finding) -> bool {
    !finding.is_informational()
        && finding.suppressed.is_none()
        && finding.standing.is_live()
        && known(finding).is_some_and(|known| known.id().is_some())
}

/// Shows, asks, and revokes: admin keys one by one, all others in one transaction, each with where it was found in
/// the audit log. A declined question is no failure: the report has been printed.
pub(super) fn revoke(args: &LeakScan, report: &Report, session: &Session) -> Result<(), Failure> {
    let wanted: Vec<&Finding> = report.findings.iter().filter(|f| is_revocable(f)).collect();
    let nothing = "there is no key to revoke: none found works, is secret and is this store's";
    if wanted.is_empty() {
        session.ui.status(nothing);
        return Ok(());
    }
    let store = session.store_mut()?;
    let wanted = only_secret(wanted, &store, session)?;
    if wanted.is_empty() {
        session.ui.status(nothing);
        return Ok(());
    }
    if args.dry_run {
        for finding in &wanted {
            session.ui.status(format!("would revoke {}", line(finding)));
        }
        return Ok(());
    }
    if !args.yes {
        wanted.iter().for_each(|finding| session.ui.status(line(finding)));
        let question = format!("Revoke {} for good?", counted(wanted.len(), "key"));
        if !session.ui.confirm(&question, "--yes")? {
            session.ui.status("nothing was revoked");
            return Ok(());
        }
    }
    let (mut revoked, mut admin_keys, mut failed) = (Vec::new(), 0, None);
    for finding in &wanted {
        if let Some((admin_key, _)) = known(finding).and_then(|known| known.admin) {
            match store.revoke_admin_key(admin_key, &session.act(Some(&note(finding)))) {
                Ok(outcome) => {
                    admin_keys += usize::from(outcome.changed);
                    warn_of_admin_successor(&outcome.record, &store, session);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    let ends: Vec<(KeyId, String)> = wanted.iter().filter_map(|f| Some((id(f)?, note(f)))).collect();
    let done = store.end_noted(&ends, End::Revoke(RevokeReason::Leak), &session.act(None))?;
    for one in done {
        match one.result {
            Ok(outcome) => revoked.extend(outcome.changed.then_some(one.id)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    session.ui.status(format!("revoked {}", counted(revoked.len() + admin_keys, "key")));
    for id in revoked {
        let successors = store.successors(id, session.now())?;
        successors.iter().for_each(|successor| warn_of_successor(id, successor.id, session));
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Tells of an admin key that goes on in the place of one that leaked: whoever found that may have rotated it.
fn warn_of_admin_successor(leaked: &AdminKeyRecord, store: &Store, session: &Session) {
    let successor = leaked.rotated_to.and_then(|id| store.admin_key(id).ok());
    if let Some(successor) = successor.filter(|key| key.status(session.now()) == Status::Active) {
        session.ui.warn(format!(
            "{} was replaced by {1}, which still works: `kgate audit --key {1}` says who did that",
            leaked.id, successor.id
        ));
    }
}

/// Leaves out keys whose record says they are of a publishable type, whatever their prefix says now.
fn only_secret<'f>(
    wanted: Vec<&'f Finding>,
    store: &Store,
    session: &Session,
) -> Result<Vec<&'f Finding>, Failure> {
    let types = &session.config()?.key_types;
    let mut secret = Vec::with_capacity(wanted.len());
    for finding in wanted {
        let Some(id) = id(finding) else {
            // An admin key is never meant to be seen.
            secret.push(finding);
            continue;
        };
        let key = store.key(id)?;
        match types.by_name(&key.key_type) {
            Some((_, declared)) if declared.kind == Kind::Secret => secret.push(finding),
            Some((_, declared)) => session.ui.warn(format!(
                "{id} is not revoked: its key type {} is publishable, whatever its prefix is declared to be",
                clean(&declared.name)
            )),
            None => session.ui.warn(format!(
                "{id} is not revoked: its key type {} is not configured, so it may be meant to be seen",
                clean(&key.key_type)
            )),
        }
    }
    Ok(secret)
}

fn id(finding: &Finding) -> Option<KeyId> {
    known(finding).and_then(|known| known.key)
}

fn line(finding: &Finding) -> String {
    let id = known(finding).and_then(Known::id).unwrap_or_default();
    let place = finding.places.first().map(ToString::to_string).unwrap_or_default();
    format!("{id} ({}), found in {place}", finding.hint)
}

/// Where it was found, for the audit log: the first place, how many more, and the commit.
fn note(finding: &Finding) -> String {
    let mut place = finding.places.first().map(ToString::to_string).unwrap_or_default();
    if let Some(commit) = finding.places.first().and_then(|place| place.commit.as_ref()) {
        place = format!("{place} in {}", commit.short_id());
    }
    let rest = match finding.place_count.saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {}", counted(more, "more place")),
    };
    let room = NOTE - FOUND.len() - rest.len();
    let place = redact_tokens(&place).into_owned();
    format!("{FOUND}{}{rest}", shorten(&place, room))
}

/// Cuts out the middle of a long text: the end of a path says more than its beginning.
fn shorten(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let mark = "…";
    let half = (room - mark.len()) / 2;
    let head = (0..=half).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let tail = (text.len() - half..text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(text.len());
    format!("{}{mark}{}", &text[..head], &text[tail..])
}

const FOUND: &str = "found in ";

/// Bytes of a note the audit log takes.
const NOTE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_places_are_cut_in_the_middle_at_a_character() {
        assert_eq!(shorten("short", 9), "short");
        let long = "ä".repeat(200);
        let cut = shorten(&long, 101);
        assert!(cut.len() <= 101 && cut.contains('…'), "{cut}");
        assert_eq!(shorten("aaaaaaaaaabbbbbbbbbb", 13), "aaaaa…bbbbb");
    }
}
