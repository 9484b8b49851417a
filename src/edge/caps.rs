//! How much of a request's head is looked at, where no server of ours has read it.

use http::HeaderMap;

use super::Failure;
use crate::config::Server;

/// The caps of a configuration on a request's head.
#[derive(Clone, Copy, Debug)]
pub struct HeadCaps {
    target: usize,
    bytes: usize,
    fields: usize,
}

impl HeadCaps {
    /// Takes `max_url_bytes`, `max_header_bytes` and `max_header_fields`.
    pub const fn new(server: &Server) -> Self {
        Self {
            target: server.max_url_bytes,
            bytes: server.max_header_bytes,
            fields: server.max_header_fields,
        }
    }

    /// Returns how a head goes beyond them, if it does. Fields are counted as HTTP/1 would write them.
    pub fn exceeded(&self, target: &[u8], fields: &HeaderMap) -> Option<Failure> {
        if target.len() > self.target {
            return Some(Failure::UrlTooLong);
        }
        let bytes: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        (fields.len() > self.fields || bytes > self.bytes).then_some(Failure::HeaderTooLarge)
    }
}
