//! What ends a command early, as a person reads it: `error:`, `caused by:`, `help:`.
//!
//! The rooms below report facts; advice is added here and in [`super::advice`], because only the
//! command line knows which command would help.

use std::error::Error;
use std::io;

/// How a command that did not fail ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// Done, or clean. An empty list is this, too.
    Yes,
    /// The answer is "no": findings, refused, not found.
    No,
}

/// What every command returns.
pub(super) type Outcome = Result<Answer, Failure>;

/// A failed command: what happened, why, and what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    help: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The answer is "no"; exit code 1.
    No,
    /// It could not be done; exit code 2.
    Cannot,
    /// Whoever read our output has seen enough, as in `kgate key list | head`; silent, exit code 0.
    ReaderLeft,
}

impl Failure {
    /// A "no": not found, refused by a rule, declined. Exit code 1.
    pub(super) fn no(message: impl Into<String>) -> Self {
        Self { kind: Kind::No, message: message.into(), causes: Vec::new(), help: Vec::new() }
    }

    /// Usage, configuration, input or output. Exit code 2.
    pub(super) fn cannot(message: impl Into<String>) -> Self {
        Self { kind: Kind::Cannot, ..Self::no(message) }
    }

    /// A failure to write a result to standard output.
    pub(super) fn stdout(error: &io::Error) -> Self {
        let failure = Self::cannot("cannot write to standard output").because(error);
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { kind: Kind::ReaderLeft, ..failure };
        }
        failure
    }

    /// Adds `error` and everything below it as causes.
    #[must_use]
    pub(super) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many errors print their source themselves; saying it once is enough.
            if !self.causes.last().is_some_and(|said| said.ends_with(&text)) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// Adds a line of advice.
    #[must_use]
    pub(super) fn help(mut self, advice: impl Into<String>) -> Self {
        self.help.push(advice.into());
        self
    }

    /// Adds a line of advice if there is one.
    #[must_use]
    pub(super) fn help_maybe(self, advice: Option<String>) -> Self {
        match advice {
            Some(advice) => self.help(advice),
            None => self,
        }
    }

    /// Returns the exit code.
    pub(super) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::ReaderLeft => 0,
            Kind::No => 1,
            Kind::Cannot => 2,
        }
    }

    /// Says whether nothing should be printed.
    pub(super) fn is_silent(&self) -> bool {
        self.kind == Kind::ReaderLeft
    }

    /// Returns what happened, in one line.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Returns why, outermost first.
    pub(super) fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Returns what to do.
    pub(super) fn advice(&self) -> &[String] {
        &self.help
    }

    /// Returns what happened and why on one line, for lists of failures.
    pub(super) fn one_line(&self) -> String {
        std::iter::once(self.message.as_str())
            .chain(self.causes.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(": ")
    }
}
