//! Why is a caller refused? A request is described, and the running gateway says what would become of it.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::super::look::{Faults, Field, amount, button, form, select};
use super::super::super::visit::{Answer, Visit};
use super::{filters, frame, page, subject};
use crate::admin::{Ask, Problem};

const PART: &str = "/operator/keys";

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Shows the form, and the answer if something is asked. Nothing is spent and no request is made.
pub(in crate::portal::pages) fn ask(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let path = visit.query("path").trim();
    let (mut faults, mut answer) = (Faults::none(), None);
    if !path.is_empty() {
        let mut body = json!({ "path": path });
        for (field, name) in filters(visit, &["method", "host", "ip", "key"]).into_iter().map(|(n, v)| (v, n))
        {
            body[if name == "key" { "key_id" } else { name }] = field.into();
        }
        match visit.call::<Value>("explain", &Ask { body, ..Ask::default() }) {
            Ok(explained) => answer = Some(explained),
            Err(problem) => faults = renamed(&problem).ok_or(problem)?,
        }
    }
    let methods = METHODS.map(|method| (method.to_owned(), method.to_owned()));
    let inside = html! {
        div.head {
            div {
                p.crumb { a href=(PART) { "Keys" } }
                h1 { "What would become of a request?" }
                p.lead { "The gateway decides as it would now, and says which step decided. Nothing is sent, and no limit is charged." }
            }
        }
        (faults.summary())
        section.card {
            form.filters method="get" action="/operator/explain" {
                (Field { value: visit.query("key"), ..Field::text("key", "Key’s identifier") }.render(&faults))
                (select("method", "Method", "", &methods, visit.query("method"), &faults))
                (Field { value: path_or(visit), required: true, ..Field::text("path", "Path and query") }.render(&faults))
                (Field { value: visit.query("host"), ..Field::text("host", "Host") }.render(&faults))
                (Field { value: visit.query("ip"), ..Field::text("ip", "Client’s address") }.render(&faults))
                div.actions { (button("Ask", "")) }
            }
        }
        @if let Some(answer) = &answer { (explained(answer)) }
    };
    let status = if faults.is_empty() { 200 } else { 422 };
    Ok(Answer::Page(status, frame(visit, PART, "What would become of a request?", &inside)))
}

/// What is wrong, by the names the form has.
fn renamed(problem: &Problem) -> Option<Faults> {
    let mut problem = problem.clone();
    for fault in &mut problem.errors {
        if fault.pointer == "/key_id" {
            "/key".clone_into(&mut fault.pointer);
        }
    }
    Faults::of(&problem)
}

fn path_or<'v>(visit: &'v Visit<'_>) -> &'v str {
    match visit.query("path") {
        "" => "/",
        path => path,
    }
}

fn explained(answer: &Value) -> Markup {
    let text = |name: &str| answer[name].as_str().unwrap_or("—");
    let is_allowed = answer["verdict"] == "allow";
    let all = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let (steps, limits) = (all("steps"), all("limits"));
    html! {
        section.notice.is-good[is_allowed].is-bad[!is_allowed] role="status" {
            h2 {
                @if is_allowed { "It would be let through" }
                @else { "It would be refused" @if let Some(status) = answer["status"].as_u64() { " with " (status) } }
            }
            @if !is_allowed { p { (text("detail")) " (" code { (text("reason")) } ")." } }
        }
        div.two {
            section.card {
                h2 { "Who and where" }
                dl {
                    dt { "Decided by" } dd { (text("decided_by")) }
                    dt { "Route" } dd { (text("route")) }
                    dt { "Plan" } dd { (text("plan")) }
                    @for name in ["key_id", "consumer_id"] {
                        @if let Some(id) = answer[name].as_str() { dt { @if name == "key_id" { "Key" } @else { "Consumer" } } dd { (subject(id)) } }
                    }
                    @if let Some(upstream) = answer["forward"]["upstream"].as_str() {
                        dt { "Upstream" } dd { (upstream) }
                        dt { "Forwarded as" } dd { code { (answer["forward"]["method"].as_str().unwrap_or_default()) " " (answer["forward"]["target"].as_str().unwrap_or_default()) } }
                    }
                }
            }
            section.card {
                h2 { "Limits" }
                @if limits.is_empty() { p.soft { "No limit was looked at." } }
                @else {
                    table {
                        caption { "Limits" }
                        thead { tr { th scope="col" { "Limit" } th scope="col" { "Allows" } th.number scope="col" { "Left after it" } } }
                        tbody {
                            @for limit in &limits {
                                tr { th scope="row" { (limit["name"].as_str().unwrap_or_default()) } td { (limit["allows"].as_str().unwrap_or_default()) } td.number { (limit["remaining"].as_u64().map_or_else(|| "—".to_owned(), amount)) } }
                            }
                        }
                    }
                }
            }
        }
        section.card.is-flush {
            div.inside { h2 { "Step by step" } }
            div.scroll tabindex="0" role="region" aria-label="Steps" {
                table.stack {
                    caption { "The steps of the decision" }
                    thead { tr { th scope="col" { "Step" } th scope="col" { "Passed" } th scope="col" { "What was seen" } } }
                    tbody {
                        @for step in &steps {
                            @let passed = step["passed"] == true;
                            tr {
                                th scope="row" { (step["step"].as_str().unwrap_or_default()) }
                                td data-label="Passed" { @if passed { span.badge.is-good { "yes" } } @else { span.badge.is-bad { "no" } } }
                                td.break data-label="Seen" { (step["detail"].as_str().unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whose key is this? Asked with the key itself, so by a form that is posted: it is in no address.
pub(in crate::portal::pages) fn find(visit: &Visit<'_>) -> Result<Answer, Problem> {
    find_page(visit, &Faults::none())
}

fn find_page(visit: &Visit<'_>, faults: &Faults) -> Result<Answer, Problem> {
    let fields = html! {
        (Field { kind: "password", required: true, hint: "The whole key, as its holder has it. It is neither logged nor kept.", ..Field::text("token", "Key") }.render(faults))
        div.actions { (button("Find it", "")) a href=(PART) { "Cancel" } }
    };
    let inside = html! {
        div.head { div { p.crumb { a href=(PART) { "Keys" } } h1 { "Whose key is this?" } } }
        section.card { (form(visit.known(), "/operator/keys/find", &fields)) }
    };
    if faults.is_empty() {
        return page(visit, PART, "Whose key is this?", &inside);
    }
    Ok(Answer::Page(422, frame(visit, PART, "Whose key is this?", &inside)))
}

pub(in crate::portal::pages) fn found(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let token = visit.field("token").trim();
    if token.is_empty() {
        return find_page(visit, &Faults::at("token", "Paste the key."));
    }
    let ask = Ask { body: json!({ "token": token }), ..Ask::default() };
    let found: Value = match visit.call("verifyKey", &ask) {
        Ok(found) => found,
        Err(problem) => return super::again(problem, |faults| find_page(visit, faults)),
    };
    match found["key"]["id"].as_str() {
        Some(id) => Ok(Answer::see(format!("{PART}/{id}"))),
        None => find_page(
            visit,
            &Faults::at(
                "token",
                "The store knows no such key: it is mistyped, another's, or was removed long ago.",
            ),
        ),
    }
}
