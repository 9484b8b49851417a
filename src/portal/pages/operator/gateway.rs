//! The configuration as it was loaded. What is shown is picked field by field: of secrets only whether
//! there is one.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::super::super::look::{amount, button, form, span};
use super::super::super::visit::{Answer, Visit};
use super::{may, overview, page};
use crate::admin::{Ask, Problem};
use crate::config::{Config, Upstream};
use crate::key::Role;
use crate::policy::RouteSpec;

const PART: &str = "/operator/gateway";

pub(in crate::portal::pages) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let status: Value = visit.call("status", &Ask::default())?;
    let servers = (visit.acts.desk().handlers().servers)();
    let config = &*visit.config;
    let inside = html! {
        div.head {
            div { h1 { "Gateway" } p.lead { "The configuration that is in force. Of secrets it is said only that they are there." } }
            div.actions {
                form.inline method="get" action="/operator/gateway/check" { (button("Look at the data directory", "is-plain")) }
                @if may(visit, Role::Admin) { (form(visit.known(), "/operator/gateway/backup", &button("Download a backup", "is-plain"))) }
            }
        }
        div.two {
            section.card { h2 { "This process" } (process(&status)) }
            section.card { h2 { "Listens at" } (listens(config)) }
        }
        (overview::upstreams(&servers))
        (routes(config))
        div.two { (plans(config)) (key_types(config)) }
        (upstreams(config))
        div.two { section.card { h2 { "Server" } (server(config)) } section.card { h2 { "Others" } (others(config)) } }
    };
    page(visit, PART, "Gateway", &inside)
}

/// Sends a copy of the store at one moment, to be kept elsewhere: digests and no key.
pub(in crate::portal::pages) fn backup(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let query = [("note", &*visit.origin())];
    let (file, bytes) = visit.file("backup", &Ask { query: &query, ..Ask::default() })?;
    Ok(Answer::File(file, bytes, "kgate.backup"))
}

fn process(status: &Value) -> Markup {
    let text = |name: &str| match &status[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "—".to_owned(),
    };
    html! {
        dl {
            dt { "Version" } dd { (text("version")) }
            dt { "Ready" } dd { @if status["ready"] == true { span.badge.is-good { "yes" } } @else { span.badge.is-bad { "no" } " " (status["unready"]["reason"].as_str().unwrap_or_default()) } }
            dt { "Configuration" } dd { code { (text("configuration")) } }
            dt { "Process" } dd { (text("pid")) }
            dt { "Revision of the store" } dd { (text("revision")) }
            dt { "Keys, consumers" } dd { (text("keys")) ", " (text("consumers")) }
        }
    }
}

fn listens(config: &Config) -> Markup {
    let listen = &config.listen;
    let all = |addresses: &[crate::config::Address]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    html! {
        dl {
            dt { "Gateway" }
            dd { @for listener in &listen.proxy { div { code { (listener.address) } @if listener.tls.is_some() { " TLS" } @if listener.h2c { " h2c" } @if let Some(port) = listener.redirect { " to https, port " (port) } } } @if listen.proxy.is_empty() { "nowhere" } }
            dt { "Admin" } dd { code { (all(&listen.admin)) } @if listen.admin.is_empty() { "nowhere" } }
            dt { "Portal" } dd { code { (all(&listen.portal)) } @if listen.portal_tls.is_some() { " TLS" } }
            @if let Some(sidecar) = &config.sidecar { dt { "Sidecar" } dd { code { (all(&sidecar.listen)) } } }
        }
    }
}

fn routes(config: &Config) -> Markup {
    let routes = &config.rules.spec().routes;
    let leads = |route: &RouteSpec| match (&route.self_service, config.upstreams.get(route.upstream)) {
        (Some(_), _) => "kgate itself".to_owned(),
        (None, Some(upstream)) => upstream.name.clone(),
        (None, None) => "—".to_owned(),
    };
    let sources = |route: &RouteSpec| match route.credentials.as_slice() {
        _ if route.public => "no key".to_owned(),
        [] => "bearer".to_owned(),
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    html! {
        section.card.is-flush {
            div.inside { h2 { "Routes" } }
            div.scroll tabindex="0" role="region" aria-label="Routes" {
                table.stack {
                    caption { "Routes" }
                    thead { tr { th scope="col" { "Route" } th scope="col" { "Matches" } th scope="col" { "Key from" } th scope="col" { "Asks for" } th scope="col" { "Plan" } th scope="col" { "Leads to" } } }
                    tbody {
                        @for route in routes {
                            tr {
                                th scope="row" { (route.name) }
                                td.break data-label="Matches" { span { @if !route.methods.is_empty() { (route.methods.join(", ")) " " } code { @if let Some(host) = &route.host { (host) } (route.path) } } }
                                td data-label="Key from" { (sources(route)) }
                                td.break data-label="Asks for" { span { (route.scopes) @if !route.key_types.is_empty() { " types " (route.key_types.join(", ")) } @if !route.client_certificates.is_empty() { " a certificate" } } }
                                td data-label="Plan" { (route.plan.as_deref().or(route.anonymous.as_deref()).unwrap_or("—")) }
                                td data-label="Leads to" { (leads(route)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn plans(config: &Config) -> Markup {
    html! {
        section.card.is-flush {
            div.inside { h2 { "Plans" } }
            @if config.plans.is_empty() { div.inside.is-last { p.soft { "There are none: nobody is limited." } } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Plans" {
                    table {
                        caption { "Plans" }
                        thead { tr { th scope="col" { "Plan" } th scope="col" { "Limit" } th scope="col" { "Allows" } } }
                        tbody {
                            @for plan in &config.plans {
                                @if plan.limits.is_empty() { tr { th scope="row" { (plan.name) } td { "—" } td { "everything" } } }
                                @for limit in &plan.limits {
                                    tr { th scope="row" { (plan.name) } td { (limit.name) } td { (limit.limit) @if limit.shadow { span.soft { ", only watched" } } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn key_types(config: &Config) -> Markup {
    html! {
        section.card.is-flush {
            div.inside { h2 { "Key types" } }
            div.scroll tabindex="0" role="region" aria-label="Key types" {
                table {
                    caption { "Key types" }
                    thead { tr { th scope="col" { "Type" } th scope="col" { "Begins with" } th scope="col" { "Kind" } th scope="col" { "Lives" } } }
                    tbody {
                        @for key_type in config.key_types.as_slice() {
                            tr { th scope="row" { (key_type.name) } td { code { (key_type.prefix) } } td { (key_type.kind) } td { @if let Some(life) = key_type.default_expires { (span(life.as_duration())) } @else { "for ever" } } }
                        }
                    }
                }
            }
        }
    }
}

fn upstreams(config: &Config) -> Markup {
    let told = |upstream: &Upstream| {
        let ways = [
            (upstream.shared_secret.is_some(), "shared secret"),
            (upstream.hmac_secret.is_some(), "signature"),
            (upstream.jwt.is_some(), "signed token"),
            (upstream.tls.is_some(), "TLS"),
        ];
        ways.iter().filter(|(is_so, _)| *is_so).map(|(_, text)| *text).collect::<Vec<_>>().join(", ")
    };
    html! {
        section.card.is-flush {
            div.inside { h2 { "How upstreams are called" } }
            div.scroll tabindex="0" role="region" aria-label="How upstreams are called" {
                table.stack.is-wide {
                    caption { "How upstreams are called" }
                    thead { tr { th scope="col" { "Upstream" } th.number scope="col" { "Servers" } th scope="col" { "Told who calls by" } th scope="col" { "Asked if well" } th scope="col" { "Connect within" } th scope="col" { "Answer within" } } }
                    tbody {
                        @for upstream in &config.upstreams {
                            tr {
                                th scope="row" { (upstream.name) }
                                td.number data-label="Servers" { (upstream.servers.len()) }
                                td data-label="Told who calls by" { "headers" @if !told(upstream).is_empty() { ", " (told(upstream)) } }
                                td data-label="Asked if well" { @if upstream.health.is_some() { "yes" } @else { "no" } }
                                td data-label="Connect within" { (span(upstream.connect_timeout)) }
                                td data-label="Answer within" { (span(upstream.response_timeout)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn server(config: &Config) -> Markup {
    let server = &config.server;
    html! {
        dl {
            dt { "Workers" } dd { (server.workers.map_or_else(|| "one for each core".to_owned(), |workers| workers.to_string())) }
            dt { "Realm" } dd { (server.realm) }
            dt { "Default plan" } dd { (server.default_plan.as_deref().unwrap_or("none")) }
            dt { "Connections" } dd { (amount(server.max_connections as u64)) ", of one address " (amount(server.max_connections_per_address as u64)) }
            dt { "Requests at once" } dd { (amount(server.max_in_flight as u64)) }
            dt { "Longest body" } dd { (amount(server.max_body)) " bytes" }
            dt { "Wrong keys of an address" } dd { @if let Some(rule) = &server.failed_auth { (rule.rate) ", burst " (amount(rule.burst)) } @else { "any number" } }
            dt { "Trusted proxies" } dd { @if server.trusted_proxies.networks.is_empty() { "none" } @for network in server.trusted_proxies.networks.as_slice() { code { (network) } " " } }
        }
    }
}

fn others(config: &Config) -> Markup {
    let leaks = &config.leaks;
    html! {
        dl {
            dt { "Webhooks" } dd { @if config.webhooks.is_empty() { "none" } @for webhook in &config.webhooks { div { (webhook.name) ": " (webhook.events.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) } } }
            dt { "Traces" } dd { @if config.traces.is_some() { "yes" } @else { "none" } }
            dt { "Alerts of leaks" } dd { @match (leaks.github_keys.is_some(), leaks.gitlab_keys.is_some(), leaks.secret.is_some()) { (false, false, false) => "not taken", (github, gitlab, others) => { @if github { "GitHub " } @if gitlab { "GitLab " } @if others { "others, signed" } } } }
            dt { "Access log" } dd { @if let Some(file) = &config.access_log.file { code { (file.display()) } } @else { "standard output" } }
            dt { "Usage kept" } dd { "by the minute " (span(config.usage.minutes)) ", by the hour " (span(config.usage.hours)) ", by the day " (span(config.usage.days)) }
            dt { "Consumers may make" } dd { (amount(config.portal.max_keys as u64)) " keys each, for at most " (span(config.portal.max_expires)) }
        }
    }
}

/// Something that was looked at.
#[derive(Deserialize)]
struct Check {
    name: String,
    level: String,
    detail: String,
}

/// Looks at the data directory, which takes a while where it is large.
pub(in crate::portal::pages) fn check(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let checks: Vec<Check> = visit.call("doctor", &Ask::default())?;
    let inside = html! {
        div.head { div { p.crumb { a href=(PART) { "Gateway" } } h1 { "The data directory" } } }
        section.card.is-flush {
            div.scroll tabindex="0" role="region" aria-label="Checks" {
                table.stack {
                    caption { "What was looked at" }
                    thead { tr { th scope="col" { "What" } th scope="col" { "Found" } th scope="col" { "Detail" } } }
                    tbody {
                        @for check in &checks {
                            @let class = match check.level.as_str() { "good" => "is-good", "warning" => "is-warn", _ => "is-bad" };
                            tr { th scope="row" { (check.name) } td data-label="Found" { span class={ "badge " (class) } { (check.level) } } td.break data-label="Detail" { (check.detail) } }
                        }
                    }
                }
            }
        }
    };
    page(visit, PART, "The data directory", &inside)
}
