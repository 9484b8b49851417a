//! The gateway's counters since its start, read from what `/metrics` says.

use std::collections::BTreeMap;

/// What was counted: name, labels, value.
pub(super) struct Figures(Vec<(String, BTreeMap<String, String>, u64)>);

impl Figures {
    /// Reads the Prometheus text; what is no whole number is left out.
    pub(super) fn read(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect())
    }

    /// Adds up what has these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let is_meant = |found: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| found.get(*label).is_some_and(|v| v == value))
        };
        self.0.iter().filter(|(n, found, _)| n == name && is_meant(found)).map(|(_, _, value)| value).sum()
    }

    /// Adds up by a label, the most first, without what is zero.
    pub(super) fn by(&self, name: &str, label: &str) -> Vec<(String, u64)> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, labels, value) in self.0.iter().filter(|(n, ..)| n == name) {
            *sums.entry(labels.get(label).map_or("", String::as_str)).or_default() += value;
        }
        let mut sums: Vec<_> =
            sums.into_iter().filter(|(_, sum)| *sum > 0).map(|(l, sum)| (l.to_owned(), sum)).collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        sums
    }
}

/// `name{label="value",…} 12`.
fn line(text: &str) -> Option<(String, BTreeMap<String, String>, u64)> {
    let (head, value) = text.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = head.split_once('{') else {
        return Some((head.to_owned(), BTreeMap::new(), value));
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest.strip_suffix('}')?;
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let (value, behind) = unquoted(quoted)?;
        labels.insert(label.to_owned(), value);
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    Some((name.to_owned(), labels, value))
}

/// Reads up to the closing quote; returns what is behind it, too.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up_by_their_labels() {
        let figures = Figures::read(concat!(
            "# HELP a b\na_total{route=\"x, \\\"y\\\"\",verdict=\"allowed\"} 3\n",
            "a_total{route=\"z\",verdict=\"allowed\"} 4\na_total{route=\"z\",verdict=\"denied\"} 0\nb 5\nc 0.5\n"
        ));
        assert_eq!(figures.sum("a_total", &[]), 7);
        assert_eq!(figures.sum("a_total", &[("route", "x, \"y\"")]), 3);
        assert_eq!(figures.by("a_total", "verdict"), [("allowed".to_owned(), 7)]);
        assert_eq!((figures.sum("b", &[]), figures.sum("c", &[])), (5, 0));
    }
}
