//! Our prefixes as rules for other scanners. They know neither the store nor, Kingfisher apart, the
//! checksum; but they may run where kgate does not.

use std::fmt::Write as _;

use crate::key::{CHECKSUM_LEN, Format, KeyType, RANDOM_LEN, TAIL_LEN, checksum};

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// TOML of gitleaks 8.
    Gitleaks,
    /// TOML of betterleaks, which reads that of gitleaks.
    Betterleaks,
    /// YAML of Kingfisher, with the checksum.
    Kingfisher,
    /// YAML of `TruffleHog`, for its custom detectors.
    Trufflehog,
    /// What GitHub asks for in a custom pattern or from a partner, as JSON.
    Github,
    /// Patterns for `rg --file`, one a line.
    Ripgrep,
}

/// Writes rules that find the tokens of `types`. Those of opaque format cannot be found and are left
/// out.
pub fn rules(types: &[KeyType], dialect: Dialect) -> String {
    let types: Vec<&KeyType> = types.iter().filter(|t| t.format == Format::Kgate).collect();
    match dialect {
        Dialect::Gitleaks | Dialect::Betterleaks => toml(&types),
        Dialect::Kingfisher => kingfisher(&types),
        Dialect::Trufflehog => trufflehog(&types),
        Dialect::Github => github(&types),
        Dialect::Ripgrep => types.iter().map(|t| pattern(t) + "\n").collect(),
    }
}

/// No word boundary: a key glued to other text is still a key.
fn pattern(key_type: &KeyType) -> String {
    format!("{}_[0-9A-Za-z]{{{TAIL_LEN}}}", key_type.prefix)
}

/// Prefixes have no character that needs quoting in TOML, YAML or JSON; names of types may, so rules
/// are called by their prefixes.
fn rule_id(key_type: &KeyType) -> String {
    key_type.prefix.as_str().replace('_', "-")
}

fn toml(types: &[&KeyType]) -> String {
    let mut text = format!("{MADE}title = \"keys issued by kgate\"\n");
    for key_type in types {
        let _ = write!(
            text,
            "\n[[rules]]\nid = \"kgate-{}\"\ndescription = \"API key {}_…, issued by kgate\"\nregex = '''{}'''\n\
             keywords = [\"{}_\"]\n",
            rule_id(key_type),
            key_type.prefix,
            pattern(key_type),
            key_type.prefix
        );
    }
    text
}

fn kingfisher(types: &[&KeyType]) -> String {
    let mut text = format!("{MADE}rules:\n");
    for key_type in types {
        let prefix = &key_type.prefix;
        let _ = write!(
            text,
            "  - name: API key {prefix}_…, issued by kgate\n    id: custom.kgate.{}\n    \
             pattern: '((?P<body>{prefix}_[0-9A-Za-z]{{{RANDOM_LEN}}})(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_LEN}}}))'\n    \
             min_entropy: 0.0\n    confidence: high\n    examples:\n      - {}\n    \
             pattern_requirements:\n      checksum:\n        actual:\n          \
             template: \"{{{{ CHECKSUM }}}}\"\n          requires_capture: checksum\n        \
             expected: \"{{{{ BODY | crc32 | base62: {CHECKSUM_LEN} }}}}\"\n",
            rule_id(key_type),
            example(key_type)
        );
    }
    text
}

fn trufflehog(types: &[&KeyType]) -> String {
    let mut text = format!("{MADE}detectors:\n");
    for key_type in types {
        let _ = write!(
            text,
            "  - name: kgate-{}\n    keywords:\n      - {}_\n    regex:\n      key: '({})'\n",
            rule_id(key_type),
            key_type.prefix,
            pattern(key_type)
        );
    }
    text
}

fn github(types: &[&KeyType]) -> String {
    let entries: Vec<String> = types
        .iter()
        .map(|key_type| {
            format!(
                "  {{\"name\": \"kgate-{}\", \"secret_format\": \"{}\", \"test_string\": \"{}\"}}",
                rule_id(key_type),
                pattern(key_type),
                example(key_type)
            )
        })
        .collect();
    format!("[\n{}\n]\n", entries.join(",\n"))
}

/// Returns a token that fits and is nobody's: nothing in it is random.
fn example(key_type: &KeyType) -> String {
    let body = format!("{}_{}", key_type.prefix, "0".repeat(RANDOM_LEN));
    let sum = checksum(body.as_bytes());
    body + std::str::from_utf8(&sum).expect("base62 is ASCII")
}

const MADE: &str = "# Written by `kgate leak-rules`.\n";

#[cfg(test)]
mod tests {
    use super::super::detect::tests::detector;
    use super::*;
    use crate::key::{KeyTypes, Kind, Malformed};

    fn types() -> Vec<KeyType> {
        let declare = |prefix: &str| KeyType {
            name: format!("\"{prefix}\"\n"),
            prefix: prefix.parse().unwrap(),
            environment: String::new(),
            kind: Kind::Secret,
            format: Format::Kgate,
            default_expires: None,
        };
        vec![declare("acme_live"), declare("acme")]
    }

    #[test]
    fn examples_are_whole_tokens() {
        let types = types();
        for key_type in &types {
            let parsed = KeyTypes::new(types.clone()).parse(example(key_type).as_bytes());
            assert_ne!(parsed, Err(Malformed::Checksum));
            assert!(parsed.is_ok());
        }
        assert!(detector(&["acme"]).unscannable().is_empty());
    }

    #[test]
    fn names_people_chose_are_in_no_rule() {
        for dialect in [
            Dialect::Gitleaks,
            Dialect::Betterleaks,
            Dialect::Kingfisher,
            Dialect::Trufflehog,
            Dialect::Github,
            Dialect::Ripgrep,
        ] {
            let text = rules(&types(), dialect);
            assert!(!text.contains("\"acme_live\"\n"), "{text}");
            assert!(text.contains("acme_live_[0-9A-Za-z]{3"), "{text}");
        }
        assert_eq!(rules(&types(), Dialect::Ripgrep), "acme_live_[0-9A-Za-z]{38}\nacme_[0-9A-Za-z]{38}\n");
    }
}
