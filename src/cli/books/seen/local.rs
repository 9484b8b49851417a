//! What can be seen in the data directory at hand. What only the running server knows is asked of its admin
//! listener, as the configuration has it.

use std::collections::HashMap;

use super::super::store::Local;
use super::{AuditWanted, Each, Seen, UsageWanted, Verdict, WEEK};
use crate::admin::api::{
    AlertShape, AuditReportShape, AuditRowShape, DigestShape, ExplainBody, HashShape, UsageRow, VerifyBody,
};
use crate::admin::shape::Spelled;
use crate::admin::status::Status;
use crate::cli::demo::http;
use crate::cli::failure::Failure;
use crate::cli::{explain, lookup};
use crate::config::Address;
use crate::edge::{Account, Bringing, Counts, Question};
use crate::key::{KeyRecord, State, Timestamp, Token};
use crate::policy::Now;
use crate::store::{
    AuditFilter, NotedHead, Part, Retention, Store, StoreError, Subject, Usage, UsageAsked, UsageOf,
    UsageWindow,
};

impl Local<'_> {
    fn used(&self) -> Result<Usage, Failure> {
        self.session
            .usage()
            .ok_or_else(|| Failure::cannot("the usage file cannot be read").help("run `kgate doctor`"))
    }

    fn verdict(
        &self,
        question: &Question,
        key: Option<&KeyRecord>,
        store: &Store,
    ) -> Result<Verdict, Failure> {
        let config = self.session.config()?;
        let engine = explain::engine(key, config, store)?;
        let at = self.session.now();
        let explanation = question.ask(&engine, Now { wall: at, mono: 0 });
        let account = Account {
            explanation: &explanation,
            config,
            method: &question.method,
            target: &question.path,
            at,
            counts: Counts::Unknown,
        };
        Ok(account.fields())
    }
}

impl AuditWanted {
    fn filter(&self, store: &Store, now: Timestamp) -> Result<AuditFilter, Failure> {
        Ok(AuditFilter {
            subject: self.subject(store)?,
            action: self.action.clone(),
            actor: self.actor.clone(),
            since: self.since.map(|since| since.resolve(now)),
        })
    }

    fn subject(&self, store: &Store) -> Result<Option<Subject>, Failure> {
        // A key may be pruned and a consumer deleted: their rows are still here.
        Ok(match (self.key.as_deref(), self.consumer.as_deref()) {
            (Some(text), _) => Some(match (lookup::parse_key_id(text)?, text.parse()) {
                (Some(key), _) => Subject::Key(key),
                (None, Ok(admin_key)) => Subject::AdminKey(admin_key),
                (None, Err(_)) => Subject::Key(lookup::key(store, text)?.id),
            }),
            (None, Some(text)) => Some(match text.parse() {
                Ok(consumer) => Subject::Consumer(consumer),
                Err(_) => Subject::Consumer(lookup::consumer(store, text)?.id),
            }),
            (None, None) => None,
        })
    }
}

impl Seen for Local<'_> {
    fn audit(&self, wanted: &AuditWanted, last: Option<usize>) -> Result<Vec<AuditRowShape>, Failure> {
        let store = self.session.store()?;
        let filter = wanted.filter(&store, self.session.now())?;
        let mut rows = Vec::new();
        store.audit_back(None, &mut |row| {
            rows.extend(filter.matches(&row).then(|| AuditRowShape::from(&row)));
            last.is_none_or(|last| rows.len() < last)
        })?;
        rows.reverse();
        Ok(rows)
    }

    fn audit_end(&self) -> Result<u64, Failure> {
        Ok(self.session.store()?.audit_head()?.count)
    }

    fn audit_after(
        &self,
        wanted: &AuditWanted,
        after: u64,
        each: Each<'_, AuditRowShape>,
    ) -> Result<(), Failure> {
        // Opened anew each time: a handle that stays open holds locks.
        let store = self.session.store()?;
        let filter = wanted.filter(&store, self.session.now())?;
        let mut failed = None;
        store.audit(after + 1, &mut |row| {
            if filter.matches(&row) {
                failed = each(AuditRowShape::from(&row)).err();
            }
            failed.is_none()
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn verify_audit(&self, noted: Option<&NotedHead>) -> Result<AuditReportShape, Failure> {
        Ok(AuditReportShape::of(&self.session.store()?, noted)?)
    }

    fn alerts(
        &self,
        wanted: &AuditWanted,
        most: Option<usize>,
        each: Each<'_, AlertShape>,
    ) -> Result<(), Failure> {
        let store = self.session.store()?;
        let (subject, now) = (wanted.subject(&store)?, self.session.now());
        let since = wanted.since.map(|since| since.resolve(now));
        let alerts = AlertShape::of(self.used()?.alerts()?, subject, since, &store);
        alerts.take(most.unwrap_or(usize::MAX)).try_for_each(|(_, alert)| each(alert))
    }

    fn usage(&self, wanted: &UsageWanted) -> Result<(Vec<UsageRow>, Timestamp), Failure> {
        let now = self.session.now();
        let store = self.session.store()?;
        let of = match wanted.subject.as_deref() {
            None => UsageOf::All,
            Some(text) => match lookup::parse_key_id(text)? {
                // A pruned key is gone, and its counts are not.
                Some(key) => UsageOf::Key(key),
                None => UsageOf::Consumer(lookup::consumer(&store, text)?.id),
            },
        };
        let retention = self.session.config().map_or_else(|_| Retention::default(), |config| config.usage);
        let window = UsageWindow::reaching(wanted.since.resolve(now), now, retention);
        let rows = self.used()?.report(&UsageAsked { of, by: wanted.by, window, part: Part::All }, &store)?;
        Ok((rows.iter().map(UsageRow::from).collect(), window.begins()))
    }

    fn explain(&self, named: Option<&str>, question: ExplainBody) -> Result<Verdict, Failure> {
        // What is wrong with the configuration is said first.
        self.session.config()?;
        let store = self.session.store()?;
        let key = named.map(|named| lookup::key(&store, named)).transpose()?;
        let key_id = key.as_ref().map(|key| Spelled(key.id));
        self.verdict(&ExplainBody { key_id, ..question }.into(), key.as_ref(), &store)
    }

    fn verify_key(&self, question: VerifyBody) -> Result<Verdict, Failure> {
        let config = self.session.config()?;
        let store = self.session.store()?;
        let token = Token::from_presented(question.token.expose());
        let key = store.key_by_token(&token, &config.peppers)?;
        let question = Question {
            method: question.method.unwrap_or_default(),
            path: question.path.unwrap_or_default(),
            host: question.host.unwrap_or_default(),
            ip: question.ip.map(|ip| ip.0),
            origin: question.origin,
            client_certificate: question.client_certificate,
            bringing: Bringing::Token(token),
        };
        self.verdict(&question, key.as_ref(), &store)
    }

    fn digests(&self, details: bool, each: Each<'_, DigestShape>) -> Result<(), Failure> {
        let (store, now) = (self.session.store()?, self.session.now());
        let mut names = HashMap::new();
        if details {
            store.consumers(&mut |consumer| {
                names.extend(consumer.ok().map(|consumer| (consumer.id, consumer.name)));
                true
            })?;
        }
        let mut failed = None;
        let mut damaged: Option<StoreError> = None;
        store.keys(&mut |key| {
            match key {
                Ok(key) => failed = each(DigestShape::new(&key, details.then_some(&names), now)).err(),
                // A list without it would call a working key unknown.
                Err(error) => damaged = Some(error),
            }
            failed.is_none() && damaged.is_none()
        })?;
        match (failed, damaged) {
            (Some(failed), _) => Err(failed),
            (None, Some(damaged)) => Err(damaged.into()),
            (None, None) => Ok(()),
        }
    }

    fn hashes(&self) -> Result<Vec<HashShape>, Failure> {
        let config = self.session.config()?;
        let hashes = self.session.store()?.hashes(&config.peppers, self.session.now())?;
        Ok(hashes.iter().map(HashShape::from).collect())
    }

    fn status(&self) -> Result<Result<Box<Status>, String>, Failure> {
        let listen = &self.session.config()?.listen;
        let is_socket = |address: &&Address| matches!(address, Address::Unix(_));
        let Some(admin) = listen.admin.iter().find(is_socket).or(listen.admin.first()) else {
            return Ok(Err("there is no `admin` in [listen] to ask".to_owned()));
        };
        if listen.admin_tls.is_some() && !is_socket(&admin) {
            let text = "`admin` speaks TLS everywhere: ask it with `--server https://NAME:PORT`, or add a Unix socket to it, `unix:PATH`";
            return Ok(Err(text.to_owned()));
        }
        let answer = match admin {
            Address::Tcp(address) => http::request(*address, "GET", "/status", &[]),
            Address::Unix(path) => http::request_unix(path, "GET", "/status"),
            Address::Name(..) => unreachable!("the configuration takes names for upstreams only"),
        };
        Ok(match answer {
            Err(error) => Err(format!("nobody answers at {admin}: {error}")),
            Ok(answer) if answer.status() != 200 => {
                Err(format!("{admin} answers with {}; is it a kgate of this version?", answer.status()))
            }
            Ok(answer) => serde_json::from_str(&answer.body)
                .map(Box::new)
                .map_err(|error| format!("{admin} is no kgate of this version: {error}")),
        })
    }

    fn expiring(&self) -> Result<u64, Failure> {
        let now = self.session.now();
        let week = now.plus(WEEK);
        let mut count = 0;
        self.session.store()?.keys(&mut |key| {
            count += u64::from(key.is_ok_and(|key| {
                let is_soon = key.expires_at.is_some_and(|at| at > now && at < week);
                is_soon && key.state == State::Enabled && key.rotated_to.is_none()
            }));
            true
        })?;
        Ok(count)
    }
}
