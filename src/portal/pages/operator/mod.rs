//! What operators see. One file for each group of pages; their rows are in the table of [`super::all`].
//!
//! A page shows, and leads to a page with one form for each act. What is done goes through the endpoints
//! of the admin API, whose table decides by role: here a role decides what is offered, and who may see the
//! form.

pub(super) mod access;
pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod consumers;
pub(super) mod explain;
mod figures;
pub(super) mod gateway;
pub(super) mod keys;
pub(super) mod many;
pub(super) mod overview;

use form_urlencoded::Serializer;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::Guard;
use super::super::look::{Faults, Field, Frame, button, form};
use super::super::visit::{Answer, Visit};
use crate::admin::Problem;
use crate::admin::shape::Pairs;
use crate::key::Role;

/// The parts of the portal operators find in the navigation.
pub(in crate::portal) const PARTS: &[(&str, &str)] = &[
    ("/operator", "Overview"),
    ("/operator/consumers", "Consumers"),
    ("/operator/keys", "Keys"),
    ("/operator/rotations", "Rotations"),
    ("/operator/alerts", "Alerts"),
    ("/operator/audit", "Audit"),
    ("/operator/gateway", "Gateway"),
    ("/operator/access", "Access"),
];

fn frame(visit: &Visit<'_>, part: &str, title: &str, inside: &Markup) -> Markup {
    Frame { title, part, known: visit.known, config: &visit.config }.around(inside)
}

#[allow(clippy::unnecessary_wraps, reason = "it ends a page, and every page may fail")]
fn page(visit: &Visit<'_>, part: &str, title: &str, inside: &Markup) -> Result<Answer, Problem> {
    Ok(Answer::page(frame(visit, part, title, inside)))
}

/// Says whether whoever is signed in has this role at least.
fn may(visit: &Visit<'_>, role: Role) -> bool {
    visit.known().may(Guard::Operator(role))
}

/// A page with one form.
struct Sheet<'a> {
    part: &'a str,
    title: &'a str,
    /// Where it was come from: path and name.
    back: (&'a str, &'a str),
    lead: &'a str,
    action: &'a str,
    fields: Markup,
    /// The words on the button.
    submit: &'a str,
    /// The class of the button.
    class: &'a str,
}

impl Sheet<'_> {
    fn show(&self, visit: &Visit<'_>, faults: &Faults) -> Answer {
        let inside = html! {
            div.head {
                div {
                    p.crumb { a href=(self.back.0) { (self.back.1) } }
                    h1 { (self.title) }
                    @if !self.lead.is_empty() { p.lead { (self.lead) } }
                }
            }
            (faults.summary())
            section.card {
                (form(visit.known(), self.action, &html! {
                    (self.fields)
                    div.actions { (button(self.submit, self.class)) a href=(self.back.0) { "Cancel" } }
                }))
            }
        };
        let status = if faults.is_empty() { 200 } else { 422 };
        Answer::Page(status, frame(visit, self.part, self.title, &inside))
    }
}

/// Shows a form again with what an endpoint says is wrong, if the form could do better.
fn again(problem: Problem, form: impl FnOnce(&Faults) -> Result<Answer, Problem>) -> Result<Answer, Problem> {
    match Faults::of(&problem) {
        Some(faults) => form(&faults),
        None => Err(problem),
    }
}

/// Returns what the audit log is told: their words, and where they come from.
fn note(visit: &Visit<'_>) -> String {
    match visit.field("note").trim() {
        "" => visit.origin(),
        said => format!("{said} ({})", visit.origin()),
    }
}

fn note_field(visit: &Visit<'_>, faults: &Faults) -> Markup {
    let hint = "For the audit log: a ticket, a reason. May be left empty.";
    Field { value: visit.field("note"), hint, ..Field::text("note", "Note") }.render(faults)
}

/// What a field holds: what was sent, or else what is so now.
fn value(visit: &Visit<'_>, name: &str, now: &str) -> String {
    if visit.form.is_empty() { now.to_owned() } else { visit.field(name).to_owned() }
}

/// Begins the body of a call: the note, and each of these fields that is not empty.
fn body(visit: &Visit<'_>, names: &[&str]) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("note".to_owned(), note(visit).into());
    for name in names {
        let text = visit.field(name).trim();
        if !text.is_empty() {
            body.insert((*name).to_owned(), text.into());
        }
    }
    body
}

/// Returns the lines of a field, without empty ones.
fn lines(text: &str) -> Vec<&str> {
    text.split(['\n', '\r', ',']).map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// Returns the words of a field.
fn words(text: &str) -> Vec<&str> {
    text.split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()).collect()
}

/// Reads `name = value` of each line; the first line that is none is what is wrong.
fn pairs(text: &str) -> Result<Pairs, Faults> {
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let pair = |line: &str| {
        let fault = || Faults::at("metadata", "Write one pair a line: name = value.");
        let (name, value) = line.split_once('=').ok_or_else(fault)?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    lines.map(pair).collect()
}

fn pairs_text(pairs: &Pairs) -> String {
    pairs.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join("\n")
}

/// The plans to choose from. One that is declared no more stays among them while it is in use.
fn plans(visit: &Visit<'_>, none: &str, used: &str) -> Vec<(String, String)> {
    let mut choices = vec![(String::new(), none.to_owned())];
    choices.extend(visit.config.plans.iter().map(|plan| (plan.name.clone(), plan.name.clone())));
    if choices.iter().all(|(name, _)| name != used) {
        choices.push((used.to_owned(), format!("{used}, which is declared no more")));
    }
    choices
}

/// Returns a path with a query of those parameters that say something.
fn url(path: &str, query: &[(&str, &str)]) -> String {
    let said = query.iter().filter(|(_, value)| !value.is_empty());
    let text = Serializer::new(String::new()).extend_pairs(said).finish();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}

/// Returns those parameters of the query that filter.
fn filters<'v>(visit: &'v Visit<'_>, names: &[&'v str]) -> Vec<(&'v str, &'v str)> {
    names
        .iter()
        .map(|name| (*name, visit.query(name).trim()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// The links below a part of a list.
fn pager(visit: &Visit<'_>, path: &str, filters: &[(&str, &str)], next: Option<&str>) -> Markup {
    let following = next.map(|next| {
        let mut query = filters.to_vec();
        query.push(("cursor", next));
        url(path, &query)
    });
    html! {
        @if following.is_some() || !visit.query("cursor").is_empty() {
            div.pager {
                a href=(url(path, filters)) { "First page" }
                @if let Some(following) = &following { a href=(following) rel="next" { "Next page" } }
            }
        }
    }
}

/// A form that filters a list.
fn filter_form(path: &str, fields: &Markup, is_filtered: bool) -> Markup {
    html! {
        section.card {
            form.filters method="get" action=(path) role="search" {
                (fields)
                div.actions { (button("Show", "is-plain")) @if is_filtered { a href=(path) { "Show all" } } }
            }
        }
    }
}

/// Turns the identifier of a key, a consumer or an admin key into a link.
fn subject(text: &str) -> Markup {
    let path = match text.split('_').next() {
        Some("key") => format!("/operator/keys/{text}"),
        Some("cust") => format!("/operator/consumers/{text}"),
        _ => String::new(),
    };
    html! { @if path.is_empty() { code { (text) } } @else { a href=(path) { code { (text) } } } }
}

/// A switch that says what a token is, shown this once.
fn token_card(token: Option<&str>, done: &str) -> Markup {
    html! {
        section.card {
            @if let Some(token) = token {
                div.notice.is-warn role="status" { p { strong { "Copy it now." } " It is shown this once and nobody can show it again." } }
                code.token #token { (token) }
                div.actions {
                    button.button type="button" data-copy="token" hidden { "Copy" }
                    a.button.is-plain href=(done) { "Done" }
                }
            } @else {
                div.notice { p { "This form was sent before: what it made was made then, and shown then." } }
                div.actions { a.button href=(done) { "Go on" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_line_by_line() {
        assert_eq!(lines(" a b \r\n\n c,d"), ["a b", "c", "d"]);
        assert_eq!(words("a:b  c\nd,e"), ["a:b", "c", "d", "e"]);
        let read = pairs("tier = gold\nurl=a=b\n\n").unwrap();
        assert_eq!(pairs_text(&read), "tier = gold\nurl = a=b");
        assert_eq!(
            pairs("tier").unwrap_err().of_field("metadata"),
            Some("Write one pair a line: name = value.")
        );
    }

    #[test]
    fn a_query_is_encoded_and_says_only_what_is_said() {
        assert_eq!(url("/a", &[("q", ""), ("c", "")]), "/a");
        assert_eq!(url("/a", &[("q", "x&y=\"<"), ("c", "1")]), "/a?q=x%26y%3D%22%3C&c=1");
    }
}
