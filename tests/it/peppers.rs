//! Peppers from the environment, several at a time, and none taken away while keys depend on it.

use crate::cli::said;
use crate::process::{CONFIG, Site};

const OLD: &str = "\n[[pepper]]\nid = \"old\"\nenv = \"OLD_PEPPER\"\n";
const NEW: &str = "\n[[pepper]]\nid = \"new\"\nenv = \"NEW_PEPPER\"\n";

#[test]
fn a_pepper_is_not_taken_away_while_keys_depend_on_it() {
    let site = Site::with(&(CONFIG.to_owned() + OLD));
    let run = |args: &[&str], input: &str| {
        let mut command = site.command(args);
        command.env("OLD_PEPPER", "o".repeat(32)).env("NEW_PEPPER", "n".repeat(32));
        said(&mut command, input)
    };
    let status = || -> serde_json::Value {
        serde_json::from_str(&run(&["key", "rehash-status", "--json"], "").stdout).unwrap()
    };
    assert_eq!(run(&["consumer", "create", "Acme", "--external-id", "org"], "").code, 0);
    let made = run(&["key", "create", "--consumer", "org"], "");
    assert_eq!(made.code, 0, "{}", made.stderr);
    let token = made.stdout.trim_end();
    assert_eq!(status()[0]["keys"], 1);

    // New keys use the first; the old key works still.
    site.configure(&(CONFIG.to_owned() + NEW + OLD));
    assert_eq!(run(&["check"], "").code, 0);
    assert_eq!(run(&["key", "verify", "--path", "/x"], token).code, 0, "under the second pepper");
    assert_eq!(run(&["key", "create", "--consumer", "org"], "").code, 0);
    let hashes = status();
    for (number, (hash, keys, is_new)) in
        [("hmac-sha256:new", 1, true), ("hmac-sha256:old", 1, false), ("sha256", 0, false)]
            .into_iter()
            .enumerate()
    {
        assert_eq!(hashes[number]["hash"], hash, "{hashes}");
        assert_eq!(hashes[number]["keys"], keys, "{hashes}");
        assert_eq!(hashes[number]["is_for_new_keys"], is_new, "{hashes}");
    }

    site.configure(&(CONFIG.to_owned() + NEW));
    let refused = run(&["check"], "");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("1 key depends on the pepper `old`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("help: put its [[pepper]] back"), "{}", refused.stderr);
    assert_eq!(run(&["key", "rehash-status"], "").code, 1);

    // What is revoked needs it no longer.
    site.configure(&(CONFIG.to_owned() + NEW + OLD));
    assert_eq!(run(&["key", "revoke", "--stdin", "--yes"], token).code, 0, "by its token");
    site.configure(&(CONFIG.to_owned() + NEW));
    let fine = run(&["check"], "");
    assert_eq!(fine.code, 0, "{}", fine.stderr);
}

#[test]
fn a_pepper_that_is_not_in_the_environment_is_a_mistake() {
    let site = Site::with(&(CONFIG.to_owned() + OLD));
    let said = said(&mut site.command(&["check"]), "");
    assert_eq!(said.code, 2);
    assert!(said.stdout.contains("`OLD_PEPPER`: the variable is not set"), "{} {}", said.stdout, said.stderr);
}
