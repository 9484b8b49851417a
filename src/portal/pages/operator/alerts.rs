//! What somebody should look at: keys used after their end, leaks, and replaced keys that still work.

use maud::{Markup, html};

use super::super::super::look::{Relative, amount};
use super::super::super::visit::{Answer, Visit};
use super::{audit, page};
use crate::admin::api::{AlertShape, AuditRowShape, RotationShape};
use crate::admin::shape::Page as Listed;
use crate::admin::{Ask, Problem};

const PART: &str = "/operator/alerts";

/// Returns uses of keys after their end since so long ago.
pub(super) fn uses(visit: &Visit<'_>, since: &str) -> Result<Vec<AlertShape>, Problem> {
    let query = [("since", since), ("limit", "200")];
    let found: Listed<AlertShape> = visit.call("listAlerts", &Ask { query: &query, ..Ask::default() })?;
    Ok(found.items)
}

/// Returns what was done about leaked keys since so long ago, among the last 500 revocations.
pub(super) fn leaks(visit: &Visit<'_>, since: &str) -> Result<Vec<AuditRowShape>, Problem> {
    let query = [("action", "key.revoked"), ("since", since), ("limit", "500")];
    let found: Listed<AuditRowShape> = visit.call("listAudit", &Ask { query: &query, ..Ask::default() })?;
    Ok(found.items.into_iter().filter(|row| row.details["reason"] == "leak").collect())
}

pub(in crate::portal::pages) fn list(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let (uses, leaks) = (uses(visit, "90d")?, leaks(visit, "90d")?);
    let inside = html! {
        div.head { div { h1 { "Alerts" } p.lead { "Of the last 90 days, the latest first." } } }
        section.card.is-flush {
            div.inside { h2 { "Used after its end" } p.soft { "Somebody still has a key that was revoked or has expired. They get 401; find out who it is." } }
            @if uses.is_empty() { div.inside.is-last { p { "Nobody used a key that had ended." } } } @else { (uses_table(visit, &uses)) }
        }
        section.card.is-flush {
            div.inside { h2 { "Leaked" } p.soft { "Keys that were ended because they were found where they should not be: by a scan, a hook, or an alert of a code host." } }
            @if leaks.is_empty() { div.inside.is-last { p { "No key was ended for a leak. " code { "kgate leak-scan" } " looks for them in code and history." } } }
            @else { div.scroll tabindex="0" role="region" aria-label="Leaks" { (audit::table(visit, &leaks)) } }
        }
    };
    page(visit, PART, "Alerts", &inside)
}

fn uses_table(visit: &Visit<'_>, uses: &[AlertShape]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Uses after the end" {
            table.stack.is-wide {
                caption { "Keys used after their end" }
                thead { tr { th scope="col" { "Key" } th scope="col" { "Consumer" } th scope="col" { "What" } th scope="col" { "Last" } th scope="col" { "From" } th.number scope="col" { "Requests" } } }
                tbody {
                    @for alert in uses {
                        tr {
                            th scope="row" { a.name.break href=(format!("/operator/keys/{}", alert.key_id.0)) { (alert.key_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("Unnamed")) } }
                            td.break data-label="Consumer" { @if let Some(id) = &alert.consumer_id { a href=(format!("/operator/consumers/{}", id.0)) { (alert.consumer_name.as_deref().unwrap_or("gone")) } } @else { span.soft { "gone" } } }
                            td data-label="What" { span.badge.is-bad { @if alert.kind == "use_after_revocation" { "after revocation" } @else { "after expiry" } } }
                            td.nowrap data-label="Last" { (Relative(alert.last_at.0, visit.now)) }
                            td data-label="From" { (alert.from.as_deref().unwrap_or("unknown")) }
                            td.number data-label="Requests" { (amount(alert.requests)) }
                        }
                    }
                }
            }
        }
    }
}

/// Shows replaced keys that still work: may they be let go?
pub(in crate::portal::pages) fn rotations(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let replaced: Vec<RotationShape> =
        visit.call("rotationStatus", &Ask { query: &[("limit", SHOWN)], ..Ask::default() })?;
    let inside = html! {
        div.head { div { h1 { "Rotations" } p.lead { "Replaced keys that still work, the one that ends first above. One that nobody used for a day can be let go." } } }
        @if replaced.is_empty() {
            section.card.empty { h2 { "No rotation is under way" } p { "When a key is rotated, the old one is listed here until it ends: who still uses it, and for how long it works." } a.button.is-plain href="/operator/keys" { "To the keys" } }
        } @else {
            section.card.is-flush {
                div.scroll tabindex="0" role="region" aria-label="Rotations" {
                    table.stack.is-wide {
                        caption { "Replaced keys that still work" }
                        thead { tr { th scope="col" { "Old key" } th scope="col" { "Consumer" } th scope="col" { "Works until" } th.number scope="col" { "In 24 hours" } th scope="col" { "Last used" } th scope="col" { "New key" } th scope="col" { "Let it go?" } } }
                        tbody { @for row in &replaced { (rotation(visit, row)) } }
                    }
                }
            }
        }
    };
    page(visit, "/operator/rotations", "Rotations", &inside)
}

/// Rotations on the page: those that end first.
const SHOWN: &str = "100";

fn rotation(visit: &Visit<'_>, row: &RotationShape) -> Markup {
    let is_quiet = row.requests_24h == 0;
    let is_taken_up = row.successor_last_used_at.is_some();
    html! {
        tr {
            th scope="row" { a.name.break href=(format!("/operator/keys/{}", row.id.0)) { @if row.name.is_empty() { (row.hint) } @else { (row.name) } } }
            td.break data-label="Consumer" { a href=(format!("/operator/consumers/{}", row.consumer_id.0)) { (row.consumer_name.as_deref().unwrap_or("gone")) } }
            td.nowrap data-label="Works until" { @if let Some(at) = &row.works_until { (Relative(at.0, visit.now)) } @else { "ever" } }
            td.number data-label="In 24 hours" { (amount(row.requests_24h)) }
            td data-label="Last used" { @if let Some(at) = &row.last_used_at { span { (Relative(at.0, visit.now)) @if let Some(from) = &row.last_used_from { " from " (from) } } } @else { span.soft { "never" } } }
            td data-label="New key" {
                @if let Some(successor) = &row.successor {
                    a href=(format!("/operator/keys/{}", successor.0)) { @if is_taken_up { "in use" } @else { "not used yet" } }
                }
            }
            td data-label="Let it go?" {
                @match (is_quiet, is_taken_up) {
                    (true, true) => span.badge.is-good { "yes" },
                    (true, false) => span.badge { "nobody uses either" },
                    (false, _) => span.badge.is-warn { "still in use" },
                }
            }
        }
    }
}
