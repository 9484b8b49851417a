//! Requests made up by chance: the gateway, the sidecar in both of Envoy's forms and the layer in the process
//! give one verdict, one identity and the same words.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use envoy_types::ext_authz::v3::pb::{
    CheckRequest, CheckResponse, HeaderValue, HeaderValueOption, HttpResponse,
};
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, SocketAddress, address};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use kgate::layer::KeyLayer;
use kgate::verify::Verifier;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::fronts::{CONFIG, Keys};
use crate::harness::{Answer, Client, full_or, patient};
use crate::layer::{inside, outside, parsed};
use crate::process::Site;

const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "DELETE", "PUT", "OPTIONS", "get", "TRACE", "QUERY"];

const STARTS: &[&str] = &[
    "/v1/products",
    "/v1/products",
    "/v1/products",
    "/header",
    "/cookie",
    "/query",
    "/basic",
    "/socket",
    "/several",
    "/public",
    "/anyone",
    "/anyone",
    "/v1",
    "",
    "/nowhere",
    "//v1/products",
];

const SEGMENTS: &[&str] = &[
    "7",
    "7",
    "a%20b",
    "..",
    "%2e%2e",
    ".",
    "%2E",
    "a%2fb",
    "a%5cb",
    "a\\b",
    "a;b=c",
    "%C3%BC",
    "%zz",
    "%",
    "%00",
    "~",
    "%7E",
    "%41",
    "a+b",
    "public",
    "%252e%252e",
    "@",
    ":",
    "a,b",
    "\u{fc}",
    "products",
];

const QUERIES: &[&str] = &[
    "?a=1",
    "?",
    "?api_key={good}",
    "?a=%20&api_key={good}&b",
    "?%61pi_key={narrow}",
    "?a=%zz&b",
    "?/../public",
    "?%00",
];

const FIELDS: &[&str] = &[
    "Authorization: Bearer {good}",
    "Authorization: Bearer {good}",
    "Authorization: Bearer {good}",
    "Authorization: bearer {good}",
    "Authorization: Bearer  {good}",
    "Authorization: Bearer {good}, Bearer {good}",
    "Authorization: Bearer {narrow}",
    "Authorization: Bearer {elsewhere}",
    "Authorization: Bearer {revoked}",
    "Authorization: Bearer {disabled}",
    "Authorization: Bearer {unknown}",
    "Authorization: Bearer {web}",
    "Authorization: Bearer {web}",
    "Origin: https://app.example.com",
    "Origin: https://app.example.com",
    "Origin: https://evil.example",
    "Origin: null",
    "Referer: https://app.example.com/cart",
    "Authorization: Bearer",
    "Authorization: Basic dXNlcjpwYXNz",
    "Authorization: {good}",
    "Authorization:",
    "X-Api-Key: {good}",
    "X-Api-Key: {good}",
    "X-Api-Key: {revoked}",
    "x-api-key: {good} ",
    "X-Other: {good}",
    "X-Other: hello",
    "Cookie: key={good}",
    "Cookie: a=1; key={good}; b=2",
    "Cookie: key={revoked}; a",
    "Cookie: a=1",
    "Authorization: Basic {good:}",
    "Authorization: Basic {revoked:}",
    "Sec-WebSocket-Protocol: kgate.key.{good}, chat",
    "Sec-WebSocket-Protocol: chat, kgate.key.{expired}",
    "Sec-WebSocket-Protocol: chat",
    "X-Consumer-Id: root",
    "X_Consumer_Id: root",
    "x-consumer.id: root",
    "X-Key-Id: key_root",
    "X-Consumer-Scopes: admin",
    "X-Consumer-Meta-Tier: gold",
    "X-Kgate-Secret: guess",
    "X-Request-Id: mine",
    "X-Original-Uri: /public/x",
    "X-Forwarded-Method: DELETE",
    "X-Http-Method-Override: DELETE",
    "User-Agent: \u{fc}",
    "Referer: http://{good}/",
];

/// What has to be the same at every door.
const COMPARED: &[&str] = &[
    "X-Consumer-Id",
    "X-Consumer-Name",
    "X-Consumer-External-Id",
    "X-Consumer-Scopes",
    "X-Consumer-Plan",
    "X-Consumer-Meta-Tier",
    "X-Key-Id",
    "X-Kgate-Secret",
    "Authorization",
    "X-Api-Key",
    "X-Other",
    "Cookie",
    "Sec-WebSocket-Protocol",
];

/// A request made up by chance.
struct Made {
    method: &'static str,
    target: String,
    fields: Vec<String>,
}

impl Made {
    fn by_chance(rng: &mut StdRng, keys: &Keys) -> Self {
        let mut target = (*STARTS.choose(rng).unwrap()).to_owned();
        for _ in 0..rng.random_range(0..4) {
            let segment = if rng.random_ratio(2, 3) { &"7" } else { SEGMENTS.choose(rng).unwrap() };
            let _ = write!(target, "/{segment}");
        }
        if target.is_empty() {
            target.push('/');
        }
        if rng.random_ratio(1, 3) {
            target.push_str(QUERIES.choose(rng).unwrap());
        }
        let fields = (0..rng.random_range(0..4)).map(|_| keys.fill(FIELDS.choose(rng).unwrap())).collect();
        Self { method: METHODS.choose(rng).unwrap(), target: keys.fill(&target), fields }
    }

    /// The request as its bytes, with `more` before its own fields.
    fn text(&self, prefix: &str, more: &str) -> String {
        let mut text =
            format!("{} {prefix}{} HTTP/1.1\r\nHost: api.example.com\r\n{more}", self.method, self.target);
        for field in &self.fields {
            let _ = write!(text, "{field}\r\n");
        }
        text + "\r\n"
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().filter_map(|field| field.split_once(':')).map(|(name, value)| (name, value.trim()))
    }

    /// What a backend sees behind Envoy: what the client sent, with what kgate said to set and to remove.
    fn behind_envoy<'a>(
        &self,
        set: impl Fn(&str) -> Option<&'a str>,
        removed: &[&str],
    ) -> BTreeMap<&'static str, Vec<String>> {
        let seen = |name: &str| match set(name) {
            Some(value) => vec![value.to_owned()],
            None if removed.iter().any(|gone| gone.eq_ignore_ascii_case(name)) => Vec::new(),
            None => {
                let own = self.fields().filter(|(own, _)| own.eq_ignore_ascii_case(name));
                own.map(|(_, value)| value.to_owned()).collect()
            }
        };
        COMPARED.iter().map(|name| (*name, without_empty(seen(name)))).collect()
    }

    /// The question Envoy asks about it over gRPC.
    fn in_grpc(&self) -> CheckRequest {
        let own = self.fields().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let pseudo = [(":method", self.method), (":path", &self.target), (":authority", "api.example.com")];
        let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value));
        let headers = pseudo
            .chain(own)
            .map(|(key, value)| HeaderValue { key, raw_value: value.into(), ..HeaderValue::default() })
            .collect();
        let http = HttpRequest {
            method: self.method.to_owned(),
            path: self.target.clone(),
            host: "api.example.com".to_owned(),
            header_map: Some(HeaderMap { headers }),
            ..HttpRequest::default()
        };
        let socket = SocketAddress { address: "127.0.0.1".to_owned(), ..SocketAddress::default() };
        let address = Address { address: Some(address::Address::SocketAddress(socket)) };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(Peer { address: Some(address), ..Peer::default() }),
                request: Some(Request { http: Some(http), ..Request::default() }),
                ..AttributeContext::default()
            }),
        }
    }

    /// What is wrong with the answer Envoy got over gRPC, if the gateway gave `wanted`.
    fn fault_in_grpc(&self, wanted: &Answer, got: &CheckResponse) -> Option<String> {
        let value = |options: &[HeaderValueOption], name: &str| -> Option<String> {
            let mut all = options.iter().filter_map(|option| option.header.as_ref());
            all.find(|header| header.key.eq_ignore_ascii_case(name)).map(|header| header.value.clone())
        };
        let same = match got.http_response.as_ref()? {
            HttpResponse::OkResponse(ok) if wanted.status == 200 => {
                let removed: Vec<&str> = ok.headers_to_remove.iter().map(String::as_str).collect();
                let set = |name: &str| {
                    let mut all = ok.headers.iter().filter_map(|option| option.header.as_ref());
                    all.find(|h| h.key.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
                };
                let target = set(":path").unwrap_or(&self.target);
                wanted.json()["target"] == target && self.behind_envoy(set, &removed) == seen(wanted)
            }
            HttpResponse::DeniedResponse(denied) if wanted.status != 200 => {
                let told = |name| value(&denied.headers, name);
                let status = denied.status.as_ref().map_or(0, |status| status.code);
                let body = || serde_json::from_str(&denied.body).unwrap();
                let (challenge, allow) = (told("www-authenticate"), told("allow"));
                (wanted.status == 400 && status == 400)
                    || (status == i32::from(wanted.status)
                        && said(wanted.status, body(), challenge.as_deref(), allow.as_deref())
                            == words(wanted))
            }
            _ => false,
        };
        (!same).then(|| format!("grpc: {}gateway {}\ngrpc {got:?}", self.text("", ""), wanted.head))
    }
}

/// What of a request's head the backend behind the gateway saw.
fn seen(answer: &Answer) -> BTreeMap<&'static str, Vec<String>> {
    COMPARED.iter().map(|name| (*name, without_empty(answer.seen(name)))).collect()
}

/// An empty field and none are the same to a backend that asks for a value.
fn without_empty(values: Vec<String>) -> Vec<String> {
    values.into_iter().filter(|value| !value.is_empty()).collect()
}

/// Sends a request over a connection that is kept as long as it can be.
fn ask(client: &mut Option<Client>, address: std::net::SocketAddr, text: &str) -> Answer {
    let mut open = client.take().unwrap_or_else(|| Client::tcp(address));
    let answer = if open.try_send(text) { open.try_answer() } else { None };
    let answer = answer.unwrap_or_else(|| {
        open = Client::tcp(address);
        open.send(text);
        open.answer()
    });
    if answer.header("connection") != Some("close") {
        *client = Some(open);
    }
    answer
}

/// What a refusal says but for the request's own id.
fn words(answer: &Answer) -> String {
    said(answer.status, answer.json(), answer.header("www-authenticate"), answer.header("allow"))
}

fn said(status: u16, mut body: serde_json::Value, challenge: Option<&str>, allow: Option<&str>) -> String {
    body["request_id"] = "".into();
    format!("{status} {body} {challenge:?} {allow:?}")
}

#[test]
fn every_door_gives_one_verdict_on_requests_made_up_by_chance() {
    let site = Site::with(CONFIG);
    let keys = Keys::make(&site.store());
    let sidecar = site.serve(&["--shared"]);
    // Asked directly, as nobody's proxy.
    let alone = site.dir.path().join("alone.toml");
    let config = fs::read_to_string(site.config_path()).unwrap();
    fs::write(&alone, config.replace("trusted_proxies", "# trusted_proxies")).unwrap();
    let gateway = site.serve(&["--shared", "--config", alone.to_str().unwrap()]);
    let config = kgate::config::Config::read(&alone).unwrap().config;
    let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), patient()).unwrap();
    let mut service = KeyLayer::new(&config, verifier).layer(tower::service_fn(inside));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let envoy = format!("http://{}", sidecar.sidecar.unwrap());
    let mut envoy = runtime.block_on(AuthorizationClient::connect(envoy)).unwrap();

    let mut rng = StdRng::seed_from_u64(7);
    let (mut to_gateway, mut to_sidecar) = (None, None);
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for _ in 0..full_or(100_000, 4_000) {
        let made = Made::by_chance(&mut rng, &keys);
        let wanted = ask(&mut to_gateway, gateway.address, &made.text("", ""));
        *counts.entry(wanted.status).or_default() += 1;
        let front = ask(
            &mut to_sidecar,
            sidecar.sidecar.unwrap(),
            &made.text("/envoy", "X-Forwarded-For: 127.0.0.1\r\n"),
        );
        // A front forwards what the client sent: where the gateway would forward another spelling, kgate refuses.
        let is_respelled = wanted.status == 200 && wanted.json()["target"] != made.target.as_str();
        let same = if is_respelled {
            front.status == 400
        } else if wanted.status == 200 {
            let removed = front.header("x-envoy-auth-headers-to-remove").unwrap_or("");
            let removed: Vec<&str> = removed.split(',').map(str::trim).collect();
            front.status == 200 && made.behind_envoy(|name| front.header(name), &removed) == seen(&wanted)
        } else {
            // Bytes that are no HTTP are refused where they arrive, in the words of that place.
            (wanted.status == 400 && front.status == 400) || words(&front) == words(&wanted)
        };
        if !same {
            faults.push(format!(
                "sidecar: {}gateway {}\nsidecar {}",
                made.text("", ""),
                wanted.head,
                front.head
            ));
        }
        let answer = runtime.block_on(envoy.check(made.in_grpc())).unwrap().into_inner();
        faults.extend(made.fault_in_grpc(&wanted, &answer));
        let Some(asked) = parsed(&made.text("", "")) else { continue };
        let got = runtime.block_on(async { service.ready().await.unwrap().call(asked).await.unwrap() });
        let status = got.status().as_u16();
        let body = runtime.block_on(axum::body::to_bytes(got.into_body(), 1 << 16)).unwrap();
        let same = if wanted.status == 200 {
            status == 200 && String::from_utf8_lossy(&body) == outside(&wanted)
        } else {
            let code = |json: serde_json::Value| json["code"].clone();
            status == wanted.status
                && (status == 400 || code(serde_json::from_slice(&body).unwrap()) == code(wanted.json()))
        };
        if !same {
            faults.push(format!(
                "layer: {}gateway {}\nlayer {status} {}",
                made.text("", ""),
                wanted.head,
                String::from_utf8_lossy(&body)
            ));
        }
    }
    println!("{counts:?}");
    faults.truncate(10);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    for status in [200, 400, 401, 403, 404, 405] {
        assert!(counts.get(&status).is_some_and(|n| *n > 9), "{counts:?}: chance left something out");
    }
}

/// A name, the status it is refused with, and what it changes of a good question.
type Flaw<'c> = (&'static str, i32, &'c dyn Fn(&mut AttributeContext));

/// The status of an answer over gRPC; 200 if the request may pass.
fn status_of(answer: &CheckResponse) -> i32 {
    let grpc = answer.status.as_ref().map(|status| status.code);
    match answer.http_response.as_ref().expect("an answer") {
        HttpResponse::OkResponse(_) => {
            assert_eq!(grpc, Some(0));
            200
        }
        HttpResponse::DeniedResponse(denied) => {
            assert!(grpc.is_some_and(|code| code != 0), "{answer:?}");
            assert!(serde_json::from_str::<serde_json::Value>(&denied.body).is_ok(), "{answer:?}");
            denied.status.as_ref().expect("a status").code
        }
        other @ HttpResponse::ErrorResponse(_) => panic!("{other:?}"),
    }
}

/// Asks over gRPC as Envoy does, about a GET; the first field is the original request's, the second the call's.
pub fn ask_in_grpc(
    sidecar: std::net::SocketAddr,
    target: &str,
    token: &kgate::key::Token,
    [of_request, of_call]: &[(&'static str, &str); 2],
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fields = vec![
        format!("Authorization: Bearer {}", token.expose()),
        format!("{}: {}", of_request.0, of_request.1),
    ];
    let question = Made { method: "GET", target: target.to_owned(), fields }.in_grpc();
    runtime.block_on(async {
        let mut envoy = AuthorizationClient::connect(format!("http://{sidecar}")).await.unwrap();
        let mut call = tonic::Request::new(question);
        call.metadata_mut().insert(of_call.0, of_call.1.parse().unwrap());
        envoy.check(call).await.unwrap();
    });
}

#[test]
fn a_question_over_grpc_that_lacks_something_or_is_too_large_lets_nothing_pass() {
    let site = Site::with(CONFIG);
    let keys = Keys::make(&site.store());
    let process = site.serve(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let envoy = format!("http://{}", process.sidecar.unwrap());
    let mut envoy = runtime.block_on(AuthorizationClient::connect(envoy)).unwrap();
    let mut ask = |question: CheckRequest| runtime.block_on(envoy.check(question));
    let good = || {
        let fields = vec![keys.fill("Authorization: Bearer {good}")];
        Made { method: "GET", target: "/v1/products/7".to_owned(), fields }.in_grpc()
    };

    let answer = ask(good()).unwrap().into_inner();
    assert_eq!(status_of(&answer), 200);
    let told = answer.dynamic_metadata.expect("who asks, for the front's own rules and logs").fields;
    for name in
        ["consumer_id", "consumer_name", "external_id", "key_id", "key_type", "scopes", "plan", "route"]
    {
        assert!(told.contains_key(name), "{name}: {told:?}");
    }
    assert!(!keys.are_in(format!("{told:?}").as_bytes()));

    let http = |context: &mut AttributeContext, change: &dyn Fn(&mut HttpRequest)| {
        change(context.request.as_mut().unwrap().http.as_mut().unwrap());
    };
    let field = |name: &str, value: String| HeaderValue {
        key: name.to_owned(),
        raw_value: value.into_bytes(),
        ..HeaderValue::default()
    };
    let push = |context: &mut AttributeContext, more: HeaderValue| {
        http(context, &|http| http.header_map.as_mut().unwrap().headers.push(more.clone()));
    };
    let flaws: &[Flaw<'_>] = &[
        ("no request", 400, &|c| c.request = None),
        ("no HTTP request", 400, &|c| c.request.as_mut().unwrap().http = None),
        ("no method", 400, &|c| http(c, &|http| http.method.clear())),
        ("CONNECT", 400, &|c| http(c, &|http| http.method = "CONNECT".to_owned())),
        ("no path", 400, &|c| http(c, &|http| http.path.clear())),
        ("a path of nothing", 400, &|c| http(c, &|http| http.path = "*".to_owned())),
        ("a URL for a path", 400, &|c| http(c, &|http| http.path = "http://a/v1/products/7".to_owned())),
        ("a fragment", 400, &|c| http(c, &|http| http.path += "#a\u{0}")),
        ("no fields", 401, &|c| http(c, &|http| http.header_map = None)),
        ("a field that is none", 400, &|c| push(c, field("a b", String::new()))),
        ("a line end in a field", 400, &|c| push(c, field("x-a", "b\r\nX-Consumer-Id: root".to_owned()))),
        ("a long path", 414, &|c| http(c, &|http| http.path = format!("/v1/products/{}", "a".repeat(9_000)))),
        ("a huge field", 431, &|c| push(c, field("x-a", "b".repeat(40_000)))),
        ("many fields", 431, &|c| (0..101).for_each(|n| push(c, field(&format!("x-{n}"), String::new())))),
        ("a second key", 401, &|c| push(c, field("authorization", keys.fill("Bearer {good}")))),
        ("an address that is none", 400, &|c| {
            let socket = SocketAddress { address: "nowhere".to_owned(), ..SocketAddress::default() };
            let address = Address { address: Some(address::Address::SocketAddress(socket)) };
            c.source = Some(Peer { address: Some(address), ..Peer::default() });
        }),
    ];
    for (what, status, change) in flaws {
        let mut question = good();
        change(question.attributes.as_mut().unwrap());
        assert_eq!(status_of(&ask(question).unwrap().into_inner()), *status, "{what}");
    }
    assert_eq!(status_of(&ask(CheckRequest::default()).unwrap().into_inner()), 400, "nothing at all");
    let mut huge = good();
    push(huge.attributes.as_mut().unwrap(), field("x-a", "b".repeat(8 << 20)));
    assert!(ask(huge).is_err(), "Envoy refuses what gets no answer");
    assert_eq!(status_of(&ask(good()).unwrap().into_inner()), 200, "and the next one is answered");
}

#[test]
fn an_address_that_sends_bad_keys_is_stopped_at_every_door() {
    let site = Site::with(&CONFIG.replace("[server]\n", "[server]\nfailed_auth = { rate = \"3/h\" }\n"));
    let good = Site::issue(&site.store()).token;
    let served = site.serve(&[]);
    let config = site.config().config;
    let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), patient()).unwrap();
    let mut service = KeyLayer::new(&config, verifier).layer(tower::service_fn(inside));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Each door with an address of its own: the gateway and the sidecar are one process and one count.
    let mut ask = |door: &str, token: &str| {
        let text = |path: &str, more: &str| {
            format!("GET {path}/header/1 HTTP/1.1\r\nHost: a\r\nX-Api-Key: {token}\r\n{more}\r\n")
        };
        let over = |address, text: String| {
            let mut client = Client::tcp(address);
            client.send(text);
            let answer = client.answer();
            (answer.status, answer.header("retry-after").is_some(), answer.body.clone())
        };
        match door {
            "gateway" => over(served.address, text("", "X-Forwarded-For: 203.0.113.1\r\n")),
            "sidecar" => over(served.sidecar.unwrap(), text("/envoy", "X-Forwarded-For: 203.0.113.2\r\n")),
            _ => {
                let mut asked = parsed(&text("", "")).unwrap();
                asked.extensions_mut().insert(kgate::layer::ClientAddress([203, 0, 113, 3].into()));
                let got =
                    runtime.block_on(async { service.ready().await.unwrap().call(asked).await.unwrap() });
                let (head, body) = got.into_parts();
                let body = runtime.block_on(axum::body::to_bytes(body, 1 << 16)).unwrap();
                (head.status.as_u16(), head.headers.contains_key("retry-after"), body.to_vec())
            }
        }
    };
    for door in ["gateway", "sidecar", "layer"] {
        for _ in 0..3 {
            assert_eq!(ask(door, "no key").0, 401, "{door}");
        }
        for token in ["no key", good.expose()] {
            let (status, has_wait, body) = ask(door, token);
            let code = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["code"].clone();
            assert_eq!((status, has_wait, code), (429, true, "too_many_failures".into()), "{door}");
        }
    }
}
