//! Keys: found, looked at, made, changed, replaced, switched off, ended. The page of a key says why a
//! caller with it is refused.

#![allow(clippy::unnecessary_wraps, reason = "every page may fail")]

use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::super::look::{Faults, Field, Relative, amount, area, counted, select, when};
use super::super::super::visit::{Answer, Visit};
use super::super::{keys as own, usage};
use super::consumers::EACH;
use super::{
    Sheet, again, audit, body, filter_form, filters, frame, lines, may, note, note_field, page, pager, pairs,
    pairs_text, plans, token_card, url, value, words,
};
use crate::admin::api::{AlertShape, KeyRotated, KeysMade, UsageRow};
use crate::admin::shape::{ConsumerShape, KeyShape, NewKeyShape, Page as Listed, TokenText};
use crate::admin::{Ask, Problem};
use crate::key::{KeyId, RevokeReason, Role, Status};
use crate::store::RecordTag;

const PART: &str = "/operator/keys";

/// What lists of keys can be filtered by; the same names as the API's.
const FILTERS: &[&str] = &[
    "name",
    "ends",
    "consumer",
    "status",
    "type",
    "tag",
    "scope",
    "expiring",
    "unused_for",
    "never_rotated",
];

pub(in crate::portal::pages) fn list(visit: &Visit<'_>) -> Result<Answer, Problem> {
    if let Ok(id) = visit.query("name").trim().parse::<KeyId>() {
        return Ok(Answer::see(format!("{PART}/{id}")));
    }
    let chosen = filters(visit, FILTERS);
    let mut query = chosen.clone();
    // A whole hint may be pasted.
    for (name, value) in &mut query {
        if *name == "ends" {
            *value = value.rsplit('…').next().unwrap_or_default();
        }
    }
    query.push(("limit", EACH));
    query.extend(Some(("cursor", visit.query("cursor"))).filter(|(_, cursor)| !cursor.is_empty()));
    let found: Result<Listed<KeyShape>, Problem> =
        visit.call("listKeys", &Ask { query: &query, ..Ask::default() });
    let (found, faults) = match found {
        Ok(found) => (found, Faults::none()),
        Err(problem) => match Faults::of(&problem) {
            Some(faults) => (Listed { items: Vec::new(), next: None }, faults),
            None => return Err(problem),
        },
    };
    let status = if faults.is_empty() { 200 } else { 422 };
    let inside = html! {
        div.head {
            div { h1 { "Keys" } p.lead { "Somebody is refused? Find the key here, or ask " a href="/operator/explain" { "what would become of a request" } "." } }
            div.actions {
                @if may(visit, Role::Operator) { a.button href="/operator/keys/new" { "Create a key" } }
                a.button.is-plain href="/operator/keys/find" { "Whose key is this?" }
            }
        }
        (filter_form(PART, &filter_fields(visit, &faults), !chosen.is_empty()))
        @if found.items.is_empty() && found.next.is_none() { (nothing(visit, !chosen.is_empty())) }
        @else {
            section.card.is-flush {
                div.scroll tabindex="0" role="region" aria-label="Keys" { (table(visit, &found.items, true)) }
                @if found.items.is_empty() { p.inside.soft { "None among those looked at yet. More follow on the next page." } }
                (pager(visit, PART, &chosen, found.next.as_deref()))
            }
        }
        @if may(visit, Role::Operator) {
            p.soft {
                "Many at once: " a href="/operator/keys/revoke" { "revoke keys" }
                @if may(visit, Role::Admin) { ", " a href="/operator/keys/prune" { "remove those revoked long ago" } }
                "."
            }
        }
    };
    Ok(Answer::Page(status, frame(visit, PART, "Keys", &inside)))
}

fn filter_fields(visit: &Visit<'_>, faults: &Faults) -> Markup {
    let mut statuses = vec![(String::new(), "All".to_owned())];
    statuses.extend(Status::ALL.map(|status| (status.as_str().to_owned(), status.as_str().to_owned())));
    let text = |name, label| {
        Field { kind: "search", value: visit.query(name), ..Field::text(name, label) }.render(faults)
    };
    let spans =
        [("", "Any time"), ("1d", "within a day"), ("7d", "within a week"), ("30d", "within 30 days")]
            .map(|(value, text)| (value.to_owned(), text.to_owned()));
    let unused = [("", "Any"), ("30d", "for 30 days"), ("90d", "for 90 days"), ("365d", "for a year")]
        .map(|(value, text)| (value.to_owned(), text.to_owned()));
    let mut types = vec![(String::new(), "All".to_owned())];
    types.extend(visit.config.key_types.as_slice().iter().map(|t| (t.name.clone(), t.name.clone())));
    let rotated = [("", "Any"), ("true", "never")].map(|(value, text)| (value.to_owned(), text.to_owned()));
    html! {
        (text("name", "Name or identifier"))
        (text("ends", "Ends with"))
        (text("consumer", "Consumer"))
        (select("status", "Status", "", &statuses, visit.query("status"), faults))
        (text("tag", "Tag of the consumer"))
        (select("expiring", "Expires", "", &spans, visit.query("expiring"), faults))
        (select("unused_for", "Not used", "", &unused, visit.query("unused_for"), faults))
        (select("type", "Type", "", &types, visit.query("type"), faults))
        (text("scope", "May do"))
        (select("never_rotated", "Rotated", "", &rotated, visit.query("never_rotated"), faults))
    }
}

fn nothing(visit: &Visit<'_>, is_filtered: bool) -> Markup {
    html! {
        section.card.empty {
            @if is_filtered {
                h2 { "No key is like that" }
                p { "Leave something out, or look at all of them. If you have the key itself, ask whose it is." }
                a.button.is-plain href=(PART) { "Show all" }
            } @else {
                h2 { "There are no keys yet" }
                p { "Create a consumer, and then a key for it." }
                @if may(visit, Role::Operator) { a.button href="/operator/keys/new" { "Create the first" } }
            }
        }
    }
}

/// A table of keys, with whose they are or without.
pub(super) fn table(visit: &Visit<'_>, keys: &[KeyShape], with_consumers: bool) -> Markup {
    html! {
        table.stack.is-wide {
            caption { "Keys" }
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "Key" }
                @if with_consumers { th scope="col" { "Consumer" } }
                th scope="col" { "Status" } th scope="col" { "Last used" } th scope="col" { "Expires" }
            } }
            tbody {
                @for key in keys {
                    tr {
                        th scope="row" { a.name.break href=(format!("{PART}/{}", key.id.0)) { @if key.name.is_empty() { "Unnamed" } @else { (key.name) } } }
                        td.nowrap data-label="Key" { code { (key.hint) } }
                        @if with_consumers {
                            td.break data-label="Consumer" { a href=(format!("/operator/consumers/{}", key.consumer_id.0)) { (key.consumer_name.as_deref().unwrap_or("gone")) } }
                        }
                        td data-label="Status" { (own::badge(key)) }
                        td.nowrap data-label="Last used" { @if let Some(at) = &key.last_used_at { (Relative(at.0, visit.now)) } @else { span.soft { "never" } } }
                        td.nowrap data-label="Expires" { (own::expires(key, visit.now)) }
                    }
                }
            }
        }
    }
}

/// Asks for the key a path names.
fn found(visit: &Visit<'_>) -> Result<KeyShape, Problem> {
    visit.call("showKey", &Ask { params: &[("key", visit.param("key"))], ..Ask::default() })
}

fn is_live(key: &KeyShape) -> bool {
    matches!(key.status.0, Status::Active | Status::Scheduled | Status::Disabled)
}

pub(in crate::portal::pages) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let key = found(visit)?;
    let id = key.id.0.to_string();
    let holder = key.consumer_id.0.to_string();
    let consumer: Option<ConsumerShape> =
        visit.call("showConsumer", &Ask { params: &[("consumer", &holder)], ..Ask::default() }).ok();
    let digest = visit.acts.desk().store()?.key(key.id.0)?.digest;
    let limits = (visit.acts.desk().handlers().limits)(&digest);
    let inside = html! {
        div.head {
            div {
                p.crumb { a href=(PART) { "Keys" } }
                h1.break { (own::called(&key)) }
                p.lead { code { (key.hint) } " " (own::badge(&key)) " of " a href=(format!("/operator/consumers/{holder}")) { (key.consumer_name.as_deref().unwrap_or("a consumer that is gone")) } }
            }
            a.button href=(tried(visit, &id)?) { "Try a request" }
        }
        (standing(visit, &key, consumer.as_ref())?)
        div.two {
            section.card { h2 { "Details" } (own::details(visit, &key)) (more(visit, &key, consumer.as_ref())) }
            @if is_live(&key) { section.card { h2 { "Limits" } (own::limits_left(&limits)) } }
        }
        (acts(visit, &key))
        (refusals(visit, &id)?)
        (usage::charts(visit, &id, "30d")?)
        (audit::about(visit, &id, "20")?)
    };
    page(visit, PART, own::called(&key), &inside)
}

/// Returns where a request with the key is tried: at the route it was refused on most of late, from where it was
/// used last. So the answer stands there with the click.
fn tried(visit: &Visit<'_>, id: &str) -> Result<String, Problem> {
    let query = [("subject", id), ("since", "7d"), ("by", "route"), ("limit", "500")];
    let rows: Listed<UsageRow> = visit.call("usage", &Ask { query: &query, ..Ask::default() })?;
    let refused = rows.items.iter().max_by_key(|row| row.requests.saturating_sub(row.allowed));
    let name = refused.and_then(|row| row.route.as_deref());
    let routes = &visit.config.rules.spec().routes;
    let route = name.and_then(|name| routes.iter().find(|route| &*route.name == name));
    let path = route.map_or("/", |route| route.path.split('*').next().unwrap_or("/"));
    let host = route.and_then(|route| route.host.as_ref()).map(ToString::to_string).unwrap_or_default();
    let method = route.and_then(|route| route.methods.first()).map(ToString::to_string).unwrap_or_default();
    let last = match id.parse() {
        Ok(id) => visit.acts.desk().usage()?.last_use(id)?,
        Err(_) => None,
    };
    let from = last.and_then(|last| last.from).map(|from| from.to_string()).unwrap_or_default();
    let query = [("key", id), ("path", path), ("method", &method), ("host", &host), ("ip", &from)];
    Ok(url("/operator/explain", &query))
}

/// Says what stands in the way of the key, if anything does.
fn standing(visit: &Visit<'_>, key: &KeyShape, consumer: Option<&ConsumerShape>) -> Result<Markup, Problem> {
    let id = key.id.0.to_string();
    let query = [("subject", id.as_str()), ("limit", "100")];
    let alerts: Listed<AlertShape> = visit.call("listAlerts", &Ask { query: &query, ..Ask::default() })?;
    let alerts = alerts.items;
    let uses: u64 = alerts.iter().map(|alert| alert.requests).sum();
    let now = visit.now;
    Ok(html! {
        @match key.status.0 {
            Status::Revoked => div.notice.is-bad {
                p {
                    "It was revoked" @if let Some(at) = &key.revoked_at { " " (when(at.0, now)) }
                    @if let Some(reason) = &key.revoke_reason { ", for the reason " strong { (reason.0) } } ". Whoever uses it gets 401."
                }
            },
            Status::Expired => div.notice.is-bad { p { "It expired" @if let Some(at) = &key.expires_at { " " (when(at.0, now)) } ". Whoever uses it gets 401." } },
            Status::Disabled => div.notice.is-warn { p { "It is switched off. Whoever uses it gets 401 until it is switched on." } },
            Status::Scheduled => div.notice.is-warn { p { "It does not work yet" @if let Some(at) = &key.not_before { ", but from " (when(at.0, now)) } ". Until then it gets 401." } },
            Status::Active => {},
        }
        @match consumer {
            None => div.notice.is-bad { p { "Its consumer is gone, so it gets 401." } },
            Some(consumer) if !consumer.enabled => div.notice.is-bad { p { "Its consumer is switched off, so it gets 401." } },
            Some(_) => {},
        }
        @if uses > 0 {
            div.notice.is-bad {
                p { "It was used after it had ended: " (amount(uses)) " times, last " (Relative(alerts[0].last_at.0, now)) @if let Some(from) = &alerts[0].from { " from " code { (from) } } ". Somebody still has it." }
            }
        }
        @if let Some(successor) = &key.rotated_to {
            div.notice.is-warn { p { a href=(format!("{PART}/{}", successor.0)) { "Another key" } " replaces it" @if let (Status::Active, Some(at)) = (key.status.0, &key.expires_at) { "; it works until " (when(at.0, now)) } "." } }
        }
        @if let Some(old) = &key.rotated_from {
            div.notice { p { "It replaces " a href=(format!("{PART}/{}", old.0)) { "an older one" } @if let Some(at) = key.replaces_until.as_ref().filter(|at| at.0 > now) { ", which works until " (when(at.0, now)) } "." } }
        }
    })
}

/// What only operators are shown of a key.
fn more(visit: &Visit<'_>, key: &KeyShape, consumer: Option<&ConsumerShape>) -> Markup {
    let inherited = consumer.and_then(|c| c.plan.as_deref()).or(visit.config.server.default_plan.as_deref());
    html! {
        dl {
            dt { "Plan" } dd { @if let Some(plan) = &key.plan { (plan) } @else { (inherited.unwrap_or("none")) span.soft { ", not its own" } } }
            @if key.scopes.is_empty() { dt { "Scopes" } dd { "none" } }
            @if key.networks.is_empty() { dt { "Networks" } dd { "any" } }
            @for (name, value) in &key.metadata { dt { code { (name) } } dd { (value) } }
        }
    }
}

fn acts(visit: &Visit<'_>, key: &KeyShape) -> Markup {
    let path = format!("{PART}/{}", key.id.0);
    html! {
        @if may(visit, Role::Operator) && key.status.0 != Status::Revoked {
            section.card {
                h2 { "Change it" }
                div.actions {
                    a.button.is-plain href=(format!("{path}/edit")) { "Edit" }
                    @if key.rotated_to.is_none() && key.status.0 == Status::Active { a.button.is-plain href=(format!("{path}/rotate")) { "Rotate" } }
                    @if key.status.0 == Status::Disabled { a.button.is-plain href=(format!("{path}/enable")) { "Switch on" } }
                    @else if is_live(key) { a.button.is-bad href=(format!("{path}/disable")) { "Switch off" } }
                    a.button.is-bad href=(format!("{path}/revoke")) { "Revoke" }
                }
            }
        }
    }
}

/// Says how often the key was refused of late, and what for.
fn refusals(visit: &Visit<'_>, id: &str) -> Result<Markup, Problem> {
    let query = [("subject", id), ("since", "7d"), ("by", "route"), ("limit", "500")];
    let rows: Listed<UsageRow> = visit.call("usage", &Ask { query: &query, ..Ask::default() })?;
    let sum = |of: fn(&UsageRow) -> u64| rows.items.iter().map(of).sum::<u64>();
    let reasons = [
        (
            sum(|row| row.refused),
            "401",
            "The key itself does not work",
            "See what stands above; the key, its consumer or its type.",
        ),
        (
            sum(|row| row.forbidden),
            "403",
            "It may not do that",
            "Its scopes, its networks, or the page it comes from. Try the request to see which.",
        ),
        (
            sum(|row| row.limited),
            "429",
            "Over a limit",
            "See the limits above. A larger plan lets more through.",
        ),
        (
            sum(|row| row.failed),
            "5xx",
            "No answer from the backend",
            "See the upstreams on the page of the gateway.",
        ),
    ];
    Ok(html! {
        @if reasons.iter().any(|(count, ..)| *count > 0) {
            section.card.is-flush {
                div.inside { h2 { "Why it was refused in the last 7 days" } }
                div.scroll tabindex="0" role="region" aria-label="Refusals" {
                    table.stack {
                        caption { "Refusals of the last 7 days" }
                        thead { tr { th scope="col" { "What" } th scope="col" { "Answer" } th.number scope="col" { "Requests" } th scope="col" { "What to look at" } } }
                        tbody {
                            @for (count, status, what, look) in reasons.iter().filter(|(count, ..)| *count > 0) {
                                tr { th scope="row" { (what) } td data-label="Answer" { (status) } td.number data-label="Requests" { (amount(*count)) } td data-label="Look at" { (look) } }
                            }
                        }
                    }
                }
            }
        }
    })
}

pub(in crate::portal::pages) fn new(visit: &Visit<'_>) -> Result<Answer, Problem> {
    Ok(new_form(visit, &Faults::none()))
}

fn new_form(visit: &Visit<'_>, faults: &Faults) -> Answer {
    let types = visit.config.key_types.as_slice();
    let types: Vec<_> =
        types.iter().map(|t| (t.name.clone(), format!("{}: {}…", t.name, t.prefix))).collect();
    let text = |name: &'static str, label, hint| {
        Field { value: visit.field(name), hint, ..Field::text(name, label) }.render(faults)
    };
    // Nothing that was typed, and nothing that is wrong, is out of sight.
    let is_open = ["not_before", "networks", "plan", "metadata", "count"]
        .iter()
        .any(|name| !visit.field(name).is_empty() || faults.of_field(name).is_some());
    let fields = html! {
        (own::once())
        (Field { value: &value(visit, "consumer", visit.query("consumer")), required: true, hint: "Who will hold it: identifier, external id or unambiguous name.", ..Field::text("consumer", "Consumer") }.render(faults))
        (text("name", "Name", "What it is for."))
        (select("type", "Type", "", &types, visit.field("type"), faults))
        (area("scopes", "Scopes", "What it may do, one a line: products:read. They cannot be changed later.", visit.field("scopes"), faults))
        (text("expires", "Expires", "90d, a date, or never. Empty: as its type says."))
        details open[is_open] {
            summary { "More" }
            (text("not_before", "Works from", "When it begins to work: 2h, a date. Empty: at once."))
            (area("networks", "Networks", "Where it may be used from, one a line: 10.0.0.0/8. Empty: anywhere.", visit.field("networks"), faults))
            (select("plan", "Plan of its own", "", &plans(visit, "As its consumer", visit.field("plan")), visit.field("plan"), faults))
            (area("metadata", "Metadata", "One pair a line: name = value. Over its consumer's.", visit.field("metadata"), faults))
            (text("count", "How many", "Up to 500 alike, all or none. Empty: one."))
        }
        (note_field(visit, faults))
    };
    Sheet {
        part: PART,
        title: "Create a key",
        back: (PART, "Keys"),
        lead: "",
        action: PART,
        fields,
        submit: "Create the key",
        class: "",
    }
    .show(visit, faults)
}

pub(in crate::portal::pages) fn create(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let mut body = body(visit, &["name", "type", "expires", "not_before", "plan"]);
    match pairs(visit.field("metadata")) {
        Ok(pairs) => drop(body.insert("metadata".to_owned(), json!(pairs))),
        Err(faults) => return Ok(new_form(visit, &faults)),
    }
    body.insert("consumer".to_owned(), visit.field("consumer").trim().into());
    body.insert("scopes".to_owned(), json!(words(visit.field("scopes"))));
    body.insert("networks".to_owned(), json!(words(visit.field("networks"))));
    if visit.field("consumer").trim().is_empty() {
        return Ok(new_form(visit, &Faults::at("consumer", "Say whose it will be.")));
    }
    match visit.field("count").trim() {
        "" => {}
        count => match count.parse::<u64>() {
            Ok(count) => drop(body.insert("count".to_owned(), count.into())),
            Err(_) => return Ok(new_form(visit, &Faults::at("count", "A number from 1 to 500."))),
        },
    }
    let ask = Ask { body: Value::Object(body), once: Some(own::named_once(visit)?), ..Ask::default() };
    match visit.call::<KeysMade>("createKeys", &ask) {
        Ok(made) => Ok(match made.keys.as_slice() {
            [new] => made_page(visit, "The new key", new.token.as_ref(), &new.key, None),
            keys => many_made(visit, keys),
        }),
        Err(problem) => again(problem, |faults| Ok(new_form(visit, faults))),
    }
}

/// Shows a key just made: the one page that has its token.
fn made_page(
    visit: &Visit<'_>,
    title: &str,
    token: Option<&TokenText>,
    key: &KeyShape,
    old: Option<&KeyShape>,
) -> Answer {
    let path = format!("{PART}/{}", key.id.0);
    let inside = html! {
        div.head { div { p.crumb { a href=(PART) { "Keys" } } h1 { (title) } } }
        (token_card(token.map(TokenText::expose), &path))
        @if let Some(old) = old {
            section.card {
                h2 { "The old key" }
                p {
                    @match (&old.status.0, &old.expires_at) {
                        (Status::Active, Some(at)) => { code { (old.hint) } " works until " (when(at.0, visit.now)) ". Until then both work." },
                        _ => { code { (old.hint) } " works no more." },
                    }
                }
            }
        }
        section.card { h2 { "Details" } (own::details(visit, key)) }
    };
    Answer::Page(if token.is_some() { 201 } else { 200 }, frame(visit, PART, title, &inside))
}

/// Shows keys just made: the one page that has their tokens.
fn many_made(visit: &Visit<'_>, keys: &[NewKeyShape]) -> Answer {
    let tokens: Vec<&str> = keys.iter().filter_map(|new| Some(new.token.as_ref()?.expose())).collect();
    let text = tokens.join("\n");
    let inside = html! {
        div.head { div { p.crumb { a href=(PART) { "Keys" } } h1 { "The new keys" } p.lead { (counted(keys.len() as u64, "key")) ", one a line." } } }
        (token_card((!tokens.is_empty()).then_some(text.as_str()), PART))
        section.card.is-flush {
            div.scroll tabindex="0" role="region" aria-label="The new keys" {
                table.stack {
                    caption { "The new keys" }
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Identifier" } } }
                    tbody { @for new in keys { tr { th scope="row" { code { (new.key.hint) } } td data-label="Identifier" { a href=(format!("{PART}/{}", new.key.id.0)) { code { (new.key.id.0) } } } } } }
                }
            }
        }
    };
    let status = if tokens.is_empty() { 200 } else { 201 };
    Answer::Page(status, frame(visit, PART, "The new keys", &inside))
}

pub(in crate::portal::pages) fn edit(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let key = found(visit)?;
    let tag = RecordTag::of_key(&visit.acts.desk().store()?.key(key.id.0)?).to_string();
    Ok(edit_form(visit, &key, &tag, &Faults::none()))
}

fn edit_form(visit: &Visit<'_>, key: &KeyShape, tag: &str, faults: &Faults) -> Answer {
    let path = format!("{PART}/{}", key.id.0);
    let networks = key.networks.iter().map(|network| network.0.to_string()).collect::<Vec<_>>().join("\n");
    let plan = value(visit, "plan", key.plan.as_deref().unwrap_or_default());
    let time = |at: Option<String>| at.unwrap_or_else(|| "never".to_owned());
    let expires = time(key.expires_at.as_ref().map(|at| at.0.to_string()));
    let not_before = time(key.not_before.as_ref().map(|at| at.0.to_string()));
    let fields = html! {
        input type="hidden" name="tag" value=(tag);
        (Field { value: &value(visit, "name", &key.name), ..Field::text("name", "Name") }.render(faults))
        (Field { value: &value(visit, "expires", &expires), hint: "90d from now, a date, or never.", ..Field::text("expires", "Expires") }.render(faults))
        (Field { value: &value(visit, "not_before", &not_before), hint: "When it begins to work: 2h from now, a date, or never for at once.", ..Field::text("not_before", "Works from") }.render(faults))
        (area("networks", "Networks", "Where it may be used from, one a line: 10.0.0.0/8. Empty: anywhere.", &value(visit, "networks", &networks), faults))
        (select("plan", "Plan of its own", "", &plans(visit, "As its consumer", &plan), &plan, faults))
        (area("metadata", "Metadata", "One pair a line: name = value. Over its consumer's.", &value(visit, "metadata", &pairs_text(&key.metadata)), faults))
        (note_field(visit, faults))
    };
    Sheet {
        part: PART,
        title: "Edit the key",
        back: (&path, own::called(key)),
        lead: "What it may do cannot be changed: make another key for that.",
        action: &format!("{path}/edit"),
        fields,
        submit: "Save",
        class: "",
    }
    .show(visit, faults)
}

pub(in crate::portal::pages) fn update(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let key = found(visit)?;
    let tag = visit.field("tag");
    let metadata = match pairs(visit.field("metadata")) {
        Ok(pairs) => pairs,
        Err(faults) => return Ok(edit_form(visit, &key, tag, &faults)),
    };
    let plan = match visit.field("plan") {
        "" => Value::Null,
        plan => plan.into(),
    };
    let mut body = json!({
        "name": visit.field("name").trim(),
        "plan": plan,
        "networks": words(visit.field("networks")),
        "set_metadata": metadata,
        "unset_metadata": key.metadata.keys().filter(|name| !metadata.contains_key(*name)).collect::<Vec<_>>(),
        "note": note(visit),
    });
    // Only what was changed is said: a time that is past cannot be said again.
    for (name, now) in [("expires", &key.expires_at), ("not_before", &key.not_before)] {
        let now = now.as_ref().map_or_else(|| "never".to_owned(), |at| at.0.to_string());
        let said = visit.field(name).trim();
        if !said.is_empty() && said != now {
            body[name] = said.into();
        }
    }
    let id = key.id.0.to_string();
    let ask = Ask { params: &[("key", &id)], body, if_match: Some(tag), ..Ask::default() };
    match visit.call::<KeyShape>("updateKey", &ask) {
        Ok(_) => Ok(Answer::see(format!("{PART}/{id}"))),
        Err(problem) => again(problem, |faults| Ok(edit_form(visit, &key, tag, faults))),
    }
}

/// What is done to a key as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::portal::pages) enum Act {
    Rotate,
    Revoke,
    Disable,
    Enable,
}

impl Act {
    const fn path(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Revoke => "revoke",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

pub(in crate::portal::pages) fn ask(visit: &Visit<'_>, act: Act) -> Result<Answer, Problem> {
    ask_form(visit, act, &found(visit)?, &Faults::none())
}

fn ask_form(visit: &Visit<'_>, act: Act, key: &KeyShape, faults: &Faults) -> Result<Answer, Problem> {
    let path = format!("{PART}/{}", key.id.0);
    let (title, lead, submit, class) = match act {
        Act::Rotate => (
            "Rotate the key",
            "Makes a new key like this one. The old one goes on for a while, so that nothing breaks.",
            "Rotate",
            "",
        ),
        Act::Revoke => (
            "Revoke the key",
            "Ends it at once and for good. The next request with it is refused.",
            "Revoke for good",
            "is-bad",
        ),
        Act::Disable => (
            "Switch the key off",
            "From the next request on it is refused. It can be switched on again.",
            "Switch off",
            "is-bad",
        ),
        Act::Enable => ("Switch the key on", "It works again from the next request on.", "Switch on", ""),
    };
    let reasons: Vec<_> = reasons();
    let fields = html! {
        @match act {
            Act::Rotate => {
                (own::once())
                (Field { value: &value(visit, "grace", "1d"), hint: "Both work for so long: 1d, 12h. 0s ends the old one at once.", ..Field::text("grace", "Grace") }.render(faults))
                (Field { value: visit.field("expires"), hint: "When the new one ends: 90d, a date, or never. Empty: as its type says.", ..Field::text("expires", "Expires") }.render(faults))
            },
            Act::Revoke => {
                (select("reason", "Reason", "", &reasons, visit.field("reason"), faults))
                (Field { required: true, value: visit.field("confirm"), hint: &format!("Type the last four characters of the key, {}, to confirm.", own::last_four(key)), ..Field::text("confirm", "Confirm") }.render(faults))
            },
            Act::Disable | Act::Enable => {},
        }
        (note_field(visit, faults))
    };
    Ok(Sheet {
        part: PART,
        title,
        back: (&path, own::called(key)),
        lead,
        action: &format!("{path}/{}", act.path()),
        fields,
        submit,
        class,
    }
    .show(visit, faults))
}

/// Why a key may be revoked.
pub(super) fn reasons() -> Vec<(String, String)> {
    [
        (RevokeReason::Unspecified, "unspecified"),
        (RevokeReason::Rotation, "rotation: it was replaced"),
        (RevokeReason::Leak, "leak: somebody else has it"),
        (RevokeReason::Abuse, "abuse: it was used against the rules"),
        (RevokeReason::Closure, "closure: it is needed no more"),
    ]
    .map(|(reason, text)| (reason.to_string(), text.to_owned()))
    .into()
}

pub(in crate::portal::pages) fn done(visit: &Visit<'_>, act: Act) -> Result<Answer, Problem> {
    let key = found(visit)?;
    let id = key.id.0.to_string();
    let params = [("key", id.as_str())];
    let ask = |body| Ask { params: &params, body, ..Ask::default() };
    let noted = || json!({ "note": note(visit) });
    let result = match act {
        Act::Rotate => {
            let body = Value::Object(body(visit, &["grace", "expires"]));
            let ask = Ask { once: Some(own::named_once(visit)?), ..ask(body) };
            match visit.call::<KeyRotated>("rotateKey", &ask) {
                Ok(done) => {
                    let (new, old) = (&done.new, &done.old);
                    return Ok(made_page(visit, "The new key", new.token.as_ref(), &new.key, Some(old)));
                }
                Err(problem) => Err(problem),
            }
        }
        Act::Revoke => {
            if visit.field("confirm").trim() != own::last_four(&key) {
                let faults = Faults::at("confirm", "That is not how the key ends. Nothing was done.");
                return ask_form(visit, act, &key, &faults);
            }
            visit.call::<KeyShape>("revokeKey", &ask(Value::Object(body(visit, &["reason"])))).map(drop)
        }
        Act::Disable => visit.call::<KeyShape>("disableKey", &ask(noted())).map(drop),
        Act::Enable => visit.call::<KeyShape>("enableKey", &ask(noted())).map(drop),
    };
    match result {
        Ok(()) => Ok(Answer::see(format!("{PART}/{id}"))),
        Err(problem) => again(problem, |faults| ask_form(visit, act, &key, faults)),
    }
}

/// Splits what was pasted into identifiers and keys.
pub(super) fn named(text: &str) -> Vec<&str> {
    lines(text).into_iter().flat_map(str::split_whitespace).collect()
}
