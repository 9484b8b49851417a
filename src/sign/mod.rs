//! Proof for backends of who calls: signing keys, the tokens signed by them, and the code over a request.
//!
//! Keys live in files of their own in the data directory ([`load`], [`add`], [`remove`]); a gateway holds
//! them in [`Keys`], which can be replaced while it runs. What is claimed is `edge`'s business: here bytes
//! are signed, and read where kgate is a backend's library. No HTTP and no clock.

mod code;
mod files;
mod key;
mod public;
mod ring;
mod token;

pub use code::CodeKey;
pub use files::{DIR, SignError, add, load, names, remove};
pub use key::{Algorithm, SigningKey, SigningKeyId, UnknownAlgorithm};
pub use public::{JwksError, PublicKeys, shared_claims};
pub use ring::{Keys, Ring, Role};
pub use token::{Signer, compact};
