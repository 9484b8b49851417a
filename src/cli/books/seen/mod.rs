//! What can be seen of a gateway, as commands see it: the audit log, alerts, usage, verdicts, digests, and what
//! runs. Of the data directory at hand or of a gateway elsewhere, in the forms of the API either way.

mod local;
mod server;

use serde_json::Value;

use crate::admin::api::{
    AlertShape, AuditReportShape, AuditRowShape, DigestShape, ExplainBody, HashShape, UsageRow, VerifyBody,
};
use crate::admin::status::Status;
use crate::cli::failure::Failure;
use crate::key::{Past, Timestamp};
use crate::store::{NotedHead, UsageBy};

use super::Each;

/// Which rows of the audit log, or which alerts, are meant; filters combine.
#[derive(Default)]
pub(in crate::cli) struct AuditWanted {
    /// A key or an admin key.
    pub(in crate::cli) key: Option<String>,
    pub(in crate::cli) consumer: Option<String>,
    pub(in crate::cli) action: Option<String>,
    pub(in crate::cli) actor: Option<String>,
    pub(in crate::cli) since: Option<Past>,
}

/// Whose usage is meant, and how it is added up.
pub(in crate::cli) struct UsageWanted {
    /// A key or a consumer.
    pub(in crate::cli) subject: Option<String>,
    pub(in crate::cli) since: Past,
    pub(in crate::cli) by: UsageBy,
}

/// A verdict: the names of [`ACCOUNT`](crate::edge::ACCOUNT) and their values.
pub(in crate::cli) type Verdict = Vec<(&'static str, Value)>;

/// What can be seen.
pub(in crate::cli) trait Seen {
    /// Returns the last rows that are meant, the oldest first; all for `None`.
    fn audit(&self, wanted: &AuditWanted, last: Option<usize>) -> Result<Vec<AuditRowShape>, Failure>;
    /// Returns the number of the last row.
    fn audit_end(&self) -> Result<u64, Failure>;
    /// Walks through the rows behind number `after` that are meant.
    fn audit_after(
        &self,
        wanted: &AuditWanted,
        after: u64,
        each: Each<'_, AuditRowShape>,
    ) -> Result<(), Failure>;
    /// Checks the whole log, and looks for a head in it.
    fn verify_audit(&self, noted: Option<&NotedHead>) -> Result<AuditReportShape, Failure>;
    /// Walks through uses of keys that had ended, the latest first; `most` of them, or all.
    fn alerts(
        &self,
        wanted: &AuditWanted,
        most: Option<usize>,
        each: Each<'_, AlertShape>,
    ) -> Result<(), Failure>;
    /// Returns how much was used, and since when that is.
    fn usage(&self, wanted: &UsageWanted) -> Result<(Vec<UsageRow>, Timestamp), Failure>;
    /// Says what would become of a request, with the key that `named` names.
    fn explain(&self, named: Option<&str>, question: ExplainBody) -> Result<Verdict, Failure>;
    /// Says what would become of a request with this key.
    fn verify_key(&self, question: VerifyBody) -> Result<Verdict, Failure>;
    /// Walks through what is kept of tokens.
    fn digests(&self, details: bool, each: Each<'_, DigestShape>) -> Result<(), Failure>;
    /// Counts what depends on each pepper.
    fn hashes(&self) -> Result<Vec<HashShape>, Failure>;
    /// Says what runs; the inner error says why nobody answers.
    fn status(&self) -> Result<Result<Box<Status>, String>, Failure>;
    /// Counts the keys without a successor that expire within a week.
    fn expiring(&self) -> Result<u64, Failure>;
}

/// How soon is soon, for [`Seen::expiring`].
const WEEK: std::time::Duration = std::time::Duration::from_hours(7 * 24);

/// What is neither disabled nor at its end.
fn working() -> Vec<crate::key::Status> {
    vec![crate::key::Status::Active, crate::key::Status::Scheduled]
}
