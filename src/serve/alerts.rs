//! Joins the admin door, which takes alerts of leaked keys as requests, and `alert`, which deals with
//! them: into HTTP statuses, and into notices for the operator.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Notice;
use super::running::Core;
use crate::admin::{AlertAnswer, AlertRequest, AlertTaker};
use crate::alert::{Alert, AlertError, Alerts, Outcome, Source};
use crate::metrics::AlertResult;
use crate::verify::wall;

/// Takes alerts under whatever configuration is in force.
pub(super) struct Taker {
    core: Arc<Core>,
    alerts: Alerts,
}

impl Taker {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, alerts: Alerts::default() }
    }
}

impl AlertTaker for Taker {
    fn takes(&self, path: &str) -> bool {
        Alerts::source(&self.core.config().leaks, path).is_some()
    }

    fn take(&self, request: AlertRequest) -> AlertAnswer {
        let config = self.core.config();
        let Some(source) = Alerts::source(&config.leaks, &request.path) else {
            return refusal(&AlertError::Off);
        };
        let alert = Alert { source, headers: &request.headers, body: &request.body };
        match self.alerts.take(&config, alert, wall()) {
            Ok(outcome) => {
                let result = if outcome.repeated { AlertResult::Repeated } else { AlertResult::Taken };
                self.core.metrics().leak_alert(source.as_str(), result, outcome.ended);
                self.say(source, &outcome);
                AlertAnswer { status: 200, body: feedback(&outcome) }
            }
            Err(error) => {
                self.core.metrics().leak_alert(source.as_str(), result_of(&error), 0);
                // Anybody can send what is not signed; that must not fill the operator's log.
                if !is_unsigned(&error) {
                    let problem = error.to_string();
                    self.core.notify(&Notice::AlertRefused { source: source.as_str(), problem });
                }
                refusal(&error)
            }
        }
    }
}

impl Taker {
    fn say(&self, source: Source, outcome: &Outcome) {
        let notice = Notice::Alert {
            source: source.as_str(),
            tokens: outcome.verdicts.len(),
            ended: outcome.ended,
            spared: outcome.spared.clone(),
            successors: outcome.successors.clone(),
            repeated: outcome.repeated,
        };
        self.core.note(&notice);
        self.core.notify(&notice);
    }
}

/// The feedback GitHub documents; others may read it too. Tokens are named by their digests.
fn feedback(outcome: &Outcome) -> Value {
    let verdict = |v: &crate::alert::Verdict| {
        json!({
            "token_hash": v.digest.to_string(),
            "token_type": v.token_type,
            "label": v.label.as_str(),
        })
    };
    outcome.verdicts.iter().map(verdict).collect()
}

/// Whether whoever sent it did not show who they are.
fn is_unsigned(error: &AlertError) -> bool {
    matches!(error, AlertError::Off | AlertError::Header(_) | AlertError::UnknownKey | AlertError::Signature)
}

fn result_of(error: &AlertError) -> AlertResult {
    match error {
        AlertError::Replayed => AlertResult::Repeated,
        AlertError::KeyList(_) | AlertError::Store(_) => AlertResult::Failed,
        error if is_unsigned(error) => AlertResult::Unsigned,
        _ => AlertResult::Refused,
    }
}

fn refusal(error: &AlertError) -> AlertAnswer {
    let status = match error {
        AlertError::Off => 404,
        AlertError::Header(_) | AlertError::Body => 400,
        AlertError::UnknownKey | AlertError::Signature | AlertError::Stale => 401,
        AlertError::Replayed => 409,
        AlertError::TooMany => 413,
        AlertError::KeyList(_) | AlertError::Store(_) => 503,
    };
    // What is wrong here is no business of the sender's.
    let text = match error {
        AlertError::KeyList(_) | AlertError::Store(_) => "not now: try again".to_owned(),
        other => other.to_string(),
    };
    AlertAnswer { status, body: json!({ "error": text }) }
}
