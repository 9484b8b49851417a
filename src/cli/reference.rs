//! `docs/cli.md`, made from the commands themselves.

use std::fmt::Write as _;

use super::view::{CONSUMER, Field, KEY_HISTORY, NEW_KEY};

/// Returns the text of `docs/cli.md`.
pub fn reference() -> String {
    let mut root = super::command().disable_help_subcommand(true);
    root.build();
    let mut text = String::from(HEAD);
    text.push_str("\n## Contents\n\n");
    each_command(&root, &mut |command, path| {
        if !path.is_empty() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let name = path.join(" ");
            let _ = writeln!(text, "- [`kgate {name}`](#kgate-{}): {about}", name.replace(' ', "-"));
        }
    });
    text.push_str("- [JSON and CSV](#json-and-csv)\n");
    each_command(&root, &mut |command, path| {
        let name = path.iter().fold(String::from("kgate"), |name, part| name + " " + part);
        let mut command = command.clone().term_width(100);
        if !path.is_empty() {
            // The common options are told once, with the program itself.
            command = command.mut_args(|arg| {
                let is_common = arg.is_global_set() || arg.get_id() == "help";
                arg.hide(is_common)
            });
        }
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    });
    text.push_str("\n## JSON and CSV\n\n");
    text.push_str(JSON_HEAD);
    section(
        &mut text,
        "A new key",
        "`key create`, `key rotate`. `key create --count N` prints an array.",
        &[NEW_KEY],
    );
    let without_token: Vec<Field> = NEW_KEY.iter().filter(|(name, _)| *name != "token").copied().collect();
    section(
        &mut text,
        "A key",
        "`key list` prints an array of these, the other commands one: `key show`, `key update`, `key disable`, `key enable`.",
        &[&without_token, KEY_HISTORY],
    );
    section(
        &mut text,
        "A consumer",
        "`consumer list` prints an array of these, the other commands one.",
        &[CONSUMER],
    );
    for (title, about, fields) in super::FORMS {
        section(&mut text, title, about, &[fields]);
    }
    text
}

fn section(text: &mut String, title: &str, about: &str, fields: &[&[Field]]) {
    let _ = write!(text, "### {title}\n\n{about}\n\n| name | value |\n|---|---|\n");
    for (name, meaning) in fields.iter().copied().flatten() {
        let _ = writeln!(text, "| `{name}` | {meaning} |");
    }
    text.push('\n');
}

fn each_command(root: &clap::Command, visit: &mut dyn FnMut(&clap::Command, &[&str])) {
    fn walk<'c>(
        command: &'c clap::Command,
        path: &mut Vec<&'c str>,
        visit: &mut dyn FnMut(&clap::Command, &[&str]),
    ) {
        visit(command, path);
        for inner in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            path.push(inner.get_name());
            walk(inner, path, visit);
            path.pop();
        }
    }
    walk(root, &mut Vec::new(), visit);
}

const HEAD: &str = "\
<!-- Made by the program; `KGATE_BLESS=1 cargo test --test it cli_docs` writes it anew. -->
# The command line

Everything `kgate --help` and the commands' own `--help` say, and the forms of their output.

- Results and secrets go to standard output; everything else, questions and progress too, to standard error.
- Exit codes: **0** done, or clean (an empty list is 0); **1** the answer is \"no\": findings, refused, not found;
  **2** could not do it: usage, configuration, input or output.
- Failures are `error:`, `caused by:` and `help:` lines.
- Questions are asked on a terminal only, and each has a flag that answers it. `NO_COLOR` is honoured.
- No secret is ever an argument: tokens are read from standard input.
- The common options of `kgate` go with every command.
- Lengths of time are `30s`, `15m`, `24h`, `90d`, `2w`, `1y`; times are RFC 3339 (`2026-12-31T23:59:59Z`) or dates.
- When a change ends with `outcome unknown`, it happened whole or not at all; `kgate key show ID` tells.
";

const JSON_HEAD: &str = "\
These forms are stable: fields are added, never renamed or removed. Names are `snake_case`, times RFC 3339 in UTC,
absent values `null`. CSV has the same fields in the same order; lists are joined by spaces, pairs as `k=v` by `;`,
and a cell a spreadsheet would take for a formula starts with `'`.

";
