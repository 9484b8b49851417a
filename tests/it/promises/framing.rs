//! Nobody smuggles a request past the gateway: the backend sees as many as were admitted.

use super::corpus::{self, Form};
use crate::harness::{CONFIG, Gate, request};

const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

const FORM: Form<'_> = Form { target: "/public/1", fields: "", smuggled: SMUGGLED };

/// A gateway that soon closes a connection on which nothing comes.
fn gate() -> Gate {
    Gate::start(
        &CONFIG.replace(
            "realm = \"acme\"",
            "realm = \"acme\"\nbody_timeout = \"300ms\"\nidle_timeout = \"30ms\"",
        ),
    )
}

/// Sends bytes and returns the statuses of all answers until the gateway closes.
fn statuses(gate: &Gate, bytes: &[u8]) -> (Vec<u16>, Vec<u8>) {
    let mut client = gate.connect();
    client.try_send(bytes);
    let answers = client.rest();
    // Echoed heads are JSON, in which a line end is written out: only real status lines match.
    let text = String::from_utf8_lossy(&answers).into_owned();
    let statuses = text
        .match_indices("HTTP/1.1 ")
        .filter(|(at, _)| *at == 0 || !text[..*at].ends_with(' '))
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .collect();
    (statuses, answers)
}

#[test]
fn the_backend_sees_as_many_requests_as_were_admitted() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    for (name, bytes, requests) in corpus::counted(&FORM) {
        let before = gate.echo.requests();
        let (got, raw) = statuses(&gate, bytes.as_bytes());
        let admitted = got.iter().filter(|status| **status == 200).count();
        let shown = format!("{name}: {bytes:?}: {got:?} {}", raw.escape_ascii());
        assert!(admitted <= requests, "{shown}");
        assert!(!raw.windows(4).any(|w| w == b"EVIL"), "{shown}");
        // Over the same pooled connection if there is one: what was left in it would come first.
        let marker = format!("/v1/products/{before}");
        let answer = gate.get(&marker, &token);
        assert_eq!(answer.json()["target"], marker, "{shown}");
        let seen = gate.echo.requests() - before - 1;
        // A request that the backend saw and the gateway then gave up on (its body broke off) was
        // admitted too; it is never more than was sent.
        assert!(seen >= admitted && seen <= requests.max(1), "the backend saw {seen} of {shown}");
        assert!(
            seen == admitted || got.iter().any(|status| *status >= 400),
            "the backend saw {seen} of {shown}"
        );
    }
}

/// A protected route answers 401 before it has read the body, which must not become a request, and
/// what follows it is judged for itself.
#[test]
fn what_follows_a_refusal_is_judged_for_itself() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let good = request("GET", "/v1/products/after", &token);
    let inner = request("GET", "/v1/products/smuggled", &token);
    let post =
        |fields: &str, body: &str| format!("POST /v1/products/1 HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
    for (framed, reuses) in [
        (post(&format!("Content-Length: {}\r\n", inner.len()), &inner), true),
        (
            post("Transfer-Encoding: chunked\r\n", &format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len())),
            false,
        ),
        (post(&format!("Expect: 100-continue\r\nContent-Length: {}\r\n", inner.len()), &inner), false),
        (post(&format!("Content-Length: {}\r\n", 100_000), &inner.repeat(1000)), false),
        (post(&format!("Connection: close\r\nContent-Length: {}\r\n", inner.len()), &inner), false),
        (post(&format!("Connection: content-length\r\nContent-Length: {}\r\n", inner.len()), &inner), true),
    ] {
        let before = gate.echo.requests();
        let (got, raw) = statuses(&gate, format!("{framed}{good}").as_bytes());
        let shown = format!("{framed:.200}: {got:?}");
        assert_eq!(got[0], 401, "{shown}");
        assert_eq!(got[1..], if reuses { vec![200] } else { vec![] }, "{shown}");
        let text = String::from_utf8_lossy(&raw);
        assert!(!text.contains("/v1/products/smuggled"), "{shown}");
        assert_eq!(gate.echo.requests() - before, usize::from(reuses), "{shown}");
    }
}

/// Pingora takes a size without digits for the end of the body, and others go on reading.
#[test]
fn a_chunk_that_can_be_read_in_two_ways_is_400_and_ends_the_connection() {
    let gate = gate();
    for chunks in
        ["\r\n\r\n", ";ext\r\n\r\n", "1\r\nx\r\n\r\n\r\n", "1\nx\r\n0\r\n\r\n", "1 \r\nx\r\n0\r\n\r\n"]
    {
        let post =
            format!("POST /public/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let (got, raw) = statuses(&gate, format!("{post}{SMUGGLED}").as_bytes());
        assert_eq!(got, [400], "{chunks:?}: {}", raw.escape_ascii());
    }
}

/// The rules for heads hold for each on a connection, whatever body came before it, and however the
/// bytes were cut.
#[test]
fn a_head_behind_a_body_is_read_as_strictly_as_the_first() {
    let gate = gate();
    let loose = "GET /public/loose HTTP/1.1\nHost: a\n\n";
    for first in [
        "GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "POST /public/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        let (got, raw) = statuses(&gate, format!("{first}{loose}").as_bytes());
        assert_eq!(got, [200, 400], "{first:?}: {}", raw.escape_ascii());
        let mut client = gate.connect();
        client.send(format!("{first}{}", &loose[..1]));
        assert_eq!(client.answer().status, 200, "{first:?}");
        client.send(&loose[1..]);
        assert_eq!(client.answer().status, 400, "{first:?}");
    }
}

/// A backend that cut such a host where the routes did not would serve another site than was judged.
#[test]
fn a_host_that_can_be_read_in_two_ways_is_400() {
    let gate = gate();
    for host in ["a:abc", "a:80:90", "a..", ".a", "a%2eb", "[a]", "a:", "a:99999", "a..b"] {
        let (got, raw) =
            statuses(&gate, format!("GET /public/1 HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(got, [400], "{host}: {}", raw.escape_ascii());
    }
    assert_eq!(gate.echo.requests(), 0);
}

#[test]
fn a_body_in_a_coding_that_would_be_lost_is_400() {
    let gate = gate();
    for coding in ["gzip, chunked", "chunked, chunked", ",chunked", "chunked;q=1", "identity"] {
        let bytes = format!(
            "POST /public/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n{SMUGGLED}"
        );
        let (got, raw) = statuses(&gate, bytes.as_bytes());
        assert_eq!(got, [400], "{coding}: {}", raw.escape_ascii());
    }
    assert_eq!(gate.echo.requests(), 0);
}

/// RFC 9112 §6.1 has a server refuse it or go by the coding. Whoever is before us may have gone by the length.
#[test]
fn a_length_beside_a_coding_is_400_and_ends_the_connection() {
    let gate = gate();
    let key = format!("Authorization: Bearer {}\r\n", gate.issue(&["products:read"]).expose());
    let coding = "Transfer-Encoding: chunked\r\n";
    for length in
        ["Content-Length: 0\r\n", "content-length:5\r\n", "CONTENT-LENGTH: 4\r\nContent-Length: 4\r\n"]
    {
        for fields in
            [format!("{length}{coding}"), format!("{coding}{length}"), format!("{length}X: y\r\n{coding}")]
        {
            for (target, key) in [("/public/1", ""), ("/v1/products/1", key.as_str()), ("/v1/products/1", "")]
            {
                let post =
                    format!("POST {target} HTTP/1.1\r\nHost: a\r\n{key}{fields}\r\n0\r\n\r\n{SMUGGLED}");
                let (got, raw) = statuses(&gate, post.as_bytes());
                assert_eq!(got, [400], "{post:?}: {}", raw.escape_ascii());
                assert!(raw.windows(13).any(|w| w == b"\"bad_request\""), "{}", raw.escape_ascii());
            }
        }
    }
    assert_eq!(gate.echo.requests(), 0);
    // A field that only looks like one is none.
    let post = format!("POST /public/1 HTTP/1.1\r\nHost: a\r\nX-Content-Length: 5\r\n{coding}\r\n0\r\n\r\n");
    assert_eq!(statuses(&gate, post.as_bytes()).0, [200]);
}

/// RFC 9112 §6.1: HTTP/1.0 knows no codings, so who says one passed on what it did not understand.
#[test]
fn a_coding_in_http_1_0_is_400_and_ends_the_connection() {
    let gate = gate();
    for fields in ["", "Connection: keep-alive\r\n", "Content-Length: 5\r\n"] {
        let post = format!(
            "POST /public/1 HTTP/1.0\r\nHost: a\r\n{fields}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        );
        let (got, raw) = statuses(&gate, post.as_bytes());
        assert_eq!(got, [400], "{fields:?}: {}", raw.escape_ascii());
    }
    assert_eq!(gate.echo.requests(), 0);
}

/// Servers disagree on when the body comes then, and so on where the next request begins.
#[test]
fn what_is_expected_is_one_thing_or_the_request_is_400() {
    let gate = gate();
    for expect in
        ["x", "100-continue, x", "y 100-continue", "100-continue\r\nExpect: 100-continue", "", "100"]
    {
        let bytes = format!(
            "POST /public/1 HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: 2\r\n\r\nhi{SMUGGLED}"
        );
        let (got, raw) = statuses(&gate, bytes.as_bytes());
        assert_eq!(got, [400], "{expect}: {}", raw.escape_ascii());
    }
    assert_eq!(gate.echo.requests(), 0);
}

#[test]
fn a_request_of_http_1_0_goes_on_with_a_host() {
    let gate = gate();
    let answer = gate.send("GET /public/1 HTTP/1.0\r\n\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.seen("Host"), [""]);
}
