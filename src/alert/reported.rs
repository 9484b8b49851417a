//! The tokens of an alert: which are keys, and what happens to them.

use serde::Deserialize;

use super::{AlertError, Alerts, Source};
use crate::config::{Config, OnAlert};
use crate::key::{Digest, KeyId, KeyRecord, Kind, RevokeReason, Status, Timestamp, Token, redact_tokens};
use crate::store::{Access, Act, Actor, End, Options, Store, StoreError, Via};

/// What we say of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// SHA-256 of the token, in place of the token.
    pub digest: Digest,
    /// What the sender called it, as it came.
    pub token_type: String,
    /// Whether it is a key.
    pub label: Label,
}

/// Whether a reported token is a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    /// It is or was a key of this store.
    TruePositive,
    /// It is none.
    FalsePositive,
}

impl Label {
    /// Returns the word GitHub's documentation gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::FalsePositive => "false_positive",
        }
    }
}

/// A parsed alert.
pub(super) struct Reported(Vec<One>);

struct One {
    token: Token,
    token_type: String,
    /// Where it was found, as the sender puts it.
    place: String,
}

#[derive(Deserialize)]
struct Raw {
    token: String,
    #[serde(default, rename = "type")]
    token_type: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    source: Option<String>,
}

impl Reported {
    pub(super) fn parse(body: &[u8]) -> Result<Self, AlertError> {
        let raw: Vec<Raw> = serde_json::from_slice(body).map_err(|_| AlertError::Body)?;
        if raw.len() > Alerts::MAX_TOKENS {
            return Err(AlertError::TooMany);
        }
        Ok(Self(raw.into_iter().map(One::from).collect()))
    }

    /// Looks the tokens up and ends what is live and secret, if `may_act`.
    pub(super) fn act(
        &self,
        config: &Config,
        source: Source,
        may_act: bool,
        now: Timestamp,
    ) -> Result<Acted, AlertError> {
        let mut acted = Acted::default();
        let mut live: Vec<(KeyId, String)> = Vec::new();
        let store = Store::open(&config.data_dir, Access::Read, &Options::default())?;
        for (one, found) in self.0.iter().zip(self.look_up(config, &store, now)?) {
            let label = if found.is_some() { Label::TruePositive } else { Label::FalsePositive };
            if let Some(Found { id, is_secret: true, works, is_replaced }) = found {
                // Also of a key that ended before: whoever found it may have rotated it.
                if is_replaced {
                    acted.successors.extend(store.successors(id, now)?.iter().map(|key| key.id));
                }
                live.extend(works.then(|| (id, one.note(source))));
            }
            acted.verdicts.push(Verdict { digest: one.digest(), token_type: one.token_type.clone(), label });
        }
        store.close()?;
        acted.successors.sort_unstable();
        acted.successors.dedup();
        live.sort();
        live.dedup_by_key(|(id, _)| *id);
        let end = match config.leaks.on_alert {
            OnAlert::Revoke => End::Revoke(RevokeReason::Leak),
            OnAlert::Disable => End::Disable,
            OnAlert::Report => {
                acted.spared = live.into_iter().map(|(id, _)| id).filter(|_| may_act).collect();
                return Ok(acted);
            }
        };
        if live.is_empty() || !may_act {
            return Ok(acted);
        }
        // Opened to write only when there is something to write: others wait for the lock meanwhile.
        let store = Store::open(&config.data_dir, Access::Write, &Options::default())?;
        let act = Act {
            actor: Actor { user: source.as_str().to_owned(), via: Via::Admin },
            at: now,
            note: None,
            request: None,
        };
        let ended = store.end_noted(&live, end, &act)?;
        store.close()?;
        let changed = ended.iter().filter(|e| e.result.as_ref().is_ok_and(|outcome| outcome.changed));
        acted.spared = changed.clone().filter(|_| end == End::Disable).map(|e| e.id).collect();
        acted.ended = changed.count();
        Ok(acted)
    }
}

impl Reported {
    /// Looks the tokens up, in their order.
    fn look_up(
        &self,
        config: &Config,
        store: &Store,
        now: Timestamp,
    ) -> Result<Vec<Option<Found>>, StoreError> {
        // The checksum spares the store most of what is not ours.
        let is_one = |one: &One| config.key_types.parse(one.token.expose().as_bytes()).is_ok();
        let may_be: Vec<bool> = self.0.iter().map(is_one).collect();
        let tokens = self.0.iter().zip(&may_be).filter(|(_, may_be)| **may_be).map(|(one, _)| &one.token);
        let mut keys = store.keys_by_tokens(tokens, &config.peppers)?.into_iter();
        let mut next = |may_be: bool| if may_be { keys.next().flatten() } else { None };
        Ok(may_be.into_iter().map(|may_be| next(may_be).map(|key| Found::of(&key, config, now))).collect())
    }
}

impl Found {
    fn of(key: &KeyRecord, config: &Config, now: Timestamp) -> Self {
        // A type that is no longer declared is taken for secret: its prefix said so before.
        let kind = config.key_types.by_name(&key.key_type).map_or(Kind::Secret, |(_, t)| t.kind);
        Self {
            id: key.id,
            is_secret: kind == Kind::Secret,
            works: matches!(key.status(now), Status::Active | Status::Scheduled),
            is_replaced: key.rotated_to.is_some(),
        }
    }
}

/// What came of the tokens of an alert.
#[derive(Default)]
pub(super) struct Acted {
    /// What to say of each, in order.
    pub(super) verdicts: Vec<Verdict>,
    /// How many keys were ended.
    pub(super) ended: usize,
    /// Which were seen and not revoked, since the configuration says so.
    pub(super) spared: Vec<KeyId>,
    /// What replaced them and works.
    pub(super) successors: Vec<KeyId>,
}

/// A reported token that is a key.
struct Found {
    id: KeyId,
    is_secret: bool,
    /// It does now, or will.
    works: bool,
    is_replaced: bool,
}

impl One {
    fn digest(&self) -> Digest {
        Digest::sha256(self.token.expose().as_bytes())
    }

    /// `reported by github: content https://…`, without the token and without control characters.
    fn note(&self, source: Source) -> String {
        let place = self.place.replace(self.token.expose(), "…");
        let mut note = format!("reported by {}", source.as_str());
        if !place.is_empty() {
            note.push_str(": ");
            note.push_str(&neutral(&redact_tokens(&place)));
        }
        truncate(&mut note, LONGEST_NOTE);
        note
    }
}

impl From<Raw> for One {
    fn from(raw: Raw) -> Self {
        let mut token_type = neutral(&raw.token_type.unwrap_or_default());
        truncate(&mut token_type, LONGEST_TYPE);
        let parts = [raw.source.unwrap_or_default(), raw.url.unwrap_or_default()];
        let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        Self { token: Token::from_presented(raw.token), token_type, place: parts.join(" ") }
    }
}

/// Escapes what could forge a line or turn a text around.
fn neutral(text: &str) -> String {
    let mut neutral = String::with_capacity(text.len());
    for c in text.chars() {
        let is_direction = matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        if c.is_control() || is_direction {
            neutral.extend(c.escape_default());
        } else {
            neutral.push(c);
        }
    }
    neutral
}

fn truncate(text: &mut String, longest: usize) {
    if text.len() > longest {
        let cut = (0..=longest - '…'.len_utf8()).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
}

/// Bytes of a note the audit log takes.
const LONGEST_NOTE: usize = 256;

/// Bytes of a sender's name for a type that are repeated to it.
const LONGEST_TYPE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn one(token: &str, place: &str) -> One {
        One { token: Token::from_presented(token), token_type: String::new(), place: place.to_owned() }
    }

    #[test]
    fn notes_are_short_harmless_and_without_the_token() {
        let token = Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng());
        let url = format!("commit https://x/{0}?q={0}\n\u{202e}", token.expose());
        let note = one(token.expose(), &url).note(Source::Github);
        assert_eq!(note, "reported by github: commit https://x/…?q=…\\n\\u{202e}");
        assert_eq!(one("t", "").note(Source::Other), "reported by alert");
        let long = one("t", &"ä".repeat(500)).note(Source::Gitlab);
        assert!(long.len() <= LONGEST_NOTE && long.ends_with('…'), "{long}");
    }

    #[test]
    fn what_is_no_alert_is_refused() {
        for body in ["", "{}", "[1]", "[{\"type\":\"x\"}]", "[{\"token\":1}]", "[{\"token\":\"x\"}] trailing"]
        {
            assert!(matches!(Reported::parse(body.as_bytes()), Err(AlertError::Body)), "{body}");
        }
        let many = format!("[{}]", vec!["{\"token\":\"x\"}"; Alerts::MAX_TOKENS + 1].join(","));
        assert!(matches!(Reported::parse(many.as_bytes()), Err(AlertError::TooMany)));
        assert!(Reported::parse(b"[]").is_ok_and(|reported| reported.0.is_empty()));
    }
}
