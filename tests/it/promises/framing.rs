//! Nobody smuggles a request past the gateway: the backend sees as many as were admitted.

use crate::harness::{CONFIG, Gate, request};

const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

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

/// One message each, with framing that two servers may read in two ways. The number is how many
/// requests it is, if the gateway takes it at all.
fn corpus() -> Vec<(&'static str, String, usize)> {
    let post = |fields: &str, body: &str| format!("POST /public/1 HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
    let length = SMUGGLED.len();
    let chunks = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    let te = "Transfer-Encoding: chunked\r\n";
    let early_end = format!("0\r\n\r\n{SMUGGLED}");
    let cl = |n: usize| format!("Content-Length: {n}\r\n");
    let mut all = vec![
        ("CL hides", post(&cl(length), SMUGGLED), 1),
        ("TE hides", post(te, &chunks), 1),
        ("CL.TE", post(&format!("{}{te}", cl(early_end.len())), &early_end), 2),
        ("TE.CL", post(&format!("{te}{}", cl(4)), &chunks), 1),
        ("CL.0", post(&cl(0), SMUGGLED), 2),
        ("no framing", post("", SMUGGLED), 2),
        ("two CL", post(&format!("{}{}", cl(0), cl(length)), SMUGGLED), 0),
        ("two CL, the other way", post(&format!("{}{}", cl(length), cl(0)), SMUGGLED), 0),
        ("two equal CL", post(&format!("{}{}", cl(length), cl(length)), SMUGGLED), 0),
        ("CL list", post(&format!("Content-Length: {length}, {length}\r\n"), SMUGGLED), 0),
        ("CL list of two", post(&format!("Content-Length: 0, {length}\r\n"), SMUGGLED), 0),
        ("CL list of two, the other way", post(&format!("Content-Length: {length}, 0\r\n"), SMUGGLED), 0),
        ("chunk extension", post(te, &format!("{length:x};a=b\r\n{SMUGGLED}\r\n0;c\r\n\r\n")), 1),
        (
            "trailers",
            post(
                te,
                &format!("{length:x}\r\n{SMUGGLED}\r\n0\r\nX-Consumer-Id: EVIL\r\nContent-Length: 9\r\n\r\n"),
            ),
            1,
        ),
        ("obs-fold", post(&format!("X: a\r\n {}", cl(length)), SMUGGLED), 0),
        ("folded TE", post("Transfer-Encoding:\r\n chunked\r\n", &chunks), 0),
        ("bare LF in the head", post(&format!("X: a\n{}", cl(length)), SMUGGLED), 0),
        ("bare CR in the head", post(&format!("X: a\r{}", cl(length)), SMUGGLED), 0),
        ("underscore", post(&format!("Content_Length: {length}\r\n"), SMUGGLED), 2),
        ("space before the colon", post(&format!("Content-Length : {length}\r\n"), SMUGGLED), 0),
    ];
    for value in [
        "-0",
        "+0",
        "0x0",
        "1e1",
        "0 0",
        "0;",
        "\"0\"",
        "",
        " ",
        "99999999999999999999999",
        "0\0",
        "\u{0660}",
    ] {
        all.push(("odd CL", post(&format!("Content-Length: {value}\r\n"), SMUGGLED), 0));
    }
    for (name, fields) in [
        ("TE: xchunked", "Transfer-Encoding: xchunked\r\n"),
        ("TE: identity", "Transfer-Encoding: identity\r\n"),
        ("TE: chunked, identity", "Transfer-Encoding: chunked, identity\r\n"),
        ("TE: chunkedx", "Transfer-Encoding: chunkedx\r\n"),
        ("TE: \"chunked\"", "Transfer-Encoding: \"chunked\"\r\n"),
        ("TE: cow", "Transfer-Encoding: cow\r\n"),
        ("TE: VT", "Transfer-Encoding: \x0bchunked\r\n"),
        ("TE: NUL", "Transfer-Encoding: chunked\0\r\n"),
        ("TE space", "Transfer-Encoding : chunked\r\n"),
        ("two TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        ("two TE, the other way", "Transfer-Encoding: identity\r\nTransfer-Encoding: cow\r\n"),
    ] {
        all.push((name, post(&format!("{fields}{}", cl(5)), &early_end), 0));
    }
    // Framing named in `Connection` must not be taken from the backend.
    for named in ["Content-Length", "content-length, keep-alive", "close, Content-Length"] {
        all.push((
            "CL named in Connection",
            post(&format!("Connection: {named}\r\n{}", cl(length)), SMUGGLED),
            1,
        ));
    }
    for named in ["Transfer-Encoding", "keep-alive, transfer-encoding", "close, TE, Transfer-Encoding"] {
        all.push(("TE named in Connection", post(&format!("Connection: {named}\r\n{te}"), &chunks), 1));
    }
    // Behind a chunk that can be read in two ways nothing is a request.
    for size in
        ["-1", "+1", "0x1", "1 ", " 1", "g", "", ";ext", ";", "FFFFFFFFFFFFFFFFF", "1\n", "1\r", "1;a\n"]
    {
        all.push(("odd chunk size", post(te, &format!("{size}\r\nx\r\n0\r\n\r\n{SMUGGLED}")), 1));
        all.push(("odd last chunk", post(te, &format!("1\r\nx\r\n{size}\r\n\r\n{SMUGGLED}")), 1));
    }
    for chunk in
        ["1\r\nxx\r\n0\r\n\r\n", "1\nx\n0\n\n", "1\r\nx0\r\n\r\n", "1\r\nx\r\n0\r\n", "5\r\nx\r\n0\r\n\r\n"]
    {
        all.push(("odd chunk", post(te, &format!("{chunk}{SMUGGLED}")), 1));
    }
    for (name, head) in [
        (
            "upgrade to h2c",
            "GET /public/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        ),
        ("GET with a body", "GET /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 42\r\n\r\n"),
        ("HTTP/1.0 kept alive", "GET /public/1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"),
    ] {
        all.push((name, format!("{head}{SMUGGLED}"), 2));
    }
    all
}

#[test]
fn the_backend_sees_as_many_requests_as_were_admitted() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    for (name, bytes, requests) in corpus() {
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

#[test]
fn a_request_of_http_1_0_goes_on_with_a_host() {
    let gate = gate();
    let answer = gate.send("GET /public/1 HTTP/1.0\r\n\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.seen("Host"), [""]);
}
