//! How many in a calendar window: `1M/month`, `10k/day`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::Offset;

use super::{ConsumerId, KeyId, Timestamp};

/// So many requests in each window of the calendar, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Quota {
    count: u64,
    window: Window,
}

/// The windows a quota counts in. One begins where the last one ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Window {
    /// From one full minute to the next.
    Minute,
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From this day of a month, 1 to [`Window::MAX_ANCHOR`], to the same day of the next.
    Month(u8),
}

impl Quota {
    /// The highest count of a quota.
    pub const MAX_COUNT: u64 = 100_000_000_000;

    /// Returns how many requests fit into one window; at least 1.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Returns the window.
    pub const fn window(self) -> Window {
        self.window
    }

    /// Returns the quota with months that begin at this day, or `None` if its window is no month or no
    /// month has such a day for certain.
    #[must_use]
    pub fn with_anchor(self, day: u8) -> Option<Self> {
        let is_day = (1..=Window::MAX_ANCHOR).contains(&day);
        (is_day && matches!(self.window, Window::Month(_)))
            .then_some(Self { window: Window::Month(day), ..self })
    }
}

impl Window {
    /// The last day every month has.
    pub const MAX_ANCHOR: u8 = 28;

    /// Returns the number of the window that holds `at`. Later windows have higher numbers; before 1970
    /// all is window 0.
    pub fn number(self, at: Timestamp) -> u32 {
        let seconds = at.as_secs();
        let number = match self {
            Self::Minute => seconds.div_euclid(60),
            Self::Hour => seconds.div_euclid(3_600),
            Self::Day => seconds.div_euclid(DAY),
            // The epoch was a Thursday.
            Self::Week => (seconds.div_euclid(DAY) + 3).div_euclid(7),
            Self::Month(anchor) => {
                let at = jiff::Timestamp::from_millisecond(at.as_millis().max(0));
                let date = Offset::UTC.to_datetime(at.unwrap_or(jiff::Timestamp::MAX)).date();
                let months = (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1;
                months - i64::from(i16::from(date.day()) < i16::from(anchor))
            }
        };
        u32::try_from(number.clamp(0, i64::from(Self::MAX_NUMBER))).expect("clamped to it")
    }

    /// Windows beyond are not told apart: in minutes, the year 2097.
    pub const MAX_NUMBER: u32 = (1 << 26) - 1;

    /// Returns when a window begins.
    pub fn begins(self, number: u32) -> Timestamp {
        let number = i64::from(number);
        match self {
            Self::Minute => Timestamp::from_secs(number * 60),
            Self::Hour => Timestamp::from_secs(number * 3_600),
            Self::Day => Timestamp::from_secs(number * DAY),
            Self::Week => Timestamp::from_secs((number * 7 - 3) * DAY),
            Self::Month(anchor) => {
                let year = i16::try_from(1970 + number / 12).unwrap_or(i16::MAX);
                let month = i8::try_from(number % 12 + 1).expect("1 to 12");
                let day = i8::try_from(anchor).unwrap_or(1);
                let date = jiff::civil::Date::new(year, month, day).unwrap_or(jiff::civil::Date::MAX);
                let at = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(jiff::Timestamp::MAX);
                Timestamp::from_millis(at.as_millisecond())
            }
        }
    }

    /// Returns when a window ends, which is when the next one begins.
    pub fn ends(self, number: u32) -> Timestamp {
        self.begins(number.saturating_add(1))
    }

    /// Returns how long the window that holds `at` is.
    pub fn length(self, at: Timestamp) -> Duration {
        match self {
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
            Self::Week => Duration::from_hours(7 * 24),
            Self::Month(_) => {
                let number = self.number(at);
                self.ends(number).since(self.begins(number))
            }
        }
    }

    /// Returns the byte that stands for it where counts are stored. Windows of one byte have the same
    /// numbers.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Month(anchor) => anchor,
            Self::Minute => 100,
            Self::Hour => 101,
            Self::Day => 102,
            Self::Week => 103,
        }
    }

    /// Returns the window a byte stands for.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1..=Self::MAX_ANCHOR => Some(Self::Month(byte)),
            100 => Some(Self::Minute),
            101 => Some(Self::Hour),
            102 => Some(Self::Day),
            103 => Some(Self::Week),
            _ => None,
        }
    }
}

/// Who is counted by a quota.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum QuotaSubject {
    /// A key.
    Key(KeyId),
    /// A consumer.
    Consumer(ConsumerId),
    /// Everybody on a route, by its name.
    Route(Arc<str>),
}

/// One subject's quota in one window: what is granted together.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct QuotaWindow {
    /// Who is counted.
    pub subject: QuotaSubject,
    /// The quota's name.
    pub name: Arc<str>,
    /// How many in each window.
    pub quota: Quota,
    /// The window's number.
    pub number: u32,
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let error = || QuotaError(text.to_owned());
        let (count, window) = text.split_once('/').ok_or_else(error)?;
        let count = count.trim();
        let (digits, factor) = match count.as_bytes().last() {
            Some(b'k') => (&count[..count.len() - 1], 1_000),
            Some(b'M') => (&count[..count.len() - 1], 1_000_000),
            Some(b'G') => (&count[..count.len() - 1], 1_000_000_000),
            _ => (count, 1),
        };
        let count = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(error)?;
        let window = match window.trim() {
            "m" | "min" | "minute" => Window::Minute,
            "h" | "hour" => Window::Hour,
            "d" | "day" => Window::Day,
            "w" | "week" => Window::Week,
            "month" => Window::Month(1),
            _ => return Err(error()),
        };
        if count == 0 || count > Self::MAX_COUNT {
            return Err(error());
        }
        Ok(Self { count, window })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.count {
            n if n.is_multiple_of(1_000_000_000) => (n / 1_000_000_000, "G"),
            n if n.is_multiple_of(1_000_000) => (n / 1_000_000, "M"),
            n if n.is_multiple_of(1_000) => (n / 1_000, "k"),
            n => (n, ""),
        };
        write!(f, "{count}{unit}/")?;
        match self.window {
            Window::Minute => f.write_str("minute"),
            Window::Hour => f.write_str("hour"),
            Window::Day => f.write_str("day"),
            Window::Week => f.write_str("week"),
            Window::Month(1) => f.write_str("month"),
            Window::Month(anchor) => write!(f, "month from day {anchor}"),
        }
    }
}

/// The text is not a quota.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a quota such as 1000/hour, 10k/day or 1M/month (1 to 100G; minute, hour, day, week, month)"
)]
pub struct QuotaError(String);

const DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotas_are_read_and_printed() {
        for (text, printed) in [
            ("1M/month", "1M/month"),
            ("1000000/month", "1M/month"),
            ("1500/d", "1500/day"),
            ("2000/w", "2k/week"),
            ("7/m", "7/minute"),
            ("100G/hour", "100G/hour"),
        ] {
            assert_eq!(text.parse::<Quota>().unwrap().to_string(), printed);
        }
        for bad in ["", "0/day", "1", "1/s", "1/year", "-1/day", "1.5M/day", "101G/day", "1K/day", "k/day"] {
            assert!(bad.parse::<Quota>().is_err(), "{bad}");
        }
        let month: Quota = "5/month".parse().unwrap();
        assert_eq!(month.with_anchor(15).unwrap().to_string(), "5/month from day 15");
        assert!(month.with_anchor(29).is_none() && month.with_anchor(0).is_none());
        assert!("5/day".parse::<Quota>().unwrap().with_anchor(2).is_none());
    }

    #[test]
    fn windows_begin_where_the_calendar_says() {
        for (window, at, begins, ends) in [
            (Window::Minute, "2026-11-24T03:05:59.999Z", "2026-11-24T03:05:00Z", "2026-11-24T03:06:00Z"),
            (Window::Hour, "2026-11-24T03:05:00Z", "2026-11-24T03:00:00Z", "2026-11-24T04:00:00Z"),
            (Window::Day, "2026-02-28T23:59:59Z", "2026-02-28", "2026-03-01"),
            (Window::Week, "2026-11-24T00:00:00Z", "2026-11-23", "2026-11-30"),
            (Window::Week, "2026-11-23T00:00:00Z", "2026-11-23", "2026-11-30"),
            (Window::Month(1), "2028-02-29T12:00:00Z", "2028-02-01", "2028-03-01"),
            (Window::Month(15), "2027-01-14T23:59:59Z", "2026-12-15", "2027-01-15"),
            (Window::Month(15), "2027-01-15T00:00:00Z", "2027-01-15", "2027-02-15"),
        ] {
            let number = window.number(at.parse().unwrap());
            assert_eq!(window.begins(number), begins.parse().unwrap(), "{window:?} {at}");
            assert_eq!(window.ends(number), ends.parse().unwrap(), "{window:?} {at}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_in_its_window(millis in 0i64..4_000_000_000_000, anchor in 1u8..=28) {
            let at = Timestamp::from_millis(millis);
            for window in [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month(anchor)] {
                let number = window.number(at);
                // January 1970, before the anchor, is all there is before the first window.
                prop_assert!(number == 0 || window.begins(number) <= at);
                prop_assert!(at < window.ends(number));
            }
        }

        #[test]
        fn no_instant_panics(millis: i64, number: u32, anchor in 1u8..=28) {
            for window in [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month(anchor)] {
                window.number(Timestamp::from_millis(millis));
                window.ends(number);
            }
        }
    }
}
