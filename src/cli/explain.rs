//! `kgate explain`, and what it has in common with `kgate key verify`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use crate::admin::api::ExplainBody;
use crate::admin::shape::Spelled;
use crate::config::{Config, certificate_name};
use crate::key::{KeyRecord, Timestamp};
use crate::policy::{Engine, IndexBuilder, Limiter, Step, Update};
use crate::store::{Store, StoreError};
use crate::tls::PeerCertificate;

use super::books::Verdict;
use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::{Cell, Item, Object, Tone};
use super::view::Field;

/// What `explain` and `key verify` print.
pub(super) const ACCOUNT: &[Field] = crate::edge::ACCOUNT;

/// Say what would become of a request, which rule decides, and what a backend would get
///
/// Asks about a key by its identifier; to judge a key itself, pipe it to `kgate key verify`. Nothing is
/// sent and nothing is spent. Rates are counted in the memory of the running gateway, so how many more
/// would pass is known only there: ask it with --server, which may be its Unix socket. Exit code 0 if the
/// request may pass, 1 if not.
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
    /// The certificate the client would show: a name in it (`cn:NAME`, `dns:NAME`, `email:NAME`, `uri:NAME`,
    /// `subject:NAME`), several times for several, or its file (PEM)
    #[arg(long, value_name = "NAME|FILE", value_parser = certificate)]
    client_certificate: Vec<Shown>,
    /// Page the request comes from, `https://app.example.com`, for keys whose type is bound to origins
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
}

pub(super) fn run(args: &Explain, session: &Session) -> Outcome {
    let question = ExplainBody {
        path: args.path.clone(),
        method: args.method.clone(),
        host: args.host.clone(),
        ip: args.ip.map(Spelled),
        origin: args.origin.clone(),
        client_certificate: names(&args.client_certificate, session.now()),
        key_id: None,
    };
    show(session.books()?.explain(args.key_id.as_deref(), question)?, session)
}

/// What a client would show of a certificate.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    /// One of its names.
    Name(String),
    /// All of it.
    Whole(PeerCertificate),
}

/// Reads a name of a certificate, or all names from its file.
pub(super) fn certificate(text: &str) -> Result<Shown, String> {
    if let Some(name) = certificate_name(text) {
        return Ok(Shown::Name(name));
    }
    let whole = PeerCertificate::read(Path::new(text)).map(Shown::Whole);
    whole.map_err(|error| format!("neither a name such as `cn:NAME`, nor a file: {error}"))
}

/// Returns the names that count at a time: none of a certificate that has expired.
pub(super) fn names(shown: &[Shown], at: Timestamp) -> Vec<String> {
    let each = |shown: &Shown| match shown {
        Shown::Name(name) => vec![name.clone()],
        Shown::Whole(whole) => whole.names_at(at).to_vec(),
    };
    shown.iter().flat_map(each).collect()
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

/// Prints a verdict, which is the answer.
pub(super) fn show(verdict: Verdict, session: &Session) -> Outcome {
    let shown = Printed { verdict, at: session.asked_at() };
    session.ui.show(&shown)?;
    Ok(if shown.value("verdict") == "allow" { Answer::Yes } else { Answer::No })
}

struct Printed {
    verdict: Verdict,
    /// Where the running gateway can be asked, if it was not.
    at: Option<String>,
}

impl Item for Printed {
    const HEADINGS: &'static [&'static str] = &[];

    fn object(&self) -> Object {
        Object(self.verdict.clone())
    }

    fn cells(&self) -> Vec<Cell> {
        Vec::new()
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        let verdict = match self.value("detail").as_str() {
            None => Cell::toned("allow", Tone::Good),
            Some(detail) => Cell::toned(format!("deny: {detail}"), Tone::Bad),
        };
        let mut rows = vec![("verdict", verdict)];
        rows.extend(self.all("steps").map(|step| {
            let tone = if step["passed"] == true { Tone::Plain } else { Tone::Bad };
            (step_name(&step["step"]), Cell::toned(text(&step["detail"]), tone))
        }));
        rows.extend(self.all("limits").map(|limit| {
            let rule = format!("`{}`: {}", text(&limit["name"]), text(&limit["allows"]));
            let left = limit["remaining"].as_u64().map(|left| format!(", {left} more would pass after this"));
            (" limit", Cell::plain(rule + &left.unwrap_or_default()))
        }));
        if self.value("counts") == "unknown" && self.all("limits").next().is_some() {
            rows.push((" counts", Cell::toned(self.counts(), Tone::Faint)));
        }
        rows.extend(self.forwarded());
        rows
    }
}

impl Printed {
    fn value(&self, name: &str) -> &Value {
        self.verdict.iter().find(|(known, _)| *known == name).map_or(&Value::Null, |(_, value)| value)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.value(name).as_array().into_iter().flatten()
    }

    fn counts(&self) -> String {
        let asked = self.at.as_ref().map_or_else(
            || "set `listen.admin` to ask it".to_owned(),
            |address| format!("ask it: --server {address}"),
        );
        format!("not known here: they are in the running gateway's memory; {asked}")
    }

    fn forwarded(&self) -> Vec<(&'static str, Cell)> {
        let forward = self.value("forward");
        if !forward.is_object() {
            return Vec::new();
        }
        let servers: Vec<&str> = forward["servers"].as_array().into_iter().flatten().map(text).collect();
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

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The name of a step, as this kgate knows it.
fn step_name(value: &Value) -> &'static str {
    let known = Step::ALL.into_iter().map(Step::as_str);
    known.into_iter().find(|name| *name == text(value)).unwrap_or("step")
}
