//! Charts, drawn here as SVG. Words stand beside them as text, so that they are readable at every width;
//! every chart has a table with the same numbers.

use maud::{Markup, html};

use super::words::amount;

/// One bar: two numbers, one on the other.
#[derive(Clone, Debug)]
pub(in crate::portal) struct Bar {
    /// What it is of.
    pub(in crate::portal) label: String,
    /// The lower part.
    pub(in crate::portal) good: u64,
    /// The upper part.
    pub(in crate::portal) bad: u64,
}

impl Bar {
    fn total(&self) -> u64 {
        self.good.saturating_add(self.bad)
    }
}

/// Draws bars beside each other, and their table. `title` says what is counted, `good` and `bad` what the
/// parts are called.
pub(in crate::portal) fn days(id: &str, title: &str, good: &str, bad: &str, bars: &[Bar]) -> Markup {
    let top = nice(bars.iter().map(Bar::total).max().unwrap_or_default());
    let width = 20;
    let whole = bars.len().max(1) * width;
    let all: u64 = bars.iter().map(Bar::total).sum();
    let summary = format!(
        "{title}: {} in all, at most {} in one bar",
        amount(all),
        amount(bars.iter().map(Bar::total).max().unwrap_or_default())
    );
    html! {
        figure.chart {
            figcaption {
                span { (title) }
                span.legend { span.key-good {} (good) span.key-bad {} (bad) }
            }
            div.plot {
                div.scale aria-hidden="true" { span { (amount(top)) } span { (amount(top / 2)) } span { "0" } }
                svg viewBox=(format!("0 0 {whole} 100")) preserveAspectRatio="none" role="img" aria-label=(summary) {
                    @for y in [0, 50, 100] {
                        line.grid x1="0" x2=(whole) y1=(y) y2=(y) {}
                    }
                    @for (index, bar) in bars.iter().enumerate() {
                        @let good_height = height(bar.good, top);
                        @let bad_height = height(bar.bad, top);
                        g {
                            title { (bar.label) ": " (amount(bar.good)) " " (good) ", " (amount(bar.bad)) " " (bad) }
                            rect.hit x=(index * width) y="0" width=(width) height="100" {}
                            @if bar.good > 0 {
                                rect.good x=(index * width + 4) y=(text(100.0 - good_height)) width=(width - 8) height=(text(good_height)) {}
                            }
                            @if bar.bad > 0 {
                                rect.bad x=(index * width + 4) y=(text(100.0 - good_height - bad_height)) width=(width - 8) height=(text(bad_height)) {}
                            }
                        }
                    }
                }
                div.labels aria-hidden="true" {
                    @for bar in ends(bars) { span { (bar.label) } }
                }
            }
            details {
                summary { "Show the numbers" }
                div.scroll tabindex="0" role="region" aria-labelledby=(id) {
                    table {
                        caption #(id) { (title) }
                        thead { tr { th scope="col" { "When" } th.number scope="col" { (good) } th.number scope="col" { (bad) } } }
                        tbody {
                            @for bar in bars {
                                tr { th.nowrap scope="row" { (bar.label) } td.number { (amount(bar.good)) } td.number { (amount(bar.bad)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Draws how much of a whole something is, beside a number that says it.
pub(in crate::portal) fn share(part: u64, whole: u64) -> Markup {
    html! {
        svg.share viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.rest x="0" y="0" width="100" height="8" rx="2" {}
            rect.good x="0" y="0" width=(text(height(part, whole.max(1)))) height="8" rx="2" {}
        }
    }
}

/// The first, the middle and the last.
fn ends(bars: &[Bar]) -> Vec<&Bar> {
    match bars {
        [] => Vec::new(),
        [one] => vec![one],
        bars => vec![&bars[0], &bars[bars.len() / 2], &bars[bars.len() - 1]],
    }
}

/// The share of 100, and enough of it to be seen.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn height(part: u64, whole: u64) -> f64 {
    if part == 0 { 0.0 } else { (part as f64 / whole.max(1) as f64 * 100.0).clamp(0.6, 100.0) }
}

fn text(number: f64) -> String {
    format!("{:.1}", number.max(0.0))
}

/// The least of 2, 4, 10, 20, 40, 100, … that is not below `most`.
fn nice(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [2, 4, 10] {
            let top = step.saturating_mul(factor);
            if top >= most || top == u64::MAX {
                return top;
            }
        }
        step = step.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_numbers() {
        assert_eq!([0, 1, 3, 5, 11, 41, 101, 399].map(nice), [2, 2, 4, 10, 20, 100, 200, 400]);
        assert_eq!(nice(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_chart_says_its_numbers_in_a_table_and_escapes_what_it_is_of() {
        let bar = Bar { label: "<b>".to_owned(), good: 1234, bad: 1 };
        let drawn = days("t", "Requests", "passed", "refused", &[bar]).into_string();
        assert!(drawn.contains("<td class=\"number\">1,234</td>") && drawn.contains("&lt;b&gt;"));
        assert!(!drawn.contains("<b>") && !drawn.contains("style="));
    }
}
