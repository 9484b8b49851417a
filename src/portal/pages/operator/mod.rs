//! What operators see. One file for each page; its row is in the table of [`super::all`].

use maud::html;

use super::super::look::{Frame, amount, counted};
use super::super::visit::{Answer, Visit, Who};
use crate::admin::{Ask, Problem};

/// The parts of the portal operators find in the navigation.
pub(in crate::portal) const PARTS: &[(&str, &str)] = &[("/operator", "Overview")];

/// The page operators come to.
#[allow(clippy::unnecessary_wraps, reason = "every page may fail")]
pub(super) fn start(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let known = visit.known();
    let role = match &known.who {
        Who::Operator(key) => key.role.as_str(),
        Who::Consumer(_) => "",
    };
    let status: serde_json::Value = visit.call("status", &Ask::default())?;
    let number = |name: &str| status[name].as_u64().unwrap_or_default();
    let servers = (visit.acts.desk().handlers().servers)();
    let down = servers.iter().filter(|(_, _, is_up)| !is_up).count();
    let inside = html! {
        div.head {
            div { h1 { "Overview" } p.lead { "You are signed in with the role " strong { (role) } "." } }
        }
        div.stats {
            div.stat { b { (amount(number("keys"))) } span { "keys" } }
            div.stat { b { (amount(number("consumers"))) } span { "consumers" } }
            div.stat { b { (amount(number("revision"))) } span { "revision of the store" } }
            div.stat {
                b { (amount((servers.len() - down) as u64)) " of " (amount(servers.len() as u64)) }
                span { "backends up" }
            }
        }
        @if down > 0 {
            div.notice.is-bad role="status" { p { (counted(down as u64, "server")) " of your upstreams cannot be reached." } }
        }
        section.card {
            h2 { "Everything else" }
            p { "Consumers, keys, usage and the audit log are in the admin API and on the command line: " code { "kgate --help" } "." }
        }
    };
    Ok(Answer::page(
        Frame { title: "Overview", part: "/operator", known: visit.known, config: &visit.config }
            .around(&inside),
    ))
}
