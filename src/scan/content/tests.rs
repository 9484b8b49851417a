//! Every way to write a token that is promised to be seen through, in every context that matters.

use proptest::prelude::*;

use super::*;
use crate::key::TAIL_LEN;
use crate::scan::detect::tests::{detector, token};
use Encoding::{Base64, Escape, Hex, HtmlEntity, Percent, QuotedPrintable, Split};

/// Returns the tokens in `bytes` and how each is written.
fn seen(bytes: &[u8]) -> Vec<(String, Vec<Encoding>)> {
    seen_by(&detector(&["acme_live", "acme", "sk"]), bytes)
}

fn seen_by(detector: &Detector, bytes: &[u8]) -> Vec<(String, Vec<Encoding>)> {
    let mut all = Vec::new();
    Examiner::new(detector, &Bounds::default(), 0).bytes(bytes, &mut |seen| match seen {
        Seen::Key(s) => {
            assert!(s.offset < bytes.len() as u64);
            all.push((s.token.expose().to_owned(), s.decoded));
        }
        Seen::Fault(problem) => panic!("{problem}"),
    });
    all
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0_u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        let digit = |i: usize| char::from(DIGITS[(bits >> (18 - 6 * i)) as usize & 63]);
        (0..4).map(|i| if i <= group.len() { digit(i) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

fn wrapped(text: &str, columns: usize, end: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(columns).map(|l| str::from_utf8(l).unwrap()).collect();
    lines.join(end)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes every character for which `is` holds as `write` does.
fn escaped(text: &str, is: impl Fn(usize, char) -> bool, write: impl Fn(u32) -> String) -> String {
    text.chars()
        .enumerate()
        .map(|(i, c)| if is(i, c) { write(u32::from(c)) } else { c.to_string() })
        .collect()
}

/// A short prefix is not found where a line breaks within it, and none is expected.
fn is_broken(prefix: &str, written: &str) -> bool {
    prefix == "sk" && written.trim_end().contains(['\n', '\\'])
}

type Writer = (Encoding, fn(u32) -> String);

const ESCAPES: [Writer; 16] = [
    (Percent, |c| format!("%{c:02x}")),
    (Percent, |c| format!("%{c:02X}")),
    (HtmlEntity, |c| format!("&#{c};")),
    (HtmlEntity, |c| format!("&#{c:03};")),
    (HtmlEntity, |c| format!("&#x{c:x};")),
    (HtmlEntity, |c| format!("&#X{c:X};")),
    (HtmlEntity, |c| format!("&#x{c:04X};")),
    (Escape, |c| format!("\\u{c:04x}")),
    (Escape, |c| format!("\\u{c:04X}")),
    (Escape, |c| format!("\\\\u{c:04x}")),
    (Escape, |c| format!("\\x{c:02x}")),
    (Escape, |c| format!("\\u{{{c:x}}}")),
    (Escape, |c| format!("\\U{c:08X}")),
    (Escape, |c| format!("\\{c:03o}")),
    (QuotedPrintable, |c| format!("={c:02X}")),
    (QuotedPrintable, |c| format!("={c:02x}")),
];

#[test]
fn base64_is_seen_through_at_every_offset_padded_wrapped_and_doubled() {
    for prefix in ["acme_live", "acme", "sk"] {
        let token = token(prefix, 1);
        for before in 0..130 {
            let text = format!("{}{token}{}", "\u{1}~?".repeat(50).split_at(before).0, &"\n>x"[..before % 4]);
            let plain = base64(text.as_bytes());
            let url = plain.replace('+', "-").replace('/', "_");
            for (name, written) in [
                ("standard", plain.clone()),
                ("unpadded", plain.trim_end_matches('=').to_owned()),
                ("url", url.trim_end_matches('=').to_owned()),
                ("quoted", format!("\"{plain}\"")),
                ("mime", wrapped(&plain, 76, "\r\n")),
                ("pem", wrapped(&plain, 64, "\n")),
                ("yaml block", format!("data: |\n    {}\n", wrapped(&plain, 76, "\n    "))),
                ("json", format!("{{\"a\": \"{}\"}}", wrapped(&plain, 76, "\\n"))),
                ("basic", format!("Authorization: Basic {plain}\r\nHost: x")),
            ] {
                if !is_broken(prefix, &written) {
                    assert_eq!(
                        seen(written.as_bytes()),
                        [(token.clone(), vec![Base64])],
                        "{name} {before}: {written}"
                    );
                }
            }
            let lines = wrapped(&plain, 76, "\n");
            let inner = if is_broken(prefix, &lines) { &plain } else { &lines };
            for twice in [base64(plain.as_bytes()), base64(inner.as_bytes())] {
                for written in [wrapped(&twice, 76, "\n"), twice] {
                    if !is_broken(prefix, &written) {
                        let found = seen(written.as_bytes());
                        assert_eq!(found, [(token.clone(), vec![Base64, Base64])], "{before}: {written}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_carries_base64_is_seen_through() {
    let token = token("acme_live", 1);
    let header = base64(br#"{"alg":"HS256"}"#);
    let payload = base64(format!(r#"{{"sub":"1","key":"{token}"}}"#).as_bytes());
    let utf_16: Vec<u8> = format!("$k='{token}'").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for text in [
        format!("{}.{}.c2ln", header.trim_end_matches('='), payload.trim_end_matches('=')),
        format!("kind: Secret\ndata:\n  API_KEY: {}\n", base64(token.as_bytes())),
        format!("https://user:{}@host/", base64(format!("{token}\n").as_bytes())),
        format!("{{\\\"auth\\\": \\\"{}\\\"}}", base64(format!("user:{token}").as_bytes())),
        format!("powershell -EncodedCommand {}", base64(&utf_16)),
        format!("data:text/plain;base64,{}", base64(format!("key={token}").as_bytes())),
    ] {
        assert_eq!(seen(text.as_bytes()), [(token.clone(), vec![Base64])], "{text}");
    }
}

#[test]
fn several_in_one_text_are_all_found() {
    let tokens: Vec<String> = (0..40).map(|seed| token("acme_live", seed)).collect();
    for separator in [" ", "\n", "=", ",", "\n\n  - "] {
        for cut in 0..4 {
            // Of any length, so that what follows is at any place of a group.
            let written: Vec<String> = tokens
                .iter()
                .enumerate()
                .map(|(i, t)| {
                    base64(format!("{}{t}{}", &"abc"[..i % 4 % 3], &"xyz"[..(i + cut) % 4 % 3]).as_bytes())
                })
                .map(|text| text.trim_end_matches('=').to_owned())
                .collect();
            let found: Vec<_> = seen(written.join(separator).as_bytes()).into_iter().map(|f| f.0).collect();
            assert_eq!(found, tokens, "{separator:?} {cut}");
        }
        let written: Vec<String> = tokens.iter().map(|t| hex(t.as_bytes())).collect();
        let found: Vec<_> = seen(written.join(separator).as_bytes()).into_iter().map(|f| f.0).collect();
        assert_eq!(found, tokens, "hex {separator:?}");
    }
    for (_, write) in ESCAPES {
        let written: Vec<String> = tokens.iter().map(|t| escaped(t, |_, c| c == '_', write)).collect();
        let found: Vec<_> = seen(written.join("\n").as_bytes()).into_iter().map(|f| f.0).collect();
        assert_eq!(found, tokens, "{}", written[0]);
    }
}

#[test]
fn hexadecimal_is_seen_through_in_both_cases_and_wrapped() {
    for prefix in ["acme_live", "acme", "sk"] {
        let token = token(prefix, 1);
        for before in 0..70 {
            let text = hex(format!("{}{token}!", "~".repeat(before)).as_bytes());
            for written in [text.clone(), text.to_uppercase(), wrapped(&text, 60, "\n"), format!("0x{text}")]
            {
                if !is_broken(prefix, &written) {
                    assert_eq!(seen(written.as_bytes()), [(token.clone(), vec![Hex])], "{before}: {written}");
                }
            }
        }
    }
}

#[test]
fn escapes_are_seen_through_whichever_characters_they_stand_for() {
    let token = token("acme_live", 1);
    for (encoding, write) in ESCAPES {
        let stem = "acme_live_".len();
        for (name, text) in [
            ("underscores", escaped(&token, |_, c| c == '_', write)),
            ("all", escaped(&token, |_, _| true, write)),
            ("all but letters", escaped(&token, |_, c| !c.is_ascii_alphabetic(), write)),
            ("the first", escaped(&token, |i, _| i == 0, write)),
            ("the last", escaped(&token, |i, _| i == stem + TAIL_LEN - 1, write)),
            ("one in the tail", escaped(&token, |i, _| i == 20, write)),
            ("the last underscore", escaped(&token, |i, _| i == stem - 1, write)),
            ("the second part", escaped(&token, |i, _| i >= 5, write)),
            ("the first part", escaped(&token, |i, _| i < 5, write)),
        ] {
            for around in
                [format!("key={text}&x=1"), format!("\"{text}\""), format!("{text}{text}"), text.clone()]
            {
                let found = seen(around.as_bytes());
                let expected = (token.clone(), vec![encoding]);
                assert!(
                    !found.is_empty() && found.iter().all(|f| *f == expected),
                    "{name}: {around}: {found:?}"
                );
            }
        }
    }
    let named = token.replace('_', "&lowbar;");
    assert_eq!(seen(named.as_bytes()), [(token.clone(), vec![HtmlEntity])]);
    let mixed = token.replacen('_', "%5F", 1).replacen('_', "\\u005f", 1);
    assert_eq!(seen(mixed.as_bytes()), [(token.clone(), vec![Percent, Escape])]);
}

#[test]
fn soft_breaks_and_split_literals_are_joined() {
    let token = token("acme_live", 1);
    let joints: &[(&str, Encoding)] = &[
        ("=\n", QuotedPrintable),
        ("=\r\n", QuotedPrintable),
        ("= \r\n", QuotedPrintable),
        ("\\\n", Split),
        ("\\\r\n    ", Split),
        ("\" + \"", Split),
        ("' + '", Split),
        ("\"+\"", Split),
        ("\" +\n        \"", Split),
        ("\"\n        \"", Split),
        ("\" \"", Split),
        ("\" . \"", Split),
        ("' .. '", Split),
        ("\" & \"", Split),
        ("\" & _\r\n  \"", Split),
        ("\" ++ \"", Split),
        ("' || '", Split),
        ("\" <> \"", Split),
        ("\" \\\n    \"", Split),
        ("\" f\"", Split),
        ("\\\" + \\\"", Split),
        ("` + `", Split),
        ("\"'", Split),
    ];
    for (joint, encoding) in joints {
        for at in 1..token.len() {
            let text = format!("key = \"{}{joint}{}\";\n", &token[..at], &token[at..]);
            assert_eq!(seen(text.as_bytes()), [(token.clone(), vec![*encoding])], "{text}");
        }
        let text = format!("\"{}{joint}{}{joint}{}\"", &token[..7], &token[7..30], &token[30..]);
        assert_eq!(seen(text.as_bytes()), [(token.clone(), vec![*encoding])], "{text}");
    }
}

#[test]
fn wide_text_is_seen_through() {
    let token = token("acme_live", 1);
    let utf_32 = |f: fn(u32) -> [u8; 4]| -> Vec<u8> {
        format!("\u{feff}key: {token}\n").chars().flat_map(|c| f(u32::from(c))).collect()
    };
    for text in [utf_32(u32::to_le_bytes), utf_32(u32::to_be_bytes)] {
        assert_eq!(seen(&text), [(token.clone(), vec![Encoding::Utf32])]);
    }
}

#[test]
fn decoys_give_nothing_in_any_encoding() {
    let detector = detector(&["acme_live"]);
    for seed in 0..500_usize {
        let token = token("acme_live", seed as u64);
        let at = 10 + (seed * 7) % TAIL_LEN;
        let mut decoy = token.clone().into_bytes();
        match seed % 5 {
            0 => decoy[at] = if decoy[at] == b'x' { b'y' } else { b'x' },
            1 => drop(decoy.pop()),
            2 => drop(decoy.remove(at)),
            3 => decoy[10..].make_ascii_lowercase(),
            _ => decoy.insert(at, b'Q'),
        }
        let decoy = String::from_utf8(decoy).unwrap();
        if seed % 5 == 3 && decoy == token {
            continue;
        }
        let mut texts = vec![
            decoy.clone(),
            base64(decoy.as_bytes()),
            base64(base64(decoy.as_bytes()).as_bytes()),
            hex(decoy.as_bytes()),
            format!("\"{}\" + \"{}\"", &decoy[..20], &decoy[20..]),
        ];
        texts.extend(ESCAPES.iter().map(|(_, write)| escaped(&decoy, |i, _| i % 2 == 0, write)));
        for text in texts {
            assert_eq!(seen_by(&detector, text.as_bytes()), [], "{text}");
        }
    }
}

#[test]
fn bytes_full_of_clues_are_decoded_a_few_times_at_most() {
    let detector = detector(&["acme_live"]);
    let base64_clues: String = (0..4).map(|i| format!("{}YWNtZV", &"AAAA"[..i])).collect();
    for clue in [
        "acme_live_",
        "acme_",
        "live_",
        "acme_%",
        "acme_\"",
        "\"live_",
        "\" + \"acme_",
        "acme_\" + \"",
        "%5F",
        "%25",
        "%61",
        "a%5F",
        "&#95;",
        "&#x5f;",
        "\\u005f",
        "\\u{5f}",
        "\\x5F",
        "\\\\\\u005f",
        "=5F",
        "acme_=\n",
        "=\nlive_",
        "acme_\\\n    ",
        "YWNtZV",
        "YWNtZV9saXZl",
        "YWNtZV ",
        "YWNtZV9=",
        "YWNtZV                   ",
        "FjbWVf",
        "hY21lX2",
        &base64_clues,
        "61636d65",
        "61636D65 ",
        "161636d65",
        "a\0c\0m\0e\0_\0l\0i\0v\0e\0_\0",
        &base64(b"YWNtZV9saXZl"),
        &base64(b"61636d65"),
        &base64(b"acme%5F"),
        "\"\"",
        "\" ",
        "\\",
        "=",
        "&",
        "%",
    ] {
        let bytes = clue.repeat(300_000 / clue.len());
        decoded::WORK.set(0);
        assert_eq!(seen_by(&detector, bytes.as_bytes()), [], "{clue:?}");
        let times = decoded::WORK.get() / bytes.len();
        assert!(times <= 16, "{clue:?} is decoded {times} times");
    }
}

proptest! {
    #[test]
    fn a_token_in_any_encoding_at_any_offset_of_any_bytes_in_any_chunking_is_found(
        before in proptest::collection::vec(any::<u8>(), 0..400),
        after in proptest::collection::vec(any::<u8>(), 0..100),
        padding in 0..3_usize * 4096,
        form in 0..24_usize,
        window in 0..20_000_usize,
        cut in 1..48_usize,
        seed: u64,
    ) {
        let token = token("acme_live", seed);
        let written = match form {
            0 => token.clone().into_bytes(),
            1 => base64(token.as_bytes()).into_bytes(),
            2 => base64(&[&before[..], token.as_bytes(), &after].concat()).into_bytes(),
            3 => wrapped(&base64(&[&before[..], token.as_bytes()].concat()), 76, "\r\n").into_bytes(),
            4 => base64(base64(&[&before[..], token.as_bytes(), &after].concat()).as_bytes()).into_bytes(),
            5 => hex(&[&before[..], token.as_bytes()].concat()).into_bytes(),
            6 => token.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            7 => format!("\"{}\" + \"{}\"", &token[..cut], &token[cut..]).into_bytes(),
            f => escaped(&token, |i, c| c == '_' || seed >> (i % 64) & 1 == 1, ESCAPES[f - 8].1).into_bytes(),
        };
        // Not what would belong to the encoded text.
        let bytes = [&vec![b'.'; padding][..], &before, b"~.", &written, b".~", &after].concat();
        let detector = detector(&["acme_live"]);
        let mut found = false;
        let (read, result) = Examiner::new(&detector, &Bounds::default(), window)
            .stream(&bytes[..], &mut |s| found |= matches!(s, Seen::Key(s) if s.token.expose() == token));
        prop_assert!(result.is_ok());
        prop_assert_eq!(read, bytes.len() as u64);
        prop_assert!(found);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, clues in proptest::collection::vec(0..12_usize, 0..40)) {
        const CLUES: [&str; 12] = [
            "acme_", "live_", "%5F", "\\u005", "&#x", "&#9", "=5F", "YWNtZV", "61636d65", "\" + \"", "\\\n", "=\r\n",
        ];
        let text: Vec<u8> = clues
            .iter()
            .enumerate()
            .flat_map(|(i, &clue)| [CLUES[clue].as_bytes(), &bytes[..bytes.len().min(i % 5)]].concat())
            .collect();
        let _ = seen([&bytes[..], &text].concat().as_slice());
    }
}
