//! Git itself asks kgate: before a commit, and before a server takes a push.

use std::path::Path;
use std::process::Command;

use super::{Repo, command, mint};

const KGATE: &str = env!("CARGO_BIN_EXE_kgate");

/// Runs kgate in `folder`; returns its exit code and what it says.
fn kgate(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(KGATE)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// Runs git; says whether it agreed.
fn agrees(repo: &Repo, arguments: &[&str]) -> bool {
    command(repo.path()).args(arguments).output().unwrap().status.success()
}

fn install(folder: &Path, arguments: &[&str]) -> i32 {
    let install = [&["leak-hook", "install"], arguments, &["--", "--prefix", "acme_live"]].concat();
    kgate(folder, &install).0
}

#[test]
fn a_commit_with_a_key_is_refused_and_one_without_passes() {
    let repo = Repo::new(&[]);
    let token = mint(8_001);
    assert_eq!(kgate(repo.path(), &["leak-hook", "status"]).0, 1);
    assert_eq!(install(repo.path(), &[]), 0);
    assert_eq!(kgate(repo.path(), &["leak-hook", "status"]).0, 0);
    repo.write("file", &token);
    repo.git(&["add", "."]);
    assert!(!agrees(&repo, &["commit", "-m", "the first one"]));
    repo.write("file", "clean");
    assert!(!agrees(&repo, &["commit", "-m", "what is staged counts"]));
    assert!(agrees(&repo, &["commit", "-am", "clean"]));
    assert!(agrees(&repo, &["commit", "--allow-empty", "-m", "nothing"]));
    repo.write("file", &token);
    for arguments in [&["commit", "-am", "all"][..], &["commit", "file", "-m", "an index of its own"]] {
        assert!(!agrees(&repo, arguments), "{arguments:?}");
    }
    repo.write("file", "clean again");
    repo.write(&format!("deep/{token}.txt"), "");
    repo.git(&["add", "."]);
    assert!(!agrees(&repo, &["commit", "-m", "a name"]));
    assert!(agrees(&repo, &["commit", "--no-verify", "-m", "overruled"]));
    repo.write("other", "clean");
    repo.git(&["add", "."]);
    assert!(agrees(&repo, &["commit", "-m", "what was there before is not held against it"]));
    assert_eq!(kgate(repo.path(), &["leak-hook", "remove"]).0, 0);
    repo.write("file", &token);
    assert!(agrees(&repo, &["commit", "-am", "no hook"]));
}

#[test]
fn a_hook_that_is_there_is_left_alone_or_run_first() {
    let repo = Repo::new(&[]);
    repo.git(&["config", "core.hooksPath", "my-hooks"]);
    let theirs = "#!/bin/sh\ntouch ran; test ! -e refuse\n";
    let hook = repo.write("my-hooks/pre-commit", theirs);
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, said) = kgate(repo.path(), &["leak-hook", "install"]);
    assert_eq!(code, 2);
    assert!(said.contains("--chain"), "{said}");
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), theirs);
    assert_eq!(kgate(repo.path(), &["leak-hook", "remove"]).0, 2);
    assert_eq!(install(repo.path(), &["--chain"]), 0);
    repo.write("file", mint(8_002));
    repo.git(&["add", "file"]);
    assert!(!agrees(&repo, &["commit", "-m", "a key"]));
    assert!(repo.path().join("ran").exists());
    repo.write("file", "clean");
    repo.git(&["add", "file"]);
    repo.write("refuse", "");
    assert!(!agrees(&repo, &["commit", "-m", "the other hook says no"]));
    std::fs::remove_file(repo.path().join("refuse")).unwrap();
    assert!(agrees(&repo, &["commit", "-m", "both agree"]));
    assert_eq!(kgate(repo.path(), &["leak-hook", "remove"]).0, 0);
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), theirs);
}

#[test]
fn a_push_with_a_key_is_refused_and_one_without_passes() {
    let server = Repo::new(&["--bare"]);
    assert_eq!(install(server.path(), &[]), 0);
    let repo = Repo::new(&[]);
    repo.git(&["remote", "add", "server", server.path().to_str().unwrap()]);
    let pushes = |what: &str| agrees(&repo, &["push", "-q", "server", what]);
    let token = mint(8_003);
    let clean = repo.commit("file", "clean");
    assert!(pushes("main"));
    repo.commit("file", &token);
    repo.commit("file", "clean again");
    assert!(!pushes("main"), "a key in between");
    assert!(!pushes("main:refs/heads/other"), "to a new branch");
    assert!(pushes(&format!("{clean}:refs/heads/known")), "nothing new");
    assert!(!pushes(&format!("{clean}:refs/heads/{token}")), "a name");
    assert!(pushes(":refs/heads/known"), "a deletion");
    repo.git(&["checkout", "-q", "-b", "message", &clean]);
    repo.git(&["commit", "-q", "--allow-empty", "-m", &token]);
    assert!(!pushes("message"));
    let blob = repo.object("blob", &token);
    assert!(!pushes(&format!("{blob}:refs/tags/blob")));
    repo.git(&["tag", "-a", "-m", &token, "annotated", &clean]);
    assert!(!pushes("annotated"));
    repo.git(&["checkout", "-q", "-b", "fine", &clean]);
    repo.commit("many", "files");
    assert!(pushes("fine"));
}

#[test]
fn what_a_branch_adds_is_read_and_nothing_else() {
    let repo = Repo::new(&[]);
    repo.commit("old", mint(8_004));
    repo.git(&["checkout", "-q", "-b", "feature"]);
    repo.commit("file", "clean");
    repo.commit("new", mint(8_005));
    repo.commit("new", "clean");
    let scan = |arguments: &[&str]| {
        kgate(repo.path(), &[&["leak-scan", "--prefix", "acme_live"], arguments].concat()).0
    };
    assert_eq!(scan(&["--since", "main"]), 1);
    assert_eq!(scan(&["--since", "HEAD~1"]), 0);
    assert_eq!(scan(&["--range", "main..feature~2"]), 0);
    assert_eq!(scan(&["--range", "main..feature^"]), 1);
    assert_eq!(scan(&["--range", "HEAD..HEAD"]), 0);
    assert_eq!(scan(&["--since", "nowhere"]), 2);
    assert_eq!(scan(&["--history"]), 1);
    assert_eq!(scan(&["--history", "/"]), 2);
    assert_eq!(scan(&["--staged"]), 0);
}

/// Everything in a repository that git would run when asked to do something.
#[test]
fn nothing_of_a_repository_is_run() {
    let repo = Repo::new(&[]);
    let bait = repo.path().join("bait");
    let run = format!("touch {}", bait.display());
    repo.write(".gitattributes", "* filter=evil diff=evil\n");
    repo.commit("file", mint(8_006));
    for name in [
        "core.fsmonitor",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "core.pager",
        "core.sshCommand",
        "alias.log",
    ] {
        repo.git(&["config", name, &run]);
    }
    for hook in ["post-checkout", "pre-commit", "post-index-change", "reference-transaction"] {
        let hook = repo.write(&format!(".git/hooks/{hook}"), format!("#!/bin/sh\n{run}\n"));
        std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let _ = std::fs::remove_file(&bait);
    for arguments in
        [&["--history"][..], &["--staged"], &["--since", "HEAD"], &["."], &["--history", "--all-objects"]]
    {
        kgate(repo.path(), &[&["leak-scan", "--prefix", "acme_live"], arguments].concat());
        assert!(!bait.exists(), "{arguments:?}");
    }
}
