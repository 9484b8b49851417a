//! Instants and spans as they are stored, typed and printed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant in UTC, in milliseconds since the Unix epoch. Printed as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Makes a timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Makes a timestamp from seconds since the Unix epoch; saturates.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Returns milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the instant `span` later; saturates at the end of time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the instant `span` earlier; saturates.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns how long after `earlier` this is, zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t}"),
            // Beyond the year 9999 there is no RFC 3339 form; say so rather than lie.
            Err(_) if self.0 > 0 => f.write_str("+never"),
            Err(_) => f.write_str("-never"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Parses RFC 3339 (`2026-12-31T23:59:59Z`) or a date (`2026-12-31`, midnight UTC).
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if let Ok(t) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(t.as_millisecond()));
        }
        format!("{text}T00:00:00Z")
            .parse::<jiff::Timestamp>()
            .map(|t| Self(t.as_millisecond()))
            .map_err(|_| TimestampError(text.to_owned()))
    }
}

/// The text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an RFC 3339 time (2026-12-31T23:59:59Z) nor a date (2026-12-31)")]
pub struct TimestampError(String);

/// A length of time as people type it: `30s`, `15m`, `24h`, `90d`, `2w`, `1y`.
///
/// A day is 24 hours, a week 7 days, a year 365 days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Span(Duration);

impl Span {
    /// Returns the span as a [`Duration`].
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| error())?;
        let millis_per_unit: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return Err(error()),
        };
        let millis = number.checked_mul(millis_per_unit).ok_or_else(error)?;
        // Keeps `now + span` inside what RFC 3339 can print.
        if millis > 1000 * 365 * 86_400_000 {
            return Err(error());
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Span {
    /// Prints the largest unit that divides the span: `90d`, `36h`, `1500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if millis >= size && millis.is_multiple_of(size) {
                return write!(f, "{}{unit}", millis / size);
            }
        }
        write!(f, "{millis}ms")
    }
}

/// The text is not a length of time, or is longer than 1000 years.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time such as 30s, 15m, 24h, 90d, 2w or 1y")]
pub struct SpanError(String);

/// When something ends: `90d` from now, a date, a time, or `never`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Never; has to be said.
    Never,
    /// So long from now.
    In(Duration),
    /// Then.
    At(Timestamp),
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Ok(span) = text.parse::<Span>() {
            return Ok(Self::In(span.as_duration()));
        }
        text.parse().map(Self::At).map_err(|_| MomentError::Moment)
    }
}

impl Moment {
    /// Returns the moment as a time; `None` is never.
    pub fn resolve(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::In(span) => Some(now.plus(span)),
            Self::At(at) => Some(at),
        }
    }
}

/// A point in the past: `1y` ago, a date, or a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Past {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl FromStr for Past {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(span) = text.parse::<Span>() {
            return Ok(Self::Ago(span.as_duration()));
        }
        text.parse().map(Self::At).map_err(|_| MomentError::Past)
    }
}

impl Past {
    /// Returns the time.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.minus(span),
            Self::At(at) => at,
        }
    }
}

/// The text is no such moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MomentError {
    /// It is no [`Moment`].
    #[error("expected a length of time (90d), a date (2026-12-31), an RFC 3339 time, or `never`")]
    Moment,
    /// It is no [`Past`].
    #[error("expected a length of time ago (30d, 1y), a date (2026-12-31) or an RFC 3339 time")]
    Past,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_printed() {
        for (text, millis) in [("30s", 30_000), ("15m", 900_000), ("24h", 86_400_000), ("1y", 31_536_000_000)]
        {
            assert_eq!(text.parse::<Span>().unwrap().as_duration().as_millis(), millis);
        }
        for text in ["", "d", "-1d", "1", "1 d", "1x", "99999999999999999999d", "999999999y"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!("24h".parse::<Span>().unwrap().to_string(), "1d");
        assert_eq!("90m".parse::<Span>().unwrap().to_string(), "90m");
    }

    #[test]
    fn timestamps_are_rfc_3339() {
        let t: Timestamp = "2026-11-23T21:36:25Z".parse().unwrap();
        assert_eq!(t.to_string(), "2026-11-23T21:36:25Z");
        assert_eq!("2026-11-23".parse::<Timestamp>().unwrap().to_string(), "2026-11-23T00:00:00Z");
        assert!("tomorrow".parse::<Timestamp>().is_err());
    }
}
