//! A plaintext key exists in one place: the output that made it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use crate::cli::said;
use crate::fronts::free_port;
use crate::harness::{Client, until};
use crate::process::{CONFIG, Process, Site};

/// The ways a token may be written down. Half of its random part counts: it must not be there in
/// pieces either.
struct Canary {
    forms: Vec<(String, Vec<u8>)>,
}

impl Canary {
    fn new(token: &str) -> Self {
        let random = &token["acme_live_".len()..];
        let (first, second) = random.split_at(random.len() / 2);
        let mut forms = vec![
            ("the first half of the token".to_owned(), first.as_bytes().to_vec()),
            ("the second half of the token".to_owned(), second.as_bytes().to_vec()),
            ("the token reversed".to_owned(), token.bytes().rev().collect()),
            ("the token in UTF-16".to_owned(), token.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ];
        for hex in [format_hex(token, false), format_hex(token, true)] {
            forms.push(("the token in hexadecimal".to_owned(), hex.into_bytes()));
        }
        let coded: String = random.bytes().map(|b| format!("%{b:02x}")).collect();
        forms.push(("the token in percent codes".to_owned(), coded.into_bytes()));
        // Base64 of text that holds the token, whatever comes before it: three alignments, less the
        // characters that neighbours have a part in.
        for before in 0..3 {
            let text = format!("{}{random}", "x".repeat(before));
            let coded = base64(text.as_bytes());
            let coded = &coded[4..coded.len() - 4];
            forms.push(("the token in base64".to_owned(), coded.as_bytes().to_vec()));
        }
        Self { forms }
    }

    fn must_not_be_in(&self, place: &str, bytes: &[u8]) {
        for (form, needle) in &self.forms {
            let at = memchr::memmem::find(bytes, needle);
            if let Some(at) = at {
                let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
                panic!("{form} is in {place}: …{}…", around.escape_ascii());
            }
        }
    }

    fn must_not_be_below(&self, dir: &Path) -> usize {
        let mut files = 0;
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            self.must_not_be_in("a name of a file", path.as_os_str().as_encoded_bytes());
            if path.is_dir() {
                files += self.must_not_be_below(&path);
            } else if path.is_file() {
                self.must_not_be_in(&path.display().to_string(), &fs::read(&path).unwrap());
                files += 1;
            }
        }
        files
    }
}

fn format_hex(text: &str, upper: bool) -> String {
    text.bytes().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, b| word << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let six = usize::try_from(word >> (18 - 6 * i) & 63).unwrap();
            out.push(if i <= three.len() { char::from(ALPHABET[six]) } else { '=' });
        }
    }
    out
}

/// Requests with the token in every place a request has.
fn requests(token: &str) -> Vec<String> {
    let coded = token.replace('_', "%5F");
    let half = token
        .chars()
        .enumerate()
        .map(|(i, c)| if i % 5 == 4 { format!("%{:02x}", c as u32) } else { c.to_string() });
    let half: String = half.collect();
    let twice = half.replace('%', "%25");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let mut all = Vec::new();
    for key in ["", &bearer] {
        for target in [
            format!("/{token}"),
            format!("/{token}/x"),
            format!("/x{token}y"),
            format!("/{coded}"),
            format!("/{half}"),
            format!("/{twice}"),
            format!("/a/../{token}"),
            format!("/a//{token}"),
            format!("/a;{token}"),
            format!("/a%zz{token}"),
            format!("/{}{token}", "x".repeat(1000)),
            format!("/{}{token}", "x".repeat(20_000)),
            format!("/x?key={token}"),
            format!("/x?{token}"),
            format!("/x?a={half}"),
            format!("/x#{token}"),
            format!("http://{token}@a/x"),
            format!("http://{token}/x"),
            token.to_string(),
            format!("?{token}"),
            format!("/down/{token}"),
            format!("/slow/{token}?delay=3000"),
            format!("/x/{token}?status=500"),
            format!("/x?garbage&{token}"),
            format!("/x?drop&{token}"),
        ] {
            all.push(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{key}\r\n"));
        }
        for header in [
            "Authorization",
            "X-Api-Key",
            "X-Request-Id",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "Referer",
            "Cookie",
            "User-Agent",
            "traceparent",
            "tracestate",
            "X-Consumer-Id",
            "X-Kgate-Secret",
            "Connection",
            "Upgrade",
            "TE",
            "Expect",
            "Content-Type",
            "Content-Length",
            "Transfer-Encoding",
            "Forwarded",
            "Origin",
        ] {
            for value in [token.to_owned(), format!("Bearer {token}"), format!("{token}, {token}")] {
                all.push(format!("GET /x HTTP/1.1\r\nHost: a\r\n{header}: {value}\r\n{key}\r\n"));
            }
        }
        all.extend([
            format!("GET /x HTTP/1.1\r\nHost: {token}\r\n{key}\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: {token}.example.com:80\r\n{key}\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: %61{}\r\n{key}\r\n", &token[1..]),
            format!("GET /x HTTP/1.1\r\nHost: {token}@a\r\n{key}\r\n"),
            format!("{token} /x HTTP/1.1\r\nHost: a\r\n{key}\r\n"),
            format!("GET /x {token}\r\nHost: a\r\n{key}\r\n"),
            format!("GET /x HTTP/1.1 {token}\r\nHost: a\r\n{key}\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: a\r\n{token}: x\r\n{key}\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: a\r\n{token}\r\n{key}\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: a\r\nX: \0{token}\r\n{key}\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: a\r\nX: {token}\n{key}\r\n"),
            format!("GET /x HTTP/1.1\r\nHost: a\r\nX: {}{token}\r\n{key}\r\n", "x".repeat(100_000)),
            format!("GET /x HTTP/1.1\r\nHost: a\r\n{}{key}\r\n", format!("{token}: x\r\n").repeat(1000)),
            format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n{key}\r\n{token}", token.len()),
            format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{key}\r\n{token}\r\n"),
            format!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{key}\r\n1;{token}\r\nx\r\n0\r\n{token}: x\r\n\r\n"),
            token.to_string(),
            format!("{token}\r\n\r\n"),
        ]);
    }
    all.extend(placed(token, &half));
    // Neither must a good request nor one cut off in the middle leave a trace.
    all.push(format!("GET /x HTTP/1.1\r\nHost: a\r\n{}", &bearer[..bearer.len() - 2]));
    all
}

/// The token in every place a route can take a key from, on one that does and on one that does not; `half` is the token with
/// some of its bytes percent-encoded.
fn placed(token: &str, half: &str) -> Vec<String> {
    let mut all = Vec::new();
    for path in ["/placed/x", "/x"] {
        let basic = |pair: String| base64(pair.as_bytes());
        for (query, line) in [
            (String::new(), format!("Authorization: Basic {}", basic(format!("{token}:")))),
            (String::new(), format!("Authorization: Basic {}", basic(format!("u:{token}")))),
            (String::new(), format!("Authorization: Basic {}", basic(format!("{token}:{token}")))),
            (String::new(), format!("X-Other: {token}")),
            (String::new(), format!("Cookie: a=b; key={token}; c")),
            (String::new(), format!("Cookie: key={token}; key={token}")),
            (String::new(), format!("Sec-WebSocket-Protocol: v2, kgate.key.{token}")),
            (format!("?a&key={token}&b"), String::from("X: x")),
            (format!("?%6bey={half}"), String::from("X: x")),
            (format!("?key={token}&key={token}"), format!("X-Other: {token}")),
        ] {
            all.push(format!("GET {path}{query} HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"));
        }
    }
    all
}

/// Sends a request and takes what comes until the gateway closes: it does, after a short idle time.
fn ask(process: &Process, bytes: &str) -> Vec<u8> {
    let mut client = Client::tcp(process.address);
    client.try_send(bytes);
    client.rest()
}

#[test]
fn a_token_exists_in_one_place() {
    let nobody = free_port();
    let config = CONFIG
        .replace(
            "realm = \"acme\"",
            "realm = \"acme\"\ntrusted_proxies = [\"127.0.0.1/32\"]\nheader_timeout = \"300ms\"\nbody_timeout = \"200ms\"\nidle_timeout = \"20ms\"",
        )
        .replace("servers = [\"{echo}\"]", "servers = [\"{echo}\"]\nresponse_timeout = \"500ms\"")
        + &format!(
            "\n[[upstream]]\nname = \"down\"\nservers = [\"{nobody}\"]\n\n[[route]]\nname = \"down\"\npath = \"/down/**\"\nupstream = \"down\"\n\
             \n[[route]]\nname = \"named\"\npath = \"/named/**\"\nkey_header = \"X-Api-Key\"\nupstream = \"echo\"\n\
             \n[[route]]\nname = \"placed\"\npath = \"/placed/**\"\nupstream = \"echo\"\ncredentials = [\"bearer\", \"basic-user\", \"basic-password\", \"header:X-Other\", \"cookie:key\", \"query:key\", \"websocket\"]\n\
             \n[[route]]\nname = \"slow\"\npath = \"/slow/**\"\npublic = true\nupstream = \"echo\"\n"
        );
    let site = Site::with(&config);
    let log = site.dir.path().join("access.log");
    let mut command = site.command(&["serve"]);
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
    let process = Process::start_writing(command, Stdio::from(File::create(&log).unwrap())).unwrap();

    let run = |args: &[&str], input: &str| {
        let mut command = site.command(args);
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        said(&mut command, input)
    };
    run(&["consumer", "create", "Acme Corp", "--external-id", "org"], "");
    let made = run(&["key", "create", "--consumer", "org", "--expires", "90d"], "");
    assert_eq!(made.code, 0, "{}", made.stderr);
    let token = made.stdout.trim_end().to_owned();
    let canary = Canary::new(&token);
    canary.must_not_be_in("stderr of `key create`", made.stderr.as_bytes());
    let list: serde_json::Value = serde_json::from_str(&run(&["key", "list", "--json"], "").stdout).unwrap();
    let id = list[0]["id"].as_str().unwrap().to_owned();

    let all = requests(&token);
    let good = || {
        let mut client = Client::tcp(process.address);
        let asked = format!("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        client.try_send(asked);
        client.try_answer().map_or(0, |answer| answer.status)
    };
    // On a busy machine the times of this configuration are short for a client and for a backend.
    until("a good key passes", || good() == 200);
    for bytes in &all {
        let answer = ask(&process, bytes);
        // The echo backend shows a request's target and own headers: those are the client's.
        if !answer.windows(7).any(|w| w == b"X-Echo:") && !answer.windows(7).any(|w| w == b"x-echo:") {
            canary.must_not_be_in(&format!("the answer to {bytes:.300}"), &answer);
        }
    }
    // The commands, the key well and badly used.
    let backup = site.dir.path().join("backup.redb");
    let other = format!("{}x", &token[..token.len() - 1]);
    for (args, input) in [
        (&["key", "verify", "--path", "/x"][..], token.as_str()),
        (&["key", "verify", "--path", "/x", "--json"], &token),
        (&["key", "verify", "--path", "/../x"], &token),
        (&["key", "verify", "--path", "/x"], &other),
        (&["key", "list"], ""),
        (&["key", "show", &id], ""),
        (&["key", "show", &id, "--json"], ""),
        (&["consumer", "show", "org", "--json"], ""),
        (&["backup", backup.to_str().unwrap()], ""),
        (&["audit"], ""),
        (&["audit", "--json"], ""),
        (&["doctor"], ""),
        (&["check"], ""),
        (&["leak-scan", site.data().to_str().unwrap()], ""),
        (&["key", "update", &id, "--name", "other"], ""),
        (&["key", "disable", &id], ""),
        (&["key", "verify", "--path", "/x"], &token),
        (&["key", "enable", &id], ""),
        (&["key", "revoke", &id, "--reason", "leak", "--yes"], ""),
        (&["key", "verify", "--path", "/x"], &token),
        (&["audit", "--json"], ""),
    ] {
        let said = run(args, input);
        canary.must_not_be_in(&format!("stdout of {args:?}"), said.stdout.as_bytes());
        canary.must_not_be_in(&format!("stderr of {args:?}"), said.stderr.as_bytes());
    }
    assert!(backup.exists());
    until("it is refused", || {
        let status = good();
        assert_ne!(status, 200, "revoked");
        status == 401
    });
    for bytes in &all {
        canary.must_not_be_in(&format!("the answer to {bytes:.300}"), &ask(&process, bytes));
    }

    let proc = format!("/proc/{}", process.pid().as_raw_nonzero());
    for name in ["cmdline", "environ"] {
        canary.must_not_be_in(name, &fs::read(format!("{proc}/{name}")).unwrap());
    }
    for path in ["/metrics", "/readyz", "/healthz"] {
        canary.must_not_be_in(path, process.ask_admin(path).1.as_bytes());
    }
    // A line for each request that parsed, so the log has caught up with the last of them.
    let marker = "/the-end-of-it";
    until("the log is written", || {
        ask(&process, &format!("GET {marker} HTTP/1.1\r\nHost: a\r\n\r\n"));
        fs::read_to_string(&log).unwrap().contains(marker)
    });
    process.signal(rustix::process::Signal::TERM);
    let (status, said) = process.wait();
    assert!(status.success(), "{said}");
    canary.must_not_be_in("stderr of `serve`", said.as_bytes());
    let lines = fs::read_to_string(&log).unwrap().lines().count();
    assert!(lines > all.len(), "the log has its {lines} lines");
    assert!(canary.must_not_be_below(site.dir.path()) >= 5, "data, backup and log were searched");
    // The search finds what is there.
    let found = std::panic::catch_unwind(|| {
        canary.must_not_be_in("", made.stdout.clone().as_bytes());
    });
    assert!(found.is_err());
}
