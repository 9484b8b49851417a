//! One page: where it is, who may call it; what it gets, and what it answers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::Method;
use maud::Markup;

use crate::admin::{Acts, Ask, Caller, Problem};
use crate::config::Config;
use crate::key::{AdminKeyRecord, ConsumerRecord, Role, Timestamp};
use crate::store::{Act, PortalSession, StoreError, Usage, Via, Visitor};

use super::Guard;
use super::who::Book;

/// A page.
pub(super) struct Page {
    pub(super) method: Method,
    /// With names in braces for what varies.
    pub(super) path: &'static str,
    pub(super) guard: Guard,
    pub(super) run: Run,
}

/// What makes a page. It may wait for the store.
pub(super) type Run = fn(&Visit<'_>) -> Result<Answer, Problem>;

pub(super) const fn get(path: &'static str, guard: Guard, run: Run) -> Page {
    Page { method: Method::GET, path, guard, run }
}

pub(super) const fn post(path: &'static str, guard: Guard, run: Run) -> Page {
    Page { method: Method::POST, path, guard, run }
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) who: Who,
    pub(super) session: PortalSession,
    /// What every form of theirs has to bring along.
    pub(super) csrf: String,
}

#[derive(Clone, Debug)]
pub(super) enum Who {
    Consumer(ConsumerRecord),
    Operator(AdminKeyRecord),
}

impl Known {
    pub(super) fn visitor(&self) -> Visitor {
        match &self.who {
            Who::Consumer(consumer) => Visitor::Consumer(consumer.id),
            Who::Operator(key) => Visitor::Operator(key.id),
        }
    }

    /// Returns them as the audit log names them, with what the acts of their pages need. What a consumer
    /// may do with it is up to the pages: they only name keys of his own.
    pub(super) fn caller(&self) -> Caller {
        match &self.who {
            Who::Consumer(consumer) => Caller {
                name: format!("{} ({})", consumer.id, short(&consumer.name, 100)),
                role: Role::Operator,
                admin_key: None,
                via: Via::Portal,
            },
            Who::Operator(key) => Caller {
                name: format!("{} ({})", key.id, key.name),
                role: key.role,
                admin_key: Some(key.id.to_string()),
                via: Via::Portal,
            },
        }
    }

    /// Says whether they may see what is guarded so.
    pub(super) fn may(&self, guard: Guard) -> bool {
        match (guard, &self.who) {
            (Guard::Anybody | Guard::SignedIn, _) | (Guard::Consumer, Who::Consumer(_)) => true,
            (Guard::Operator(role), Who::Operator(key)) => key.role >= role,
            (Guard::Consumer, Who::Operator(_)) | (Guard::Operator(_), Who::Consumer(_)) => false,
        }
    }
}

/// A request, as far as a page has to do with it.
pub(super) struct Visit<'a> {
    pub(super) acts: &'a Acts,
    pub(super) book: &'a Book,
    pub(super) config: Arc<Config>,
    pub(super) now: Timestamp,
    pub(super) mono: u64,
    /// Who is signed in.
    pub(super) known: Option<&'a Known>,
    pub(super) params: &'a [(&'static str, String)],
    pub(super) query: &'a [(String, String)],
    pub(super) form: &'a [(String, String)],
    /// Where from, if that is known.
    pub(super) client: Option<IpAddr>,
    /// What the browser says of itself.
    pub(super) agent: String,
}

impl Visit<'_> {
    /// Returns a part of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// Returns a parameter of the query; empty if there is none.
    pub(super) fn query(&self, name: &str) -> &str {
        first(self.query, name)
    }

    /// Returns a field of the form; empty if there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        first(self.form, name)
    }

    /// Returns all values of a field, for boxes to be ticked.
    pub(super) fn fields(&self, name: &str) -> Vec<&str> {
        self.form.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns who is signed in, where the guard lets nobody else in.
    pub(super) fn known(&self) -> &Known {
        self.known.expect("the guard of the page was asked before")
    }

    /// Returns the consumer who is signed in, where the guard lets nobody else in.
    pub(super) fn consumer(&self) -> &ConsumerRecord {
        match &self.known().who {
            Who::Consumer(consumer) => consumer,
            Who::Operator(_) => unreachable!("the guard of the page was asked before"),
        }
    }

    /// Calls an endpoint of the API as whoever is signed in.
    pub(super) fn call<A: serde::de::DeserializeOwned>(&self, id: &str, ask: &Ask<'_>) -> Result<A, Problem> {
        self.acts.call(&self.known().caller(), id, ask, self.now)
    }

    /// Calls an endpoint of the API that answers with a file.
    pub(super) fn file(&self, id: &str, ask: &Ask<'_>) -> Result<(std::fs::File, u64), Problem> {
        self.acts.file(&self.known().caller(), id, ask, self.now)
    }

    /// Says whether such a call was carried out before.
    pub(super) fn was_done(&self, id: &str, ask: &Ask<'_>) -> Result<bool, Problem> {
        self.acts.was_done(&self.known().caller(), id, ask, self.now)
    }

    /// Returns the file of sessions and invitations, open for writing.
    pub(super) fn usage(&self) -> Result<Usage, StoreError> {
        self.acts.desk().usage_to_write()
    }

    /// Returns what they do now, for the audit log.
    pub(super) fn act(&self) -> Act {
        self.known().caller().act(self.now, Some(self.origin()), None)
    }

    /// Says where they come from, for the audit log.
    pub(super) fn origin(&self) -> String {
        self.client.map_or_else(|| "from an unknown address".to_owned(), |client| format!("from {client}"))
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

/// An answer.
pub(super) enum Answer {
    /// A page of this status.
    Page(u16, Markup),
    /// Go and look there.
    See(String),
    /// A file to be kept: what is in it, its size in bytes, and what it is called.
    File(std::fs::File, u64, &'static str),
    /// As the one inside, with another session from now on; `None` ends it.
    Session(Option<String>, Box<Self>),
}

impl Answer {
    pub(super) fn page(markup: Markup) -> Self {
        Self::Page(200, markup)
    }

    pub(super) fn see(path: impl Into<String>) -> Self {
        Self::See(path.into())
    }
}

/// Cuts a text after so many characters.
pub(super) fn short(text: &str, at_most: usize) -> String {
    match text.char_indices().nth(at_most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
