//! How much a consumer's keys were used, by day and by route.

use std::collections::HashMap;

use maud::{Markup, html};

use crate::admin::api::UsageRow;
use crate::admin::shape::Page;
use crate::admin::{Ask, Problem};
use crate::key::{Span, Timestamp};

use super::super::look::{Bar, Frame, amount, day, days, share};
use super::super::visit::{Answer, Visit};

/// The stretches that can be looked at: their name in the query, what they are called, and how long they are.
const SPANS: &[(&str, &str, &str)] = &[
    ("day", "24 hours", "24h"),
    ("week", "7 days", "7d"),
    ("month", "30 days", "30d"),
    ("quarter", "90 days", "90d"),
];

pub(super) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let chosen = SPANS.iter().find(|(name, ..)| *name == visit.query("since")).unwrap_or(&SPANS[2]);
    let subject = visit.consumer().id.to_string();
    let inside = html! {
        div.head {
            div { h1 { "Usage" } p.lead { "Requests with any of your keys. Days are in UTC; the last minute may be missing." } }
            div.tabs role="group" aria-label="Stretch of time" {
                @for (name, text, _) in SPANS {
                    a href=(format!("/usage?since={name}")) aria-current=[(*name == chosen.0).then_some("true")] { (text) }
                }
            }
        }
        (charts(visit, &subject, chosen.2)?)
    };
    Ok(Answer::page(
        Frame { title: "Usage", part: "/usage", known: visit.known, config: &visit.config }.around(&inside),
    ))
}

/// Draws how much a key or a consumer was used, since so long ago.
pub(super) fn charts(visit: &Visit<'_>, subject: &str, since: &str) -> Result<Markup, Problem> {
    let ask =
        |by| [("subject", subject), ("since", since), ("by", by), ("order", "busiest"), ("limit", "500")];
    let report = |by| {
        let page = visit.call::<Page<UsageRow>>("usage", &Ask { query: &ask(by), ..Ask::default() });
        page.map(|page| page.items)
    };
    let times = report("time")?;
    let begins = since.parse::<Span>().map_or(visit.now, |span| visit.now.minus(span.as_duration()));
    let sum = |of: fn(&UsageRow) -> u64| times.iter().map(of).sum::<u64>();
    let all = sum(|row| row.requests);
    if all == 0 {
        return Ok(html! {
            section.card.empty {
                h2 { "No requests yet" }
                p { "When an application sends one with a key, you see it here within a minute." }
            }
        });
    }
    let routes = report("route")?;
    Ok(html! {
        div.stats {
            (stat(all, "requests"))
            (stat(sum(|row| row.allowed), "let through"))
            (stat(sum(|row| row.limited), "over a limit"))
            (stat(sum(|row| row.forbidden + row.refused), "not allowed"))
            (stat(sum(|row| row.failed), "failed at the API"))
        }
        section.card { (days("numbers", "Requests", "let through", "not let through", &bars(&times, begins, visit.now))) }
        (by_route(&routes))
    })
}

/// A table of how much each route was used, the busiest first.
pub(super) fn by_route(routes: &[UsageRow]) -> Markup {
    let busiest = routes.iter().map(|row| row.requests).max().unwrap_or_default();
    html! {
        section.card.is-flush {
            div.inside { h2 { "By route" } }
            div.scroll tabindex="0" role="region" aria-label="Requests by route" {
                table {
                    caption { "Requests by route" }
                    thead { tr { th scope="col" { "Route" } th scope="col" { span.soft { "Share" } } th.number scope="col" { "Requests" } th.number scope="col" { "Let through" } } }
                    tbody {
                        @for row in routes.iter().take(ROUTES) {
                            tr {
                                th scope="row" { (row.route.as_deref().unwrap_or("—")) }
                                td { (share(row.requests, busiest)) }
                                td.number { (amount(row.requests)) }
                                td.number { (amount(row.allowed)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn stat(number: u64, text: &str) -> Markup {
    html! { div.stat { b { (amount(number)) } span { (text) } } }
}

/// One bar for each stretch since then, also for those in which nothing was.
pub(super) fn bars(rows: &[UsageRow], since: Timestamp, now: Timestamp) -> Vec<Bar> {
    let Some(step) = rows.first().map(|row| row.step_seconds.max(1)) else { return Vec::new() };
    let by_start: HashMap<i64, &UsageRow> = rows.iter().map(|row| (row.from.0.as_secs(), row)).collect();
    let first = since.as_secs().div_euclid(step);
    let bar = |number: i64| {
        let at = Timestamp::from_secs(number * step);
        let row = by_start.get(&at.as_secs());
        let good = row.map_or(0, |row| row.allowed);
        let bad = row.map_or(0, |row| row.requests.saturating_sub(row.allowed));
        Bar { label: label(at, step), good, bad }
    };
    (first..=now.as_secs().div_euclid(step)).map(bar).collect()
}

fn label(at: Timestamp, step: i64) -> String {
    let text = at.to_string();
    if step >= 86_400 { day(at) } else { text.get(5..16).unwrap_or_default().replace('T', " ") }
}

/// More routes than a page is read for.
const ROUTES: usize = 50;
