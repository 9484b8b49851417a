//! What a backend sees is what was matched, however its own path code reads it.

use crate::harness::{Gate, request};

const ROUTES: &str = r#"
[[route]]
name = "open"
path = "/open/**"
public = true
upstream = "echo"

[[route]]
name = "admin"
path = "/admin/**"
upstream = "echo"
"#;

/// The usual upstream, and routes of its own.
fn config() -> String {
    let (before, _) = crate::process::CONFIG.split_once("[[route]]").unwrap();
    before.to_owned() + ROUTES
}

/// Targets by which somebody without a key may hope to reach `/admin/x`.
const SPELLINGS: [&str; 84] = [
    "/admin/x",
    "/admin",
    "/admin/",
    "/ADMIN/x",
    "/Admin/x",
    "//admin/x",
    "///admin/x",
    "/./admin/x",
    "/.//admin/x",
    "/admin//x",
    "/admin/./x",
    "/admin/.",
    "/admin.",
    "/admin./x",
    "/admin%20/x",
    "/admin%2e/x",
    "/admin;/x",
    "/admin;a=b/x",
    "/;/admin/x",
    "/;a=b/admin/x",
    "/open/../admin/x",
    "/open/./../admin/x",
    "/open//../admin/x",
    "/open/../../admin/x",
    "/open/a/../../admin/x",
    "/open/..//admin/x",
    "/open/%2e%2e/admin/x",
    "/open/%2E%2E/admin/x",
    "/open/.%2e/admin/x",
    "/open/%2e./admin/x",
    "/open/%252e%252e/admin/x",
    "/open/%25252e%25252e/admin/x",
    "/open/%25%32%65%25%32%65/admin/x",
    "/open/..%2fadmin/x",
    "/open/..%2Fadmin%2Fx",
    "/open%2f..%2fadmin/x",
    "/open/..%252fadmin/x",
    "/open/%2e%2e%2fadmin/x",
    "/open/..%5cadmin/x",
    "/open/..\\admin/x",
    "/open\\..\\admin/x",
    "/open/..%255cadmin/x",
    "\\admin/x",
    "/\\admin/x",
    "/open/..;/admin/x",
    "/open/..;a=b/admin/x",
    "/open/..%3b/admin/x",
    "/open/..%253b/admin/x",
    "/open/;/../admin/x",
    "/open;/../admin/x",
    "/open/..%00/admin/x",
    "/open/..%0d%0a/admin/x",
    "/open/%00/../admin/x",
    "/open/..%09/admin/x",
    "/open/..%20/admin/x",
    "/open/.. /admin/x",
    "/open/..\t/admin/x",
    "/open/...../admin/x",
    "/open/.../admin/x",
    "/open/..%c0%af/admin/x",
    "/open/%c0%ae%c0%ae/admin/x",
    "/open/%e0%80%ae%e0%80%ae/admin/x",
    "/open/%u002e%u002e/admin/x",
    "/open/..%ef%bc%8fadmin/x",
    "/open/%ef%bc%8e%ef%bc%8e/admin/x",
    "/open/\u{ff0e}\u{ff0e}/admin/x",
    "/open/..%/admin/x",
    "/open/..%2/admin/x",
    "/open/..%zz/admin/x",
    "/open/..#/admin/x",
    "/open#/../admin/x",
    "/open/x#/../../admin/x",
    "/open/..?/admin/x",
    "/open/?/../../admin/x",
    "/%61dmin/x",
    "/%61%64%6d%69%6e/x",
    "/%2561dmin/x",
    "/%2fadmin/x",
    "/%2e/admin/x",
    "http://a/admin/x",
    "http://a/open/../admin/x",
    "admin/x",
    "*",
    "?/admin/x",
];

/// How servers read a path: percent codes once, twice, or until there are none; parameters cut or not;
/// backslashes read as slashes or not; then dot segments resolved and slashes merged.
fn readings(path: &str) -> Vec<String> {
    let mut all = Vec::new();
    for times in 0..4 {
        let mut decoded = path.as_bytes().to_vec();
        (0..times).for_each(|_| decoded = percent_decoded(&decoded));
        for cuts in [false, true] {
            for backslash in [false, true] {
                let text = String::from_utf8_lossy(&decoded).into_owned();
                let text = if backslash { text.replace('\\', "/") } else { text };
                all.push(resolved(&text, cuts));
            }
        }
    }
    all
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn resolved(path: &str, cuts_parameters: bool) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let segment = if cuts_parameters { segment.split(';').next().unwrap_or_default() } else { segment };
        match segment.trim_end_matches([' ', '\0', '\t']) {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment.to_lowercase()),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn whatever_a_backend_sees_is_what_was_matched() {
    let gate = Gate::start(&config());
    let token = gate.issue(&[]);
    let mut passed = 0;
    for sent in SPELLINGS {
        let bare = gate.send(format!("GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n"));
        if bare.status == 200 {
            passed += 1;
            let json = bare.json();
            let target = json["target"].as_str().unwrap();
            let path = target.split('?').next().unwrap();
            assert!(path.starts_with("/open/"), "{sent:?} came through as {target:?} without a key");
            for reading in readings(path) {
                assert!(
                    reading == "/open" || reading.starts_with("/open/"),
                    "{sent:?} came through as {target:?}, which some server reads as {reading:?}"
                );
            }
            let line = gate.lines.of(bare.header("x-request-id").unwrap());
            assert_eq!(line["route"], "open", "{sent:?}");
        } else {
            assert!(matches!(bare.status, 400 | 401 | 404), "{sent:?}: {}", bare.head);
        }
        let keyed = gate.send(request("GET", sent, &token));
        if keyed.status == 200 {
            let json = keyed.json();
            let target = json["target"].as_str().unwrap();
            let line = gate.lines.of(keyed.header("x-request-id").unwrap());
            let root = format!("/{}", line["route"].as_str().unwrap());
            for reading in readings(target.split('?').next().unwrap()) {
                assert!(reading == root || reading.starts_with(&format!("{root}/")), "{sent:?}: {target:?}");
            }
        }
    }
    assert!(passed >= 3, "some spellings are harmless: {passed}");
}

/// A path cannot be smuggled in beside the request line either.
#[test]
fn no_header_moves_a_request_to_another_path_method_or_host() {
    let gate = Gate::start(&config());
    for name in [
        "X-Original-URL",
        "X-Original-URI",
        "X-Rewrite-URL",
        "X-Forwarded-Uri",
        "X-Forwarded-Path",
        "X-Forwarded-Prefix",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        for name in [name.to_owned(), name.replace('-', "_"), name.to_uppercase()] {
            let answer = gate.send(format!("GET /open/1 HTTP/1.1\r\nHost: a\r\n{name}: /admin/x\r\n\r\n"));
            assert_eq!(answer.status, 200, "{name}");
            assert!(!answer.json()["head"].as_str().unwrap().contains("/admin"), "{name}");
        }
    }
    for method in ["get", "Get", "GETX", "DELETE", "PROPFIND"] {
        let answer = gate.send(format!("{method} /admin/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert!(matches!(answer.status, 400 | 401 | 405), "{method}: {}", answer.head);
    }
    assert_eq!(gate.echo.requests(), 27);
}
