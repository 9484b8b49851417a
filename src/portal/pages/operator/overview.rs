//! What operators come to: traffic, refusals, backends, and what somebody should look at.

use maud::{Markup, html};
use serde_json::Value;

use super::super::super::look::{amount, counted, days, share};
use super::super::super::visit::{Answer, Visit};
use super::super::usage::{bars, by_route, stat};
use super::figures::Figures;
use super::{alerts, page, url};
use crate::admin::api::UsageRow;
use crate::admin::shape::Page;
use crate::admin::{Ask, Problem};
use crate::key::{Limit, Span};

/// The stretches that can be looked at: their name in the query, and what they are called.
const SPANS: [(&str, &str); 4] =
    [("2h", "2 hours"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")];

pub(in crate::portal::pages) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let (since, _) = SPANS.into_iter().find(|(name, _)| *name == visit.query("since")).unwrap_or(SPANS[0]);
    let status: Value = visit.call("status", &Ask::default())?;
    let figures = Figures::read(&(visit.acts.desk().handlers().metrics)());
    let servers = (visit.acts.desk().handlers().servers)();
    let down = servers.iter().filter(|(_, _, is_up)| !is_up).count();
    let usage = |by| {
        let limit = if by == "time" { "500" } else { BUSIEST_READ };
        let query = [("since", since), ("by", by), ("order", "busiest"), ("limit", limit)];
        let page = visit.call::<Page<UsageRow>>("usage", &Ask { query: &query, ..Ask::default() });
        page.map(|page| page.items)
    };
    let (times, busiest, routes) = (usage("time")?, usage("key")?, usage("route")?);
    let todo = todo(visit, &status, &figures, down, &busiest)?;
    let number = |name: &str| amount(status[name].as_u64().unwrap_or_default());
    let inside = html! {
        div.head {
            div { h1 { "Overview" } p.lead { "kgate " (status["version"].as_str().unwrap_or_default()) ", up for " (uptime(&status)) "." } }
            div.actions {
                a.button href="/operator/explain" { "Why is a caller refused?" }
            }
        }
        section.card {
            h2 { "What needs attention" }
            @if todo.is_empty() { p.soft { "Nothing does." } } @else { ul.todo { @for (class, word, text) in &todo { li { span class={ "badge " (class) } { (word) } span { (text) } } } } }
        }
        div.stats {
            div.stat { b { (number("consumers")) } span { "consumers" } }
            div.stat { b { (number("keys")) } span { "keys" } }
            div.stat { b { (amount((servers.len() - down) as u64)) " of " (amount(servers.len() as u64)) } span { "backends up" } }
            div.stat { b { (amount(figures.sum("kgate_requests_in_flight", &[]))) } span { "requests in work" } }
            div.stat { b { (amount(figures.sum("kgate_connections", &[]))) } span { "connections" } }
        }
        (traffic(visit, since, &times))
        div.two { (verdicts(&figures)) (reasons(&figures)) }
        (keys(&busiest))
        @if !routes.is_empty() { (by_route(&routes)) }
        (upstreams(&servers))
    };
    page(visit, "/operator", "Overview", &inside)
}

fn uptime(status: &Value) -> String {
    let seconds = status["uptime_seconds"].as_u64().unwrap_or_default();
    match seconds {
        0..120 => counted(seconds, "second"),
        120..7_200 => counted(seconds / 60, "minute"),
        7_200..172_800 => counted(seconds / 3_600, "hour"),
        _ => counted(seconds / 86_400, "day"),
    }
}

/// How bad it is: a class, a word; and what it is.
type Todo = (&'static str, &'static str, Markup);

const BAD: (&str, &str) = ("is-bad", "now");
const SOON: (&str, &str) = ("is-warn", "soon");

fn todo(
    visit: &Visit<'_>,
    status: &Value,
    figures: &Figures,
    down: usize,
    busiest: &[UsageRow],
) -> Result<Vec<Todo>, Problem> {
    let mut todo: Vec<Todo> = Vec::new();
    let mut add = |(class, word), text| todo.push((class, word, text));
    if status["ready"] == false {
        add(
            BAD,
            html! { "The gateway is not ready: " (status["unready"]["reason"].as_str().unwrap_or("it does not say why")) "." },
        );
    }
    if down > 0 {
        add(
            BAD,
            html! { a href="#upstreams" { (counted(down as u64, "server")) } " of your upstreams cannot be reached." },
        );
    }
    let failed = figures.sum("kgate_config_reloads_total", &[("result", "failed")]);
    if failed > 0 {
        add(
            SOON,
            html! { "A changed configuration could not be loaded, " (counted(failed, "time")) " since the start. " code { "kgate check" } " says what is wrong with it." },
        );
    }
    let uses = alerts::uses(visit, "7d")?;
    if !uses.is_empty() {
        let text =
            if uses.len() == 1 { " was used after it had ended" } else { " were used after they had ended" };
        add(
            BAD,
            html! { a href="/operator/alerts" { (counted(uses.len() as u64, "key")) } (text) ", this week. Somebody still has it." },
        );
    }
    let leaks = alerts::leaks(visit, "7d")?;
    if !leaks.is_empty() {
        let keys = leaks
            .iter()
            .map(|row| row.subjects.iter().filter(|s| s.starts_with("key_")).count() as u64)
            .sum();
        add(
            BAD,
            html! { a href="/operator/alerts" { (counted(keys, "key")) } " leaked this week and " @if keys == 1 { "was" } @else { "were" } " ended." },
        );
    }
    let expiring = figures.sum("kgate_keys_expiring", &[("within", "7d")]);
    if expiring > 0 {
        let list = url("/operator/keys", &[("status", "active"), ("expiring", "7d")]);
        add(
            SOON,
            html! { a href=(list) { (counted(expiring, "key")) } @if expiring == 1 { " expires" } @else { " expire" } " this week and " @if expiring == 1 { "has" } @else { "have" } " no successor." },
        );
    }
    let lost = figures.sum("kgate_dropped_total", &[]);
    if lost > 0 {
        add(
            SOON,
            html! { (counted(lost, "line or count")) " could not be written. See " code { "kgate_dropped_total" } "." },
        );
    }
    let store = visit.acts.desk().store()?;
    for row in busiest.iter().take(QUOTAS) {
        let Some(id) = row.key_id.as_ref().map(|id| id.0) else { continue };
        let Ok(key) = store.key(id) else { continue };
        let limits = (visit.acts.desk().handlers().limits)(&key.digest);
        for limit in limits.iter().filter(|limit| matches!(limit.limit, Limit::Quota(_))) {
            let left = if limit.fits { limit.remaining.saturating_add(1) } else { 0 };
            if left.saturating_mul(10) <= limit.limit.most() {
                let name = row.key_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("A key");
                add(
                    if left == 0 { BAD } else { SOON },
                    html! { a.break href=(format!("/operator/keys/{id}")) { (name) } " has " (amount(left)) " left of its quota " (limit.limit) "." },
                );
            }
        }
    }
    Ok(todo)
}

fn traffic(visit: &Visit<'_>, since: &str, times: &[UsageRow]) -> Markup {
    let sum = |of: fn(&UsageRow) -> u64| times.iter().map(of).sum::<u64>();
    let begins = since.parse::<Span>().map_or(visit.now, |span| visit.now.minus(span.as_duration()));
    html! {
        div.head {
            div { h2 { "Traffic" } p.soft { "Requests with a key the store knows. Times are in UTC; the last minute may be missing." } }
            div.tabs role="group" aria-label="Stretch of time" {
                @for (name, text) in SPANS {
                    a href=(url("/operator", &[("since", name)])) aria-current=[(name == since).then_some("true")] { (text) }
                }
            }
        }
        @if sum(|row| row.requests) == 0 {
            section.card.empty { h2 { "No requests in this time" } p { "When a caller sends one with a key, you see it here within a minute." } }
        } @else {
            div.stats {
                (stat(sum(|row| row.requests), "requests"))
                (stat(sum(|row| row.allowed), "let through"))
                (stat(sum(|row| row.limited), "over a limit"))
                (stat(sum(|row| row.forbidden + row.refused), "not allowed"))
                (stat(sum(|row| row.failed), "failed at the backend"))
            }
            section.card { (days("numbers", "Requests", "let through", "not let through", &bars(times, begins, visit.now))) }
        }
    }
}

fn verdicts(figures: &Figures) -> Markup {
    counts(
        "Verdicts since the start",
        "Verdict",
        &figures.by("kgate_requests_total", "verdict"),
        "No request came yet.",
        &|verdict| {
            html! { (verdict.replace('_', " ")) }
        },
    )
}

fn reasons(figures: &Figures) -> Markup {
    counts(
        "Refused by reason, since the start",
        "Reason",
        &figures.by("kgate_refusals_total", "reason"),
        "Nobody was refused yet.",
        &|reason| {
            let text = REASONS.iter().find(|(code, _)| *code == reason).map_or(reason, |(_, text)| *text);
            html! { (text) " " code.soft { (reason) } }
        },
    )
}

/// What the codes of refusals mean. Those not listed stand for themselves.
const REASONS: &[(&str, &str)] = &[
    ("ambiguous_credential", "several keys, or something else than a key"),
    ("bad_path", "an ambiguous path"),
    ("client_certificate", "the route takes other certificates"),
    ("concurrent", "too many requests at once"),
    ("consumer_disabled", "the consumer is switched off"),
    ("consumer_missing", "the consumer is gone"),
    ("damaged_record", "the key's record is damaged"),
    ("disabled", "the key is switched off"),
    ("expired", "the key has expired"),
    ("key_type", "the key's type is declared no more"),
    ("key_type_on_route", "the route takes other types of keys"),
    ("limited", "over a rate limit"),
    ("malformed_key", "it cannot be a key"),
    ("method_not_allowed", "the route takes other methods"),
    ("network", "the address is not allowed"),
    ("no_credential", "no key was sent"),
    ("no_route", "no route has this host and path"),
    ("not_yet_valid", "the key does not work yet"),
    ("origin", "the page is not allowed"),
    ("plan_missing", "the plan is declared no more"),
    ("quota", "the quota is used up"),
    ("revoked", "the key was revoked"),
    ("scope", "the key may not do that"),
    ("too_many_failures", "the address sent too many wrong keys"),
    ("unknown_key", "the store does not know the key"),
];

/// A table of counts, the most first.
fn counts(
    title: &str,
    what: &str,
    rows: &[(String, u64)],
    none: &str,
    name: &dyn Fn(&str) -> Markup,
) -> Markup {
    let most = rows.first().map_or(0, |(_, count)| *count);
    html! {
        section.card.is-flush {
            div.inside { h2 { (title) } }
            @if rows.is_empty() { div.inside.is-last { p.soft { (none) } } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(title) {
                    table {
                        caption { (title) }
                        thead { tr { th scope="col" { (what) } th scope="col" { span.soft { "Share" } } th.number scope="col" { "Requests" } } }
                        tbody { @for (label, count) in rows { tr { th scope="row" { (name(label)) } td { (share(*count, most)) } td.number { (amount(*count)) } } } }
                    }
                }
            }
        }
    }
}

fn keys(busiest: &[UsageRow]) -> Markup {
    let most = busiest.iter().map(|row| row.requests).max().unwrap_or_default();
    html! {
        @if !busiest.is_empty() {
            section.card.is-flush {
                div.inside { h2 { "Busiest keys" } }
                div.scroll tabindex="0" role="region" aria-label="Busiest keys" {
                    table.stack {
                        caption { "Busiest keys" }
                        thead { tr { th scope="col" { "Key" } th scope="col" { "Consumer" } th scope="col" { span.soft { "Share" } } th.number scope="col" { "Requests" } th.number scope="col" { "Not let through" } } }
                        tbody {
                            @for row in busiest.iter().take(BUSIEST) {
                                tr {
                                    th scope="row" { @if let Some(id) = &row.key_id { a.name.break href=(format!("/operator/keys/{}", id.0)) { (row.key_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("Unnamed")) } } }
                                    td.break data-label="Consumer" { @if let Some(id) = &row.consumer_id { a href=(format!("/operator/consumers/{}", id.0)) { (row.consumer_name.as_deref().unwrap_or("gone")) } } }
                                    td { (share(row.requests, most)) }
                                    td.number data-label="Requests" { (amount(row.requests)) }
                                    td.number data-label="Not let through" { (amount(row.requests.saturating_sub(row.allowed))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The backends and whether they are up.
pub(super) fn upstreams(servers: &[(String, String, bool)]) -> Markup {
    html! {
        section.card.is-flush #upstreams {
            div.inside { h2 { "Upstreams" } }
            @if servers.is_empty() { div.inside.is-last { p.soft { "This gateway forwards nothing." } } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Upstreams" {
                    table {
                        caption { "Servers of upstreams" }
                        thead { tr { th scope="col" { "Upstream" } th scope="col" { "Server" } th scope="col" { "State" } } }
                        tbody {
                            @for (upstream, server, is_up) in servers {
                                tr { th scope="row" { (upstream) } td.break { code { (server) } } td { @if *is_up { span.badge.is-good { "up" } } @else { span.badge.is-bad { "down" } } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Keys in the list of the busiest.
const BUSIEST: usize = 10;

/// Keys whose quotas are looked at: those used most.
const QUOTAS: usize = 50;

/// Rows of usage asked for: more than the list shows and than quotas are looked at.
const BUSIEST_READ: &str = "50";
