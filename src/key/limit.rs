//! How often: `100/s`, `3000/min`; and what a limit can be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Quota;

/// What a limit allows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// So many in so long, evenly, but for a burst.
    Rate {
        /// How often.
        rate: Rate,
        /// How many at once.
        burst: u64,
    },
    /// So many in a window of the calendar.
    Quota(Quota),
    /// So many in work at the same time.
    Concurrent(u64),
}

impl Limit {
    /// Returns the most that can pass at once from a fresh start.
    pub const fn most(self) -> u64 {
        match self {
            Self::Rate { burst, .. } => burst,
            Self::Quota(quota) => quota.count(),
            Self::Concurrent(most) => most,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { rate, burst } => write!(f, "{rate}, {burst} at once"),
            Self::Quota(quota) => write!(f, "{quota}"),
            Self::Concurrent(most) => write!(f, "{most} in work at once"),
        }
    }
}

/// So many requests in so long.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rate {
    count: u64,
    per: Duration,
}

impl Rate {
    /// The highest count of a rate; beyond it the interval between requests is no whole nanosecond.
    pub const MAX_COUNT: u64 = 1_000_000_000;

    /// Returns how many requests fit into [`Rate::per`]; at least 1.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Returns the period.
    pub const fn per(self) -> Duration {
        self.per
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let error = || RateError(text.to_owned());
        let (count, unit) = text.split_once('/').ok_or_else(error)?;
        let count: u64 = count.trim().parse().map_err(|_| error())?;
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            _ => return Err(error()),
        };
        if count == 0 || count > Self::MAX_COUNT {
            return Err(error());
        }
        Ok(Self { count, per: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "min",
            3_600 => "h",
            _ => "d",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// The text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate such as 100/s, 3000/min, 5000/h or 10000/d (1 to 1000000000)")]
pub struct RateError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_printed() {
        for text in ["100/s", "3000/min", "5/h", "1000000000/d"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for bad in ["", "0/s", "-1/s", "1", "1/x", "1/0s", "1.5/s", "1000000001/s", "1/s/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
