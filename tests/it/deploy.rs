//! The manifests of `docs/deploy/`: objects Kubernetes would take, and configurations kgate takes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fronts::tool;
use crate::harness::is_quick;

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
    fs::create_dir(home.path().join("tls")).unwrap();
    let mut made = Command::new(env!("CARGO_BIN_EXE_kgate"));
    made.args(["tls", "self-signed", "--dir"]).arg(home.path().join("tls"));
    assert!(made.output().unwrap().status.success());
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
