//! Contexts that are contents of files: each is looked for in a file, and in a file deleted long ago.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use super::{Planted, Repo, assert_found, history, mint, scan};

/// One context: its name, and how a key is written in it.
type Context = (&'static str, fn(&str) -> Vec<u8>);

const CONTENTS: &[Context] = &[
    ("alone", |t| t.into()),
    ("with a line feed", |t| format!("{t}\n").into()),
    ("at offset 0", |t| format!("{t} and more").into()),
    ("at the end", |t| format!("and before {t}").into()),
    ("across a read buffer", |t| {
        format!("{}{t}{}", "x".repeat((256 << 10) - 20), "y".repeat(1 << 19)).into()
    }),
    ("in one long line", |t| format!("{}{t}{}", "a,".repeat(1 << 20), "b".repeat(100)).into()),
    ("after a word", |t| format!("word{t}").into()),
    ("before a word", |t| format!("{t}word").into()),
    ("in a word", |t| format!("some_{t}_thing9").into()),
    ("after its own prefix", |t| format!("acme_live_{t}").into()),
    ("next to another, without a separator", |t| format!("{}{t}", mint(90_001)).into()),
    ("third of three, without a separator", |t| format!("{}{}{t}", mint(90_002), mint(90_003)).into()),
    ("first of three, without a separator", |t| format!("{t}{}{}", mint(90_004), mint(90_005)).into()),
    ("CRLF", |t| format!("a=1\r\nkey={t}\r\nb=2\r\n").into()),
    ("CR only", |t| format!("a=1\rkey={t}\rb=2\r").into()),
    ("Rust", |t| format!("const KEY: &str = \"{t}\";\n").into()),
    ("Rust raw string", |t| format!("let key = r#\"{t}\"#;\n").into()),
    ("Python", |t| format!("client = Client(api_key='{t}')\n").into()),
    ("Python f-string", |t| format!("headers = {{'Authorization': f'Bearer {t}'}}\n").into()),
    ("JavaScript template", |t| format!("const url = `https://x/?key={t}&a=1`;\n").into()),
    ("minified JavaScript", |t| format!("!function(e){{var n=\"{t}\";e(n)}}(t);").into()),
    ("source map", |t| format!("{{\"version\":3,\"sourcesContent\":[\"let a='{t}'\"]}}").into()),
    ("Go", |t| format!("var key = []byte(\"{t}\")\n").into()),
    ("C", |t| format!("#define KEY \"{t}\"\n").into()),
    ("Java properties", |t| format!("api.key = {t}\n").into()),
    ("SQL", |t| format!("INSERT INTO keys VALUES (1, '{t}');\n").into()),
    ("shell export", |t| format!("export KEY={t}\n").into()),
    ("shell history with times", |t| format!(": 1700000000:0;curl -H 'X-Api-Key: {t}' https://x\n").into()),
    ("curl -u", |t| format!("curl -u {t}: https://x\n").into()),
    (".env", |t| format!("# local\nKEY=\"{t}\"\n").into()),
    ("INI", |t| format!("[api]\nkey={t}\n").into()),
    ("TOML", |t| format!("[api]\nkey = '{t}'\n").into()),
    ("YAML", |t| format!("api:\n  key: {t}\n").into()),
    ("YAML flow", |t| format!("{{api: {{key: {t}}}}}\n").into()),
    ("YAML block", |t| format!("env: |\n  KEY={t}\n").into()),
    ("Dockerfile", |t| format!("FROM x\nENV KEY={t}\n").into()),
    ("Terraform state", |t| format!("{{\"resources\":[{{\"attributes\":{{\"key\":\"{t}\"}}}}]}}").into()),
    ("CI workflow", |t| format!("jobs:\n  a:\n    env: {{ KEY: {t} }}\n").into()),
    ("JSON", |t| format!("{{\"key\":\"{t}\"}}").into()),
    ("JSON in JSON", |t| format!("{{\"body\":\"{{\\\"key\\\":\\\"{t}\\\"}}\"}}").into()),
    ("JSON in JSON in JSON", |t| {
        format!("{{\"a\":\"{{\\\"b\\\":\\\"{{\\\\\\\"k\\\\\\\":\\\\\\\"{t}\\\\\\\"}}\\\"}}\"}}").into()
    }),
    ("JSON lines", |t| format!("{{\"a\":1}}\n{{\"k\":\"{t}\"}}\n").into()),
    ("notebook source", |t| format!("{{\"cells\":[{{\"source\":[\"key = '{t}'\\n\"]}}]}}").into()),
    ("notebook output", |t| format!("{{\"cells\":[{{\"outputs\":[{{\"text\":[\"{t}\\n\"]}}]}}]}}").into()),
    ("XML text", |t| format!("<key>{t}</key>").into()),
    ("XML attribute", |t| format!("<a key=\"{t}\"/>").into()),
    ("CDATA", |t| format!("<![CDATA[{t}]]>").into()),
    ("HTML comment", |t| format!("<!--{t}-->").into()),
    ("Markdown", |t| format!("Use `{t}`.\n").into()),
    ("CSV", |t| format!("id,key\n1,\"{t}\"\n").into()),
    ("log line", |t| format!("2026-11-24T01:02:03Z INFO auth token={t} ok\n").into()),
    ("coloured log", |t| format!("\x1b[32mtoken\x1b[0m=\x1b[1m{t}\x1b[0m\n").into()),
    ("HTTP trace", |t| format!("GET / HTTP/1.1\r\nAuthorization: Bearer {t}\r\n\r\n").into()),
    ("HAR", |t| {
        format!("{{\"log\":{{\"entries\":[{{\"request\":{{\"headers\":[{{\"name\":\"x-api-key\",\"value\":\"{t}\"}}]}}}}]}}}}").into()
    }),
    ("diff, added", |t| format!("@@ -1 +1 @@\n+key={t}\n").into()),
    ("diff, removed", |t| format!("@@ -1 +1 @@\n-key={t}\n").into()),
    ("merge conflict", |t| format!("<<<<<<< ours\n{t}\n=======\nx\n>>>>>>> theirs\n").into()),
    ("lock file", |t| format!("resolved \"https://{t}@registry.example/x.tgz\"\n").into()),
    ("git credentials", |t| format!("https://x:{t}@git.example\n").into()),
    (".netrc", |t| format!("machine x login y password {t}\n").into()),
    (".npmrc", |t| format!("//registry.example/:_authToken={t}\n").into()),
    ("URL path", |t| format!("https://x.example/hook/{t}/run").into()),
    ("URL fragment", |t| format!("https://x.example/#token={t}").into()),
    ("cookie", |t| format!("Set-Cookie: k={t}; Secure\r\n").into()),
    ("SVG", |t| format!("<svg><text>{t}</text></svg>").into()),
    ("PEM comment", |t| format!("-----BEGIN X-----\nComment: {t}\n-----END X-----\n").into()),
    ("UTF-8 with a byte-order mark", |t| format!("\u{feff}{t}").into()),
    ("after bytes that are not UTF-8", |t| [b"\xff\xfe\x80", t.as_bytes()].concat()),
    ("UTF-16 LE", |t| wide(t, u16::to_le_bytes)),
    ("UTF-16 BE", |t| wide(t, u16::to_be_bytes)),
    ("UTF-16 LE with a byte-order mark", |t| wide(&format!("\u{feff}key: {t}\r\n"), u16::to_le_bytes)),
    ("UTF-16 BE with a byte-order mark", |t| wide(&format!("\u{feff}key: {t}\r\n"), u16::to_be_bytes)),
    ("UTF-16 LE at an odd offset", |t| [b"x".to_vec(), wide(t, u16::to_le_bytes)].concat()),
    ("UTF-32 LE", |t| t.bytes().flat_map(|b| u32::from(b).to_le_bytes()).collect()),
    ("UTF-32 BE with a byte-order mark", |t| {
        format!("\u{feff}{t}").chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()
    }),
    ("binary, between NULs", |t| format!("\0\0{t}\0\0").into()),
    ("ELF", |t| [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", t.as_bytes(), b"\0.rodata\0"].concat()),
    ("class file", |t| [b"\xca\xfe\xba\xbe\0\0\0\x41\x01\0\x30", t.as_bytes()].concat()),
    (".pyc", |t| [b"\xcb\r\r\n\0\0\0\0\xda\x30", t.as_bytes(), b"\xe9\x01"].concat()),
    ("SQLite", |t| [b"SQLite format 3\0\x10\0\x01\x01", t.as_bytes(), b"\0\0"].concat()),
    ("PNG text", |t| [b"\x89PNG\r\n\x1a\n\0\0\0\x40tEXtkey\0", t.as_bytes(), b"\0\0\0\0IEND"].concat()),
    ("PDF", |t| format!("%PDF-1.7\n1 0 obj <</K ({t})>> endobj\n%%EOF").into()),
    ("font", |t| [b"\0\x01\0\0\0\x0b", t.as_bytes()].concat()),
    ("core dump", |t| [vec![0xff; 5000], t.into(), vec![0; 5000]].concat()),
    ("base64", |t| base64(t.as_bytes()).into()),
    ("base64 at offset 1", |t| base64(format!("x{t}").as_bytes()).into()),
    ("base64 at offset 2", |t| base64(format!("xy{t}").as_bytes()).into()),
    ("base64url", |t| {
        base64(format!("{{\"k\":\"{t}\",\"é\":\"??>>\"}}").as_bytes())
            .replace('+', "-")
            .replace('/', "_")
            .into()
    }),
    ("base64 without padding", |t| base64(format!("{t}!").as_bytes()).trim_end_matches('=').into()),
    ("base64 at 76 columns", |t| {
        wrapped(&base64(format!("{}{t}{}", "a".repeat(50), "b".repeat(90)).as_bytes()), "\r\n")
    }),
    ("base64, twice", |t| base64(base64(format!("key={t}").as_bytes()).as_bytes()).into()),
    ("Kubernetes secret", |t| format!("kind: Secret\ndata:\n  key: {}\n", base64(t.as_bytes())).into()),
    ("JWT payload", |t| {
        format!(
            "eyJhbGciOiJub25lIn0.{}.",
            base64(format!("{{\"key\":\"{t}\"}}").as_bytes()).trim_end_matches('=')
        )
        .into()
    }),
    ("Basic credentials", |t| {
        format!("Authorization: Basic {}\r\n", base64(format!("{t}:").as_bytes())).into()
    }),
    ("Docker configuration", |t| {
        format!("{{\"auths\":{{\"x\":{{\"auth\":\"{}\"}}}}}}", base64(format!("user:{t}").as_bytes())).into()
    }),
    ("data URL", |t| {
        format!("url(data:text/plain;base64,{})", base64(format!("<i>{t}</i>").as_bytes())).into()
    }),
    ("hex", |t| hex(t).into()),
    ("HEX", |t| hex(t).to_uppercase().into()),
    ("percent codes", |t| t.replace('_', "%5F").into()),
    ("percent codes throughout", |t| {
        t.bytes()
            .fold(String::new(), |mut text, b| {
                let _ = write!(text, "%{b:02x}");
                text
            })
            .into()
    }),
    ("HTML entities", |t| t.replace('_', "&#95;").into()),
    ("HTML entities in hexadecimal", |t| t.replace('_', "&#x5f;").into()),
    ("\\u escapes", |t| format!("{{\"k\":\"{}\"}}", t.replace('_', "\\u005f")).into()),
    ("\\u escapes throughout", |t| {
        t.bytes()
            .fold(String::new(), |mut text, b| {
                let _ = write!(text, "\\u{b:04x}");
                text
            })
            .into()
    }),
    ("\\x escapes", |t| t.replace('_', "\\x5f").into()),
    ("quoted-printable", |t| format!("k=3D{}=\r\n{}\r\n", &t[..20], &t[20..]).into()),
    ("split by +", |t| format!("key = \"{}\" + \"{}\"", &t[..22], &t[22..]).into()),
    ("split by + over lines", |t| format!("key = \"{}\" +\n      \"{}\";", &t[..30], &t[30..]).into()),
    ("adjacent literals", |t| format!("key = (\"{}\"\n       \"{}\")", &t[..25], &t[25..]).into()),
    ("YAML, a quoted scalar folded", |t| {
        format!("api:\n  key: \"{}\\\n    {}\"\n", &t[..25], &t[25..]).into()
    }),
    ("YAML, a folded block", |t| format!("key: >-\n  {}\n  {}\n", &t[..25], &t[25..]).into()),
    ("YAML, a folded block, cut in the prefix", |t| {
        format!("key: >\n    {}\n    {}\n", &t[..7], &t[7..]).into()
    }),
    ("YAML, a plain scalar folded, CRLF", |t| format!("key: {}\r\n  {}\r\n", &t[..40], &t[40..]).into()),
    ("YAML, base64 in a folded block", |t| {
        let text = base64(format!("key={t}").as_bytes());
        format!("data:\n  key: >-\n    {}\n    {}\n", &text[..30], &text[30..]).into()
    }),
    ("backslash and line feed", |t| format!("KEY={}\\\n{}\n", &t[..18], &t[18..]).into()),
];

fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for digit in 0..4 {
            let index = (group >> (18 - 6 * digit)) & 63;
            text.push(if digit > chunk.len() { '=' } else { char::from(ALPHABET[index as usize]) });
        }
    }
    text
}

fn wrapped(text: &str, end: &str) -> Vec<u8> {
    text.as_bytes().chunks(76).flat_map(|line| [line, end.as_bytes()].concat()).collect()
}

fn planted(seed: usize) -> Planted {
    let planted: Planted = (seed..).zip(CONTENTS).map(|(seed, (name, _))| (*name, mint(seed))).collect();
    assert_eq!(planted.len(), CONTENTS.len(), "a name is there twice");
    planted
}

#[test]
fn every_promised_content_is_seen_into() {
    let folder = TempDir::new().unwrap();
    let planted = planted(1_000);
    for (at, (name, write)) in CONTENTS.iter().enumerate() {
        fs::write(folder.path().join(at.to_string()), write(&planted[name])).unwrap();
    }
    assert_found(&scan(|scan| scan.paths(&[folder.path().to_owned()])), &planted);
}

#[test]
fn every_promised_content_is_seen_into_in_history() {
    let repo = Repo::new(&[]);
    let planted = planted(2_000);
    for (at, (name, write)) in CONTENTS.iter().enumerate() {
        repo.write(&format!("old/{at}"), write(&planted[name]));
    }
    repo.commit("README", "first");
    repo.git(&["rm", "-rq", "old"]);
    repo.commit("README", "second");
    repo.git(&["repack", "-qad"]);
    let report = history(repo.path());
    assert_found(&report, &planted);
    assert_eq!(report.faults, []);
}

#[test]
fn five_hundred_decoys_are_not_found() {
    let repo = Repo::new(&[]);
    for seed in 0..60 {
        let token = mint(seed);
        let (before, after) = token.split_at(20 + seed % 20);
        let other = if after.starts_with('x') { 'y' } else { 'x' };
        let swapped: String = token[..30].to_owned() + &token[31..32] + &token[30..31] + &token[32..];
        let decoys = [
            format!("{before}{other}{}", &after[1..]),
            token[..token.len() - 1].to_owned(),
            if swapped == token { String::new() } else { swapped },
            token.to_lowercase(),
            token.to_uppercase(),
            token.replacen("live", "test", 1),
            token.replacen("acme", "bcme", 1),
            format!("acme_live_{}", "x".repeat(38)),
            format!("acme_live_<{}>", &token[10..]),
        ];
        let text: String = decoys
            .iter()
            .map(|decoy| format!("key = \"{decoy}\"\n{}\n{}\n", base64(decoy.as_bytes()), hex(decoy)))
            .collect();
        repo.write(&format!("decoys/{seed}"), text);
    }
    repo.commit("README", "decoys");
    assert!(history(repo.path()).findings.is_empty());
    let report = scan(|scan| scan.paths(&[repo.path().join("decoys")]));
    assert!(report.findings.is_empty());
    assert_eq!(report.totals.files, 60);
}
