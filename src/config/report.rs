//! What is wrong or doubtful in a file, with places, source lines and hints.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// One mistake or doubt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where: bytes of the file.
    pub span: Range<usize>,
    /// What.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The problems of one file, in the order of their places. Printed with line, column and the line itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    path: PathBuf,
    source: String,
    problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(path: &Path, source: &str) -> Self {
        Self { path: path.to_owned(), source: source.to_owned(), problems: Vec::new() }
    }

    /// Returns the problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Says whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error)
    }

    /// Returns the line and column of a problem, both from 1; the column counts characters.
    pub fn line_and_column(&self, problem: &Problem) -> (usize, usize) {
        let (start, line) = self.line_at(problem.span.start);
        (line, self.source[start..self.floor(problem.span.start)].chars().count() + 1)
    }

    pub(super) fn error(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem { severity: Severity::Error, span, message: message.into(), hint });
    }

    pub(super) fn warn(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let hint = Some(hint.into());
        self.problems.push(Problem { severity: Severity::Warning, span, message: message.into(), hint });
    }

    pub(super) fn has_error_at(&self, span: &Range<usize>) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error && p.span == *span)
    }

    pub(super) fn sort(&mut self) {
        self.problems.sort_by_key(|p| (p.span.start, p.severity));
        self.problems.dedup();
    }

    /// The largest character boundary at or before `at`.
    fn floor(&self, at: usize) -> usize {
        let mut at = at.min(self.source.len());
        while !self.source.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Returns where the line with the byte `at` starts, and its number from 1.
    fn line_at(&self, at: usize) -> (usize, usize) {
        let before = &self.source[..self.floor(at)];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (start, before.matches('\n').count() + 1)
    }

    fn print(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column(problem);
        let (start, _) = self.line_at(problem.span.start);
        let text = self.source[start..].lines().next().unwrap_or_default();
        let word = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{}:{line}:{column}: {word}: {}", self.path.display(), problem.message)?;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        // A tab keeps its width under itself; other control characters must not reach a terminal.
        let shown: String =
            text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
        let pad: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let end = self.floor(problem.span.end).min(start + text.len());
        let from = self.floor(problem.span.start).min(end);
        let width = self.source[from..end].chars().count().max(1);
        writeln!(f, "{margin} |\n{number} | {shown}\n{margin} | {pad}{}", "^".repeat(width))?;
        if let Some(hint) = &problem.hint {
            writeln!(f, "{margin} = help: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            self.print(problem, f)?;
        }
        Ok(())
    }
}

/// Returns the name closest to `typed`, if one is close enough to be what was meant.
pub(super) fn did_you_mean<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (typed.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| (distance(&typed.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two words
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}
