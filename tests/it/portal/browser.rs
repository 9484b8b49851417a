//! A real browser: Debian's chromium, driven by Playwright as people would, with axe-core looking on.
//!
//! `KGATE_PICTURES=DIR` keeps a picture of every page in two themes and at three widths.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use kgate::key::Role;
use kgate::store::NewAdminKey;
use serde_json::{Value, json};

use super::Scene;
use crate::harness::{act, is_quick};

#[test]
fn consumers_and_operators_keep_keys_in_a_real_browser_and_no_page_has_a_serious_fault() {
    if is_quick() {
        return;
    }
    let mut scene = Scene::with(
        "title = \"Acme API\"\nsupport = \"api@acme.example\"\napi_url = \"https://api.acme.example\"\nscopes = [\"products:read\", \"products:write\"]\nmax_keys = 5\nmax_expires = \"180d\"",
    );
    let portal = format!("http://{}", scene.process.portal.unwrap());
    let acme = scene.consumer("Acme <b>Corp</b>");
    let other = scene.consumer("Other");
    let target = Path::new(env!("CARGO_BIN_EXE_kgate")).ancestors().nth(2).unwrap();
    let asked = json!({
        "portal": portal,
        "gateway": format!("http://{}/", scene.process.address),
        "link": format!("{portal}/invite#{}", scene.invite(acme)),
        "link_without_script": format!("{portal}/invite#{}", scene.invite(other)),
        "admin_key": admin_key(&scene),
        "chromium": "/usr/bin/chromium",
        "axe": target.join("tools/node_modules/axe-core/axe.min.js"),
        "pictures": std::env::var("KGATE_PICTURES").ok(),
    });
    let mut child = Command::new(target.join("tools/bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/portal/browser.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/setup.sh test installs it");
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    writeln!(stdin, "{asked}").unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    while line == "upgrade\n" {
        assert!(scene.site.upgrade(&mut scene.process).wait().0.success());
        writeln!(stdin).unwrap();
        line.clear();
        stdout.read_line(&mut line).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_str(&line).unwrap();
    // What the browser saw is what the gateway now knows.
    let status = |name: &str| scene.gateway(seen[name].as_str().unwrap());
    assert_eq!((status("old"), status("new"), status("without_script")), (401, 200, 200));
    assert_eq!((status("operators_old"), status("operators_new")), (401, 200));
}

fn admin_key(scene: &Scene) -> String {
    let new = NewAdminKey { name: "browser admin".to_owned(), role: Role::Admin, expires_at: None };
    let key = scene.site.store().issue_admin_key(&new, &act(), &mut rand::rng()).unwrap();
    key.token.expose().to_owned()
}
