//! Answers the admin API's `explain` from the engine that serves.

use serde_json::Value;

use crate::config::Config;
use crate::edge::{Account, Counts, Question};
use crate::verify::Verifier;

/// Says what would become of a request, with the counts as they stand now. `Err` says why nobody knows.
pub(super) async fn explain(
    question: &Question,
    config: &Config,
    verifier: &Verifier,
) -> Result<Value, String> {
    let engine = verifier.fresh().await.map_err(|error| error.to_string())?;
    let now = verifier.now();
    let explanation = question.ask(&engine, now);
    let account = Account {
        explanation: &explanation,
        config,
        method: &question.method,
        target: &question.path,
        at: now.wall,
        counts: Counts::Live,
    };
    Ok(account.json())
}
