//! Answers the admin listener's `POST /explain` from the engine that serves.

use serde_json::json;

use crate::admin::Reply;
use crate::config::Config;
use crate::edge::{Account, Counts, Question};
use crate::verify::Verifier;

/// Says what would become of the request that `body` describes, with the counts as they stand now.
pub(super) async fn explain(body: &[u8], config: &Config, verifier: &Verifier) -> Reply {
    let question = match Question::parse(body) {
        Ok(question) => question,
        Err(error) => return (400, json!({ "error": error.to_string() })),
    };
    let engine = match verifier.fresh().await {
        Ok(engine) => engine,
        Err(error) => return (503, json!({ "error": error.to_string() })),
    };
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
    (200, account.json())
}
