//! kgate inside an application: [`tower`](https://docs.rs/tower) layers for axum, tonic, hyper and whatever
//! else is built of such services.
//!
//! [`KeyLayer`] checks keys in the process, with the same engine on the same store as the gateway: a key
//! revoked by `kgate key revoke` is refused by the next request. [`OriginLayer`] is for services behind the
//! gateway: it refuses what did not come through it. Both put a [`Caller`] into the request's
//! extensions. `docs/library.md` shows them at work.

mod caller;
mod keys;
mod origin;
mod proof;

pub use caller::Caller;
pub use keys::{ClientAddress, KeyLayer, KeyService};
pub use origin::{OriginLayer, OriginService};
pub use proof::{OriginKeys, OriginTokens};
