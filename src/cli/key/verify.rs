//! `kgate key verify`

use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::{Cell, Item, Object, Tone};
use crate::cli::view::{Field, named};
use crate::config::Config;
use crate::key::{KeyRecord, Token};
use crate::policy::{
    Attributes, Engine, Explanation, Fields, Finding, IndexBuilder, Limiter, Now, Step, Update,
};
use crate::store::{Store, StoreError};

/// What `key verify` prints.
pub(in crate::cli) const VERDICT: &[Field] = &[
    ("verdict", "`allow` or `deny`"),
    ("reason", "a short fixed name for why it is refused, or null"),
    ("detail", "the same as a sentence, or null"),
    ("route", "the name of the route that takes the request, or null"),
    ("key_id", "the key, or null if it is not known"),
    ("consumer_id", "who holds it, or null"),
    ("plan", "the plan that applies, or null"),
    ("limits", "array of `{\"name\",\"rate\",\"burst\"}`: the plan's limits; counts live in the gateway"),
    ("steps", "array of `{\"step\",\"passed\",\"detail\"}`, in the order the gateway takes them"),
];

/// Say what the gateway would answer to a key, and why, spending nothing
///
/// The key is read from standard input, never from the command line. It is presented in whichever
/// header the route takes keys from. Exit code 0 if the request may pass, 1 if not.
#[derive(Args)]
pub(in crate::cli) struct Verify {
    /// Path of the request, and its query
    #[arg(long, default_value = "/")]
    path: String,
    /// Method of the request
    #[arg(long, default_value = "GET")]
    method: String,
    /// Address of the client
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Host of the request
    #[arg(long, default_value = "", hide_default_value = true)]
    host: String,
}

pub(super) fn run(args: &Verify, session: &Session) -> Outcome {
    let config = session.config()?;
    let token = read_token(session)?;
    let store = session.store()?;
    let key = find(&token, config, &store)?;
    let explanation = engine(key.as_ref(), config, &store)?.explain(
        &Attributes {
            method: &args.method,
            host: &args.host,
            target: args.path.as_bytes(),
            client: args.ip,
            fields: &Presented { token: &token, bearer: format!("Bearer {}", token.expose()) },
        },
        Now { wall: session.now(), mono: 0 },
    );
    let verdict = Verdict { explanation: &explanation, key: key.as_ref(), config, store: &store };
    session.ui.show(&verdict)?;
    Ok(if explanation.denial.is_none() { Answer::Yes } else { Answer::No })
}

/// Reads the token from standard input: all of it, without the line's end.
fn read_token(session: &Session) -> Result<Token, Failure> {
    if session.ui.can_ask() {
        session.ui.status("paste the key, then press Enter and Ctrl-D");
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(LONGEST_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::cannot("cannot read standard input").because(&e))?;
    if bytes.len() as u64 > LONGEST_INPUT {
        return Err(Failure::cannot(format!(
            "standard input has more than {LONGEST_INPUT} bytes; no key is that long"
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::cannot("standard input is not text, so it is no key"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |rest| rest.strip_suffix('\r').unwrap_or(rest));
    if text.is_empty() {
        return Err(
            Failure::cannot("standard input is empty").help("pipe the key in: kgate key verify < FILE")
        );
    }
    Ok(Token::from_presented(text))
}

/// Finds the record of a token under any digest it may be stored by.
fn find(token: &Token, config: &Config, store: &Store) -> Result<Option<KeyRecord>, Failure> {
    let mut digests = Vec::new();
    config.peppers.each_digest(token.expose().as_bytes(), |digest| digests.push(digest));
    for digest in digests {
        if let Some(key) = store.key_by_digest(&digest)? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Builds the engine the gateway has, with the one key that matters here.
fn engine(key: Option<&KeyRecord>, config: &Config, store: &Store) -> Result<Engine, Failure> {
    let mut index = IndexBuilder::new(Arc::new(Limiter::new()));
    if let Some(key) = key {
        match store.consumer(key.consumer) {
            Ok(consumer) => index.push(Update::Consumer(consumer)),
            Err(StoreError::NoSuchConsumer { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        index.push(Update::Key(key.clone()));
    }
    Ok(Engine::new(Arc::clone(&config.rules), index.finish()))
}

/// A request whose only header is the key, in whatever field is asked for.
struct Presented<'t> {
    token: &'t Token,
    bearer: String,
}

impl Fields for Presented<'_> {
    fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        match name {
            "authorization" => visit(self.bearer.as_bytes()),
            _ => visit(self.token.expose().as_bytes()),
        }
    }
}

struct Verdict<'a> {
    explanation: &'a Explanation,
    key: Option<&'a KeyRecord>,
    config: &'a Config,
    store: &'a Store,
}

impl Verdict<'_> {
    fn word(&self) -> &'static str {
        if self.explanation.denial.is_none() { "allow" } else { "deny" }
    }

    /// The plan that applies: the key's own, its consumer's, or the default.
    fn plan(&self) -> Option<String> {
        let key = self.key?;
        let consumers = || self.store.consumer(key.consumer).ok().and_then(|consumer| consumer.plan);
        key.plan.clone().or_else(consumers).or_else(|| self.config.server.default_plan.clone())
    }

    fn limits(&self) -> Vec<Value> {
        let Some(plan) = self.plan() else { return Vec::new() };
        let plan = self.config.plans.iter().find(|declared| declared.name == plan);
        let limits = plan.map(|plan| plan.limits.as_slice()).unwrap_or_default();
        limits.iter().map(|l| json!({"name": l.name, "rate": l.rate.to_string(), "burst": l.burst})).collect()
    }

    fn route(&self) -> Option<String> {
        self.explanation.route.map(|index| self.config.route_names[index].clone())
    }
}

impl Item for Verdict<'_> {
    const HEADINGS: &'static [&'static str] = &[];

    fn object(&self) -> Object {
        let denial = self.explanation.denial.as_ref();
        let steps: Vec<Value> = self
            .explanation
            .findings
            .iter()
            .map(|f| json!({"step": step_name(f.step), "passed": f.held, "detail": f.detail}))
            .collect();
        let values = [
            json!(self.word()),
            json!(denial.map(|d| d.reason().code())),
            json!(denial.map(|d| d.reason().to_string())),
            json!(self.route()),
            json!(self.key.map(|key| key.id.to_string())),
            json!(self.key.map(|key| key.consumer.to_string())),
            json!(self.plan()),
            json!(self.limits()),
            json!(steps),
        ];
        Object(named(VERDICT, values))
    }

    fn cells(&self) -> Vec<Cell> {
        Vec::new()
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        let verdict = match &self.explanation.denial {
            None => Cell::toned("allow", Tone::Good),
            Some(denial) => Cell::toned(format!("deny: {}", denial.reason()), Tone::Bad),
        };
        let mut rows = vec![("verdict", verdict)];
        rows.extend(self.explanation.findings.iter().map(|f: &Finding| {
            let tone = if f.held { Tone::Plain } else { Tone::Bad };
            (step_name(f.step), Cell::toned(f.detail.as_str(), tone))
        }));
        rows
    }
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Path => "path",
        Step::Route => "route",
        Step::Credential => "credential",
        Step::Token => "token",
        Step::Key => "key",
        Step::Status => "status",
        Step::Consumer => "consumer",
        Step::KeyType => "key_type",
        Step::Network => "network",
        Step::Scope => "scope",
        Step::Limit => "limit",
    }
}

/// Far more than any key has; a bound, because standard input may be anything.
const LONGEST_INPUT: u64 = 64 * 1024;
