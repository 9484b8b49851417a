//! What a key is: its printed token, what is kept of it, its record, and the small values policies
//! are written in. Pure: no I/O, no clock, no environment; time and randomness are arguments.
//! Every other room stands on this one.

mod admin;
mod digest;
mod id;
mod key_type;
mod limit;
mod network;
mod quota;
mod record;
mod scope;
mod time;
mod token;

pub use admin::{ADMIN_PREFIX, AdminKeyRecord, Role};
pub use digest::{Digest, DigestError, Pepper, PepperId, Peppers, Scheme};
pub use id::{AdminKeyId, ConsumerId, IdError, KeyId};
pub use key_type::{Format, KeyType, KeyTypes, Kind, Malformed, Parsed};
pub use limit::{Limit, Rate, RateError};
pub use network::{NetworkError, Networks, canonical_ip};
pub use quota::{Quota, QuotaError, QuotaSubject, QuotaWindow, Window};
pub use record::{ConsumerRecord, KeyRecord, Metadata, RevokeReason, State, Status, TextError, check_text};
pub use scope::{Requirement, Scope, ScopeError, Scopes};
pub use time::{Moment, MomentError, Past, Span, SpanError, Timestamp, TimestampError};
pub use token::{CHECKSUM_LEN, Prefix, PrefixError, RANDOM_LEN, TAIL_LEN, Token, checksum, redact_tokens};
