//! Requests that two servers may read in two ways, as bytes.

/// What a corpus is made of.
pub struct Form<'a> {
    /// What the outer requests ask for.
    pub target: &'a str,
    /// Fields of theirs, each with its line end: a key, say.
    pub fields: &'a str,
    /// The inner request, which nobody should take for one.
    pub smuggled: &'a str,
}

impl Form<'_> {
    /// Words a request with fields (each with its line end) and whatever follows its head.
    pub fn request(&self, method: &str, fields: &str, rest: &str) -> String {
        let Self { target, fields: ours, .. } = self;
        format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{ours}{fields}\r\n{rest}")
    }
}

/// One message each, with framing that two servers may read in two ways. The number is how many
/// requests it is, if the gateway takes it at all.
pub fn counted(form: &Form<'_>) -> Vec<(&'static str, String, usize)> {
    let post = |fields: &str, body: &str| form.request("POST", fields, body);
    let smuggled = form.smuggled;
    let length = smuggled.len();
    let chunks = format!("{length:x}\r\n{smuggled}\r\n0\r\n\r\n");
    let te = "Transfer-Encoding: chunked\r\n";
    let early_end = format!("0\r\n\r\n{smuggled}");
    let cl = |n: usize| format!("Content-Length: {n}\r\n");
    let mut all = vec![
        ("CL hides", post(&cl(length), smuggled), 1),
        ("TE hides", post(te, &chunks), 1),
        ("CL.TE", post(&format!("{}{te}", cl(early_end.len())), &early_end), 0),
        ("TE.CL", post(&format!("{te}{}", cl(4)), &chunks), 0),
        ("CL.0", post(&cl(0), smuggled), 2),
        ("no framing", post("", smuggled), 2),
        ("two CL", post(&format!("{}{}", cl(0), cl(length)), smuggled), 0),
        ("two CL, the other way", post(&format!("{}{}", cl(length), cl(0)), smuggled), 0),
        ("two equal CL", post(&format!("{}{}", cl(length), cl(length)), smuggled), 0),
        ("CL list", post(&format!("Content-Length: {length}, {length}\r\n"), smuggled), 0),
        ("CL list of two", post(&format!("Content-Length: 0, {length}\r\n"), smuggled), 0),
        ("CL list of two, the other way", post(&format!("Content-Length: {length}, 0\r\n"), smuggled), 0),
        ("chunk extension", post(te, &format!("{length:x};a=b\r\n{smuggled}\r\n0;c\r\n\r\n")), 1),
        (
            "trailers",
            post(
                te,
                &format!("{length:x}\r\n{smuggled}\r\n0\r\nX-Consumer-Id: EVIL\r\nContent-Length: 9\r\n\r\n"),
            ),
            1,
        ),
        ("obs-fold", post(&format!("X: a\r\n {}", cl(length)), smuggled), 0),
        ("folded TE", post("Transfer-Encoding:\r\n chunked\r\n", &chunks), 0),
        ("bare LF in the head", post(&format!("X: a\n{}", cl(length)), smuggled), 0),
        ("bare CR in the head", post(&format!("X: a\r{}", cl(length)), smuggled), 0),
        ("underscore", post(&format!("Content_Length: {length}\r\n"), smuggled), 2),
        ("space before the colon", post(&format!("Content-Length : {length}\r\n"), smuggled), 0),
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
        all.push(("odd CL", post(&format!("Content-Length: {value}\r\n"), smuggled), 0));
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
            post(&format!("Connection: {named}\r\n{}", cl(length)), smuggled),
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
        all.push(("odd chunk size", post(te, &format!("{size}\r\nx\r\n0\r\n\r\n{smuggled}")), 1));
        all.push(("odd last chunk", post(te, &format!("1\r\nx\r\n{size}\r\n\r\n{smuggled}")), 1));
    }
    for chunk in
        ["1\r\nxx\r\n0\r\n\r\n", "1\nx\n0\n\n", "1\r\nx0\r\n\r\n", "1\r\nx\r\n0\r\n", "5\r\nx\r\n0\r\n\r\n"]
    {
        all.push(("odd chunk", post(te, &format!("{chunk}{smuggled}")), 1));
    }
    let h2c =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    all.push(("upgrade to h2c", form.request("GET", h2c, smuggled), 2));
    all.push(("GET with a body", form.request("GET", &cl(length), smuggled), 2));
    let old = form.request("GET", "Connection: keep-alive\r\n", smuggled);
    all.push(("HTTP/1.0 kept alive", old.replacen("HTTP/1.1", "HTTP/1.0", 1), 2));
    all
}

/// More of them, of which some are bytes that are no text. How many requests each is depends on who reads it.
pub fn more(form: &Form<'_>) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    lengths(form, &mut all);
    codings(form, &mut all);
    chunks(form, &mut all);
    without_body(form, &mut all);
    upgrades(form, &mut all);
    lines(form, &mut all);
    pipelines(form, &mut all);
    all
}

type Cases = Vec<(String, Vec<u8>)>;

/// A length in odd spellings, of a name or a value.
fn lengths(form: &Form<'_>, all: &mut Cases) {
    let n = form.smuggled.len();
    for field in [
        format!("Content-Length: 00{n}\r\n"),
        format!("Content-Length:\t{n}\r\n"),
        format!("Content-Length:{n}\r\n"),
        format!("Content-Length: {n}  \t\r\n"),
        format!("Content-Length: \x0b{n}\r\n"),
        format!("Content-Length: {n}\x0c\r\n"),
        format!("Content-Length: \u{a0}{n}\r\n"),
        format!("Content-Length: {n}.0\r\n"),
        format!("Content-Length: ,{n}\r\n"),
        format!("Content-Length: {n},\r\n"),
        format!("Content-Length: {n}\r\ncontent-length: {n}\r\n"),
        format!("Content-Length: 0\r\nCONTENT-LENGTH: {n}\r\n"),
        format!("Content-Length\t: {n}\r\n"),
        format!("Content-Length\0: {n}\r\n"),
        format!("\x0bContent-Length: {n}\r\n"),
        format!("Content Length: {n}\r\n"),
        format!("Content.Length: {n}\r\n"),
        format!("Content-Length={n}\r\n"),
        format!("\u{421}ontent-Length: {n}\r\n"),
        format!("X: y\0Content-Length: {n}\r\n"),
        format!("X: y\n\nContent-Length: {n}\r\n"),
        format!(": y\r\nContent-Length: {n}\r\n"),
        format!("no colon\r\nContent-Length: {n}\r\n"),
        format!("Content-Length: {n}\n"),
        format!("Content-Length: 18446744073709551{n}\r\n"),
    ] {
        all.push((format!("length {field:?}"), form.request("POST", &field, form.smuggled).into_bytes()));
    }
    // Folded onto the request line.
    let folded =
        format!("POST {} HTTP/1.1\r\n Content-Length: {n}\r\nHost: a\r\n{}\r\n", form.target, form.fields);
    all.push(("a field that begins with a space".to_owned(), (folded + form.smuggled).into_bytes()));
}

/// A coding in odd spellings, beside a length that says otherwise and without one.
fn codings(form: &Form<'_>, all: &mut Cases) {
    let n = form.smuggled.len();
    let chunked = format!("{n:x}\r\n{}\r\n0\r\n\r\n", form.smuggled);
    let ended = format!("0\r\n\r\n{}", form.smuggled);
    for field in [
        "tRANSFER-eNCODING: CHUNKED\r\n",
        "Transfer-Encoding:\tchunked\r\n",
        "Transfer-Encoding:chunked\r\n",
        "Transfer-Encoding: chunked \t\r\n",
        "Transfer-Encoding: chunked\x0b\r\n",
        "Transfer-Encoding: \x0cchunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: 'chunked'\r\n",
        "Transfer-Encoding: \u{ff}chunked\r\n",
        "Transfer-Encoding: chun\0ked\r\n",
        "Transfer-Encoding:\r\n\tchunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-Encoding\0: chunked\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Transfer.Encoding: chunked\r\n",
        "Transfer Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: cow\r\n",
        "Transfer-Encoding:\r\n",
        "X-Transfer-Encoding: chunked\r\n",
        "TE: chunked\r\n",
        "Content-Encoding: chunked\r\n",
    ] {
        for (what, length, body) in [
            ("alone", None, &chunked),
            ("CL short", Some(4), &chunked),
            ("CL long", Some(ended.len()), &ended),
        ] {
            let length = length.map(|n| format!("Content-Length: {n}\r\n")).unwrap_or_default();
            let fields = format!("{length}{field}");
            all.push((format!("{field:?}, {what}"), form.request("POST", &fields, body).into_bytes()));
        }
    }
    for length in [4, ended.len()] {
        let fields = format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n");
        let old = form.request("POST", &fields, &chunked).replacen("HTTP/1.1", "HTTP/1.0", 1);
        all.push((format!("HTTP/1.0 with both, {length}"), old.into_bytes()));
    }
}

/// Chunks, their extensions and trailers.
fn chunks(form: &Form<'_>, all: &mut Cases) {
    let (inner, n) = (form.smuggled, form.smuggled.len());
    for body in [
        format!("{n:X}\r\n{inner}\r\n0\r\n\r\n"),
        format!("0000000{n:x}\r\n{inner}\r\n0\r\n\r\n"),
        format!("0000000000000000{n:x}\r\n{inner}\r\n0\r\n\r\n"),
        format!("1;a=\"\r\nx\r\n0\r\n\r\n{inner}"),
        format!("1;a=\"\\\"\"\r\nx\r\n0\r\n\r\n{inner}"),
        format!("1;\n{inner}\r\n0\r\n\r\n"),
        format!("2;\nxx\r\n{n:x}\r\n0\r\n\r\n{inner}"),
        format!("1;\r{inner}\r\n0\r\n\r\n"),
        format!("1;\x0b\r\nx\r\n0\r\n\r\n{inner}"),
        format!("1\t\r\nx\r\n0\r\n\r\n{inner}"),
        format!("1\r\nx\r\n0;\r\n\r\n{inner}"),
        format!("1\r\nx\r\n00\r\n\r\n{inner}"),
        format!("1\r\nx\r\n0x0\r\n\r\n{inner}"),
        format!("1\r\nx\n0\r\n\r\n{inner}"),
        format!("1\r\nx\r0\r\n\r\n{inner}"),
        format!("0\n\r\n{inner}"),
        format!("0\r\n\n{inner}"),
        format!("0\r\r\n\r\n{inner}"),
        format!("0\r\nA: b\n\r\n{inner}"),
        format!("0\r\nA: b\n\n{inner}"),
        format!("0\r\n A: b\r\n\r\n{inner}"),
        format!("0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("0\r\nContent-Length: {n}\r\n\r\n{inner}"),
        "0\r\nAuthorization: Bearer x\r\nX-Consumer-Id: EVIL\r\nHost: b\r\n\r\n".to_owned(),
        format!("0\r\n{inner}\r\n"),
        format!("{n:x}\r\n{inner}\r\n"),
        format!("{:x}\r\n{inner}\r\n0\r\n\r\n", n + 2),
        format!("{:x}\r\n{inner}\r\n0\r\n\r\n", n - 2),
    ] {
        let bytes = form.request("POST", "Transfer-Encoding: chunked\r\n", &body).into_bytes();
        all.push((format!("chunks {body:.30?}"), bytes));
    }
}

/// Methods and fields with which bodies are rare: CL.0, 0.CL, and `Expect`.
fn without_body(form: &Form<'_>, all: &mut Cases) {
    let (inner, n) = (form.smuggled, form.smuggled.len());
    for method in ["GET", "HEAD", "PUT"] {
        for (fields, body) in [
            (format!("Content-Length: {n}\r\n"), inner.to_owned()),
            (format!("Content-Length: {n}\r\n"), String::new()),
            ("Content-Length: 0\r\n".to_owned(), inner.to_owned()),
            ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{n:x}\r\n{inner}\r\n0\r\n\r\n")),
            (format!("Connection: close\r\nContent-Length: {n}\r\n"), inner.to_owned()),
        ] {
            all.push((format!("{method} {fields:?}"), form.request(method, &fields, &body).into_bytes()));
        }
    }
    for expect in [
        "Expect: 100-continue",
        "Expect: 100-Continue",
        "Expect:100-continue",
        "Expect: \t100-continue",
        "Expect: y 100-continue",
        "Expect: 100-continue, x",
        "Expect: x",
        "Expect: 100-continue\r\nExpect: 100-continue",
        "Expect : 100-continue",
        "Expect:\r\n 100-continue",
        "Expect: 100-continue\nX: y",
        "Connection: Expect\r\nExpect: 100-continue",
    ] {
        for (method, length) in [("POST", n), ("GET", n), ("POST", 0)] {
            let fields = format!("{expect}\r\nContent-Length: {length}\r\n");
            all.push((format!("{method} {fields:?}"), form.request(method, &fields, inner).into_bytes()));
        }
        let fields = format!("{expect}\r\nTransfer-Encoding: chunked\r\n");
        let body = format!("{n:x}\r\n{inner}\r\n0\r\n\r\n");
        all.push((format!("{fields:?}"), form.request("POST", &fields, &body).into_bytes()));
    }
}

/// Upgrades that a backend refuses, and other protocols in the place of this one.
fn upgrades(form: &Form<'_>, all: &mut Cases) {
    let (inner, n) = (form.smuggled, form.smuggled.len());
    let settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    for fields in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: eA==\r\n".to_owned(),
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n".to_owned(),
        format!("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {n}\r\n"),
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n".to_owned(),
        format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}Content-Length: {n}\r\n"),
        format!("Connection: HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}"),
        format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{settings}"),
        format!("Upgrade: h2c\r\n{settings}"),
        "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n".to_owned(),
        "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n".to_owned(),
    ] {
        all.push((format!("upgrade {fields:.60?}"), form.request("GET", &fields, inner).into_bytes()));
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n";
    let body = format!("0\r\n\r\n{inner}");
    all.push(("upgrade with chunks".to_owned(), form.request("POST", upgrade, &body).into_bytes()));
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    all.push(("HTTP/2 at once".to_owned(), format!("{preface}{inner}").into_bytes()));
    all.push(("HTTP/2 behind a request".to_owned(), form.request("GET", "", preface).into_bytes()));
    for line in ["CONNECT a:80 HTTP/1.1", "CONNECT /x HTTP/1.1", "CONNECT http://a/ HTTP/1.1"] {
        all.push((line.to_owned(), format!("{line}\r\nHost: a\r\n{}\r\n{inner}", form.fields).into_bytes()));
    }
}

/// Request lines and hosts in odd forms.
fn lines(form: &Form<'_>, all: &mut Cases) {
    let Form { target, fields, smuggled } = form;
    let rest = format!("Host: a\r\n{fields}\r\n{smuggled}");
    for line in [
        format!("GET http://a{target} HTTP/1.1\r\n"),
        format!("GET http://b{target} HTTP/1.1\r\n"),
        format!("GET https://a:443{target} HTTP/1.1\r\n"),
        format!("GET http://a@b{target} HTTP/1.1\r\n"),
        format!("GET //a{target} HTTP/1.1\r\n"),
        "GET * HTTP/1.1\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\n".to_owned(),
        "GET a:80 HTTP/1.1\r\n".to_owned(),
        format!("GET  {target} HTTP/1.1\r\n"),
        format!("GET\t{target} HTTP/1.1\r\n"),
        format!("GET {target}\tHTTP/1.1\r\n"),
        format!("GET {target}  HTTP/1.1\r\n"),
        format!("GET {target} HTTP/1.1 \r\n"),
        format!("GET {target} HTTP/1.1\n"),
        format!(" GET {target} HTTP/1.1\r\n"),
        format!("\r\n\r\nGET {target} HTTP/1.1\r\n"),
        format!("\nGET {target} HTTP/1.1\r\n"),
        format!("\rGET {target} HTTP/1.1\r\n"),
        format!("GET {target} HTTP/1.1 HTTP/1.1\r\n"),
        format!("GET {target} x HTTP/1.1\r\n"),
        format!("GET {target}#x HTTP/1.1\r\n"),
        format!("GET {target}%0d%0aX:%20y HTTP/1.1\r\n"),
        format!("GET {target}\u{2028} HTTP/1.1\r\n"),
        format!("GET {target}\0 HTTP/1.1\r\n"),
        format!("GET {target}\x0b HTTP/1.1\r\n"),
        format!("GET\0 {target} HTTP/1.1\r\n"),
        format!("GET {target} HTTP/1.2\r\n"),
        format!("GET {target} HTTP/2.0\r\n"),
        format!("GET {target} HTTP/0.9\r\n"),
        format!("GET {target} http/1.1\r\n"),
        format!("GET {target} HTTP/01.1\r\n"),
        format!("GET {target} HTTP/1.01\r\n"),
        format!("GET {target}\r\n"),
        format!("{target} HTTP/1.1\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost: b\r\n"),
        format!("GET {target} HTTP/1.1\r\nhost:\r\n"),
        format!("GET {target} HTTP/1.1\r\n Host: b\r\n"),
        format!("GET {target} HTTP/1.1\r\nX-Forwarded-Host: b\r\nX-Host: b\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost\t: b\r\n"),
    ] {
        all.push((format!("line {line:?}"), format!("{line}{rest}").into_bytes()));
    }
    for host in ["a\r\n b", "a b", "a,b", "a\0", "a\x0bb", "a/b", "a?b", "a#b", ""] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n{smuggled}");
        all.push((format!("host {host:?}"), bytes.into_bytes()));
    }
    for named in [
        "X-Consumer-Id, X-Request-Id",
        "Host",
        "Authorization",
        "keep-alive, close",
        "X-Kgate-Secret",
        "\0",
        "a b",
        "@",
    ] {
        let fields =
            format!("Connection: {named}\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n");
        all.push((format!("connection {named:?}"), form.request("GET", &fields, smuggled).into_bytes()));
    }
    let raw =
        [form.request("POST", "", "").as_bytes(), b"\xff\xfe\x00\x80\r\n\r\n", smuggled.as_bytes()].concat();
    all.push(("bytes that are no text".to_owned(), raw));
    let bytes = form.request("GET", "X-Bytes: \u{80}\r\n", smuggled).replace('\u{80}', "?").into_bytes();
    all.push((
        "a value of bytes".to_owned(),
        bytes.iter().map(|b| if *b == b'?' { 0xfe } else { *b }).collect(),
    ));
}

/// One after the other on a connection: what follows a refusal, and answers in their order.
fn pipelines(form: &Form<'_>, all: &mut Cases) {
    let Form { target, smuggled, .. } = form;
    let (inner, n) = (smuggled, smuggled.len());
    let good = form.request("GET", "", "");
    let refused = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let with_body = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n{inner}");
    let half = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}", n + 9);
    let chunked = format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{n:x}\r\n{inner}\r\n0\r\n\r\n"
    );
    let unknown = format!("GET /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: {n}\r\n\r\n{inner}");
    let head = form.request("HEAD", "", "");
    let closing = form.request("GET", "Connection: close\r\n", "");
    for (name, parts) in [
        ("two", vec![&good, &good]),
        ("refused, then good", vec![&refused, &good]),
        ("refused with a body, then good", vec![&with_body, &good]),
        ("refused with half a body, then good", vec![&half, &good]),
        ("refused with chunks, then good", vec![&chunked, &good]),
        ("unknown with a body, then good", vec![&unknown, &good]),
        ("good, refused with a body, good", vec![&good, &with_body, &good]),
        ("HEAD, then good", vec![&head, &good, &head]),
        ("closing, then good", vec![&closing, &good]),
    ] {
        let text: String = parts.into_iter().map(String::as_str).collect();
        all.push((format!("pipeline: {name}"), format!("{text}{inner}").into_bytes()));
    }
    let many = good.repeat(20);
    all.push(("pipeline: many".to_owned(), format!("{many}{inner}").into_bytes()));
}
