//! `kgate explain`, and what it has in common with `kgate key verify`.

use std::net::IpAddr;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use crate::config::Config;
use crate::edge::{Account, Counts, Question};
use crate::key::KeyRecord;
use crate::policy::{Engine, Explanation, Finding, IndexBuilder, Limiter, Now, Update};
use crate::store::{Store, StoreError};

use super::failure::{Answer, Failure, Outcome};
use super::lookup;
use super::session::Session;
use super::ui::{Cell, Item, Object, Tone};
use super::view::Field;

/// What `explain` and `key verify` print.
pub(super) const ACCOUNT: &[Field] = crate::edge::ACCOUNT;

/// Say what would become of a request, which rule decides, and what a backend would get
///
/// Asks about a key by its identifier; to judge a key itself, pipe it to `kgate key verify`. Nothing is
/// sent and nothing is spent. Rates are counted in the memory of the running gateway, so how many more
/// would pass is known only there: send the same question to `POST /explain` of its admin listener. Exit
/// code 0 if the request may pass, 1 if not.
#[derive(Args)]
pub(super) struct Explain {
    /// Method of the request
    method: String,
    /// Path of the request, and its query
    path: String,
    /// The key it would bring, key_…; without it, none
    #[arg(long, value_name = "KEY")]
    key_id: Option<String>,
    /// Address of the client
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Host of the request
    #[arg(long, default_value = "", hide_default_value = true)]
    host: String,
    /// Page the request comes from, `https://app.example.com`, for keys whose type is bound to origins
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
}

pub(super) fn run(args: &Explain, session: &Session) -> Outcome {
    let config = session.config()?;
    let store = session.store()?;
    let key = args.key_id.as_deref().map(|wanted| lookup::key(&store, wanted)).transpose()?;
    let question = Question {
        method: args.method.clone(),
        path: args.path.clone(),
        host: args.host.clone(),
        ip: args.ip,
        origin: args.origin.clone(),
        key_id: key.as_ref().map(|key| key.id),
    };
    let engine = engine(key.as_ref(), config, &store)?;
    let explanation = question.ask(&engine, Now { wall: session.now(), mono: 0 });
    show(&explanation, config, &args.method, &args.path, session)
}

/// Builds the engine the gateway has, with the one key that matters here.
pub(super) fn engine(key: Option<&KeyRecord>, config: &Config, store: &Store) -> Result<Engine, Failure> {
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

/// Prints an explanation; the answer is its verdict.
pub(super) fn show(
    explanation: &Explanation,
    config: &Config,
    method: &str,
    target: &str,
    session: &Session,
) -> Outcome {
    let at = session.now();
    let account = Account { explanation, config, method, target, at, counts: Counts::Unknown };
    session.ui.show(&Shown(&account))?;
    Ok(if explanation.denial.is_none() { Answer::Yes } else { Answer::No })
}

struct Shown<'a>(&'a Account<'a>);

impl Item for Shown<'_> {
    const HEADINGS: &'static [&'static str] = &[];

    fn object(&self) -> Object {
        Object(self.0.fields())
    }

    fn cells(&self) -> Vec<Cell> {
        Vec::new()
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        let explanation = self.0.explanation;
        let verdict = match &explanation.denial {
            None => Cell::toned("allow", Tone::Good),
            Some(denial) => Cell::toned(format!("deny: {}", denial.reason()), Tone::Bad),
        };
        let mut rows = vec![("verdict", verdict)];
        rows.extend(explanation.findings.iter().map(|f: &Finding| {
            let tone = if f.held { Tone::Plain } else { Tone::Bad };
            (f.step.as_str(), Cell::toned(f.detail.as_str(), tone))
        }));
        rows.extend(explanation.limits.iter().map(|limit| {
            let rule = format!("`{}`: {}", limit.name, limit.limit);
            (" limit", Cell::plain(rule))
        }));
        if !explanation.limits.is_empty() {
            rows.push((" counts", Cell::toned(self.counts(), Tone::Faint)));
        }
        rows.extend(self.forwarded());
        rows
    }
}

impl Shown<'_> {
    fn counts(&self) -> String {
        let asked = self.0.config.listen.admin.first().map_or_else(
            || "set `listen.admin` to ask it".to_owned(),
            |address| format!("ask it: POST /explain at {address}"),
        );
        format!("not known here: they are in the running gateway's memory; {asked}")
    }

    fn forwarded(&self) -> Vec<(&'static str, Cell)> {
        let fields = self.0.fields();
        let Some((_, forward)) = fields.iter().find(|(name, value)| *name == "forward" && value.is_object())
        else {
            return Vec::new();
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let servers: Vec<String> = forward["servers"].as_array().into_iter().flatten().map(text).collect();
        let to = format!("`{}` ({})", text(&forward["upstream"]), servers.join(", "));
        let line = format!("{} {}", text(&forward["method"]), text(&forward["target"]));
        let mut rows = vec![("forward to", Cell::plain(to)), (" request", Cell::plain(line))];
        let headers = forward["headers"].as_object().into_iter().flatten();
        rows.extend(
            headers.map(|(name, value)| (" header", Cell::plain(format!("{name}: {}", text(value))))),
        );
        rows
    }
}
