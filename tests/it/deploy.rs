//! The manifests of `docs/deploy/`: objects Kubernetes would take, and configurations kgate takes.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use kgate::gateway::echo::Echo;
use serde_json::Value;

use crate::fronts::{free_port, tool};
use crate::harness::{Client, is_quick, until};
use crate::process::{CONFIG, Process, Site, request};

/// Prints the documents of a file as JSON and checks those of Kubernetes itself against its schemas.
const CHECK: &str = r#"
import json, sys, yaml, kubernetes_validate
documents = list(yaml.safe_load_all(open(sys.argv[1])))
for document in documents:
    if "istio" not in document["apiVersion"]:
        kubernetes_validate.validate(document, sys.argv[2], strict=True)
print(json.dumps(documents))
"#;

fn checked(path: &Path) -> Result<Vec<Value>, String> {
    let output = Command::new(tool("python"))
        .args(["-c", CHECK, path.to_str().unwrap(), "1.31"])
        .output()
        .expect("`tests/setup.sh test` installs it");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

fn of<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn manifests_are_what_kubernetes_and_kgate_take() {
    if is_quick() {
        return;
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy");
    for name in ["gateway", "istio", "linkerd"] {
        let documents = checked(&dir.join(format!("{name}.yaml"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        let config = of(&documents, "ConfigMap")["data"]["kgate.toml"].as_str().unwrap();
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("kgate.toml");
        let text = config.replace("/var/lib/kgate/data", home.path().join("data").to_str().unwrap());
        fs::write(&path, text).unwrap();
        let loaded = kgate::config::Config::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));

        // Every part names what another has.
        let pod = &of(&documents, "Deployment")["spec"]["template"];
        let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
        let port =
            |name: &str| ports.iter().find(|p| p["name"] == name).unwrap()["containerPort"].as_u64().unwrap();
        let service = &of(&documents, "Service")["spec"];
        assert_eq!(service["selector"], pod["metadata"]["labels"], "{name}");
        let target = service["ports"][0]["targetPort"].as_str().unwrap();
        let listens = config.contains(&format!("0.0.0.0:{}", port(target)));
        assert!(listens && config.contains(&format!("0.0.0.0:{}", port("admin"))), "{name}");
        assert_eq!(
            of(&documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            pod["metadata"]["labels"]
        );
        assert_eq!(loaded.config.sidecar.is_some(), name == "istio");
    }
    let documents = checked(&dir.join("istio.yaml")).unwrap();
    let provider = &of(&documents, "IstioOperator")["spec"]["meshConfig"]["extensionProviders"][0];
    assert_eq!(of(&documents, "AuthorizationPolicy")["spec"]["provider"]["name"], provider["name"]);
    assert_eq!(provider["envoyExtAuthzGrpc"]["failOpen"], false);
    assert_eq!(of(&documents, "Service")["spec"]["ports"][0]["port"], provider["envoyExtAuthzGrpc"]["port"]);
}

/// On a new volume, and on one that has a store: what the init container does, then what the container does, until the
/// kubelet would find it ready. Directories and ports are the test's.
#[test]
fn what_the_manifests_start_becomes_ready_on_an_empty_volume_and_again() {
    if is_quick() {
        return;
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy");
    let program = Path::new(env!("CARGO_BIN_EXE_kgate"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for name in ["gateway", "istio", "linkerd"] {
        let documents = checked(&dir.join(format!("{name}.yaml"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        let home = tempfile::tempdir().unwrap();
        let volume = home.path().join("volume");
        fs::create_dir(&volume).unwrap();
        let admin = free_port();
        let here = |text: &str| {
            text.replace("/var/lib/kgate", volume.to_str().unwrap())
                .replace("0.0.0.0:8081", &admin.to_string())
                .replace("0.0.0.0:8080", "127.0.0.1:0")
                .replace("0.0.0.0:8082", "127.0.0.1:0")
        };
        let config = home.path().join("kgate.toml");
        let text = of(&documents, "ConfigMap")["data"]["kgate.toml"].as_str().unwrap();
        fs::write(&config, here(text)).unwrap();
        let pod = &of(&documents, "Deployment")["spec"]["template"]["spec"];
        let words = |container: &Value, of: &str| -> Vec<String> {
            let words = container[of].as_array().into_iter().flatten();
            words.map(|word| here(word.as_str().unwrap())).collect()
        };
        let command = |words: &[String]| {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).env("PATH", &path).env("KGATE_CONFIG", &config).stdin(Stdio::null());
            command.env_remove("KGATE_DATA_DIR");
            command
        };
        // The image's entry point.
        let serve = [vec!["kgate".to_owned()], words(&pod["containers"][0], "args")].concat();
        let early = command(&serve).output().unwrap();
        let said = String::from_utf8_lossy(&early.stderr).into_owned();
        assert!(early.status.code() == Some(2) && said.contains("kgate init"), "{name}: {said}");
        let store = || fs::read(volume.join("data/kgate.redb")).ok();
        for start in 0..2 {
            let before = store();
            for init in pod["initContainers"].as_array().unwrap() {
                let all = [words(init, "command"), words(init, "args")].concat();
                let done = command(&all).output().unwrap();
                let said = String::from_utf8_lossy(&done.stderr).into_owned();
                assert!(done.status.success(), "{name}, start {start}: {said}");
            }
            assert!(before.is_none_or(|before| store() == Some(before)), "{name}: a store is left alone");
            let mut serving = command(&serve).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let is_ready = || {
                let mut client = Client::try_tcp(admin)?;
                client.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
                (client.try_answer()?.status == 200).then_some(())
            };
            until("it is ready", || {
                assert!(serving.try_wait().unwrap().is_none(), "{name}, start {start}: it ended");
                is_ready().is_some()
            });
            serving.kill().unwrap();
            serving.wait().unwrap();
        }
        let kept = pod["securityContext"]["fsGroupChangePolicy"].as_str();
        assert_eq!(kept, Some("OnRootMismatch"), "{name}: else the kubelet opens what is its owner's alone");
    }
}

#[test]
fn a_mistake_in_a_manifest_is_found() {
    if is_quick() {
        return;
    }
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/gateway.yaml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrong.yaml");
    for (right, wrong) in [("readinessProbe:", "readynessProbe:"), ("replicas: 1", "replicas: one")] {
        fs::write(&path, text.replace(right, wrong)).unwrap();
        assert!(checked(&path).is_err(), "{wrong}");
    }
}

/// The first block of that language in a page.
fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("there is a block");
    rest.split("\n```").next().unwrap()
}

#[test]
fn the_page_on_systemd_has_a_configuration_and_units_that_go_together() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy");
    let page = fs::read_to_string(dir.join("systemd.md")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("kgate.toml");
    fs::write(&path, block(&page, "toml")).unwrap();
    let mut made = Command::new(env!("CARGO_BIN_EXE_kgate"));
    made.args(["tls", "self-signed", "--dir"]).arg(home.path().join("tls"));
    assert!(made.output().unwrap().status.success());
    let tls = fs::metadata(home.path().join("tls")).unwrap();
    assert_eq!(tls.permissions().mode() & 0o777, 0o700, "a directory that was not there is for its owner");
    let loaded = kgate::config::Config::read(&path).unwrap_or_else(|e| panic!("{e}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.upstreams.len(), 2);
    let socket = fs::read_to_string(dir.join("kgate.socket")).unwrap();
    let admin = format!("ListenStream={}", loaded.config.listen.admin[0]);
    assert!(socket.contains(&admin), "the admin listener is inherited, too");
    let service = fs::read_to_string(dir.join("kgate.service")).unwrap();
    assert!(service.contains("Type=notify") && service.contains("--config /etc/kgate/kgate.toml"));
    if is_quick() {
        return;
    }
    // With the program where it is here, and a user there is.
    let units = tempfile::tempdir().unwrap();
    let here = service
        .replace("/usr/local/bin/kgate", env!("CARGO_BIN_EXE_kgate"))
        .replace("User=kgate\nGroup=kgate", "User=root")
        .replace("Documentation=man:kgate(1)\n", "");
    fs::write(units.path().join("kgate.service"), here).unwrap();
    fs::write(units.path().join("kgate.socket"), socket).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args([units.path().join("kgate.service"), units.path().join("kgate.socket")])
        .output()
        .expect("`tests/setup.sh test` installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("kgate."), "{said}");
}

/// The page is followed: its configuration, and its commands in their order, but for those that change the
/// machine itself (packages, users, systemd). Directories and ports are the test's.
#[test]
fn the_page_on_systemd_leads_to_a_gateway_with_tls_http2_and_two_backends() {
    if is_quick() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backends = [0; 3].map(|_| runtime.block_on(Echo::start()).unwrap());
    let home = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port().port(), free_port());
    let at = |name: &str| home.path().join(name).display().to_string();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy");
    let here = |text: String| {
        text.replace("/etc/kgate", &at("etc"))
            .replace("/var/lib/kgate", &at("var"))
            // However busy the machine is.
            .replace("\n[server]\n", "\n[server]\nfresh_within = \"1min\"\n")
            .replace("0.0.0.0:443", &format!("127.0.0.1:{port}"))
            .replace("https://localhost/", &format!("https://localhost:{port}/"))
            .replace("127.0.0.1:8081", &admin.to_string())
            .replace("127.0.0.1:9000", &backends[0].address().to_string())
            .replace("127.0.0.1:9001", &backends[1].address().to_string())
            .replace("127.0.0.1:9100", &backends[2].address().to_string())
    };
    let page = here(fs::read_to_string(dir.join("systemd.md")).unwrap());
    let unit = here(fs::read_to_string(dir.join("kgate.service")).unwrap());
    let (page, _) = page.split_once("## Change something").unwrap();
    fs::create_dir(at("etc")).unwrap();
    fs::write(at("etc/kgate.toml"), block(page, "toml")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_kgate"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let sh = |line: &str| {
        // Nobody becomes another user here.
        let prelude = "set -e; chown() { :; }; runuser() { shift 3; \"$@\"; }\n";
        let line = line.replace(" -o root -g kgate", "").replace(" -o kgate -g kgate", "");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{prelude}{line}")]).current_dir(home.path()).env("PATH", &path);
        let output = command.env_remove("KGATE_CONFIG").env_remove("KGATE_DATA_DIR").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stdout).unwrap()
    };
    let (mut serving, mut last, mut count) = (None, String::new(), 0);
    let mut is_fenced = false;
    for line in page.lines() {
        is_fenced ^= line.starts_with("```");
        let Some(line) = line.strip_prefix("    ").filter(|_| !is_fenced) else { continue };
        if line.contains("enable --now kgate") {
            let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
            let mut words = start.split_whitespace();
            assert_eq!(words.next(), Some("/usr/local/bin/kgate"));
            let mut command = Command::new(program);
            command.args(words);
            serving = Some(Process::start(command).unwrap_or_else(|said| panic!("{said}")));
        }
        let of_machine = ["apt-get ", "make install", "useradd ", "systemctl ", "install -m 644 docs/"];
        if of_machine.iter().any(|command| line.starts_with(command)) {
            continue;
        }
        (last, count) = (sh(line), count + 1);
    }
    assert!(serving.is_some() && count >= 8, "{count} commands were followed");
    assert!(last.contains(r#""target":"/v1/catalog/""#), "the catalog answers: {last}");
    let ask = "curl -sS -w '%{http_version} %{http_code}' -H \"Authorization: Bearer $(cat key)\" --cacert";
    let orders = sh(&format!("{ask} {} https://localhost:{port}/v1/orders/7", at("etc/tls/cert.pem")));
    assert!(orders.contains(r#""target":"/7""#) && orders.ends_with("2 200"), "{orders}");
    assert_eq!((backends[2].requests(), backends[0].requests() + backends[1].requests() > 0), (1, true));
}

/// systemd itself makes the socket, and starts kgate when the first client comes.
#[test]
fn a_client_that_comes_before_kgate_is_served_where_systemd_holds_the_socket() {
    if is_quick() {
        return;
    }
    let (proxy, admin) = (free_port(), free_port());
    let text = CONFIG
        .replace("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"{proxy}\"]"))
        .replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{admin}\""));
    let site = Site::with(&text);
    let key = Site::issue(&site.store());
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", &proxy.to_string(), "-l", &admin.to_string(), env!("CARGO_BIN_EXE_kgate")]);
    command.arg("--config").arg(site.config_path()).arg("serve").stdin(Stdio::null());
    let first = thread::spawn({
        let asked = request(&key);
        move || {
            until("systemd listens", || TcpStream::connect(proxy).is_ok());
            let mut client = Client::tcp(proxy);
            client.send(asked);
            client.answer().status
        }
    });
    let process = Process::start(command).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(first.join().unwrap(), 200);
    assert_eq!((process.address, process.admin, process.readiness().as_str()), (proxy, admin, "ready"));
}

#[test]
fn the_dockerfile_is_clean() {
    if is_quick() {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/Dockerfile");
    let output =
        Command::new(tool("hadolint")).arg(&file).output().expect("`tests/setup.sh test` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // What is not sent to the builder is not in the image.
    let ignored = fs::read_to_string(file.with_file_name("Dockerfile.dockerignore")).unwrap();
    assert!(ignored.starts_with("*\n") && ignored.contains("!Cargo.lock"));
}
