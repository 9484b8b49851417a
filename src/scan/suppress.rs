//! What is known and accepted: digests of a baseline, `.kgateignore`, and `kgate:allow` beside a key.
//!
//! Accepting never keeps a file from being read: a finding is suppressed afterwards, and only if every
//! place of it is accepted. A key that works is no accepted one, unless that is asked for.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::place::Place;
use super::report::{Finding, Report, Suppression};
use crate::key::Digest;

/// What is accepted.
#[derive(Debug, Default)]
pub struct Accepted {
    baseline: HashSet<Digest>,
    digests: HashSet<Digest>,
    patterns: Vec<Patterns>,
    /// Whether keys that work may be suppressed too.
    even_active: bool,
}

/// One ignore file.
#[derive(Debug)]
struct Patterns {
    /// The directory its patterns are relative to.
    root: PathBuf,
    patterns: Gitignore,
}

/// Why an ignore file is no use.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreError {
    /// It is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of it is neither a pattern nor a digest.
    #[error("line {line} of {}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl Accepted {
    /// Accepts the keys of a baseline.
    pub fn add_baseline(&mut self, digests: impl IntoIterator<Item = Digest>) {
        self.baseline.extend(digests);
    }

    /// Accepts what the ignore file at `path` names: paths as in `.gitignore`, relative to `root`, and
    /// digests as `sha256:…`, wherever the key is.
    ///
    /// # Errors
    /// [`IgnoreError`].
    pub fn add_ignore_file(&mut self, path: &Path, root: &Path) -> Result<(), IgnoreError> {
        let unreadable = |source| IgnoreError::Unreadable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        // Patterns are matched against paths made relative here, so that `..` and `.` do no harm.
        let mut builder = GitignoreBuilder::new("");
        for (index, line) in text.lines().enumerate() {
            let fault = |problem| IgnoreError::Line { path: path.to_owned(), line: index + 1, problem };
            match line.trim().strip_prefix(DIGEST) {
                Some(digest) => {
                    let digest = digest.split('#').next().unwrap_or_default().trim();
                    self.digests
                        .insert(digest.parse().map_err(|e: crate::key::DigestError| fault(e.to_string()))?);
                }
                None => {
                    builder.add_line(None, line).map_err(|e| fault(e.to_string()))?;
                }
            }
        }
        let patterns = builder.build().map_err(|e| IgnoreError::Line {
            path: path.to_owned(),
            line: 1,
            problem: e.to_string(),
        })?;
        self.patterns.push(Patterns { root: plain(root), patterns });
        Ok(())
    }

    /// Lets keys that work be suppressed too.
    pub fn even_active(&mut self) {
        self.even_active = true;
    }

    /// Marks the findings of `report` that are accepted.
    pub fn suppress(&self, report: &mut Report) {
        for finding in &mut report.findings {
            if self.even_active || !finding.standing.is_live() {
                finding.suppressed = self.why(finding);
            }
        }
    }

    fn why(&self, finding: &Finding) -> Option<Suppression> {
        if self.baseline.contains(&finding.digest) {
            return Some(Suppression::Baseline);
        }
        if self.digests.contains(&finding.digest) {
            return Some(Suppression::Ignored);
        }
        // Places that were not kept may be anywhere.
        let all_kept = finding.place_count == finding.places.len() as u64;
        if !all_kept || !finding.places.iter().all(|p| p.allowed || self.ignores(p)) {
            return None;
        }
        let all_ignored = finding.places.iter().all(|p| self.ignores(p));
        Some(if all_ignored { Suppression::Ignored } else { Suppression::Allowed })
    }

    fn ignores(&self, place: &Place) -> bool {
        self.patterns.iter().any(|file| {
            file.relative(place)
                .is_some_and(|path| file.patterns.matched_path_or_any_parents(path, false).is_ignore())
        })
    }
}

impl Patterns {
    /// Returns the path of `place` below the root. In history paths are relative to begin with.
    fn relative(&self, place: &Place) -> Option<PathBuf> {
        let path = plain(&place.path);
        let below =
            if place.commit.is_some() { path } else { path.strip_prefix(&self.root).ok()?.to_owned() };
        (!below.has_root() && !below.as_os_str().is_empty()).then_some(below)
    }
}

/// Returns `path` without its `.` components.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|c| !matches!(c, Component::CurDir)).collect()
}

/// What a line with a digest begins with.
const DIGEST: &str = "sha256:";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::place::Commit;
    use super::super::report::{Known, Standing};
    use super::*;
    use crate::key::{Kind, Status, Timestamp};

    fn finding(places: &[&str]) -> Finding {
        Finding {
            digest: Digest::sha256(places.join(" ").as_bytes()),
            hint: String::new(),
            key_type: String::new(),
            kind: Kind::Secret,
            standing: Standing::Unverified,
            places: places.iter().map(|p| Place::in_content(p.into(), 0, 1, 1)).collect(),
            place_count: places.len() as u64,
            first_commit: None,
            last_commit: None,
            suppressed: None,
            token: None,
        }
    }

    fn accepted(text: &str, root: &str) -> Accepted {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".kgateignore");
        fs::write(&file, text).unwrap();
        let mut accepted = Accepted::default();
        accepted.add_ignore_file(&file, Path::new(root)).unwrap();
        accepted
    }

    fn active() -> Standing {
        Standing::Known(Known {
            status: Status::Active,
            key: None,
            key_name: String::new(),
            consumer: None,
            consumer_name: None,
            last_used: None,
            admin: None,
        })
    }

    #[test]
    fn a_finding_is_ignored_only_if_everything_it_is_in_is() {
        let accepted = accepted("# ours\n/tests/data/\n*.golden\n!keep.golden\n", ".");
        let why = |places: &[&str]| accepted.why(&finding(places));
        assert_eq!(why(&["./tests/data/deep/a"]), Some(Suppression::Ignored));
        assert_eq!(why(&["tests/data/a", "x.golden"]), Some(Suppression::Ignored));
        assert_eq!(why(&["tests/data/a", "src/a"]), None);
        assert_eq!(why(&["src/tests/data/a"]), None);
        assert_eq!(why(&["keep.golden"]), None);
        assert_eq!(why(&["/elsewhere/x.golden"]), None);
        let mut truncated = finding(&["x.golden"]);
        truncated.place_count = 2;
        assert_eq!(accepted.why(&truncated), None);
    }

    #[test]
    fn patterns_are_relative_to_the_root_and_in_history_to_the_tree() {
        let accepted = accepted("/fixtures\n", "../shop/");
        assert_eq!(accepted.why(&finding(&["../shop/fixtures/a"])), Some(Suppression::Ignored));
        assert_eq!(accepted.why(&finding(&["fixtures/a"])), None);
        let mut in_history = finding(&["fixtures/a"]);
        in_history.places[0].commit = Some(Arc::new(Commit {
            date: Timestamp::from_secs(0),
            id: String::new(),
            author: String::new(),
        }));
        assert_eq!(accepted.why(&in_history), Some(Suppression::Ignored));
    }

    #[test]
    fn inline_permission_and_ignored_places_add_up() {
        let accepted = accepted("*.golden\n", "");
        let mut both = finding(&["a.golden", "src/a"]);
        assert_eq!(accepted.why(&both), None);
        both.places[1].allowed = true;
        assert_eq!(accepted.why(&both), Some(Suppression::Allowed));
    }

    #[test]
    fn a_key_that_works_is_never_suppressed_unless_asked_for() {
        let digest = finding(&["a"]).digest;
        let mut accepted = accepted(&format!("sha256:{digest}  # fixture\n"), ".");
        let suppressed = |accepted: &Accepted, standing: Standing| {
            let mut report = Report {
                findings: vec![Finding { standing, ..finding(&["a"]) }],
                faults: Vec::new(),
                totals: super::super::Totals::default(),
                overflow: 0,
                interrupted: false,
            };
            accepted.suppress(&mut report);
            report.findings[0].suppressed
        };
        assert_eq!(suppressed(&accepted, Standing::Unknown), Some(Suppression::Ignored));
        assert_eq!(suppressed(&accepted, active()), None);
        accepted.even_active();
        assert_eq!(suppressed(&accepted, active()), Some(Suppression::Ignored));
        accepted.add_baseline([digest]);
        assert_eq!(suppressed(&accepted, active()), Some(Suppression::Baseline));
    }

    #[test]
    fn a_line_that_is_neither_pattern_nor_digest_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ignore");
        fs::write(&file, "a\nsha256:12\n").unwrap();
        let error = Accepted::default().add_ignore_file(&file, Path::new("")).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of "), "{error}");
    }
}
