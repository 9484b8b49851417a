//! Who a consumer is here, and where they are signed in.

use maud::{Markup, html};

use crate::admin::Problem;
use crate::store::{PortalSession, SignedInBy};

use super::super::look::{Frame, Relative, button, csrf, when};
use super::super::visit::{Answer, Visit};
use super::sign_in;

pub(super) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let consumer = visit.consumer();
    let inside = html! {
        div.head { div { h1 { "Account" } } }
        section.card {
            dl {
                dt { "Name" } dd { (consumer.name) }
                dt { "Identifier" } dd { code { (consumer.id) } }
                @if let Some(external_id) = &consumer.external_id { dt { "External identifier" } dd { (external_id) } }
                dt { "Plan" } dd { (consumer.plan.as_deref().or(visit.config.server.default_plan.as_deref()).unwrap_or("none")) }
                dt { "Since" } dd { (when(consumer.created_at, visit.now)) }
            }
        }
        (sessions(visit, "/account/sessions")?)
    };
    Ok(Answer::page(
        Frame { title: "Account", part: "/account", known: visit.known, config: &visit.config }
            .around(&inside),
    ))
}

/// Shows where whoever is signed in is signed in. Forms go to `action`.
pub(super) fn sessions(visit: &Visit<'_>, action: &str) -> Result<Markup, Problem> {
    let known = visit.known();
    let mut all = visit.usage()?.sessions_of(known.visitor())?;
    all.retain(|session| visit.config.portal.over_at(session) > visit.now);
    let row = |session: &PortalSession| {
        let is_this = session.id == known.session.id;
        html! {
            tr {
                th scope="row" { (browser(&session.agent)) @if is_this { " " span.badge.is-good { "this one" } } }
                td data-label="Address" { (session.from.map_or_else(|| "unknown".to_owned(), |from| from.to_string())) }
                td data-label="Signed in" { (Relative(session.created_at, visit.now)) " " (by(session.by)) }
                td data-label="Last seen" { (Relative(session.seen_at, visit.now)) }
                td.number {
                    @if !is_this {
                        form.inline method="post" action=(action) {
                            (csrf(known))
                            input type="hidden" name="session" value=(session.id);
                            button.quiet type="submit" aria-label=(format!("Sign out {}", browser(&session.agent))) { "Sign out" }
                        }
                    }
                }
            }
        }
    };
    Ok(html! {
        section.card.is-flush {
            div.inside { h2 { "Where you are signed in" } }
            div.scroll {
                table.stack {
                    caption { "Where you are signed in" }
                    thead { tr { th scope="col" { "Browser" } th scope="col" { "Address" } th scope="col" { "Signed in" } th scope="col" { "Last seen" } th scope="col" { span.soft { "Action" } } } }
                    tbody { @for session in &all { (row(session)) } }
                }
            }
            @if all.len() > 1 {
                div.pager {
                    form.inline method="post" action=(action) { (csrf(known)) (button("Sign out everywhere else", "is-plain")) }
                }
            }
        }
    })
}

pub(super) fn end(visit: &Visit<'_>) -> Result<Answer, Problem> {
    sign_in::end_sessions(visit, Some(visit.field("session")).filter(|id| !id.is_empty()))?;
    Ok(Answer::see("/account"))
}

pub(super) fn by(by: SignedInBy) -> &'static str {
    match by {
        SignedInBy::Invite => "by a link",
        SignedInBy::Proxy => "by your single sign-on",
        SignedInBy::AdminKey => "with an admin key",
    }
}

/// What a browser says of itself, in two words if it is one of the usual.
pub(super) fn browser(agent: &str) -> String {
    let find =
        |names: &[(&str, &'static str)]| names.iter().find(|(part, _)| agent.contains(part)).map(|(_, n)| *n);
    let name = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        _ if agent.is_empty() => "Unknown browser".to_owned(),
        _ => super::super::visit::short(agent, 40),
    }
}
