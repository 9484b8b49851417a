//! The audit log: who did what, when, where from and why.

use maud::{Markup, html};

use super::super::super::look::{Faults, Field, Relative, amount, button, select};
use super::super::super::visit::{Answer, Visit};
use super::{filter_form, filters, frame, pager, subject, url};
use crate::admin::api::{AuditReportShape, AuditRowShape};
use crate::admin::shape::Page as Listed;
use crate::admin::{Ask, Problem};

const PART: &str = "/operator/audit";

pub(in crate::portal::pages) fn list(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let chosen = filters(visit, &["subject", "action", "actor", "since"]);
    let mut query = chosen.clone();
    query.push(("limit", "50"));
    query.extend(Some(("cursor", visit.query("cursor"))).filter(|(_, cursor)| !cursor.is_empty()));
    let found: Result<Listed<AuditRowShape>, Problem> =
        visit.call("listAudit", &Ask { query: &query, ..Ask::default() });
    let (found, faults) = match found {
        Ok(found) => (found, Faults::none()),
        Err(problem) => match Faults::of(&problem) {
            Some(faults) => (Listed { items: Vec::new(), next: None }, faults),
            None => return Err(problem),
        },
    };
    let actions = [
        ("", "Everything"),
        ("key", "All of keys"),
        ("key.issued", "Keys made"),
        ("key.rotated", "Keys rotated"),
        ("key.revoked", "Keys revoked"),
        ("consumer", "All of consumers"),
        ("admin_key", "All of admin keys"),
        ("portal", "All of the portal"),
        ("store", "All of the store"),
    ]
    .map(|(value, text)| (value.to_owned(), text.to_owned()));
    let sinces = [("", "Ever"), ("1d", "In a day"), ("7d", "In a week"), ("30d", "In 30 days")]
        .map(|(value, text)| (value.to_owned(), text.to_owned()));
    let text = |name, label| {
        Field { kind: "search", value: visit.query(name), ..Field::text(name, label) }.render(&faults)
    };
    let fields = html! {
        (text("subject", "Key or consumer"))
        (select("action", "What", "", &actions, visit.query("action"), &faults))
        (text("actor", "Who, in full"))
        (select("since", "When", "", &sinces, visit.query("since"), &faults))
    };
    let inside = html! {
        div.head {
            div { h1 { "Audit log" } p.lead { "Who did what, when and why. Each row carries the hash of the one before, so that nothing can be taken out unseen." } }
            form.inline method="get" action="/operator/audit/check" { (button("Check the whole log", "is-plain")) }
        }
        (filter_form(PART, &fields, !chosen.is_empty()))
        @if found.items.is_empty() && found.next.is_none() {
            section.card.empty { h2 { "Nothing was done like that" } p { "Leave something out, or look at all of it." } a.button.is-plain href=(PART) { "Show all" } }
        } @else {
            section.card.is-flush {
                div.scroll tabindex="0" role="region" aria-label="Audit log" { (table(visit, &found.items)) }
                (pager(visit, PART, &chosen, found.next.as_deref()))
            }
        }
    };
    let status = if faults.is_empty() { 200 } else { 422 };
    Ok(Answer::Page(status, frame(visit, PART, "Audit log", &inside)))
}

/// Checks the whole chain, which takes a while where it is long.
pub(in crate::portal::pages) fn check(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let report: AuditReportShape = visit.call("verifyAudit", &Ask::default())?;
    let inside = html! {
        div.head { div { p.crumb { a href=(PART) { "Audit log" } } h1 { "The log was checked" } } }
        @if report.faults.is_empty() {
            div.notice.is-good role="status" { p { "It is whole: " (amount(report.rows)) " rows, each following from the one before." } }
        } @else {
            div.notice.is-bad role="alert" { @for fault in &report.faults { p { (fault) } } }
        }
        section.card {
            h2 { "Its end" }
            p.soft { "Keep this elsewhere. A log that is whole and does not contain it was replaced." }
            pre { code { (report.head) } }
        }
    };
    super::page(visit, PART, "The log was checked", &inside)
}

/// Shows the last rows about a key or a consumer.
pub(super) fn about(visit: &Visit<'_>, of: &str, limit: &str) -> Result<Markup, Problem> {
    let query = [("subject", of), ("limit", limit)];
    let found: Listed<AuditRowShape> = visit.call("listAudit", &Ask { query: &query, ..Ask::default() })?;
    Ok(html! {
        @if !found.items.is_empty() {
            section.card.is-flush {
                div.inside { h2 { "What was done" } }
                div.scroll tabindex="0" role="region" aria-label="What was done" { (table(visit, &found.items)) }
                @if found.next.is_some() { div.pager { a href=(url(PART, &[("subject", of)])) { "All of it" } } }
            }
        }
    })
}

/// A table of rows.
pub(super) fn table(visit: &Visit<'_>, rows: &[AuditRowShape]) -> Markup {
    html! {
        table.stack.is-wide {
            caption { "What was done" }
            thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Who" } th scope="col" { "About" } th scope="col" { "Note" } } }
            tbody {
                @for row in rows {
                    tr {
                        th.nowrap scope="row" { (Relative(row.at.0, visit.now)) }
                        td data-label="What" { span { code { (row.action) } (more(row)) } }
                        td.break data-label="Who" { span { (row.actor) " " span.soft { "(" (row.via) ")" } } }
                        td.break data-label="About" {
                            span { @for (index, text) in row.subjects.iter().take(SUBJECTS).enumerate() { @if index > 0 { " " } (subject(text)) } @if row.subjects.len() > SUBJECTS { " and " (row.subjects.len() - SUBJECTS) " more" } }
                        }
                        td.break data-label="Note" { @if let Some(note) = &row.note { (note) } @else { span.soft { "—" } } }
                    }
                }
            }
        }
    }
}

/// What else a row says, in short.
fn more(row: &AuditRowShape) -> Markup {
    let texts = |name: &str| match &row.details[name] {
        serde_json::Value::Array(all) => all.iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join(", "),
        serde_json::Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let said = ["reason", "fields", "role"].map(texts);
    html! { @for text in said.iter().filter(|text| !text.is_empty()) { " " span.soft { (text) } } }
}

/// Subjects a row shows.
const SUBJECTS: usize = 3;
