//! An explanation as people and programs read it. `kgate explain`, `kgate key verify` and the admin API's
//! `explain` all show this.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue, ORIGIN};
use serde_json::{Map, Value, json};

use super::{Answers, Identification, RequestId};
use crate::config::Config;
use crate::key::{KeyId, Timestamp, Token};
use crate::policy::{Attributes, Denial, Engine, Explanation, LimitLeft, Now, Passage};

/// A request that is asked about and never made.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its method.
    pub method: String,
    /// Its target: path, and query.
    pub path: String,
    /// Its host; empty if there is none.
    pub host: String,
    /// The client's address; `None` if it has none.
    pub ip: Option<IpAddr>,
    /// The page it comes from, `https://app.example.com`; `None` if from none.
    pub origin: Option<String>,
    /// Names in the certificate the client would show, with their kind: `cn:alice`; none if it shows none.
    pub client_certificate: Vec<String>,
    /// What it would bring.
    pub bringing: Bringing,
}

/// The key of a [`Question`].
#[derive(Clone, Debug)]
pub enum Bringing {
    /// None.
    Nothing,
    /// The key with this identifier.
    Key(KeyId),
    /// This, from where the route takes keys.
    Token(Token),
}

impl Question {
    /// Has an engine explain it. Nothing is spent.
    pub fn ask(&self, engine: &Engine, now: Now) -> Explanation {
        let request = Attributes {
            method: &self.method,
            host: &self.host,
            target: self.path.as_bytes(),
            client: self.ip,
            certificate: &self.client_certificate,
            fields: &from_page(self.origin.as_deref()),
        };
        match &self.bringing {
            Bringing::Nothing => engine.explain(&request, now),
            Bringing::Key(key) => engine.explain_key(&request, *key, now),
            Bringing::Token(token) => engine.explain_token(&request, token.expose().as_bytes(), now),
        }
    }
}

/// Returns the fields of a request that says what page it comes from, and nothing else.
fn from_page(origin: Option<&str>) -> HeaderMap {
    // What does not fit a header is no page's origin.
    let origin = origin.and_then(|origin| HeaderValue::from_str(origin).ok());
    origin.into_iter().map(|origin| (ORIGIN, origin)).collect()
}

/// What would become of a request, and why.
pub struct Account<'a> {
    /// What the engine says.
    pub explanation: &'a Explanation,
    /// The configuration it was asked under.
    pub config: &'a Config,
    /// The request's method.
    pub method: &'a str,
    /// The request's target as it was asked about.
    pub target: &'a str,
    /// The time it was asked at.
    pub at: Timestamp,
    /// Whether the limits' counts are those of a running gateway.
    pub counts: Counts,
}

/// Whose counts were looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    /// The running gateway's own.
    Live,
    /// None: they live in the gateway's memory, and this is another process.
    Unknown,
}

/// Every name in the JSON form, in order, and what it means.
pub const ACCOUNT: &[(&str, &str)] = &[
    ("verdict", "`allow` or `deny`"),
    ("status", "the HTTP status of the answer; null if the backend gives it"),
    ("decided_by", "the step that decided: the last of `steps`"),
    ("reason", "a short fixed name for why it is refused, or null"),
    ("detail", "the same as a sentence, or null"),
    ("route", "the name of the route that takes the request, or null"),
    ("key_id", "the key, or null if it is not known"),
    ("consumer_id", "who holds it, or null"),
    ("plan", "the plan that applies, or null"),
    (
        "limits",
        "array of `{\"name\",\"allows\",\"most\",\"remaining\",\"reset_seconds\",\"retry_after_seconds\"}`: every limit of the plan, what it allows in words and at most at once, how many more would pass after this request, and seconds until it is whole again and until one passes; the last three are null where the counts are not known",
    ),
    (
        "counts",
        "`live`: the counts are the gateway's; `unknown`: they live in the gateway, and this was another process",
    ),
    ("steps", "array of `{\"step\",\"passed\",\"detail\"}`, in the order the gateway takes them"),
    (
        "forward",
        "what a backend would get: `{\"upstream\",\"servers\",\"method\",\"target\",\"headers\",\"claims\"}`, or null; of secrets only the header's name; `claims` is what a signed token would say, or null",
    ),
];

impl Account<'_> {
    /// Returns its JSON form: the names of [`ACCOUNT`], in that order.
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let explanation = self.explanation;
        let denial = explanation.denial.as_ref();
        let (key, consumer) = explanation.key.unzip();
        let steps: Vec<Value> = explanation
            .findings
            .iter()
            .map(|f| json!({"step": f.step.as_str(), "passed": f.held, "detail": f.detail}))
            .collect();
        let limits: Vec<Value> = explanation.limits.iter().map(|limit| self.limit(limit)).collect();
        let values = [
            json!(self.verdict()),
            json!(denial.map(|denial| self.status(denial))),
            json!(explanation.findings.last().map(|finding| finding.step.as_str())),
            json!(denial.map(|denial| denial.reason().code())),
            json!(denial.map(|denial| denial.reason().to_string())),
            json!(explanation.route.and_then(|index| self.config.route_names.get(index))),
            json!(key.map(|id| id.to_string())),
            json!(consumer.flatten().map(|id| id.to_string())),
            json!(explanation.plan),
            json!(limits),
            json!(if self.counts == Counts::Live { "live" } else { "unknown" }),
            json!(steps),
            json!(explanation.passage.as_ref().map(|passage| self.forward(passage))),
        ];
        ACCOUNT.iter().map(|(name, _)| *name).zip(values).collect()
    }

    /// Returns the JSON form as one value.
    pub fn json(&self) -> Value {
        self.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
    }

    /// Returns `allow` or `deny`.
    pub fn verdict(&self) -> &'static str {
        if self.explanation.denial.is_none() { "allow" } else { "deny" }
    }

    /// The status alone has nothing of the time in it, nor of the request's id.
    fn status(&self, denial: &Denial) -> u16 {
        let answers = Answers::new(&self.config.server);
        answers.denial(denial, &RequestId::of_nothing(), Timestamp::default()).status.as_u16()
    }

    fn limit(&self, limit: &LimitLeft) -> Value {
        let known = |value: f64| (self.counts == Counts::Live).then_some(value);
        json!({
            "name": limit.name,
            "allows": limit.limit.to_string(),
            "most": limit.limit.most(),
            "remaining": (self.counts == Counts::Live).then_some(limit.remaining),
            "reset_seconds": known(limit.reset.as_secs_f64()),
            "retry_after_seconds": known(limit.retry_after.as_secs_f64()),
        })
    }

    /// The path and query as the backend gets them, with the route's prefix rewritten.
    fn forwarded_target(&self, passage: &Passage) -> String {
        let matched = passage.target.as_deref().unwrap_or(self.target);
        let forward = self.explanation.route.and_then(|index| self.config.forwards.get(index));
        let rewritten = forward.and_then(|forward| forward.prefix.as_ref()?.replaced_in(matched.as_bytes()));
        rewritten.map_or_else(|| matched.to_owned(), |target| String::from_utf8_lossy(&target).into_owned())
    }

    fn forward(&self, passage: &Passage) -> Value {
        let upstream = self.config.upstreams.get(passage.upstream);
        let servers: Vec<String> =
            upstream.iter().flat_map(|upstream| &upstream.servers).map(ToString::to_string).collect();
        // Counts that nobody counted would be made up.
        let remaining = passage.remaining().filter(|_| self.counts == Counts::Live);
        let identification = Identification::new(self.config, &Arc::default());
        let claims = identification.claims(passage, self.at);
        let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let headers: Map<String, Value> = identification
            .preview(passage, remaining)
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        json!({
            "upstream": upstream.map(|upstream| upstream.name.as_str()),
            "servers": servers,
            "method": self.method,
            "target": self.forwarded_target(passage),
            "headers": headers,
            "claims": claims,
        })
    }
}
