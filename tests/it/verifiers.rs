//! `docs/verify-backend.md` is true: its examples, as they stand there, take what a running gateway sends and
//! refuse everything else. Python (`PyJWT`), Node (`jose`), and Go where it is installed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kgate::sign::{self, Algorithm};
use kgate::verify::wall;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, is_quick, request};
use crate::process::{CONFIG, Process, Site};
use crate::tokens::forgeries;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A gateway that serves, and what it sent a backend.
struct Scene {
    process: Process,
    site: Site,
    token: String,
    request: Value,
}

impl Scene {
    fn new() -> Self {
        let config = CONFIG.replace(
            "servers = [\"{echo}\"]",
            "servers = [\"{echo}\"]\njwt = {}\nhmac_secret_file = \"hmac\"\nforward_metadata = [\"tier\"]",
        );
        let site = Site::with(&CONFIG.replace("name = \"all\"", "name = \"some\""));
        fs::write(site.dir.path().join("hmac"), SECRET).unwrap();
        site.configure(&config);
        let said = site.command(&["serve"]).output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr);
        assert!(
            said.contains("`echo` wants EdDSA tokens") && said.contains("kgate signing-key create"),
            "{said}"
        );
        let check = site.command(&["check"]).output().unwrap();
        assert_eq!(check.status.code(), Some(2), "check says so, too");
        site.run(&["signing-key", "create"]);
        site.run(&["check"]);
        let issued = Site::issue(&site.store());
        let process = site.serve(&[]);
        let mut client = Client::tcp(process.address);
        client.send(request("GET", "/v1/products/1?q=a%20b", &issued.token));
        let answer = client.answer();
        let token = answer.seen("X-Kgate-Token").remove(0);
        Self { process, site, token, request: seen(&answer) }
    }

    fn jwks_url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.process.admin)
    }

    /// Everything to judge: (what, case, whether it is good).
    fn cases(&self) -> Vec<(String, Value, bool)> {
        let now = u64::try_from(wall().as_secs()).unwrap();
        let ring = sign::load(&self.site.data()).unwrap();
        let key = ring.signing(Algorithm::EdDsa, wall()).unwrap();
        let token = |token: &str| json!({"kind": "token", "token": token});
        let mut cases = vec![("the token".to_owned(), token(&self.token), true)];
        let forged = forgeries(key, &self.token, now).into_iter();
        cases.extend(forged.map(|(what, forged)| (what, token(&forged), false)));
        cases.push(("the request".to_owned(), self.request.clone(), true));
        let mut changed = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut request = self.request.clone();
            change(&mut request);
            cases.push((format!("a request: {what}"), request, false));
        };
        changed("another method", &|r| r["method"] = json!("PUT"));
        changed("another path", &|r| r["target"] = json!("/v1/products/2?q=a%20b"));
        changed("another spelling", &|r| r["target"] = json!("/v1/products/1?q=a+b"));
        changed("later", &|r| r["now"] = json!(now + 60));
        changed("earlier", &|r| r["now"] = json!(now - 60));
        for time in ["", "x", "1e9", "-1"] {
            changed("no time", &|r| r["headers"]["x-kgate-timestamp"] = json!([time]));
        }
        changed("no code", &|r| r["headers"]["x-kgate-signature"] = json!(["v1="]));
        for name in
            ["x-request-id", "x-consumer-id", "x-consumer-scopes", "x-consumer-external-id", "x-key-id"]
        {
            changed(name, &|r| r["headers"][name] = json!(["evil"]));
            changed(&format!("{name} twice"), &|r| {
                let mine = r["headers"][name].as_array().cloned().unwrap_or_default();
                r["headers"][name] = [mine, vec![json!("evil"), json!("evil")]].concat().into();
            });
        }
        cases
    }

    /// Has a verifier judge every case, and checks its judgement.
    fn judge(&self, verifier: &mut Command) {
        let cases = self.cases();
        let list: Vec<&Value> = cases.iter().map(|(_, case, _)| case).collect();
        let mut child =
            verifier.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is installed");
        child.stdin.take().unwrap().write_all(json!(list).to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{verifier:?}");
        let judged: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(judged.len(), cases.len());
        for ((what, case, is_good), judged) in cases.iter().zip(&judged) {
            assert_eq!(judged.is_null() || *judged == json!(false), !is_good, "{what}: {judged}: {case}");
        }
        assert_eq!(judged[0]["sub"], self.request["headers"]["x-consumer-id"][0], "{}", judged[0]);
    }
}

/// A request as a backend reads it.
fn seen(answer: &Answer) -> Value {
    let json = answer.json();
    let head = json["head"].as_str().unwrap();
    let mut words = head.lines().next().unwrap().split(' ');
    let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
        headers.entry(name.to_ascii_lowercase()).or_default().push(value.trim());
    }
    json!({
        "kind": "request",
        "method": words.next().unwrap(),
        "target": words.next().unwrap(),
        "headers": headers,
        "now": wall().as_secs(),
    })
}

/// The example of a language, asking this gateway for its keys.
fn example(language: &str, scene: &Scene) -> String {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify-backend.md")).unwrap();
    let code = page.split(&format!("```{language}\n")).nth(1).unwrap().split("```\n").next().unwrap();
    code.replace("http://127.0.0.1:8081/.well-known/jwks.json", &scene.jwks_url())
}

/// Where `tests/setup.sh test` puts what these tests need.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools")
}

#[test]
fn the_python_example_verifies() {
    if is_quick() {
        return;
    }
    let scene = Scene::new();
    let dir = scene.site.dir.path();
    fs::write(dir.join("example.py"), example("python", &scene)).unwrap();
    fs::write(dir.join("judge.py"), PYTHON).unwrap();
    let mut python = Command::new(tools().join("bin/python"));
    python.arg(dir.join("judge.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    scene.judge(&mut python);
}

#[test]
fn the_node_example_verifies() {
    if is_quick() {
        return;
    }
    let scene = Scene::new();
    let dir = scene.site.dir.path();
    fs::write(dir.join("example.mjs"), example("js", &scene)).unwrap();
    fs::write(dir.join("judge.mjs"), NODE).unwrap();
    std::os::unix::fs::symlink(tools().join("node_modules"), dir.join("node_modules")).unwrap();
    let mut node = Command::new("node");
    node.arg(dir.join("judge.mjs"));
    scene.judge(&mut node);
}

#[test]
fn the_go_example_verifies() {
    let go = Command::new("go").arg("version").stdout(Stdio::null()).status();
    if is_quick() || !go.is_ok_and(|status| status.success()) {
        eprintln!("go is not installed: its example was not run");
        return;
    }
    let scene = Scene::new();
    let dir = scene.site.dir.path().join("go");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("example.go"), example("go", &scene)).unwrap();
    fs::write(dir.join("main.go"), GO).unwrap();
    fs::write(dir.join("go.mod"), "module example\n\ngo 1.21\n").unwrap();
    let built = Command::new("go").args(["build", "-o", "judge", "."]).current_dir(&dir).status().unwrap();
    assert!(built.success(), "the example compiles");
    let mut judge = Command::new(dir.join("judge"));
    judge.arg(scene.jwks_url());
    scene.judge(&mut judge);
}

#[test]
fn the_rust_example_is_the_one_that_is_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/verify-backend.md")).unwrap();
    let code = page.split("```rust\n").nth(1).unwrap().split("```\n").next().unwrap();
    let tested = fs::read_to_string(root.join("tests/it/verify_example.rs")).unwrap();
    assert!(code == tested, "copy tests/it/verify_example.rs into docs/verify-backend.md");
}

#[test]
fn the_gateway_serves_the_key_set_too_where_a_route_says_so() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify-backend.md")).unwrap();
    let blocks = page.split("```toml\n").map(|rest| rest.split("```\n").next().unwrap());
    let route = blocks.into_iter().find(|block| block.contains("jwks.json")).expect("the page has it");
    let admin = format!("127.0.0.1:{}", crate::fronts::free_port().port());
    let config = CONFIG.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{admin}\"")) + route;
    let site = Site::with(&config.replace("127.0.0.1:8081", &admin));
    site.run(&["signing-key", "create"]);
    site.run(&["check"]);
    let process = site.serve(&[]);
    let get = |path: &str, fields: &str| {
        let mut client = Client::tcp(process.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n"));
        client.answer()
    };
    let published = get("/.well-known/jwks.json", "");
    assert_eq!(published.status, 200, "{}", published.head);
    let (_, wanted) = process.ask_admin("/.well-known/jwks.json");
    assert_eq!(published.json(), serde_json::from_str::<Value>(&wanted).unwrap());
    assert_eq!(published.json()["keys"].as_array().unwrap().len(), 1);
    for path in ["/v1/keys", "/metrics", "/.well-known/jwks.json/../../metrics", "/.well-known/openid"] {
        assert!([400, 401].contains(&get(path, "").status), "{path}");
    }
}

#[test]
fn keys_are_rotated_under_a_running_gateway() {
    let scene = Scene::new();
    let list = || -> Vec<Value> {
        let output = scene.site.command(&["signing-key", "list", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let published = || {
        let (_, body) = scene.process.ask_admin("/.well-known/jwks.json");
        let set: Value = serde_json::from_str(&body).unwrap();
        assert!(!body.contains("\"d\""), "no private part: {body}");
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    let refused = |args: &[&str]| {
        let output = scene.site.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["signing-key", "create"]).contains("kgate signing-key rotate"));
    let old = list()[0]["id"].clone();
    scene.site.run(&["signing-key", "rotate"]);
    crate::harness::until("the next key is published", || published().len() == 2);
    let roles = || list().iter().map(|key| key["role"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(roles(), ["signing", "next"]);
    assert!(refused(&["signing-key", "rotate"]).contains("under way"));
    scene.site.run(&["signing-key", "rotate", "--lead", "0s"]);
    assert_eq!(roles(), ["retired", "signing", "next"]);
    scene.site.run(&["signing-key", "rotate", "--lead", "0s"]);
    assert_eq!(
        roles(),
        ["retired", "retired", "signing", "next"],
        "none that signed a moment ago is taken away"
    );
    crate::harness::until("they are published", || published().len() == 4);
    assert!(published().contains(&old), "for tokens on their way");
    let signing = list()[2]["id"].as_str().unwrap().to_owned();
    assert!(refused(&["signing-key", "remove", &signing]).contains("--force"));
    scene.site.run(&["signing-key", "remove", old.as_str().unwrap()]);
    crate::harness::until("it is gone", || published().len() == 3 && !published().contains(&old));
    scene.process.until_it_says("signing keys read anew");
}

const PYTHON: &str = r#"
import json, sys
from example import verify_request, verify_token

def judge(case):
    if case["kind"] == "token":
        try:
            return verify_token(case["token"])
        except Exception:
            return None
    values = lambda name: case["headers"].get(name, [])
    return verify_request(b"0123456789abcdef0123456789abcdef", case["method"], case["target"], values, case["now"])

print(json.dumps([judge(case) for case in json.load(sys.stdin)]))
"#;

const NODE: &str = r#"
import { readFileSync } from "node:fs";
import { verifyRequest, verifyToken } from "./example.mjs";

const judged = [];
for (const one of JSON.parse(readFileSync(0, "utf8"))) {
  if (one.kind === "token") {
    judged.push(await verifyToken(one.token).catch(() => null));
  } else {
    judged.push(verifyRequest("0123456789abcdef0123456789abcdef", one.method, one.target, one.headers, one.now));
  }
}
console.log(JSON.stringify(judged));
process.exit(0);
"#;

const GO: &str = r#"package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil {
		panic(err)
	}
	var set struct{ Keys []struct{ Kid, X string } }
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		panic(err)
	}
	keys := map[string]ed25519.PublicKey{}
	for _, key := range set.Keys {
		x, _ := base64.RawURLEncoding.DecodeString(key.X)
		keys[key.Kid] = x
	}
	var cases []struct {
		Kind, Token, Method, Target string
		Headers                     map[string][]string
		Now                         int64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	now := cases[len(cases)-1].Now
	judged := []any{}
	for _, one := range cases {
		if one.Kind == "token" {
			claims, err := VerifyToken(one.Token, keys, now)
			if err != nil {
				judged = append(judged, nil)
			} else {
				judged = append(judged, claims)
			}
			continue
		}
		headers := http.Header{}
		for name, values := range one.Headers {
			for _, value := range values {
				headers.Add(name, value)
			}
		}
		secret := []byte("0123456789abcdef0123456789abcdef")
		judged = append(judged, VerifyRequest(secret, one.Method, one.Target, headers, one.Now))
	}
	json.NewEncoder(os.Stdout).Encode(judged)
}
"#;
