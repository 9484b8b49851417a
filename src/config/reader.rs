//! A typed reader over a parsed table that remembers every mistake and goes on.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Report;
use super::report::did_you_mean;
use super::settings::{SETTINGS, setting};
use crate::key::Span;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// An element of a list that may have texts and tables.
pub(super) enum Entry<'t> {
    Text(At<&'t str>),
    Table(Section<'t>),
}

/// One table of the file, read under the names of one table of [`SETTINGS`].
///
/// Every accessor reports what is wrong and returns what the caller can go on with: the default, or
/// nothing.
pub(super) struct Section<'t> {
    table: &'static str,
    pub(super) span: Range<usize>,
    fields: &'t DeTable<'t>,
    report: &'t RefCell<Report>,
}

impl<'t> Section<'t> {
    /// Takes a table; reports unknown fields and missing ones.
    pub(super) fn new(
        table: &'static str,
        span: Range<usize>,
        fields: &'t DeTable<'t>,
        report: &'t RefCell<Report>,
    ) -> Self {
        let section = Self { table, span, fields, report };
        let known = || SETTINGS.iter().filter(|s| s.table == table);
        for key in fields.keys() {
            let name: &str = key.get_ref();
            if setting(table, name).is_none() {
                section.error(
                    key.span(),
                    format!("unknown field `{}`", shown(name)),
                    Some(misplaced(table, name)),
                );
            }
        }
        for missing in known().filter(|s| s.required && !section.has(s.name)) {
            let place = if table.is_empty() { "the file".to_owned() } else { format!("`{table}`") };
            let hint = format!("`{}` is a {}: {}", missing.name, missing.kind, missing.meaning);
            section.error(section.span.clone(), format!("{place} has no `{}`", missing.name), Some(hint));
        }
        section
    }

    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.report.borrow_mut().error(span, message, hint);
    }

    pub(super) fn warn(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.report.borrow_mut().warn(span, message, hint);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Says whether a field is the word `off`.
    pub(super) fn is_off(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| value.get_ref().as_str() == Some("off"))
    }

    /// Returns where the value of a field stands, or the table if it is not given.
    pub(super) fn span_of(&self, name: &str) -> Range<usize> {
        self.fields.get(name).map_or_else(|| self.span.clone(), Spanned::span)
    }

    pub(super) fn text(&self, name: &str) -> Option<At<&'t str>> {
        match self.fields.get(name) {
            Some(value) => self.as_text(name, value),
            None => Some(At { value: default_of(self.table, name)?, span: self.span.clone() }),
        }
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Option<At<T>> {
        let text = self.text(name)?;
        match text.value.parse() {
            Ok(value) => Some(At { value, span: text.span }),
            Err(error) => {
                self.error(text.span, error.to_string(), None);
                None
            }
        }
    }

    /// Reads one of a few words.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> T {
        let chosen = self.text(name).and_then(|text| {
            let found = choices.iter().find(|(word, _)| *word == text.value);
            if found.is_none() {
                let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                let message = format!("`{}` is not a value of `{name}`", shown(text.value));
                self.error(text.span, message, Some(format!("use one of {}", words.join(", "))));
            }
            found.map(|(_, value)| *value)
        });
        let default = || default_of(self.table, name).expect("a choice has a default");
        chosen.unwrap_or_else(|| {
            let word = default();
            choices.iter().find(|(w, _)| *w == word).expect("the default is a choice").1
        })
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        let default = default_of(self.table, name) == Some("true");
        let Some(value) = self.fields.get(name) else { return default };
        if let DeValue::Boolean(flag) = value.get_ref() {
            return *flag;
        }
        self.wrong_type(name, value, "true or false");
        default
    }

    /// Reads a number that must be in `range`; the default if it has one.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let default = || default_of(self.table, name).map(|d| d.parse().expect("a default is a number"));
        let Some(value) = self.fields.get(name) else { return default() };
        let number = if let DeValue::Integer(digits) = value.get_ref() {
            u64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok()
        } else {
            self.wrong_type(name, value, "a number");
            return default();
        };
        if let Some(number) = number.filter(|n| range.contains(n)) {
            Some(number)
        } else {
            let message = format!("`{name}` must be from {} to {}", range.start(), range.end());
            self.error(value.span(), message, None);
            default()
        }
    }

    /// Reads a size in bytes, as a number or as text with a unit, that must be in `range`.
    pub(super) fn size(&self, name: &str, range: RangeInclusive<u64>) -> u64 {
        let default = default_of(self.table, name).and_then(parse_size).unwrap_or_default();
        let Some(value) = self.fields.get(name) else { return default };
        let size = match value.get_ref() {
            DeValue::Integer(digits) => {
                u64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok()
            }
            DeValue::String(text) => parse_size(text),
            _ => {
                self.wrong_type(name, value, "a size such as \"16MiB\"");
                return default;
            }
        };
        match size {
            Some(size) if range.contains(&size) => size,
            Some(_) => {
                let message = format!("`{name}` must be from {} to {} bytes", range.start(), range.end());
                self.error(value.span(), message, None);
                default
            }
            None => {
                let hint = "write a number of bytes, or one with a unit: \"64KiB\", \"16MiB\", \"1GiB\"";
                self.error(value.span(), format!("`{name}` is not a size"), Some(hint.to_owned()));
                default
            }
        }
    }

    /// Reads a duration that must be in `range`.
    pub(super) fn duration(&self, name: &str, range: RangeInclusive<Duration>) -> Duration {
        let default = default_of(self.table, name).and_then(|d| d.parse::<Span>().ok());
        let default = default.expect("a duration has a default").as_duration();
        let Some(span) = self.parsed::<Span>(name) else { return default };
        if range.contains(&span.value.as_duration()) {
            return span.value.as_duration();
        }
        let message =
            format!("`{name}` must be from {} to {}", Span::from(*range.start()), Span::from(*range.end()));
        self.error(span.span, message, None);
        default
    }

    /// Reads a duration that has no default, if it is given.
    pub(super) fn duration_if_given(&self, name: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        if !self.has(name) {
            return None;
        }
        let span = self.parsed::<Span>(name)?;
        let duration = span.value.as_duration();
        if !range.contains(&duration) {
            let (least, most) = (Span::from(*range.start()), Span::from(*range.end()));
            self.error(span.span, format!("`{name}` must be from {least} to {most}"), None);
        }
        Some(duration)
    }

    pub(super) fn texts(&self, name: &str) -> Vec<At<&'t str>> {
        let Some(value) = self.fields.get(name) else {
            let default = default_of(self.table, name).unwrap_or_default();
            let words = default.split('"').skip(1).step_by(2);
            return words.map(|value| At { value, span: self.span.clone() }).collect();
        };
        if let DeValue::String(_) = value.get_ref()
            && is_one_or_list(self.table, name)
        {
            return self.as_text(name, value).into_iter().collect();
        }
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(name, value, "a list of texts, [\"…\"]");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.as_text(name, item)).collect()
    }

    /// Reads a list of texts, of tables, or of both.
    pub(super) fn entries_of(&self, name: &str, table: &'static str) -> Vec<Entry<'t>> {
        let Some(value) = self.fields.get(name) else {
            return self.texts(name).into_iter().map(Entry::Text).collect();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(name, value, "a list, [\"…\"]");
            return Vec::new();
        };
        let entry = |item: &'t Spanned<DeValue<'t>>| match item.get_ref() {
            DeValue::Table(_) => self.as_section(name, item, table).map(Entry::Table),
            _ => self.as_text(name, item).map(Entry::Text),
        };
        items.iter().filter_map(entry).collect()
    }

    /// Reads a table inside this one.
    pub(super) fn section(&self, name: &str, table: &'static str) -> Option<Section<'t>> {
        let value = self.fields.get(name)?;
        self.as_section(name, value, table)
    }

    /// Reads a table inside this one, or the word `off`, which is none. Where nothing is given it is an
    /// empty table, all defaults.
    pub(super) fn section_or_off(
        &self,
        name: &str,
        table: &'static str,
        empty: &'t DeTable<'t>,
    ) -> Option<Section<'t>> {
        match self.fields.get(name) {
            None => Some(Section::new(table, self.span.clone(), empty, self.report)),
            Some(value) if value.get_ref().as_str() == Some("off") => None,
            Some(value) => self.as_section(name, value, table),
        }
    }

    /// Reads a list of tables: `[[name]]`, or `name = [{ … }]`.
    pub(super) fn sections(&self, name: &str, table: &'static str) -> Vec<Section<'t>> {
        let Some(value) = self.fields.get(name) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(name, value, "a list of tables");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.as_section(name, item, table)).collect()
    }

    /// Reads a table whose names are the user's own, with texts as values.
    pub(super) fn pairs(&self, name: &str) -> Vec<(At<&'t str>, At<&'t str>)> {
        self.entries(name).filter_map(|(key, value)| Some((key, self.as_text(name, value)?))).collect()
    }

    /// Reads a table whose names are the user's own, with numbers in `range` as values.
    pub(super) fn numbers(&self, name: &str, range: RangeInclusive<u64>) -> Vec<(At<&'t str>, u64)> {
        let number = |key: &At<&str>, value: &Spanned<DeValue<'_>>| {
            let DeValue::Integer(digits) = value.get_ref() else {
                self.wrong_type(name, value, "a table of numbers");
                return None;
            };
            let number = u64::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok();
            let number = number.filter(|number| range.contains(number));
            if number.is_none() {
                let message =
                    format!("`{}` must be from {} to {}", shown(key.value), range.start(), range.end());
                self.error(value.span(), message, None);
            }
            number
        };
        self.entries(name).filter_map(|(key, value)| Some((key.clone(), number(&key, value)?))).collect()
    }

    /// Reads a table whose names are the user's own, with tables as values.
    pub(super) fn named_sections(&self, name: &str, table: &'static str) -> Vec<(At<&'t str>, Section<'t>)> {
        self.entries(name)
            .filter_map(|(key, value)| Some((key, self.as_section(name, value, table)?)))
            .collect()
    }

    fn entries(&self, name: &str) -> impl Iterator<Item = (At<&'t str>, &'t Spanned<DeValue<'t>>)> + use<'t> {
        let table = self.fields.get(name).and_then(|value| {
            if let DeValue::Table(table) = value.get_ref() {
                Some(table)
            } else {
                self.wrong_type(name, value, "a table");
                None
            }
        });
        table.into_iter().flatten().map(|(key, value)| (at_key(key), value))
    }

    fn as_section(
        &self,
        name: &str,
        value: &'t Spanned<DeValue<'t>>,
        table: &'static str,
    ) -> Option<Section<'t>> {
        if let DeValue::Table(fields) = value.get_ref() {
            return Some(Section::new(table, value.span(), fields, self.report));
        }
        self.wrong_type(name, value, "a table");
        None
    }

    fn as_text(&self, name: &str, value: &'t Spanned<DeValue<'t>>) -> Option<At<&'t str>> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(At { value: text, span: value.span() });
        }
        self.wrong_type(name, value, "text in quotes");
        None
    }

    fn wrong_type(&self, name: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let message = format!("`{name}` must be {wanted}, not {}", article(value.get_ref().type_str()));
        // Said only where the table knows more than the message.
        let kind =
            setting(self.table, name).filter(|s| !matches!(s.kind, "number" | "true | false" | "text"));
        self.error(value.span(), message, kind.map(|s| format!("it is a {}", s.kind)));
    }
}

fn at_key<'t>(key: &'t Spanned<DeString<'t>>) -> At<&'t str> {
    At { value: key.get_ref(), span: key.span() }
}

fn article(kind: &str) -> String {
    match kind {
        "integer" | "array" => format!("an {kind}"),
        "boolean" => "true or false".to_owned(),
        _ => format!("a {kind}"),
    }
}

/// Says whether a list may be written as its one element.
fn is_one_or_list(table: &str, name: &str) -> bool {
    setting(table, name).is_some_and(|setting| setting.kind.contains("or list"))
}

fn default_of(table: &str, name: &str) -> Option<&'static str> {
    setting(table, name).expect("every field read is declared in SETTINGS").default
}

/// Says where an unknown field may belong.
fn misplaced(table: &str, name: &str) -> String {
    let here = SETTINGS.iter().filter(|s| s.table == table).map(|s| s.name);
    if let Some(meant) = did_you_mean(name, here.clone()) {
        return format!("did you mean `{meant}`?");
    }
    let elsewhere: Vec<String> = SETTINGS
        .iter()
        .filter(|s| s.name == name)
        .map(|s| if s.table.is_empty() { "the top of the file".to_owned() } else { format!("`{}`", s.table) })
        .collect();
    if !elsewhere.is_empty() {
        return format!("it belongs to {}", elsewhere.join(" or "));
    }
    let names: Vec<String> = here.map(|name| format!("`{name}`")).collect();
    format!("the fields here are {}", names.join(", "))
}

/// Text from the file inside a message: no control characters, not too long.
pub(super) fn shown(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut out: String = text.chars().take(80).map(harmless).collect();
    if out.len() < text.len() && text.chars().count() > 80 {
        out.push('…');
    }
    out
}

/// Parses `16MiB`. Decimal units are not taken: whether `MB` is 1,000,000 or 1,048,576 is anybody's guess.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_never_guessed() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("1KiB", 1024), ("16MiB", 16 << 20), ("2 GiB", 2 << 30), ("7B", 7)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1", "1MB", "1m", "1.5MiB", "99999999999999999999", "18446744073709551615KiB"]
        {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_default_is_readable() {
        for setting in SETTINGS {
            let Some(default) = setting.default else { continue };
            let is_fine = match setting.kind {
                "number" => default.parse::<u64>().is_ok(),
                "size" => parse_size(default).is_some(),
                "duration" => default.parse::<Span>().is_ok(),
                "true | false" => default.parse::<bool>().is_ok(),
                kind if kind.starts_with("list") => default.starts_with('['),
                kind if kind.starts_with('`') => kind.contains(default),
                _ => true,
            };
            assert!(is_fine, "{}.{}: {default}", setting.table, setting.name);
        }
    }
}
