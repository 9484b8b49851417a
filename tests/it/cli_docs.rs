//! Generated texts agree with the commands they describe.

use std::fs;
use std::path::Path;

use kgate::cli::{Shell, completion_script, reference};

#[test]
fn the_command_reference_is_fresh() {
    check("docs/cli.md", &reference());
}

#[test]
fn completions_are_fresh() {
    check("completions/kgate.bash", &completion_script(Shell::Bash));
    check("completions/kgate.zsh", &completion_script(Shell::Zsh));
    check("completions/kgate.fish", &completion_script(Shell::Fish));
}

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("KGATE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{name} is out of date: run `make bless` and look at the difference");
}
