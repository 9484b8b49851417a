//! What can be seen of a gateway elsewhere: each question a call of its admin API.

use serde_json::Value;

use super::super::http::{Call, read};
use super::super::server::{Server, Target};
use super::super::{Books, KeysWanted};
use super::{AuditWanted, Each, Seen, UsageWanted, Verdict, WEEK};
use crate::admin::api::{
    AlertShape, AuditReportShape, AuditRowShape, DigestShape, ExplainBody, HashShape, UsageRow, Verified,
    VerifyBody,
};
use crate::admin::shape::{Page, Spelling};
use crate::admin::status::Status;
use crate::cli::failure::Failure;
use crate::cli::lookup::{no_such_key, parse_key_id, refuse_token};
use crate::edge::ACCOUNT;
use crate::key::{AdminKeyId, Past, Span, Timestamp};
use crate::store::{NotedHead, UsageBy};

impl AuditWanted {
    fn target(&self, path: &str) -> Result<Target, Failure> {
        if let Some(key) = &self.key
            && parse_key_id(key)?.is_none()
            && key.parse::<AdminKeyId>().is_err()
        {
            return Err(no_such_key(key, None));
        }
        self.consumer.as_deref().map_or(Ok(()), refuse_token)?;
        Ok(Target::new(path)
            .with("subject", self.key.as_ref().or(self.consumer.as_ref()))
            .with("action", self.action.as_ref())
            .with("actor", self.actor.as_ref())
            .with("since", self.since.as_ref().map(Past::write)))
    }
}

/// Reads a verdict as the API tells it, in the order of its names.
fn verdict(mut value: Value) -> Verdict {
    ACCOUNT.iter().map(|(name, _)| (*name, value[*name].take())).collect()
}

impl Seen for Server {
    fn audit(&self, wanted: &AuditWanted, last: Option<usize>) -> Result<Vec<AuditRowShape>, Failure> {
        let target = wanted.target("/v1/audit")?;
        let mut rows = Vec::new();
        self.walk(&target, None, last, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        rows.reverse();
        Ok(rows)
    }

    fn audit_end(&self) -> Result<u64, Failure> {
        let newest: Page<AuditRowShape> = self.get(Target::new("/v1/audit").with("limit", Some(1)))?;
        Ok(newest.items.first().map_or(0, |row| row.number))
    }

    fn audit_after(
        &self,
        wanted: &AuditWanted,
        after: u64,
        each: Each<'_, AuditRowShape>,
    ) -> Result<(), Failure> {
        let target = wanted.target("/v1/audit")?.with("order", Some("oldest"));
        self.walk(&target, Some(after.to_string()), None, each)
    }

    fn verify_audit(&self, noted: Option<&NotedHead>) -> Result<AuditReportShape, Failure> {
        self.get(Target::new("/v1/audit/verify").with("head", noted))
    }

    fn alerts(
        &self,
        wanted: &AuditWanted,
        most: Option<usize>,
        each: Each<'_, AlertShape>,
    ) -> Result<(), Failure> {
        self.walk(&wanted.target("/v1/alerts")?, None, most, each)
    }

    fn usage(&self, wanted: &UsageWanted) -> Result<(Vec<UsageRow>, Timestamp), Failure> {
        wanted.subject.as_deref().map_or(Ok(()), refuse_token)?;
        let by = match wanted.by {
            UsageBy::Key => "key",
            UsageBy::Consumer => "consumer",
            UsageBy::Route => "route",
            UsageBy::Call => "call",
            UsageBy::Time => "time",
        };
        let target = Target::new("/v1/usage")
            .with("subject", wanted.subject.as_ref())
            .with("since", Some(wanted.since.write()))
            .with("by", Some(by));
        let mut rows: Vec<UsageRow> = Vec::new();
        self.pages(&target, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        if wanted.by != UsageBy::Time {
            rows.sort_by_key(|row| std::cmp::Reverse(row.requests));
        }
        // Its clock and its buckets say when; without a row nothing does.
        let begins = rows.iter().map(|row| row.from.0).min();
        Ok((rows, begins.unwrap_or_else(|| wanted.since.resolve(self.now))))
    }

    fn explain(&self, named: Option<&str>, question: ExplainBody) -> Result<Verdict, Failure> {
        let key_id = named.map(|named| self.key(named)).transpose()?.map(|key| key.id);
        self.ask("/v1/explain", &ExplainBody { key_id, ..question }).map(verdict)
    }

    fn verify_key(&self, question: VerifyBody) -> Result<Verdict, Failure> {
        let verified: Verified = read(self.ask("/v1/keys/verify", &question)?)?;
        Ok(verdict(verified.explanation.unwrap_or_default()))
    }

    fn digests(&self, details: bool, each: Each<'_, DigestShape>) -> Result<(), Failure> {
        self.pages(&Target::new("/v1/digests").with("details", details.then_some(true)), each)
    }

    fn hashes(&self) -> Result<Vec<HashShape>, Failure> {
        self.get(Target::new("/v1/rehash-status"))
    }

    fn status(&self) -> Result<Result<Box<Status>, String>, Failure> {
        let target = Target::new("/v1/status").into_text();
        let call = Call { method: "GET", target, body: None, creates: false };
        match self.client.reach(&call) {
            Ok(answered) => Ok(Ok(Box::new(read(answered?.value)?))),
            Err(unreachable) => Ok(Err(unreachable.one_line())),
        }
    }

    fn expiring(&self) -> Result<u64, Failure> {
        let within = Span::read(&format!("{}h", WEEK.as_secs() / 3600)).ok();
        let mut count = 0;
        self.keys(
            &KeysWanted { expiring: within, status: super::working(), ..KeysWanted::default() },
            &mut |key| {
                count += u64::from(key.rotated_to.is_none());
                Ok(())
            },
        )?;
        Ok(count)
    }
}
