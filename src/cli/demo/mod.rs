//! `kgate demo`: a key's whole life in a minute, for real: this program's own commands, a gateway, a
//! backend that echoes what it is sent, and requests over sockets.

pub(in crate::cli) mod http;
mod stage;

use std::thread;

use clap::Args;

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use stage::{Said, Show, Stage};

/// Show a key's whole life against a bundled backend, in a temporary directory
#[derive(Args)]
pub(super) struct Demo {}

/// A key as its holder and its operator know it.
struct Key {
    token: String,
    id: String,
}

pub(super) fn run(_args: &Demo, session: &Session) -> Outcome {
    let stage = Stage::set(&session.ui)?;
    play(&stage)?;
    match stage.failures() {
        0 => Ok(Answer::Yes),
        n => Err(Failure::no(format!("{n} of the steps above did not do what they say"))),
    }
}

fn play(stage: &Stage<'_>) -> Result<(), Failure> {
    set_up(stage)?;
    let first = issue(stage)?;
    call(stage, &first)?;
    refuse_strangers(stage)?;
    refuse_other_scopes(stage, &first)?;
    limit(stage)?;
    let second = rotate(stage, &first)?;
    revoke(stage, &first, &second)?;
    find_leak(stage, &second)?;
    finish(stage)
}

fn set_up(stage: &Stage<'_>) -> Result<(), Failure> {
    stage.step("1  A configuration and a store")?;
    let backend = stage.backend();
    stage.tell(&format!("a backend that echoes what it is sent listens on {backend}"))?;
    stage.kgate(&["init", "--prefix", "acme", "--upstream", &backend.to_string(), "--yes"])?;
    stage
        .tell("free ports instead of 8080 and 8081, patience (`fresh_within`) on a busy machine, two routes with scopes,")?;
    stage.tell("and a small plan to run into:")?;
    stage.command_line("cat >> kgate.toml <<END")?;
    stage.quote(ADDITIONS.trim_start(), "")?;
    stage.extend_configuration(ADDITIONS)?;
    let said = stage.kgate(&["check"])?;
    stage.expect(said.code == 0, "the configuration is sound")
}

fn issue(stage: &Stage<'_>) -> Result<Key, Failure> {
    stage.step("2  A consumer and a key")?;
    let said = stage.kgate(&["consumer", "create", "Acme Corp", "--external-id", "org_42"])?;
    stage.expect(said.code == 0, "the consumer is there")?;
    let key = create(stage, "KEY", &["--name", "CI", "--scope", "products:read"])?;
    let is_shaped = key.token.starts_with("acme_live_") && key.token.len() == 48;
    stage.expect(is_shaped, "the key is printed this once; the store keeps its SHA-256 only")?;
    let store = std::fs::read(stage.dir().join("kgate-data/kgate.redb")).unwrap_or_default();
    let is_in = |bytes: &[u8]| bytes.windows(key.token.len()).any(|w| w == key.token.as_bytes());
    stage.expect(!store.is_empty() && !is_in(&store), "indeed the key is not in the store's file")?;
    Ok(key)
}

fn call(stage: &Stage<'_>, key: &Key) -> Result<(), Failure> {
    stage.step("3  A request with the key")?;
    stage.serve()?;
    let response = stage.curl("/v1/products", (&key.token, "KEY"), Show::Seen)?;
    stage.expect(response.status() == 200, "200: the backend answered, and above is the request it saw")?;
    let saw = response.seen().to_ascii_lowercase();
    let is_named =
        saw.contains("x-consumer-name: acme corp") && saw.contains("x-consumer-scopes: products:read");
    stage.expect(is_named, "it saw who is calling, and what they may do")?;
    stage.expect(!response.body.contains(&key.token), "it did not see the key")
}

fn refuse_strangers(stage: &Stage<'_>) -> Result<(), Failure> {
    stage.step("4  A wrong key")?;
    let prefix = "acme_live".parse().expect("it is a prefix");
    let wrong = crate::key::Token::mint(&prefix, &mut rand::rng()).expose().to_owned();
    let response = stage.curl("/v1/products", (&wrong, "WRONG"), Show::Whole)?;
    stage.expect(response.status() == 401, "401, and not a word about what is wrong with it")?;
    stage.tell("the operator's log has the reason; never the key:")?;
    let id = response.header("x-request-id").unwrap_or("?").to_owned();
    let line = stage.server_line(|line| line.contains(&id)).unwrap_or_default();
    stage.quote(&line, "2")?;
    stage.expect(!line.is_empty() && !line.contains(&wrong), "logged under the same request id")
}

fn refuse_other_scopes(stage: &Stage<'_>, key: &Key) -> Result<(), Failure> {
    stage.step("5  A scope the key does not have")?;
    let response = stage.curl("/v1/orders", (&key.token, "KEY"), Show::Whole)?;
    let challenge = response.header("www-authenticate").unwrap_or_default();
    stage.expect(response.status() == 403, "403: the key is good, but not for this")?;
    stage.expect(challenge.contains("orders:write"), "it names the scope that is missing")
}

fn limit(stage: &Stage<'_>) -> Result<(), Failure> {
    stage.step("6  A rate limit")?;
    let key = create(stage, "TRIAL", &["--name", "trial", "--scope", "products:read", "--plan", "trial"])?;
    stage.tell("the plan `trial` allows 3; eight requests at the same moment:")?;
    let request = stage.request_text("/v1/products", "TRIAL")?;
    let each = format!("curl -s -o /dev/null -w '%{{http_code}} ' {request}");
    stage.command_line(&format!("for i in 1 2 3 4 5 6 7 8; do {each} & done; wait"))?;
    let mut statuses = burst(stage, &key.token, 8)?;
    statuses.sort_unstable();
    let shown: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    stage.quote(&shown.join(" "), "33")?;
    stage.expect(statuses == [200, 200, 200, 429, 429, 429, 429, 429], "exactly 3 of 8 passed")?;
    let response = stage.curl("/v1/products", (&key.token, "TRIAL"), Show::Whole)?;
    let is_told = response.header("retry-after").is_some();
    stage.expect(response.status() == 429 && is_told, "429, with the time to wait")
}

fn rotate(stage: &Stage<'_>, first: &Key) -> Result<Key, Failure> {
    stage.step("7  Rotation: both keys work while the holder changes over")?;
    let said = stage.kgate_into("NEW", &["key", "rotate", &first.id, "--grace", "24h"])?;
    stage.expect(said.code == 0, "the successor is made, with the same scopes")?;
    let mut second = key_in(&said)?;
    if second.id == first.id {
        // The old key's identifier was named first.
        second.id = ids_in(&said).into_iter().find(|id| *id != first.id).unwrap_or_default();
    }
    let old = stage.curl("/v1/products", (&first.token, "KEY"), Show::Head)?;
    stage.expect(old.status() == 200, "the old key works")?;
    stage.expect(old.header("x-api-key-expires").is_some(), "and its answers say until when")?;
    let new = stage.curl("/v1/products", (&second.token, "NEW"), Show::Head)?;
    stage.expect(new.status() == 200, "the new key works")?;
    Ok(second)
}

fn revoke(stage: &Stage<'_>, first: &Key, second: &Key) -> Result<(), Failure> {
    stage.step("8  Revocation: when the command has returned, the key is dead")?;
    let said = stage.kgate(&["key", "revoke", &first.id, "--reason", "rotation", "--yes"])?;
    stage.expect(said.code == 0, "revoked")?;
    let old = stage.curl("/v1/products", (&first.token, "KEY"), Show::Whole)?;
    stage.expect(old.status() == 401, "401 on the very next request; nothing was reloaded or waited for")?;
    let new = stage.ask("/v1/products", &second.token)?;
    stage.expect(new.status() == 200, "its successor still works")
}

fn find_leak(stage: &Stage<'_>, key: &Key) -> Result<(), Failure> {
    stage.step("9  A leaked key")?;
    stage.tell("somebody has committed the new key, among things that look like keys:")?;
    let other = if key.token.ends_with('0') { '1' } else { '0' };
    let decoy = format!("{}{other}", &key.token[..key.token.len() - 1]);
    stage.write(
        "shop/config/prod.js",
        &format!("// do not commit\nexport const key = \"{}\";\n", key.token),
    )?;
    stage.write("shop/README.md", &format!("Use a key such as acme_live_XXXX or {decoy}.\n"))?;
    let said = stage.kgate(&["leak-scan", "shop"])?;
    let output = format!("{}{}", said.stdout, said.stderr);
    stage.expect(said.code == 1, "found, so the exit code is 1: a commit hook or CI job stops here")?;
    let is_named = output.contains("prod.js:2:21") && output.contains(&key.id) && output.contains("active");
    stage.expect(is_named, "it says where, whose it is, and that it is live")?;
    stage.expect(!output.contains("README.md"), "no false alarm: the checksum tells")?;
    stage.expect(!output.contains(&key.token), "and the report does not leak it again")?;
    let said = stage.kgate(&["key", "revoke", &key.id, "--reason", "leak", "--yes"])?;
    stage.expect(said.code == 0, "ended")?;
    let status = stage.ask("/v1/products", &key.token)?.status();
    stage.expect(status == 401, "401")
}

fn finish(stage: &Stage<'_>) -> Result<(), Failure> {
    if stage.failures() > 0 {
        return Ok(());
    }
    stage.step("All of this was real. What to try next:")?;
    stage.quote(NEXT, "")
}

/// Creates a key for Acme Corp, shown as a user would keep it in the variable `name`.
fn create(stage: &Stage<'_>, name: &str, options: &[&str]) -> Result<Key, Failure> {
    let arguments = [&["key", "create", "--consumer", "Acme Corp"], options].concat();
    let said = stage.kgate_into(name, &arguments)?;
    key_in(&said)
}

fn key_in(said: &Said) -> Result<Key, Failure> {
    let token = said.stdout.trim().to_owned();
    match ids_in(said).into_iter().next() {
        Some(id) if said.code == 0 => Ok(Key { token, id }),
        _ => Err(Failure::cannot("the key was not made, so there is nothing to go on with")),
    }
}

/// Returns the identifiers of keys a command named, in order.
fn ids_in(said: &Said) -> Vec<String> {
    let words = said.stderr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("key_") && word.len() == 30).map(ToOwned::to_owned).collect()
}

/// Sends `count` requests at the same moment and returns their statuses.
fn burst(stage: &Stage<'_>, token: &str, count: usize) -> Result<Vec<u16>, Failure> {
    let gateway = stage.gateway()?;
    let line = std::sync::Barrier::new(count);
    thread::scope(|scope| {
        let send = || {
            line.wait();
            stage::ask(gateway, "/v1/products", token).map(|response| response.status())
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(0))).collect()
    })
}

const ADDITIONS: &str = r#"
[plans.trial]
limits = [{ name = "hour", rate = "3/h" }]

[[route]]
name = "products"
path = "/v1/products/**"
methods = ["GET"]
scopes = "products:read"
upstream = "backend"

[[route]]
name = "orders"
path = "/v1/orders/**"
scopes = "orders:write"
upstream = "backend"
"#;

const NEXT: &str = "\
kgate init                     a kgate.toml and a store of your own, in this directory
kgate serve                    the gateway
kgate key verify --path / < FILE
                               the gateway's verdict on a key, and why
kgate audit                    who changed what, when
kgate backup FILE              a consistent copy while it runs
kgate leak-scan ~/src          your own files
docs/config.md, docs/operations.md, docs/security.md say the rest
";
