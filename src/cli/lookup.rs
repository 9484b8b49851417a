//! Finding what was named on the command line, and saying what was nearly named.

use crate::key::{CHECKSUM_LEN, ConsumerRecord, KeyId, KeyRecord, TAIL_LEN, checksum};
use crate::store::{Near, Store, StoreError};

use super::advice::store_failure;
use super::failure::Failure;

/// Finds a consumer by identifier, external id, or unambiguous name.
pub(super) fn consumer(store: &Store, wanted: &str) -> Result<ConsumerRecord, Failure> {
    refuse_token(wanted)?;
    store.find_consumer(wanted).map_err(|error| match &error {
        StoreError::NoSuchConsumer { .. } => {
            let near = store.near_consumers(wanted, NEAR).unwrap_or_default();
            Failure::no(error.to_string())
                .help_maybe(did_you_mean(&near))
                .help("`kgate consumer list` shows all consumers")
        }
        StoreError::AmbiguousConsumer { ids, .. } => {
            let candidates: Vec<String> = ids.iter().take(NEAR * 2).map(|id| candidate(store, *id)).collect();
            Failure::cannot(error.to_string())
                .help(format!("name one of them by its id:\n  {}", candidates.join("\n  ")))
        }
        _ => store_failure(&error),
    })
}

/// Reads a key's identifier and finds the key.
pub(super) fn key(store: &Store, wanted: &str) -> Result<KeyRecord, Failure> {
    let near = || store.near_keys(wanted, NEAR).unwrap_or_default();
    let Some(id) = parse_key_id(wanted)? else { return Err(no_such_key(wanted, did_you_mean(&near()))) };
    store.key(id).map_err(|error| match error {
        StoreError::NoSuchKey { .. } => no_such_key(wanted, did_you_mean(&near())),
        other => other.into(),
    })
}

/// Reads a key's identifier, if it is one. A key itself is refused.
pub(super) fn parse_key_id(wanted: &str) -> Result<Option<KeyId>, Failure> {
    refuse_token(wanted)?;
    Ok(wanted.parse().ok())
}

/// There is no such key; says which are called nearly so, if any are known.
pub(super) fn no_such_key(wanted: &str, near: Option<String>) -> Failure {
    Failure::no(format!("there is no key `{wanted}`"))
        .help_maybe(near)
        .help("`kgate key list` shows all keys")
}

/// Refuses a token where a name was expected, without repeating it: what is on a command line is in
/// the shell's history and in `ps`.
pub(super) fn refuse_token(text: &str) -> Result<(), Failure> {
    let Some((body, sum)) = text.len().checked_sub(CHECKSUM_LEN).and_then(|at| text.split_at_checked(at))
    else {
        return Ok(());
    };
    if text.len() <= TAIL_LEN || checksum(body.as_bytes()) != *sum.as_bytes() {
        return Ok(());
    }
    Err(Failure::cannot("that is a key itself, not its identifier")
        .help("find its identifier with `kgate key verify --path / < FILE`")
        .help("it is now in your shell's history: consider it seen, and rotate or revoke it"))
}

fn candidate(store: &Store, id: crate::key::ConsumerId) -> String {
    let Ok(record) = store.consumer(id) else { return id.to_string() };
    let external = record.external_id.map(|e| format!(", external id {e}")).unwrap_or_default();
    format!("{id}  {}{external}, created {}", record.name, record.created_at)
}

fn did_you_mean(near: &[Near]) -> Option<String> {
    let names: Vec<String> = near
        .iter()
        .map(|n| if n.name.is_empty() { n.id.clone() } else { format!("{} ({})", n.id, n.name) })
        .collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(", ")))
}

/// How many near matches are named.
const NEAR: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_refused_and_not_repeated() {
        let token = crate::key::Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng());
        let failure = refuse_token(token.expose()).unwrap_err();
        assert!(!format!("{failure:?}").contains(&token.expose()[12..20]));
        for name in [
            "Acme Corp",
            "key_01jq0000000000000000000000",
            "",
            "ü",
            "a_name_that_is_longer_than_any_tail_of_a_token",
        ] {
            assert!(refuse_token(name).is_ok(), "{name}");
        }
    }
}
