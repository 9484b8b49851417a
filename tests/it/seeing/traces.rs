//! Traces, as a collector gets them, read by OpenTelemetry's own classes.

use rustix::process::Signal;
use serde_json::Value;

use super::receiver::Receiver;
use super::{lines, tool};
use crate::fronts::free_port;
use crate::harness::{Client, is_quick, until};
use crate::process::{CONFIG, Site};

fn site(url: &str, more: &str) -> Site {
    Site::with(&format!(
        "{CONFIG}\n[access_log]\nfile = \"access.log\"\n\n[traces]\nurl = \"{url}\"\n{more}\n"
    ))
}

/// The spans of a request to the collector.
fn spans(body: &[u8]) -> Vec<Value> {
    const SCRIPT: &str = "
import json, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = ExportTraceServiceRequest()
request.ParseFromString(sys.stdin.buffer.read())
value = lambda v: getattr(v, v.WhichOneof('value'))
facts = lambda list: {a.key: value(a.value) for a in list}
print(json.dumps([{
    'service': facts(resource.resource.attributes)['service.name'],
    'scope': scope.scope.name,
    'trace': span.trace_id.hex(), 'id': span.span_id.hex(), 'parent': span.parent_span_id.hex(),
    'name': span.name, 'kind': span.kind, 'status': span.status.code,
    'begins': span.start_time_unix_nano, 'ends': span.end_time_unix_nano,
    'facts': facts(span.attributes),
} for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]))
";
    serde_json::from_str(&tool(SCRIPT, body)).unwrap()
}

#[test]
fn a_request_is_a_step_of_its_callers_trace_and_the_backend_of_ours() {
    if is_quick() {
        return;
    }
    let collector = Receiver::start(&["200 OK"]);
    let site = site(&format!("http://{}/v1/traces", collector.address), "service = \"front\"");
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let mut client = Client::tcp(process.address);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    client.send(format!(
        "GET /a?key=s3cr3t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\ntraceparent: {parent}\r\n\
         tracestate: x=y\r\n\r\n",
        key.token.expose()
    ));
    let sent = client.answer().json();
    let header = |name: &str| {
        let headers = sent["headers"].as_array().unwrap();
        let found = headers.iter().find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
        found.map(|header| header[1].as_str().unwrap().to_owned())
    };
    let onward = header("traceparent").unwrap();
    assert_eq!(header("tracestate").as_deref(), Some("x=y"));
    client.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 401);

    let mut all = Vec::new();
    until("three spans came", || {
        all = collector.heard().iter().flat_map(|heard| spans(&heard.body)).collect();
        all.len() == 3
    });
    let named =
        |name: &str| all.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{all:?}"));
    let (server, backend) = (named("GET all"), named("GET echo"));
    assert_eq!((&server["service"], &server["scope"]), (&"front".into(), &"kgate".into()));
    assert_eq!(server["trace"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((&server["parent"], &server["kind"]), (&"b7ad6b7169203331".into(), &2.into()));
    assert_eq!((&backend["trace"], &backend["parent"]), (&server["trace"], &server["id"]));
    assert_eq!((&backend["kind"], &server["facts"]["http.response.status_code"]), (&3.into(), &200.into()));
    assert_eq!(
        onward,
        format!("00-{}-{}-01", server["trace"].as_str().unwrap(), backend["id"].as_str().unwrap())
    );
    assert_eq!(server["facts"]["kgate.key_id"], key.record.id.to_string());
    assert!(server["begins"].as_u64() <= backend["begins"].as_u64());
    assert!(backend["ends"].as_u64() <= server["ends"].as_u64(), "{server} {backend}");
    let refused = all.iter().find(|span| span["facts"]["kgate.reason"] == "no_credential").unwrap();
    assert_eq!(refused["facts"]["http.response.status_code"], 401);
    assert_ne!(refused["trace"], server["trace"], "a trace of its own");
    let text = all.iter().map(ToString::to_string).collect::<String>();
    assert!(!text.contains("s3cr3t") && !text.contains(&key.token.expose()[10..]));
    let log = || lines(&site.dir.path().join("access.log"));
    until("the line is there", || !log().is_empty());
    assert_eq!(log()[0]["trace_id"], server["trace"], "lines and traces find each other");
}

#[test]
fn of_sampled_requests_only_those_are_sent_and_the_backend_is_told() {
    let collector = Receiver::start(&["200 OK"]);
    let site = site(&format!("http://{}/", collector.address), "one_in = 0");
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let mut client = Client::tcp(process.address);
    client.send(crate::harness::request("GET", "/a", &key.token));
    let text = String::from_utf8(client.answer().body).unwrap();
    assert!(text.contains("traceparent"), "{text}");
    process.signal(Signal::TERM);
    process.wait();
    assert!(collector.heard().is_empty());
}

#[test]
fn a_dead_collector_costs_spans_that_are_counted_and_no_request() {
    // Nobody listens there.
    let gone = free_port();
    let site = site(&format!("http://{gone}/"), "");
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    for _ in 0..20 {
        assert_eq!(process.status(&key), 200);
    }
    process.until_it_says("the collector of [traces] does not take what it is told");
    until("they are counted", || {
        let text = process.ask_admin("/metrics").1;
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("kgate_dropped_total{cause=\"failed\",queue=\"traces\"} "));
        line.is_some_and(|count| count != "0")
    });
    process.signal(Signal::TERM);
    assert!(process.wait().0.success());
}

#[test]
fn without_the_table_what_others_say_of_traces_passes_and_nothing_is_added() {
    let site = Site::new();
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let mut client = Client::tcp(process.address);
    client.send(crate::harness::request("GET", "/a", &key.token));
    let text = String::from_utf8(client.answer().body).unwrap();
    assert!(!text.contains("traceparent"), "{text}");
}

/// Other proxies ask within a step of their own trace: over HTTP and over gRPC.
#[test]
fn a_question_of_another_proxy_is_a_step_of_its_trace() {
    if is_quick() {
        return;
    }
    let collector = Receiver::start(&["200 OK"]);
    let traces = format!("\n[traces]\nurl = \"http://{}/v1/traces\"\none_in = 0\n", collector.address);
    let site = Site::with(&format!("{}{traces}", crate::fronts::CONFIG));
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let parent = |id: u8, flags: &str| format!("00-{:032x}-{:016x}-{flags}", id, 0xab);
    let mut client = Client::tcp(process.sidecar.unwrap());
    // A proxy that does not record, one that does, and one that has no trace.
    for traceparent in [parent(1, "00"), parent(2, "01"), "nonsense".to_owned()] {
        client.send(format!(
            "GET /envoy/v1/products/7 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {}\r\n\
             traceparent: {traceparent}\r\n\r\n",
            key.token.expose()
        ));
        assert_eq!(client.answer().status, 403, "its scopes do not suffice");
    }
    crate::doors::ask_in_grpc(
        process.sidecar.unwrap(),
        "/v1/products/7",
        &key.token,
        &[("traceparent", &parent(3, "01")), ("traceparent", &parent(4, "01"))],
    );
    let mut all = Vec::new();
    until("two spans came", || {
        all = collector.heard().iter().flat_map(|heard| spans(&heard.body)).collect();
        all.len() >= 2
    });
    let seen: Vec<_> =
        all.iter().map(|span| (span["trace"].as_str().unwrap(), span["name"].as_str().unwrap())).collect();
    let id = |id: u8| format!("{id:032x}");
    assert_eq!(seen, [(id(2).as_str(), "GET products"), (id(4).as_str(), "GET products")], "{all:?}");
    for span in &all {
        assert_eq!((&span["parent"], &span["kind"]), (&format!("{:016x}", 0xab).into(), &2.into()));
        assert_eq!(span["facts"]["kgate.reason"], "scope");
        assert_eq!(span["facts"]["kgate.key_id"], key.record.id.to_string());
    }
}
