//! kgate inside applications: the gateway's verdict, identity and words, in the process; and a service
//! behind the gateway that takes nothing from anybody else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path as Segment, Request};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::put;
use kgate::config::{IdentityHeaders, Secret};
use kgate::layer::{Caller, ClientAddress, KeyLayer, OriginLayer};
use kgate::store::{NewConsumer, NewKey};
use kgate::verify::Verifier;
use tower::{Layer, Service, ServiceExt};

use crate::fronts::{CASES, CONFIG, Keys, request};
use crate::harness::{Answer, Client, Gate, SECRET, acme, patient, scopes_of};
use crate::process::Site;

/// What a request inside looks like, as the service behind the layer answers.
pub async fn inside(request: Request) -> Result<Response, std::convert::Infallible> {
    let header = |name: &str| {
        let values: Vec<&str> =
            request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        values.join("|")
    };
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let target = request.uri().path_and_query().unwrap().as_str();
    let text = [
        target,
        &caller.consumer_id,
        &caller.key_id,
        &caller.scopes.join(","),
        &caller.external_id.unwrap_or_default(),
        &caller.plan.unwrap_or_default(),
        &header("authorization"),
        &header("x-api-key"),
        &header("x-other"),
        &header("cookie"),
        &header("sec-websocket-protocol"),
        &header("x-consumer-id"),
        &header("x-key-id"),
    ];
    Ok(Response::new(Body::from(text.join("\n"))))
}

/// The same of what the echo backend saw behind the gateway.
pub fn outside(answer: &Answer) -> String {
    let seen = |name: &str| answer.seen(name).join("|");
    [
        answer.json()["target"].as_str().unwrap(),
        &seen("X-Consumer-Id"),
        &seen("X-Key-Id"),
        &seen("X-Consumer-Scopes"),
        &seen("X-Consumer-External-Id"),
        &seen("X-Consumer-Plan"),
        &seen("Authorization"),
        &seen("X-Api-Key"),
        &seen("X-Other"),
        &seen("Cookie"),
        &seen("Sec-WebSocket-Protocol"),
        // Headers of identity are the gateway's way; in the process there are none.
        "",
        "",
    ]
    .join("\n")
}

/// Turns raw text into what a server would hand to the layer; `None` if a server would refuse it.
pub fn parsed(text: &str) -> Option<Request> {
    let mut lines = text.trim_end().split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut builder = Request::builder().method(first.next()?).uri(first.next()?);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        builder = builder.header(name, value.trim());
    }
    let mut request = builder.body(Body::empty()).ok()?;
    request.extensions_mut().insert(ClientAddress([127, 0, 0, 1].into()));
    Some(request)
}

#[test]
fn the_layer_gives_the_gateways_verdict_identity_and_words() {
    let site = Site::with(&CONFIG.replace("trusted_proxies", "# trusted_proxies"));
    let keys = Keys::make(&site.store());
    let gate = site.serve(&[]);
    let config = site.config().config;
    let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), patient()).unwrap();
    let mut service = KeyLayer::new(&config, verifier).layer(tower::service_fn(inside));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut faults = Vec::new();
    for case in CASES {
        let text = request(case, &keys);
        let mut client = Client::tcp(gate.address);
        client.send(&text);
        let wanted = client.answer();
        let asked = parsed(&text).unwrap_or_else(|| panic!("{text}"));
        let got = runtime.block_on(async { service.ready().await.unwrap().call(asked).await.unwrap() });
        let (head, body) = got.into_parts();
        let body = runtime.block_on(axum::body::to_bytes(body, 1 << 16)).unwrap();
        let same = if wanted.status == 200 {
            String::from_utf8_lossy(&body) == outside(&wanted)
        } else {
            let mut got: serde_json::Value = serde_json::from_slice(&body).unwrap();
            got["request_id"] = wanted.json()["request_id"].clone();
            let told = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
            got == wanted.json()
                && told("www-authenticate") == wanted.header("www-authenticate")
                && told("allow") == wanted.header("allow")
        };
        if head.status != wanted.status || !same {
            faults.push(format!("{}: {} {}", case.0, head.status, String::from_utf8_lossy(&body)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_revoked_key_is_refused_in_the_process_once_the_command_returned() {
    let site = Site::new();
    let key = Site::issue(&site.store());
    let config = site.config().config;
    let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), patient()).unwrap();
    let mut service = KeyLayer::new(&config, verifier).layer(tower::service_fn(inside));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut status = || {
        let asked = parsed(&crate::process::request(&key)).unwrap();
        runtime.block_on(async { service.ready().await.unwrap().call(asked).await.unwrap() }).status()
    };
    assert_eq!(status(), StatusCode::OK);
    site.run(&["key", "disable", &key.record.id.to_string()]);
    assert_eq!(status(), StatusCode::UNAUTHORIZED);
    site.run(&["key", "enable", &key.record.id.to_string()]);
    assert_eq!(status(), StatusCode::OK);
    site.run(&["key", "revoke", &key.record.id.to_string(), "--yes"]);
    assert_eq!(status(), StatusCode::UNAUTHORIZED);
}

/// Which consumer owns which document.
type Owners = Arc<HashMap<String, String>>;

/// As in `docs/library.md`.
async fn write(
    Segment(document): Segment<String>,
    Extension(caller): Extension<Caller>,
    Extension(owners): Extension<Owners>,
) -> StatusCode {
    match owners.get(&document) {
        Some(owner) if *owner == caller.consumer_id => StatusCode::NO_CONTENT,
        _ => StatusCode::NOT_FOUND,
    }
}

#[test]
fn the_gateway_admits_and_the_application_decides_whose_document_it_is() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let service: SocketAddr = listener.local_addr().unwrap();
    let config = crate::harness::CONFIG
        .replace("servers = [\"{echo}\"]", &format!("servers = [\"{service}\"]"))
        .replace("path = \"/v1/products/**\"", "path = \"/v1/documents/*\"")
        .replace("products:read", "documents:write");
    let gate = Gate::start(&config);
    let other = NewConsumer { name: "Other".to_owned(), ..NewConsumer::default() };
    let (acme, other) = (gate.consumer(&acme()), gate.consumer(&other));
    let owners: Owners = Arc::new(HashMap::from([
        ("mine".to_owned(), acme.to_string()),
        ("theirs".to_owned(), other.to_string()),
    ]));
    let app = axum::Router::new()
        .route("/v1/documents/{document}", put(write))
        .layer(Extension(owners))
        .layer(OriginLayer::new(Secret::new(SECRET.as_bytes().to_vec()), IdentityHeaders::default()));
    let serving = runtime.spawn(async move { axum::serve(listener, app).await });

    let writer = gate.issue_to(acme, &["documents:write"]).token;
    let reader =
        gate.issue_key(&NewKey { scopes: scopes_of(&["documents:read"]), ..crate::harness::new_key(acme) });
    let put = |document: &str, token: &kgate::key::Token| {
        let text = crate::harness::request("PUT", &format!("/v1/documents/{document}"), token);
        gate.send(text.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")).status
    };
    assert_eq!(put("mine", &writer), 204);
    assert_eq!(put("theirs", &writer), 404, "a good key, and not their document");
    assert_eq!(put("none", &writer), 404);
    assert_eq!(put("mine", &reader.token), 403, "the gateway's part: the scope");

    // Past the gateway: whoever reaches the service can claim to be anybody, and is not believed.
    for secret in [
        "",
        "X-Kgate-Secret: guess\r\n",
        &format!("X-Kgate-Secret: {SECRET}\r\nX-Kgate-Secret: {SECRET}\r\n"),
    ] {
        let mut client = Client::tcp(service);
        client.send(format!(
            "PUT /v1/documents/mine HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\
             X-Consumer-Id: {acme}\r\nX-Key-Id: key_x\r\n{secret}\r\n"
        ));
        assert_eq!(client.answer().status, 403, "{secret}");
    }
    serving.abort();
}

/// What a library costs those who use it.
#[test]
fn the_library_alone_stays_under_eighty_crates() {
    let crates = |features: &[&str]| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = std::process::Command::new(cargo)
            .args(["tree", "--offline", "--locked", "--no-default-features"])
            .args(features)
            .args(["--edges", "normal", "--prefix", "none"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("pingora") && !text.contains("clap"));
        let crates: std::collections::BTreeSet<&str> =
            text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        crates.len()
    };
    let (alone, with_layers) = (crates(&[]), crates(&["--features", "layer"]));
    assert!(alone < 80, "{alone} crates");
    // The elliptic curves of signed identity are a third of these.
    assert!(with_layers < 90, "{with_layers} crates");
}
