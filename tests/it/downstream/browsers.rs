//! What browsers need: leave to read from another origin, and answers made small.

use super::{TLS, run, tls_gate};
use crate::harness::{CONFIG, Gate, is_quick, request};

const CORS: &str = r#"
[[route]]
name = "app"
path = "/app/**"
methods = ["GET", "PUT"]
credentials = ["header:X-Api-Key"]
cors = { origins = ["https://app.example.com"], expose = ["RateLimit"] }
upstream = "echo"
"#;

fn ask(gate: &Gate, line: &str, fields: &str) -> crate::harness::Answer {
    gate.send(format!("{line} HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n"))
}

#[test]
fn a_preflight_is_answered_before_any_key_is_asked_for_and_on_its_route_only() {
    let gate = Gate::start(&(CONFIG.to_owned() + CORS));
    let preflight = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n";
    let answer = ask(&gate, "OPTIONS /app/a", preflight);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization, content-type, x-api-key"));
    let line = gate.lines.of(answer.header("x-request-id").unwrap());
    assert_eq!(
        (&line["verdict"], &line["reason"], &line["route"]),
        (&"allow".into(), &"preflight".into(), &"app".into())
    );
    assert_eq!(gate.count("kgate_requests_total{code=\"204\",route=\"app\",verdict=\"answered\"}"), 1.0);
    assert_eq!(gate.echo.requests(), 0, "no backend was asked");

    let stranger = preflight.replace("app.example.com", "evil.example");
    let answer = ask(&gate, "OPTIONS /app/a", &stranger);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, None));
    // Not a pre-flight, not this route, not its method, not a target anybody may ask for.
    for (line, fields) in [
        ("OPTIONS /app/a", "Origin: https://app.example.com\r\n"),
        ("OPTIONS /v1/products", preflight),
        ("OPTIONS /app/a", &preflight.replace("PUT", "DELETE")),
        ("OPTIONS /app/../app/a", preflight),
    ] {
        let answer = ask(&gate, line, fields);
        assert!([400, 401, 405].contains(&answer.status), "{line} {fields}: {}", answer.status);
    }
}

#[test]
fn every_answer_says_whether_the_page_may_read_it() {
    let gate = Gate::start(&(CONFIG.to_owned() + CORS));
    let token = gate.issue(&[]);
    let with = |origin: &str, key: &str| {
        ask(&gate, "GET /app/a", &format!("Origin: {origin}\r\nX-Api-Key: {key}\r\n"))
    };
    for (key, status) in [(token.expose(), 200), ("nonsense", 401)] {
        let answer = with("https://app.example.com", key);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
        assert_eq!(answer.header("access-control-expose-headers"), Some("ratelimit"));
        assert_eq!(answer.header("vary"), Some("origin"));
        let answer = with("https://evil.example", key);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, None));
    }
}

#[test]
fn a_page_may_read_that_the_backend_failed_or_the_body_was_too_long() {
    let with = |caps: &str| CORS.replace("upstream = \"echo\"\n", &format!("upstream = \"echo\"\n{caps}\n"));
    let hasty =
        with("response_timeout = \"200ms\"").replace("\"app\"", "\"hasty\"").replace("/app/", "/hasty/");
    let gate = Gate::start(&(CONFIG.to_owned() + &with("max_body = \"1KiB\"") + &hasty));
    let token = gate.issue(&[]);
    for (line, more, status) in [
        ("GET /app/a?drop", "", 502),
        ("GET /hasty/a?delay=60000", "", 504),
        ("PUT /app/a", "Content-Length: 2000\r\n", 413),
    ] {
        let fields = format!("Origin: https://app.example.com\r\nX-Api-Key: {}\r\n{more}", token.expose());
        let answer = ask(&gate, line, &fields);
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"), "{line}");
        assert_eq!(answer.header("vary"), Some("origin"), "{line}");
        let stranger = ask(&gate, line, &fields.replace("app.example", "evil.example"));
        assert_eq!((stranger.status, stranger.header("access-control-allow-origin")), (status, None));
    }
}

#[test]
fn answers_are_compressed_on_request_of_the_route() {
    if is_quick() {
        return;
    }
    let routes =
        "\n[[route]]\nname = \"small\"\npath = \"/small/**\"\ncompress = true\nupstream = \"echo\"\n";
    let gate = tls_gate(TLS, routes);
    let token = gate.issue(&["products:read"]);
    let key = format!("Authorization: Bearer {}", token.expose());
    let (ca, port) = (gate.dir.path().join("ca.pem"), gate.address.port());
    let fetch = |version: &str, coding: &str, path: &str, more: &[&str]| {
        let coding = format!("Accept-Encoding: {coding}");
        let url = format!("https://localhost:{port}{path}");
        let ca = ca.to_str().unwrap();
        let all = [
            &["-s", version, "--compressed", "--cacert", ca, "-H", &key, "-H", &coding, "-D", "-"],
            more,
            &[&url],
        ];
        run("curl", &all.concat()).to_lowercase()
    };
    let filler = format!("/small/{}", "a".repeat(2000));
    for version in ["--http1.1", "--http2"] {
        for coding in ["gzip", "br", "zstd"] {
            if coding == "zstd" && !run("curl", &["--version"]).contains("zstd") {
                continue;
            }
            let said = fetch(version, coding, &filler, &[]);
            assert!(said.contains(&format!("content-encoding: {coding}")), "{version} {coding}: {said:.600}");
            assert!(said.contains("vary: accept-encoding") && said.contains("x-consumer-id"), "{said:.600}");
        }
        assert!(!fetch(version, "identity", &filler, &[]).contains("content-encoding"));
        assert!(!fetch(version, "gzip", &filler, &["-r", "0-9"]).contains("content-encoding"));
        assert!(!fetch(version, "gzip", &filler, &["-I"]).contains("content-encoding"));
        assert!(!fetch(version, "gzip", "/v1/products", &[]).contains("content-encoding"));
    }
    let plain = Gate::start(&(CONFIG.to_owned() + routes));
    let token = plain.issue(&[]);
    let answer = plain.send(request("GET", "/small/a", &token));
    assert!(answer.status == 200 && answer.header("content-encoding").is_none());
}

#[test]
fn what_comes_piece_by_piece_or_is_to_stay_as_it_is_is_not_compressed() {
    let routes =
        "\n[[route]]\nname = \"small\"\npath = \"/small/**\"\ncompress = true\nupstream = \"echo\"\n";
    let body = "data: x\n\n".repeat(200);
    for (status, field, coding) in [
        ("200 OK", "Content-Type: text/plain", Some("gzip")),
        ("200 OK", "Content-Type: text/event-stream; charset=utf-8", None),
        ("200 OK", "Content-Type: application/x-ndjson", None),
        ("200 OK", "Content-Type: application/json;stream=watch", None),
        ("200 OK", "Content-Type: text/plain\r\nCache-Control: public, no-transform", None),
        ("200 OK", "Content-Type: text/plain\r\nCache-Control: public\r\nCache-Control: no-transform", None),
        ("206 Partial Content", "Content-Type: text/plain\r\nContent-Range: bytes 0-1799/5000", None),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\n{field}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let backend = crate::plain::answering(answer.leak(), "").to_string();
        let gate = Gate::start(&(CONFIG.replace("{echo}", &backend) + routes));
        let asks = request("GET", "/small/a", &gate.issue(&[]));
        let answer = gate.send(asks.replace("\r\n\r\n", "\r\nAccept-Encoding: gzip\r\n\r\n"));
        assert_eq!(answer.header("content-encoding"), coding, "{status} {field}");
        assert_eq!(answer.body == body.as_bytes(), coding.is_none(), "{status} {field}");
        // Nor is anything for who says that he does not want it.
        for unwanted in ["gzip;q=0", "br;q=0.0, gzip", "identity, zstd; q=0"] {
            let with = format!("\r\nAccept-Encoding: {unwanted}\r\n\r\n");
            let answer = gate.send(asks.replace("\r\n\r\n", &with));
            assert_eq!(answer.header("content-encoding"), None, "{status} {field} {unwanted}");
            assert_eq!(answer.body, body.as_bytes(), "{status} {field} {unwanted}");
        }
    }
}
