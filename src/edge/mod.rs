//! Between HTTP and the words of the engine: attributes in, answers and identity headers out.
//!
//! Whatever front a request comes through, its fields, client address and request id are read here, its
//! refusal is worded here, and what a backend is told of the consumer is written here. Knows the
//! `http` crate's types and nothing of any server.

mod access;
mod account;
mod announced;
mod answer;
#[cfg(feature = "gateway")]
mod callers;
mod caps;
mod client;
mod code;
mod cors;
#[cfg(feature = "gateway")]
mod count;
mod fields;
mod identity;
mod jwt;
mod request_id;
mod trace;
mod value;

pub use access::{AccessLine, AccessSink, Verdict, redacted, without_tokens};
pub use account::{ACCOUNT, Account, Bringing, Counts, Question};
pub use announced::Announced;
pub use answer::{Answer, Answers, Failure, Own};
#[cfg(feature = "gateway")]
pub use callers::{Callers, Counted};
pub use caps::HeadCaps;
pub use client::{client_address, is_trusted};
pub use code::CodeCheck;
pub use cors::Cors;
#[cfg(feature = "gateway")]
pub use count::{allowed_as, denied_as, failed_as, refusal_of};
pub use identity::{Head, Identification, Sent};
pub use jwt::{NoSigningKey, Unsigned, unsigned};
pub use request_id::{RequestId, X_REQUEST_ID};
pub use trace::{TRACEPARENT, Trace, trace_is_sound};
pub use value::{header_safe, push_header_safe};
