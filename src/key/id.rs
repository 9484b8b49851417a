//! Identifiers of keys and consumers: ULIDs with a prefix that says which.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::Timestamp;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        ///
        /// 48 bits of milliseconds, then 80 random bits, so identifiers sort by creation time.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What every identifier of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an identifier for something created at `now`.
            pub fn new(now: Timestamp, rng: &mut impl Rng) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                let random = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
                Self(Ulid::from_parts(millis, random).to_bytes())
            }

            /// Makes an identifier from its stored bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes to store; their order is the identifiers' order.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Appends what it prints as, without the cost of formatting: for what is written at every
            /// request.
            pub fn push_to(&self, out: &mut Vec<u8>) {
                self.spelled(|text| {
                    out.extend_from_slice($prefix.as_bytes());
                    out.extend_from_slice(text.as_bytes());
                });
            }

            fn spelled<T>(&self, visit: impl FnOnce(&str) -> T) -> T {
                let mut buffer = [0; ulid::ULID_LEN];
                let text = Ulid::from_bytes(self.0).array_to_str(&mut buffer);
                text.make_ascii_lowercase();
                visit(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.spelled(|text| f.write_str(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(|rest| Ulid::from_string(rest).ok())
                    .map(|ulid| Self(ulid.to_bytes()))
                    .ok_or_else(|| IdError { text: text.to_owned(), prefix: $prefix })
            }
        }
    };
}

id! {
    /// Names a key for as long as its record exists.
    KeyId, "key_"
}

id! {
    /// Names a consumer.
    ConsumerId, "cust_"
}

id! {
    /// Names an admin key.
    AdminKeyId, "akey_"
}

/// The text is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an identifier of the form {prefix}01jq…")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_print_parse_and_sort_by_time() {
        let mut rng = rand::rng();
        let early = KeyId::new(Timestamp::from_secs(1), &mut rng);
        let late = KeyId::new(Timestamp::from_secs(2), &mut rng);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(early.to_string().len(), 30);
        let mut pushed = Vec::new();
        early.push_to(&mut pushed);
        assert_eq!(pushed, early.to_string().as_bytes());
        assert!("cust_01jq".parse::<KeyId>().is_err());
        assert!(early.to_string().parse::<ConsumerId>().is_err());
    }
}
