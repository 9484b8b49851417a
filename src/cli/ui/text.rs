//! Texts made harmless for where they go: a terminal, JSON on a terminal, a spreadsheet.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::Object;

/// Says whether a terminal could act on `c` or be made to show a text in another order.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces what a terminal would obey by a visible escape such as `\u{1b}`.
pub(in crate::cli) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' => cleaned.push(' '),
            c if is_unsafe(c) => cleaned.extend(c.escape_unicode()),
            c => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}

/// As [`clean`], but keeps line breaks: for our own texts of several lines.
pub(super) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// Escapes what JSON allows in a string and a terminal would obey (DEL, C1, text direction).
///
/// The serialiser has already escaped everything below U+0020 inside strings; the line breaks it
/// wrote between values stay.
pub(in crate::cli) fn json_clean(text: &str) -> Cow<'_, str> {
    let needs = |c: char| c != '\n' && is_unsafe(c);
    if !text.contains(needs) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if needs(c) {
            let _ = write!(cleaned, "\\u{:04x}", u32::from(c));
        } else {
            cleaned.push(c);
        }
    }
    Cow::Owned(cleaned)
}

pub(in crate::cli) fn csv_heading(object: &Object) -> String {
    object.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",") + "\r\n"
}

pub(in crate::cli) fn csv_line(object: &Object) -> String {
    object.0.iter().map(|(_, value)| csv_cell(&csv_text(value))).collect::<Vec<_>>().join(",") + "\r\n"
}

/// A value as flat text: lists joined by spaces, pairs as `k=v` joined by `;`.
pub(super) fn csv_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(csv_text).collect::<Vec<_>>().join(" "),
        Value::Object(pairs) => {
            pairs.iter().map(|(k, v)| format!("{k}={}", csv_text(v))).collect::<Vec<_>>().join(";")
        }
        other => other.to_string(),
    }
}

/// Quotes as RFC 4180 wants, and puts `'` before what a spreadsheet would take for a formula
/// (OWASP "CSV Injection").
fn csv_cell(text: &str) -> String {
    let text = clean(text);
    let guard = if text.trim_start().starts_with(['=', '+', '-', '@', '|', '%']) { "'" } else { "" };
    if text.contains([',', '"', '\'', ';', '\n']) || !guard.is_empty() || text.starts_with(' ') {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_nothing_to_obey() {
        assert_eq!(clean("Acme & Söhne"), "Acme & Söhne");
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{9b}\u{202e}"), "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{9b}\\u{202e}");
        assert_eq!(json_clean("{\n\"a\u{7f}\u{9b}\"}"), "{\n\"a\\u007f\\u009b\"}");
    }

    #[test]
    fn spreadsheets_get_nothing_to_compute() {
        for (text, cell) in [
            ("plain", "plain"),
            ("=1+1", "\"'=1+1\""),
            ("+x", "\"'+x\""),
            ("-x", "\"'-x\""),
            ("@x", "\"'@x\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("a\nb", "a\\u{a}b"),
        ] {
            assert_eq!(csv_cell(text), cell, "{text}");
        }
    }
}
