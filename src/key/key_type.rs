//! Key types, and the parser that goes by their declared prefixes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::token::{TailFault, check_tail};
use super::{Prefix, Span};

/// Whether a key must be kept secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Whoever holds it is the consumer; a leak ends it.
    #[default]
    Secret,
    /// Made to be seen, in a browser for instance; a leak is not news.
    Publishable,
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "secret" => Ok(Self::Secret),
            "publishable" => Ok(Self::Publishable),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::Publishable => "publishable",
        })
    }
}

/// How tokens of a type are built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// kgate's own: prefix, random part, checksum.
    #[default]
    Kgate,
    /// Somebody else's: only its length, in bytes, is known.
    Opaque {
        /// The shortest token.
        min_len: usize,
        /// The longest token.
        max_len: usize,
    },
}

/// A declared kind of key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyType {
    /// The name used in routes and records, for example `live`.
    pub name: String,
    /// What its tokens start with.
    pub prefix: Prefix,
    /// The environment, for example `live` or `test`.
    pub environment: String,
    /// Secret or publishable.
    pub kind: Kind,
    /// How its tokens are built.
    pub format: Format,
    /// The life of a new key when none is given; `None` is for ever.
    pub default_expires: Option<Span>,
}

/// The declared key types, in their declared order.
#[derive(Clone, Debug, Default)]
pub struct KeyTypes(Vec<KeyType>);

/// A well-formed token: which type it is of. With [`Format::Opaque`] the record has the last word,
/// because several such types may share a length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// The index of the key type, as declared.
    pub key_type: usize,
    /// Whether the type was told by prefix and checksum, or merely by length.
    pub is_opaque: bool,
}

/// Why a token cannot be one of ours. For the operator's log only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// It starts with no declared prefix.
    #[error("no declared prefix")]
    Prefix,
    /// It starts with a declared prefix but is too long or too short.
    #[error("wrong length")]
    Length,
    /// It has a character outside `0-9A-Za-z` after the prefix.
    #[error("wrong alphabet")]
    Alphabet,
    /// Its checksum does not fit: a typo, a truncation, or a guess.
    #[error("wrong checksum")]
    Checksum,
}

impl KeyTypes {
    /// Takes the declared types. Prefixes must differ; `config` checks that.
    pub fn new(types: Vec<KeyType>) -> Self {
        Self(types)
    }

    /// Returns the types in their declared order.
    pub fn as_slice(&self) -> &[KeyType] {
        &self.0
    }

    /// Returns the type called `name` and its index.
    pub fn by_name(&self, name: &str) -> Option<(usize, &KeyType)> {
        self.0.iter().enumerate().find(|(_, t)| t.name == name)
    }

    /// Says which type `token` is of, without any look-up.
    ///
    /// The prefix is compared with the declared ones and never found by splitting on `_`: the fixed
    /// length of the tail makes `acme` and `acme_live` unambiguous.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong, for the log; a caller is told nothing of it.
    pub fn parse(&self, token: &[u8]) -> Result<Parsed, Malformed> {
        let mut closest = Malformed::Prefix;
        for (key_type, declared) in self.0.iter().enumerate() {
            match declared.format {
                Format::Kgate => match check_kgate(token, declared.prefix.as_str().as_bytes()) {
                    Ok(()) => return Ok(Parsed { key_type, is_opaque: false }),
                    Err(fault) => closest = closest.max_detail(fault),
                },
                Format::Opaque { .. } => {}
            }
        }
        for (key_type, declared) in self.0.iter().enumerate() {
            if let Format::Opaque { min_len, max_len } = declared.format
                && (min_len..=max_len).contains(&token.len())
                && token.iter().all(u8::is_ascii_graphic)
            {
                return Ok(Parsed { key_type, is_opaque: true });
            }
        }
        Err(closest)
    }
}

impl Malformed {
    fn max_detail(self, other: Self) -> Self {
        let detail = |m: &Self| match m {
            Self::Prefix => 0,
            Self::Length => 1,
            Self::Alphabet => 2,
            Self::Checksum => 3,
        };
        std::cmp::max_by_key(self, other, detail)
    }
}

fn check_kgate(token: &[u8], prefix: &[u8]) -> Result<(), Malformed> {
    let tail =
        token.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(b"_")).ok_or(Malformed::Prefix)?;
    check_tail(token, tail).map_err(|fault| match fault {
        TailFault::Length => Malformed::Length,
        TailFault::Alphabet => Malformed::Alphabet,
        TailFault::Checksum => Malformed::Checksum,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::Token;

    fn types(prefixes: &[&str]) -> KeyTypes {
        KeyTypes::new(
            prefixes
                .iter()
                .map(|p| KeyType {
                    name: (*p).to_owned(),
                    prefix: p.parse().unwrap(),
                    environment: (*p).to_owned(),
                    kind: Kind::Secret,
                    format: Format::Kgate,
                    default_expires: None,
                })
                .collect(),
        )
    }

    #[test]
    fn nested_prefixes_are_told_apart() {
        let types = types(&["acme", "acme_live", "acme_live_2"]);
        for (index, declared) in types.as_slice().iter().enumerate() {
            let token = Token::mint(&declared.prefix, &mut rand::rng());
            let parsed = types.parse(token.expose().as_bytes()).unwrap();
            assert_eq!(parsed, Parsed { key_type: index, is_opaque: false });
        }
    }

    #[test]
    fn faults_are_told_apart_for_the_log() {
        let types = types(&["acme"]);
        let good = Token::mint(&"acme".parse().unwrap(), &mut rand::rng());
        let good = good.expose();
        assert_eq!(types.parse(b""), Err(Malformed::Prefix));
        assert_eq!(types.parse(b"other_x"), Err(Malformed::Prefix));
        assert_eq!(types.parse(format!("{good}abc").as_bytes()), Err(Malformed::Length));
        let foreign = format!("{}-{}", &good[..6], &good[7..]);
        assert_eq!(types.parse(foreign.as_bytes()), Err(Malformed::Alphabet));
        let other = if good.ends_with('0') { "1" } else { "0" };
        assert_eq!(
            types.parse(format!("{}{other}", &good[..good.len() - 1]).as_bytes()),
            Err(Malformed::Checksum)
        );
    }

    #[test]
    fn opaque_tokens_are_known_by_length() {
        let mut list = types(&["acme"]).0;
        list.push(KeyType { format: Format::Opaque { min_len: 20, max_len: 30 }, ..list[0].clone() });
        let types = KeyTypes::new(list);
        assert_eq!(types.parse(&[b'x'; 20]), Ok(Parsed { key_type: 1, is_opaque: true }));
        assert!(types.parse(&[b'x'; 31]).is_err());
        assert!(types.parse(b"xxxxxxxxxx xxxxxxxxxx").is_err());
    }

    proptest! {
        #[test]
        fn what_is_minted_parses(prefix in "[a-z][a-z0-9]{0,5}(_[a-z0-9]{1,5}){0,2}", seed: u64) {
            let prefix: Prefix = prefix.parse().unwrap();
            let token = Token::mint(&prefix, &mut <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed));
            let parsed = types(&[prefix.as_str()]).parse(token.expose().as_bytes());
            prop_assert_eq!(parsed, Ok(Parsed { key_type: 0, is_opaque: false }));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = types(&["acme", "a"]).parse(&bytes);
        }

        #[test]
        fn one_changed_character_is_found(at in 0usize..43, with in "[0-9A-Za-z]", seed: u64) {
            let token = Token::mint(&"acme".parse().unwrap(), &mut <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed));
            let mut changed = token.expose().as_bytes().to_vec();
            prop_assume!(changed[at] != with.as_bytes()[0]);
            changed[at] = with.as_bytes()[0];
            prop_assert!(types(&["acme"]).parse(&changed).is_err());
        }
    }
}
