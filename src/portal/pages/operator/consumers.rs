//! Consumers: found, looked at, made, changed, invited, switched off, deleted.

#![allow(clippy::unnecessary_wraps, reason = "every page may fail")]

use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::super::look::{Faults, Field, Relative, area, counted, select, when};
use super::super::super::visit::{Answer, Visit};
use super::super::{keys as own, usage};
use super::{
    Sheet, access, again, audit, body, filter_form, filters, keys, lines, may, note, note_field, page, pager,
    pairs, pairs_text, plans, url, value,
};
use crate::admin::api::{
    ConsumerDeleted, InvitationShape, NewInvitationShape, PortalSessionShape, SignedOut,
};
use crate::admin::shape::{ConsumerShape, KeyShape, Page as Listed, TokenText};
use crate::admin::{Ask, Problem};
use crate::key::{ConsumerId, Role};
use crate::store::RecordTag;

const PART: &str = "/operator/consumers";

pub(super) const EACH: &str = "50";

pub(in crate::portal::pages) fn list(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let name = visit.query("name").trim();
    if let Ok(id) = name.parse::<ConsumerId>() {
        return Ok(Answer::see(format!("{PART}/{id}")));
    }
    let external_id = visit.query("external_id").trim();
    let mut faults = Faults::none();
    if !external_id.is_empty() {
        match visit.acts.desk().store()?.consumer_by_external_id(external_id)? {
            Some(found) => return Ok(Answer::see(format!("{PART}/{}", found.id))),
            None => faults.add("external_id", "Nobody has it."),
        }
    }
    let chosen = filters(visit, &["name", "tag", "plan", "enabled"]);
    let mut query = chosen.clone();
    query.push(("limit", EACH));
    query.extend(Some(("cursor", visit.query("cursor"))).filter(|(_, cursor)| !cursor.is_empty()));
    let found: Listed<ConsumerShape> =
        visit.call("listConsumers", &Ask { query: &query, ..Ask::default() })?;
    let is_filtered = !chosen.is_empty() || !external_id.is_empty();
    let enabled = [("", "All"), ("true", "Switched on"), ("false", "Switched off")]
        .map(|(value, text)| (value.to_owned(), text.to_owned()));
    let fields = html! {
        (Field { kind: "search", value: name, ..Field::text("name", "Name or identifier") }.render(&faults))
        (Field { kind: "search", value: external_id, ..Field::text("external_id", "External id") }.render(&faults))
        (Field { kind: "search", value: visit.query("tag"), ..Field::text("tag", "Tag") }.render(&faults))
        (select("plan", "Plan of its own", "", &plans(visit, "All", visit.query("plan")), visit.query("plan"), &faults))
        (select("enabled", "State", "", &enabled, visit.query("enabled"), &faults))
    };
    let inside = html! {
        div.head {
            div { h1 { "Consumers" } p.lead { "Who holds keys: a customer, a team, a program." } }
            @if may(visit, Role::Operator) { a.button href="/operator/consumers/new" { "Create a consumer" } }
        }
        (filter_form(PART, &fields, is_filtered))
        @if found.items.is_empty() && found.next.is_none() { (nothing(visit, is_filtered)) }
        @else {
            section.card.is-flush {
                div.scroll tabindex="0" role="region" aria-label="Consumers" { (table(visit, &found.items)) }
                @if found.items.is_empty() { p.inside.soft { "None among those looked at yet. More follow on the next page." } }
                (pager(visit, PART, &chosen, found.next.as_deref()))
            }
        }
    };
    page(visit, PART, "Consumers", &inside)
}

fn nothing(visit: &Visit<'_>, is_filtered: bool) -> Markup {
    html! {
        section.card.empty {
            @if is_filtered {
                h2 { "No consumer is like that" }
                p { "Leave something out, or look at all of them." }
                a.button.is-plain href=(PART) { "Show all" }
            } @else {
                h2 { "There are no consumers yet" }
                p { "Create one for each customer or program that is to have keys. Then give it a key, or invite it to make its own." }
                @if may(visit, Role::Operator) { a.button href="/operator/consumers/new" { "Create the first" } }
            }
        }
    }
}

fn table(visit: &Visit<'_>, consumers: &[ConsumerShape]) -> Markup {
    html! {
        table.stack {
            caption { "Consumers" }
            thead { tr { th scope="col" { "Name" } th scope="col" { "External id" } th scope="col" { "Plan" } th scope="col" { "Tags" } th scope="col" { "State" } th scope="col" { "Created" } } }
            tbody {
                @for consumer in consumers {
                    tr {
                        th scope="row" { a.name.break href=(format!("{PART}/{}", consumer.id.0)) { (consumer.name) } }
                        td.break data-label="External id" { @if let Some(id) = &consumer.external_id { (id) } @else { span.soft { "—" } } }
                        td data-label="Plan" { @if let Some(plan) = &consumer.plan { (plan) } @else { span.soft { (default_plan(visit)) } } }
                        td data-label="Tags" { span { @if consumer.tags.is_empty() { span.soft { "—" } } @for tag in &consumer.tags { span.badge { (tag) } " " } } }
                        td data-label="State" { (state(consumer)) }
                        td.nowrap data-label="Created" { (Relative(consumer.created_at.0, visit.now)) }
                    }
                }
            }
        }
    }
}

fn state(consumer: &ConsumerShape) -> Markup {
    html! {
        @if consumer.enabled { span.badge.is-good { "on" } } @else { span.badge.is-bad { "switched off" } }
    }
}

fn default_plan(visit: &Visit<'_>) -> String {
    visit
        .config
        .server
        .default_plan
        .as_ref()
        .map_or_else(|| "none".to_owned(), |plan| format!("{plan}, the default"))
}

/// Asks for the consumer a path names.
fn found(visit: &Visit<'_>) -> Result<ConsumerShape, Problem> {
    visit.call("showConsumer", &Ask { params: &[("consumer", visit.param("consumer"))], ..Ask::default() })
}

pub(in crate::portal::pages) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let consumer = found(visit)?;
    let id = consumer.id.0.to_string();
    let path = format!("{PART}/{id}");
    let query = [("consumer", id.as_str()), ("limit", SHOWN)];
    let held: Listed<KeyShape> = visit.call("listKeys", &Ask { query: &query, ..Ask::default() })?;
    let inside = html! {
        div.head {
            div {
                p.crumb { a href=(PART) { "Consumers" } }
                h1.break { (consumer.name) }
                p.lead { code { (id) } " " (state(&consumer)) }
            }
            @if may(visit, Role::Operator) {
                div.actions {
                    a.button href=(url("/operator/keys/new", &[("consumer", &id)])) { "Create a key" }
                    @if consumer.enabled && !visit.config.listen.portal.is_empty() { a.button.is-plain href=(format!("{path}/invite")) { "Invite to the portal" } }
                }
            }
        }
        @if !consumer.enabled {
            div.notice.is-warn role="status" { p { "This consumer is switched off: none of its keys works, whatever they are themselves." } }
        }
        div.two {
            section.card { h2 { "Details" } (details(visit, &consumer)) }
            @if may(visit, Role::Operator) {
                section.card {
                    h2 { "Change it" }
                    div.actions {
                        a.button.is-plain href=(format!("{path}/edit")) { "Edit" }
                        @if consumer.enabled { a.button.is-bad href=(format!("{path}/disable")) { "Switch off" } }
                        @else { a.button.is-plain href=(format!("{path}/enable")) { "Switch on" } }
                        a.button.is-bad href=(url("/operator/keys/revoke", &[("consumer", &id)])) { "Revoke all keys" }
                        @if !visit.config.listen.portal.is_empty() { a.button.is-plain href=(format!("{path}/sign-out")) { "Sign out" } }
                        a.button.is-bad href=(format!("{path}/delete")) { "Delete" }
                    }
                }
            }
        }
        section.card.is-flush {
            div.inside { h2 { "Keys" } }
            @if held.items.is_empty() { div.inside.is-last { p.soft { "It has no keys. Create one, or invite it to make its own." } } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Keys" { (keys::table(visit, &held.items, false)) }
                @if held.next.is_some() { div.pager { a href=(url("/operator/keys", &[("consumer", &id)])) { "All keys" } } }
            }
        }
        @if may(visit, Role::Operator) { (at_the_portal(visit, &id)?) }
        (usage::charts(visit, &id, "30d")?)
        (audit::about(visit, &id, "10")?)
    };
    page(visit, PART, &consumer.name, &inside)
}

/// Shows where the consumer is signed in and which links are open, if any are.
fn at_the_portal(visit: &Visit<'_>, id: &str) -> Result<Markup, Problem> {
    let query = [("subject", id)];
    let ask = Ask { query: &query, ..Ask::default() };
    let sessions: Vec<PortalSessionShape> = visit.call("listPortalSessions", &ask)?;
    let invitations: Vec<InvitationShape> = visit.call("listInvitations", &ask)?;
    Ok(html! {
        @if !sessions.is_empty() { (access::sessions(visit, "Where it is signed in", &sessions)) }
        @if !invitations.is_empty() { (access::invitations(visit, &invitations)) }
    })
}

fn details(visit: &Visit<'_>, consumer: &ConsumerShape) -> Markup {
    html! {
        dl {
            dt { "External id" } dd { (consumer.external_id.as_deref().unwrap_or("—")) }
            dt { "Contact" } dd { (consumer.contact.as_deref().unwrap_or("—")) }
            dt { "Plan" } dd { @if let Some(plan) = &consumer.plan { (plan) } @else { (default_plan(visit)) } }
            dt { "Tags" } dd { @if consumer.tags.is_empty() { "—" } @for tag in &consumer.tags { span.badge { (tag) } " " } }
            @for (name, value) in &consumer.metadata { dt { code { (name) } } dd { (value) } }
            dt { "Created" } dd { (when(consumer.created_at.0, visit.now)) }
        }
    }
}

pub(in crate::portal::pages) fn new(visit: &Visit<'_>) -> Result<Answer, Problem> {
    Ok(new_form(visit, &Faults::none()))
}

fn new_form(visit: &Visit<'_>, faults: &Faults) -> Answer {
    Sheet {
        part: PART,
        title: "Create a consumer",
        back: (PART, "Consumers"),
        lead: "",
        action: PART,
        fields: html! { (own::once()) (fields(visit, None, faults)) (note_field(visit, faults)) },
        submit: "Create",
        class: "",
    }
    .show(visit, faults)
}

fn fields(visit: &Visit<'_>, now: Option<&ConsumerShape>, faults: &Faults) -> Markup {
    let text = |name: &str, of: fn(&ConsumerShape) -> Option<&String>| {
        value(visit, name, now.and_then(of).map_or("", String::as_str))
    };
    let name = text("name", |consumer| Some(&consumer.name));
    let external_id = text("external_id", |consumer| consumer.external_id.as_ref());
    let contact = text("contact", |consumer| consumer.contact.as_ref());
    let plan = text("plan", |consumer| consumer.plan.as_ref());
    let tags = now.map_or_else(String::new, |c| c.tags.iter().cloned().collect::<Vec<_>>().join("\n"));
    let metadata = now.map_or_else(String::new, |consumer| pairs_text(&consumer.metadata));
    html! {
        (Field { value: &name, required: true, hint: "What people call it. Need not be unique.", ..Field::text("name", "Name") }.render(faults))
        (Field { value: &external_id, hint: "Its name in your own system, unique. May be left empty.", ..Field::text("external_id", "External id") }.render(faults))
        (Field { value: &contact, hint: "Whom to ask. May be left empty.", ..Field::text("contact", "Contact") }.render(faults))
        (select("plan", "Plan", "", &plans(visit, &format!("The default: {}", visit.config.server.default_plan.as_deref().unwrap_or("none")), &plan), &plan, faults))
        (area("tags", "Tags", "One a line. For lists and bulk acts; never forwarded.", &value(visit, "tags", &tags), faults))
        (area("metadata", "Metadata", "One pair a line: name = value. May be forwarded to backends.", &value(visit, "metadata", &metadata), faults))
    }
}

pub(in crate::portal::pages) fn create(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let mut body = body(visit, &["name", "external_id", "contact", "plan"]);
    match pairs(visit.field("metadata")) {
        Ok(pairs) => drop(body.insert("metadata".to_owned(), json!(pairs))),
        Err(mut faults) => {
            if visit.field("name").trim().is_empty() {
                faults.add("name", "Give it a name.");
            }
            return Ok(new_form(visit, &faults));
        }
    }
    body.insert("tags".to_owned(), json!(lines(visit.field("tags"))));
    // An empty one is said to be wrong, not left out.
    body.insert("name".to_owned(), visit.field("name").trim().into());
    let ask = Ask { body: Value::Object(body), once: Some(own::named_once(visit)?), ..Ask::default() };
    match visit.call::<ConsumerShape>("createConsumer", &ask) {
        Ok(made) => Ok(Answer::see(format!("{PART}/{}", made.id.0))),
        Err(problem) => again(problem, |faults| Ok(new_form(visit, faults))),
    }
}

pub(in crate::portal::pages) fn edit(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let consumer = found(visit)?;
    let tag = RecordTag::of_consumer(&visit.acts.desk().store()?.consumer(consumer.id.0)?).to_string();
    Ok(edit_form(visit, &consumer, &tag, &Faults::none()))
}

fn edit_form(visit: &Visit<'_>, consumer: &ConsumerShape, tag: &str, faults: &Faults) -> Answer {
    let path = format!("{PART}/{}", consumer.id.0);
    Sheet {
        part: PART,
        title: "Edit the consumer",
        back: (&path, &consumer.name),
        lead: "",
        action: &format!("{path}/edit"),
        fields: html! {
            input type="hidden" name="tag" value=(tag);
            (fields(visit, Some(consumer), faults))
            (note_field(visit, faults))
        },
        submit: "Save",
        class: "",
    }
    .show(visit, faults)
}

pub(in crate::portal::pages) fn update(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let consumer = found(visit)?;
    let tag = visit.field("tag");
    let metadata = match pairs(visit.field("metadata")) {
        Ok(pairs) => pairs,
        Err(faults) => return Ok(edit_form(visit, &consumer, tag, &faults)),
    };
    let tags = lines(visit.field("tags"));
    let cleared = |name: &str| match visit.field(name).trim() {
        "" => Value::Null,
        text => text.into(),
    };
    let body = json!({
        "name": visit.field("name").trim(),
        "external_id": cleared("external_id"),
        "contact": cleared("contact"),
        "plan": cleared("plan"),
        "set_metadata": metadata,
        "unset_metadata": consumer.metadata.keys().filter(|name| !metadata.contains_key(*name)).collect::<Vec<_>>(),
        "add_tags": tags,
        "remove_tags": consumer.tags.iter().filter(|tag| !tags.contains(&tag.as_str())).collect::<Vec<_>>(),
        "note": note(visit),
    });
    let id = consumer.id.0.to_string();
    let ask = Ask { params: &[("consumer", &id)], body, if_match: Some(tag), ..Ask::default() };
    match visit.call::<ConsumerShape>("updateConsumer", &ask) {
        Ok(_) => Ok(Answer::see(format!("{PART}/{id}"))),
        Err(problem) => again(problem, |faults| Ok(edit_form(visit, &consumer, tag, faults))),
    }
}

/// What is done to a consumer as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::portal::pages) enum Act {
    Disable,
    Enable,
    Delete,
    Invite,
    SignOut,
}

impl Act {
    const fn path(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Delete => "delete",
            Self::Invite => "invite",
            Self::SignOut => "sign-out",
        }
    }
}

pub(in crate::portal::pages) fn ask(visit: &Visit<'_>, act: Act) -> Result<Answer, Problem> {
    ask_form(visit, act, &Faults::none())
}

fn ask_form(visit: &Visit<'_>, act: Act, faults: &Faults) -> Result<Answer, Problem> {
    let consumer = found(visit)?;
    let path = format!("{PART}/{}", consumer.id.0);
    let (title, lead, submit, class) = match act {
        Act::Disable => (
            "Switch the consumer off",
            "From the next request on none of its keys works, and it cannot sign in here. It can be switched on again.".to_owned(),
            "Switch off",
            "is-bad",
        ),
        Act::Enable => {
            ("Switch the consumer on", "Its keys work again, as far as they do themselves.".to_owned(), "Switch on", "")
        }
        Act::Delete => {
            let query = [("dry_run", "true")];
            let id = consumer.id.0.to_string();
            let ask = Ask { params: &[("consumer", &id)], query: &query, ..Ask::default() };
            let would: ConsumerDeleted = visit.call("deleteConsumer", &ask)?;
            let keys = counted(would.revoked.len() as u64, "key");
            (
                "Delete the consumer",
                format!("It goes for good, and {keys} of it will be revoked. The audit log keeps what it did."),
                "Delete for good",
                "is-bad",
            )
        }
        Act::SignOut => (
            "Sign the consumer out",
            "Ends all its sessions at this portal, and withdraws its open links.".to_owned(),
            "Sign out",
            "is-bad",
        ),
        Act::Invite => (
            "Invite to the portal",
            "Makes a link by which it signs in, once. Send it to them and to nobody else.".to_owned(),
            "Make a link",
            "",
        ),
    };
    let fields = html! {
        @if act == Act::Delete {
            (Field { required: true, value: visit.field("confirm"), hint: &format!("Type its name, {}, to confirm.", consumer.name), ..Field::text("confirm", "Confirm") }.render(faults))
        }
        @if act == Act::Invite {
            (own::once())
            @let usual = crate::key::Span::from(visit.config.portal.invite_expires).to_string();
            (Field { value: &value(visit, "expires", &usual), hint: "How long the link is good: 3d, 12h, a date.", ..Field::text("expires", "Good for") }.render(faults))
        }
        (note_field(visit, faults))
    };
    Ok(Sheet {
        part: PART,
        title,
        back: (&path, &consumer.name),
        lead: &lead,
        action: &format!("{path}/{}", act.path()),
        fields,
        submit,
        class,
    }
    .show(visit, faults))
}

pub(in crate::portal::pages) fn done(visit: &Visit<'_>, act: Act) -> Result<Answer, Problem> {
    let consumer = found(visit)?;
    let id = consumer.id.0.to_string();
    let params = [("consumer", id.as_str())];
    let said = note(visit);
    let noted = Ask { params: &params, body: json!({ "note": said }), ..Ask::default() };
    let result = match act {
        Act::Disable => visit.call::<ConsumerShape>("disableConsumer", &noted).map(drop),
        Act::Enable => visit.call::<ConsumerShape>("enableConsumer", &noted).map(drop),
        Act::Delete => {
            if visit.field("confirm").trim() != consumer.name.trim() {
                let text = "That is not its name. Nothing was done.";
                return ask_form(visit, act, &Faults::at("confirm", text));
            }
            let query = [("note", said.as_str())];
            let ask = Ask { params: &params, query: &query, ..Ask::default() };
            visit.call::<ConsumerDeleted>("deleteConsumer", &ask).map(drop)
        }
        Act::Invite => return invite(visit, &consumer),
        Act::SignOut => {
            let body = json!({ "subject": id, "note": said });
            visit.call::<SignedOut>("signOut", &Ask { body, ..Ask::default() }).map(drop)
        }
    };
    match result {
        Ok(()) if act == Act::Delete => Ok(Answer::see(PART)),
        Ok(()) => Ok(Answer::see(format!("{PART}/{id}"))),
        Err(problem) => again(problem, |faults| ask_form(visit, act, faults)),
    }
}

/// Makes a link to sign in and shows it, once.
fn invite(visit: &Visit<'_>, consumer: &ConsumerShape) -> Result<Answer, Problem> {
    let mut body = body(visit, &["expires"]);
    body.insert("consumer".to_owned(), consumer.id.0.to_string().into());
    let ask = Ask { body: Value::Object(body), once: Some(own::named_once(visit)?), ..Ask::default() };
    let made: NewInvitationShape = match visit.call("createInvitation", &ask) {
        Ok(made) => made,
        Err(problem) => return again(problem, |faults| ask_form(visit, Act::Invite, faults)),
    };
    let path = format!("{PART}/{}", consumer.id.0);
    let inside = html! {
        div.head { div { p.crumb { a href=(path) { (consumer.name) } } h1 { "The link" } @if let Some(made) = &made.invitation { p.lead { "It is good once, until " (when(made.expires_at.0, visit.now)) "." } } } }
        (super::token_card(made.link.as_ref().map(TokenText::expose), &path))
    };
    let status = if made.link.is_some() { 201 } else { 200 };
    Ok(Answer::Page(status, super::frame(visit, PART, "The link", &inside)))
}

/// Keys on a consumer's page.
const SHOWN: &str = "20";
