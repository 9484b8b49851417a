//! The endpoints of the API for a door in the same process: the same table, the same roles, the same acts
//! on the store. Whoever calls found out who it is for.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::key::Timestamp;
use crate::store::Request;

use super::api;
use super::caller::Caller;
use super::desk::Desk;
use super::endpoint::{Call, Endpoint, Reply, ReplyBody};
use super::problem::Problem;

/// The endpoints, to be called by their names in the OpenAPI document. They may wait for the store.
pub struct Acts {
    desk: Arc<Desk>,
    endpoints: Vec<Endpoint>,
}

/// What an endpoint is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// The parts of the path between braces.
    pub params: &'a [(&'a str, &'a str)],
    /// The parameters of the query.
    pub query: &'a [(&'a str, &'a str)],
    /// The body; null for none.
    pub body: Value,
    /// The tag of the version that is to be changed; any without it.
    pub if_match: Option<&'a str>,
    /// A name under which this may come again and is not done twice.
    pub once: Option<&'a str>,
}

impl Ask<'_> {
    fn bytes(&self) -> Vec<u8> {
        if self.body.is_null() { Vec::new() } else { self.body.to_string().into_bytes() }
    }

    fn request(&self, caller: &Caller, id: &str) -> Option<Request> {
        let content = || [id.as_bytes(), b"\n", &self.bytes()].concat();
        let sender = caller.admin_key.as_deref().unwrap_or(&caller.name);
        self.once.map(|once| Request::new(sender, once, &content()))
    }
}

impl Acts {
    /// Works with `desk`.
    pub fn new(desk: Arc<Desk>) -> Self {
        Self { desk, endpoints: api::endpoints() }
    }

    /// Returns what they work with.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Says whether a call was carried out before under its name.
    ///
    /// # Errors
    /// What a client of the API would be told: also that another call was.
    pub fn was_done(
        &self,
        caller: &Caller,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<bool, Problem> {
        match ask.request(caller, id) {
            Some(request) => Ok(self.desk.store()?.done(&request, now)?.is_some()),
            None => Ok(false),
        }
    }

    /// Calls an endpoint for `caller`, at `now`, that answers with JSON.
    ///
    /// # Errors
    /// What a client of the API would be told.
    pub fn call<A: DeserializeOwned>(
        &self,
        caller: &Caller,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<A, Problem> {
        match self.run(caller, id, ask, now)?.body {
            ReplyBody::Json(bytes) => serde_json::from_slice(&bytes).map_err(|_| unlike(id)),
            ReplyBody::Page(..) | ReplyBody::File(..) | ReplyBody::Unsaid => Err(unlike(id)),
        }
    }

    /// Calls an endpoint that answers with a file: what is in it, and how many bytes that is.
    ///
    /// # Errors
    /// What a client of the API would be told.
    pub fn file(
        &self,
        caller: &Caller,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<(std::fs::File, u64), Problem> {
        match self.run(caller, id, ask, now)?.body {
            ReplyBody::File(file, bytes) => Ok((file, bytes)),
            ReplyBody::Json(_) | ReplyBody::Page(..) | ReplyBody::Unsaid => Err(unlike(id)),
        }
    }

    fn run(&self, caller: &Caller, id: &str, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        let endpoint = self.endpoints.iter().find(|endpoint| endpoint.id == id);
        let endpoint = endpoint.ok_or_else(|| unlike(id))?;
        if endpoint.role.is_some_and(|role| caller.role < role) {
            return Err(Problem::new(403, "insufficient_role", "this needs a higher role"));
        }
        let params: Vec<(String, String)> =
            ask.params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(ask.query).finish();
        let body = ask.bytes();
        let call = Call {
            desk: &self.desk,
            caller: Some(caller),
            endpoint,
            params: &params,
            query: Some(&query).filter(|query| !query.is_empty()).map(String::as_str),
            is_head: false,
            body: &body,
            if_match: ask.if_match.map(str::to_owned),
            request: ask.request(caller, id),
            now,
        };
        (endpoint.run)(&call).inspect_err(|problem| {
            if problem.is_of_the_store() {
                self.desk.forget_store();
            }
        })
    }
}

/// A mistake of the program: no such endpoint, or it answers with something else.
fn unlike(id: &str) -> Problem {
    Problem::new(500, "internal", format!("`{id}` does not answer like that"))
}
