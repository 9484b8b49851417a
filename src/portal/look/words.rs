//! Times and numbers in words.

use std::time::Duration;

use maud::{Markup, Render, html};

use crate::key::{Span, Timestamp};

/// `2026-11-26`.
pub(in crate::portal) fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// `2026-11-26 21:47 UTC`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}

/// A time as people say it, with the whole of it where the pointer rests.
pub(in crate::portal) struct Relative(pub(in crate::portal) Timestamp, pub(in crate::portal) Timestamp);

impl Render for Relative {
    fn render(&self) -> Markup {
        let Self(at, now) = *self;
        html! { time datetime=(at.to_string()) title=(minute(at)) { (relative(at, now)) } }
    }
}

/// A time to the minute, and how long that is from now.
pub(in crate::portal) fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.to_string()) { (minute(at)) } " (" (relative(at, now)) ")" }
}

/// `in 3 months`, `2 hours ago`.
fn relative(at: Timestamp, now: Timestamp) -> String {
    let (span, is_future) = if at > now { (at.since(now), true) } else { (now.since(at), false) };
    let seconds = span.as_secs();
    // Rounded, so that what was just made to last 90 days is not said to end in 89.
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    let amount = match seconds {
        0..45 => return if is_future { "in a moment" } else { "just now" }.to_owned(),
        45..3_570 => counted(rounded(60).max(1), "minute"),
        3_570..171_000 => counted(rounded(3_600), "hour"),
        171_000..5_184_000 => counted(rounded(86_400), "day"),
        5_184_000..63_072_000 => counted(rounded(2_629_800), "month"),
        _ => counted(rounded(31_557_600), "year"),
    };
    if is_future { format!("in {amount}") } else { format!("{amount} ago") }
}

/// `30 days`, `1 hour`.
pub(in crate::portal) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => "at once".to_owned(),
        s if s % (365 * 86_400) == 0 => counted(s / (365 * 86_400), "year"),
        s if s % 86_400 == 0 => counted(s / 86_400, "day"),
        s if s % 3_600 == 0 => counted(s / 3_600, "hour"),
        s if s % 60 == 0 => counted(s / 60, "minute"),
        _ => Span::from(length).to_string(),
    }
}

/// `1 key`, `2 keys`.
pub(in crate::portal) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", amount(count), if count == 1 { "" } else { "s" })
}

/// `12,345`.
pub(in crate::portal) fn amount(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_said_as_people_say_them() {
        let now = Timestamp::from_secs(1_000_000_000);
        let said = |seconds: u64| relative(now.plus(Duration::from_secs(seconds)), now);
        assert_eq!(
            [10, 60, 5400, 90 * 3600, 30 * 86_400, 90 * 86_400, 800 * 86_400].map(said),
            [
                "in a moment",
                "in 1 minute",
                "in 2 hours",
                "in 4 days",
                "in 30 days",
                "in 3 months",
                "in 2 years"
            ]
        );
        assert_eq!(relative(now.minus(Duration::from_hours(5)), now), "5 hours ago");
        assert_eq!([0, 999, 1000, 1_234_567].map(amount), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(span(Duration::from_hours(24)), "1 day");
        assert_eq!(day(now), "2001-09-09");
    }
}
