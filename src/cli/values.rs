//! Values typed on the command line that no room below knows, such as `k=v`, and how moments are shown to
//! people.

use crate::admin::shape::Change;
use crate::key::{Metadata, Moment, Span, Timestamp};

use super::failure::Failure;

/// Returns when something ends; an expiry that is not in the future is refused. `None` is never.
pub(super) fn resolve_expiry(moment: Moment, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let at = moment.resolve(now);
    match at {
        Some(at) if at <= now => Err(Failure::cannot(format!("the expiry {at} is not in the future"))
            .help("to end a key now, use `kgate key revoke` (for good) or `kgate key disable`")),
        _ => Ok(at),
    }
}

/// Parses a length of time.
pub(super) fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|e: crate::key::SpanError| e.to_string())
}

/// Parses `key=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// Collects `--meta` pairs; of a repeated key the last wins.
pub(super) fn metadata(pairs: &[(String, String)]) -> Metadata {
    pairs.iter().cloned().collect()
}

/// Reads a field of a change that is cleared by nothing.
pub(super) fn empty_clears(text: &str) -> Change<String> {
    if text.is_empty() { Change::Clear } else { Change::Set(text.to_owned()) }
}

/// Shows `at` as a person says it: `in 89d`, `2h ago`, `now`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let (span, future) = if at > now { (at.since(now), true) } else { (now.since(at), false) };
    let seconds = (span.as_millis() + 500) / 1000;
    // Rounded, so that what was just made to last 90 days is not said to end in 89.
    let rounded = |unit: u128| (seconds + unit / 2) / unit;
    let amount = match seconds {
        0 => return "now".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3_570 => format!("{}m", rounded(60)),
        3_570..171_000 => format!("{}h", rounded(3_600)),
        _ => format!("{}d", rounded(86_400)),
    };
    if future { format!("in {amount}") } else { format!("{amount} ago") }
}

/// Says how many: `1 key`, `2 keys`.
pub(super) fn counted(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Shows a number of bytes to three digits: `178 MB`.
pub(super) fn sized(bytes: u64) -> String {
    let mut unit = 0;
    let mut scale = 1;
    while bytes / scale >= 1000 && unit + 1 < UNITS.len() {
        scale *= 1000;
        unit += 1;
    }
    let (whole, tenths) = (bytes / scale, bytes % scale * 10 / scale);
    if unit == 0 || whole >= 100 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenths} {}", UNITS[unit])
    }
}

const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];

/// Parses a number of bytes: `65536`, `64KiB`, `512MiB`, `2GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("expected a number of bytes, or with KiB, MiB or GiB: 512MiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number of bytes: 512MiB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is more than there is".to_owned())
}

/// Shows `at` without fractions of a second, for people.
pub(super) fn to_the_second(at: Timestamp) -> String {
    Timestamp::from_secs(at.as_secs()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_dates_times_or_never() {
        let now = Timestamp::from_secs(1_000_000);
        let resolve = |text: &str| text.parse::<Moment>().unwrap().resolve(now);
        assert_eq!(resolve("never"), None);
        assert_eq!(resolve("1h"), Some(Timestamp::from_secs(1_003_600)));
        assert_eq!(resolve("1970-02-01"), Some(Timestamp::from_secs(31 * 86_400)));
        assert!("soon".parse::<Moment>().is_err());
        assert!(resolve_expiry("1970-01-02".parse().unwrap(), now).is_err());
        assert!(resolve_expiry("0s".parse().unwrap(), now).is_err());
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("2 GiB", 2 << 30), ("7B", 7)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1MB", "-1", "1.5GiB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        for (bytes, shown) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (178_400_000, "178 MB"),
            (2_340_000_000, "2.3 GB"),
        ] {
            assert_eq!(sized(bytes), shown);
        }
    }

    #[test]
    fn moments_are_shown_in_one_unit() {
        let now = Timestamp::from_secs(1_000_000);
        for (offset, shown) in
            [(0, "now"), (59, "in 59s"), (3_599, "in 1h"), (90 * 86_400 - 5, "in 90d"), (-7_200, "2h ago")]
        {
            assert_eq!(relative(Timestamp::from_secs(1_000_000 + offset), now), shown);
        }
    }
}
