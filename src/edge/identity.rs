//! What a backend is told of the consumer, and what no client may tell it.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Config;
use crate::policy::Permit;

/// A request header on its way to a backend.
pub trait Head {
    /// Returns its fields.
    fn fields(&self) -> &HeaderMap;
    /// Removes every field of that name.
    fn remove(&mut self, name: &HeaderName);
    /// Sets the one field of that name.
    fn set(&mut self, name: &HeaderName, value: HeaderValue);
}

impl Head for HeaderMap {
    fn fields(&self) -> &HeaderMap {
        self
    }

    fn remove(&mut self, name: &HeaderName) {
        HeaderMap::remove(self, name);
    }

    fn set(&mut self, name: &HeaderName, value: HeaderValue) {
        self.insert(name, value);
    }
}

/// The identity headers of a configuration, compiled: what to set, and what to remove, which is derived
/// from it so that the two cannot drift apart.
#[derive(Debug)]
pub struct Identification {}

impl Identification {
    /// Compiles the headers, the upstreams' metadata and secrets, and the routes' key headers.
    pub fn new(_config: &Config) -> Self {
        todo!()
    }

    /// Tells the backend who calls: sets the identity headers of a permit and its upstream's shared secret.
    /// Call it last, after hop-by-hop headers were removed: a client may name any header in `Connection`.
    pub fn inject(&self, _head: &mut impl Head, _permit: &Permit) {
        todo!()
    }

    /// Removes what a client may not tell a backend, on every route: every spelling of every identity
    /// header, every route's key header, and `Authorization` if it carries a key of a declared type or
    /// `key_was_in_authorization`.
    ///
    /// Does not allocate unless there is something suspicious to remove.
    pub fn strip(&self, _head: &mut impl Head, _key_was_in_authorization: bool) {
        todo!()
    }
}
