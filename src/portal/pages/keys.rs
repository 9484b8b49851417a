//! A consumer's keys: looked at, made, replaced, ended.
//!
//! Every page names keys of the consumer who is signed in, or says that there is no such key: whether
//! somebody else has it is nobody's business. What may be made is in `[portal]`.

use std::sync::PoisonError;
use std::time::Duration;

use maud::{Markup, html};
use serde_json::json;

use crate::admin::api::{KeyRotated, KeysMade};
use crate::admin::shape::{KeyShape, NewKeyShape, Page as Listed, TokenText};
use crate::admin::{Ask, Problem};
use crate::key::{KeyId, KeyType, Kind, Span, Status, Timestamp};
use crate::policy::{LimitLeft, Source};

use super::super::look::{Faults, Field, Frame, Relative, amount, button, counted, form, select, span, when};
use super::super::visit::{Answer, Visit};
use super::usage;

/// Keys on a page.
const EACH: &str = "50";

/// Keys a consumer may make in a day, replaced ones too: whoever goes on making and revoking fills no disk.
const A_DAY: usize = 100;

fn frame(visit: &Visit<'_>, title: &str, inside: &Markup) -> Markup {
    Frame { title, part: "/keys", known: visit.known, config: &visit.config }.around(inside)
}

const WORKING: [&str; 3] = ["active", "scheduled", "disabled"];
const ENDED: [&str; 2] = ["expired", "revoked"];

/// Asks for keys of whoever is signed in.
fn theirs(
    visit: &Visit<'_>,
    statuses: &[&str],
    cursor: &str,
    limit: &str,
) -> Result<Listed<KeyShape>, Problem> {
    let id = visit.consumer().id.to_string();
    let mut query = vec![("consumer", id.as_str()), ("limit", limit)];
    query.extend(statuses.iter().map(|status| ("status", *status)));
    if !cursor.is_empty() {
        query.push(("cursor", cursor));
    }
    visit.call("listKeys", &Ask { query: &query, ..Ask::default() })
}

pub(super) fn list(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let is_ended = visit.query("show") == "ended";
    let statuses = if is_ended { &ENDED[..] } else { &WORKING[..] };
    let page = theirs(visit, statuses, visit.query("cursor"), EACH)?;
    let may_make = visit.config.portal.max_keys > 0 && !visit.config.portal.key_types.is_empty();
    let query = |cursor: &str| {
        let show = if is_ended { "show=ended&" } else { "" };
        format!("/keys?{show}cursor={cursor}")
    };
    let inside = html! {
        div.head {
            div { h1 { "API keys" } p.lead { "A key is a password for a program. Give each application its own." } }
            @if may_make { a.button href="/keys/new" { "Create a key" } }
        }
        (expiring(visit, &page.items))
        nav.tabs aria-label="Which keys" {
            a href="/keys" aria-current=[(!is_ended).then_some("true")] { "In use" }
            a href="/keys?show=ended" aria-current=[is_ended.then_some("true")] { "Ended" }
        }
        @if page.items.is_empty() && page.next.is_none() { (nothing(is_ended, may_make)) }
        @else {
            section.card.is-flush {
                div.scroll tabindex="0" role="region" aria-label="API keys" { (table(visit, &page.items)) }
                @if page.next.is_some() || !visit.query("cursor").is_empty() {
                    div.pager {
                        a href=(if is_ended { "/keys?show=ended" } else { "/keys" }) { "First page" }
                        @if let Some(next) = &page.next { a href=(query(next)) rel="next" { "Next page" } }
                    }
                }
            }
        }
    };
    Ok(Answer::page(frame(visit, "API keys", &inside)))
}

fn nothing(is_ended: bool, may_make: bool) -> Markup {
    html! {
        section.card.empty {
            @if is_ended {
                h2 { "Nothing has ended" }
                p { "Keys that you revoke or that expire are listed here." }
            } @else if may_make {
                h2 { "You have no keys yet" }
                p { "Create one, copy it into your application, and send it along with every request." }
                a.button href="/keys/new" { "Create your first key" }
            } @else {
                h2 { "You have no keys yet" }
                p { "Keys are made for you: ask whoever sent you here." }
            }
        }
    }
}

/// Says which of these keys end soon and have no successor.
fn expiring(visit: &Visit<'_>, keys: &[KeyShape]) -> Markup {
    let is_soon = |key: &&KeyShape| {
        key.status.0 == Status::Active
            && key.rotated_to.is_none()
            && key.expires_at.is_some_and(|at| {
                // Not of a key that was made to be short-lived, as long as it is young.
                let left = at.0.since(visit.now);
                left <= SOON && left <= at.0.since(key.created_at.0) / 3
            })
    };
    let soon: Vec<_> = keys.iter().filter(is_soon).collect();
    html! {
        @if !soon.is_empty() {
            div.notice.is-warn role="status" {
                @for key in soon {
                    p {
                        a href=(format!("/keys/{}", key.id.0)) { (called(key)) } " expires "
                        (Relative(key.expires_at.expect("it was looked at").0, visit.now)) ". Rotate it to go on without a break."
                    }
                }
            }
        }
    }
}

const SOON: Duration = Duration::from_hours(14 * 24);

/// What a key is called, or else how it is recognised.
pub(super) fn called(key: &KeyShape) -> &str {
    if key.name.is_empty() { &key.hint } else { &key.name }
}

fn table(visit: &Visit<'_>, keys: &[KeyShape]) -> Markup {
    html! {
        table.stack {
            caption { "API keys" }
            thead { tr { th scope="col" { "Name" } th scope="col" { "Key" } th scope="col" { "Status" } th scope="col" { "Last used" } th scope="col" { "Expires" } } }
            tbody {
                @for key in keys {
                    tr {
                        th scope="row" { a.name href=(format!("/keys/{}", key.id.0)) { @if key.name.is_empty() { "Unnamed" } @else { (key.name) } } }
                        td.nowrap data-label="Key" { code { (key.hint) } }
                        td data-label="Status" { (badge(key)) }
                        td.nowrap data-label="Last used" { @if let Some(at) = &key.last_used_at { (Relative(at.0, visit.now)) } @else { span.soft { "never" } } }
                        td.nowrap data-label="Expires" { (expires(key, visit.now)) }
                    }
                }
            }
        }
    }
}

pub(super) fn badge(key: &KeyShape) -> Markup {
    let (class, text) = match key.status.0 {
        Status::Active if key.rotated_to.is_some() => ("is-warn", "being replaced"),
        Status::Active => ("is-good", "active"),
        Status::Scheduled => ("", "not yet active"),
        Status::Disabled => ("is-warn", "switched off"),
        Status::Expired => ("", "expired"),
        Status::Revoked => ("is-bad", "revoked"),
    };
    html! { span class={ "badge " (class) } { (text) } }
}

pub(super) fn expires(key: &KeyShape, now: Timestamp) -> Markup {
    html! {
        @if key.status.0 == Status::Revoked { span.soft { "—" } }
        @else if let Some(at) = &key.expires_at { (Relative(at.0, now)) }
        @else { span.soft { "never" } }
    }
}

/// Finds the key a path names, if it is one of whoever is signed in.
fn key(visit: &Visit<'_>) -> Result<KeyShape, Problem> {
    let none = || Problem::new(404, "no_such_key", "You have no such key.");
    let id = visit.param("key");
    id.parse::<KeyId>().map_err(|_| none())?;
    let found: Result<KeyShape, Problem> =
        visit.call("showKey", &Ask { params: &[("key", id)], ..Ask::default() });
    match found {
        Ok(key) if key.consumer_id.0 == visit.consumer().id => Ok(key),
        Ok(_) => Err(none()),
        Err(problem) if problem.status == 404 => Err(none()),
        Err(problem) => Err(problem),
    }
}

pub(super) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let key = key(visit)?;
    shown(visit, &key, &Faults::none(), 200)
}

fn shown(visit: &Visit<'_>, key: &KeyShape, faults: &Faults, status: u16) -> Result<Answer, Problem> {
    let store = visit.acts.desk().store()?;
    let digest = store.key(key.id.0)?.digest;
    let limits = (visit.acts.desk().handlers().limits)(&digest);
    let is_live = matches!(key.status.0, Status::Active | Status::Scheduled | Status::Disabled);
    let inside = html! {
        div.head {
            div {
                p.crumb { a href="/keys" { "API keys" } }
                h1 { (called(key)) }
                p.lead { code { (key.hint) } " " (badge(key)) }
            }
        }
        (faults.summary())
        (replacing(visit, key))
        div.two {
            section.card { h2 { "Details" } (details(visit, key)) }
            @if is_live { section.card { h2 { "Limits" } (limits_left(&limits)) } }
        }
        (usage::charts(visit, &key.id.0.to_string(), "30d")?)
        @if is_live {
            section.card { h2 { "Try it" } p.soft { "In a terminal, with your key in place of the dots:" } (example(visit, key, None)) }
            div.two {
                @if key.rotated_to.is_none() && key.status.0 == Status::Active { (rotate_form(visit, key, faults)) }
                (revoke_form(visit, key, faults))
            }
        }
    };
    Ok(Answer::Page(status, frame(visit, called(key), &inside)))
}

/// Says what replaces a key, or what it replaces.
fn replacing(visit: &Visit<'_>, key: &KeyShape) -> Markup {
    html! {
        @if let Some(successor) = &key.rotated_to {
            div.notice.is-warn {
                p {
                    a href=(format!("/keys/{}", successor.0)) { "Another key" } " replaces this one"
                    @if key.status.0 == Status::Active { @if let Some(at) = &key.expires_at { ", which works until " (when(at.0, visit.now)) } }
                    "."
                }
            }
        }
        @if let Some(old) = &key.rotated_from {
            div.notice {
                p {
                    "This key replaces " a href=(format!("/keys/{}", old.0)) { "an older one" }
                    @if let Some(at) = key.replaces_until.as_ref().filter(|at| at.0 > visit.now) { ", which works until " (when(at.0, visit.now)) }
                    "."
                }
            }
        }
    }
}

pub(super) fn details(visit: &Visit<'_>, key: &KeyShape) -> Markup {
    let now = visit.now;
    html! {
        dl {
            dt { "Identifier" } dd { code { (key.id.0) } }
            dt { "Type" } dd { (key.key_type) }
            @if !key.scopes.is_empty() {
                dt { "May do" } dd { @for (index, scope) in key.scopes.iter().enumerate() { @if index > 0 { ", " } code { (scope.0) } } }
            }
            @if !key.networks.is_empty() {
                dt { "Works from" } dd { @for (index, network) in key.networks.iter().enumerate() { @if index > 0 { ", " } code { (network.0) } } }
            }
            dt { "Created" } dd { (when(key.created_at.0, now)) }
            @if let Some(at) = &key.not_before { dt { "Works from" } dd { (when(at.0, now)) } }
            dt { "Expires" } dd { @if let Some(at) = &key.expires_at { (when(at.0, now)) } @else { "never" } }
            @if let Some(at) = &key.revoked_at { dt { "Revoked" } dd { (when(at.0, now)) } }
            dt { "Last used" } dd { @if let Some(at) = &key.last_used_at { (when(at.0, now)) } @else { "never" } }
        }
    }
}

pub(super) fn limits_left(limits: &[LimitLeft]) -> Markup {
    html! {
        @if limits.is_empty() { p.soft { "This key has no limits." } }
        @else {
            table {
                caption { "Limits, and what is left of them" }
                thead { tr { th scope="col" { "Limit" } th scope="col" { "Allows" } th.number scope="col" { "Left now" } } }
                tbody {
                    @for limit in limits {
                        tr {
                            th scope="row" { (limit.name) }
                            td { (limit.limit) }
                            // What would pass now: the engine says what would after one more.
                            td.number { (amount(if limit.fits { limit.remaining.saturating_add(1).min(limit.limit.most()) } else { 0 })) }
                        }
                    }
                }
            }
        }
    }
}

/// A command to try a key with: the first route that takes it, and where that looks for keys.
fn example(visit: &Visit<'_>, key: &KeyShape, token: Option<&str>) -> Markup {
    let site = visit.config.portal.api_url.as_deref().unwrap_or("https://YOUR-API");
    let spec = visit.config.rules.spec();
    let routes = spec.routes.iter().filter(|route| route.self_service.is_none() && !route.public);
    let mut routes =
        routes.filter(|route| route.key_types.is_empty() || route.key_types.contains(&key.key_type));
    let route = routes.next();
    let path = route.map_or("/", |route| route.path.split('*').next().unwrap_or("/"));
    let token = token.unwrap_or("…");
    let source = route.and_then(|route| route.credentials.first());
    let header = match source {
        Some(Source::Header(name)) => format!("{name}: {token}"),
        _ => format!("Authorization: Bearer {token}"),
    };
    html! { pre { code { "curl -H '" (header) "' " (site) (path) } } }
}

/// The key types consumers may make keys of.
fn key_types<'c>(visit: &'c Visit<'_>) -> Vec<&'c KeyType> {
    let portal = &visit.config.portal;
    let all = visit.config.key_types.as_slice().iter();
    all.filter(|key_type| portal.key_types.contains(&key_type.name)).collect()
}

/// The lengths of life that are offered, each with its words.
fn lives(visit: &Visit<'_>) -> Vec<(String, String)> {
    let most = visit.config.portal.max_expires;
    let mut lives: Vec<Duration> =
        [1, 7, 30, 90, 180, 365].map(|days| Duration::from_hours(days * 24)).into();
    lives.retain(|life| *life < most);
    lives.push(most);
    lives.into_iter().map(|life| (Span::from(life).to_string(), span(life))).collect()
}

/// The periods of grace that are offered.
fn graces(visit: &Visit<'_>) -> Vec<(String, String)> {
    let most = visit.config.portal.max_grace;
    let mut graces: Vec<Duration> = [1, 24, 72, 168].map(Duration::from_hours).into();
    graces.retain(|grace| *grace < most);
    graces.push(most);
    let mut choices: Vec<_> =
        graces.into_iter().map(|grace| (Span::from(grace).to_string(), span(grace))).collect();
    choices.dedup();
    if !most.is_zero() {
        choices.insert(0, ("0s".to_owned(), "end the old key at once".to_owned()));
    }
    choices
}

/// Drawn for each form: sent again, it is not done again.
pub(super) fn once() -> Markup {
    let token = crate::key::Token::mint(&"once".parse().expect("it is a prefix"), &mut rand::rng());
    html! { input type="hidden" name="once" value=(token.expose()); }
}

pub(super) fn new(visit: &Visit<'_>) -> Result<Answer, Problem> {
    new_form(visit, &Faults::none(), 200)
}

fn new_form(visit: &Visit<'_>, faults: &Faults, status: u16) -> Result<Answer, Problem> {
    let portal = &visit.config.portal;
    let types = key_types(visit);
    let working = working(visit)?;
    if types.is_empty() || working >= portal.max_keys {
        let inside = html! {
            div.head { div { p.crumb { a href="/keys" { "API keys" } } h1 { "Create a key" } } }
            section.card.empty {
                @if types.is_empty() || portal.max_keys == 0 {
                    h2 { "Keys are not made here" } p { "Keys are made for you: ask whoever sent you here." }
                } @else {
                    h2 { "You have as many keys as you may" }
                    p { "At most " (counted(portal.max_keys as u64, "key")) " may work at once. Revoke one you no longer need, or rotate it to replace it." }
                    a.button href="/keys" { "To your keys" }
                }
            }
        };
        return Ok(Answer::Page(status, frame(visit, "Create a key", &inside)));
    }
    let choices: Vec<(String, String)> = types
        .iter()
        .map(|key_type| {
            let kind = match key_type.kind {
                Kind::Secret => "",
                Kind::Publishable => ", for browsers: everybody may see it",
            };
            (key_type.name.clone(), format!("{}{kind}", key_type.name))
        })
        .collect();
    let chosen_type =
        if visit.field("type").is_empty() { choices[0].0.as_str() } else { visit.field("type") };
    let lives = lives(visit);
    let default =
        if lives.iter().any(|(value, _)| value == "90d") { "90d" } else { lives[lives.len() - 1].0.as_str() };
    let chosen_life = if visit.field("expires").is_empty() { default } else { visit.field("expires") };
    let ticked = visit.fields("scope");
    let fields = html! {
        (once())
        (Field { value: visit.field("name"), required: true, hint: "So that you recognise it: the application it is for.", ..Field::text("name", "Name") }.render(faults))
        @if choices.len() > 1 { (select("type", "Type", "", &choices, chosen_type, faults)) }
        @else { input type="hidden" name="type" value=(chosen_type); }
        @if !portal.scopes.is_empty() {
            fieldset.field {
                legend { "What it may do" }
                @if let Some(fault) = faults.of_field("scopes") { p.fault { (fault) } }
                div.ticks {
                    @for scope in &portal.scopes {
                        label { input type="checkbox" name="scope" value=(scope) checked[ticked.contains(&scope.as_str())]; code { (scope) } }
                    }
                }
            }
        }
        (select("expires", "Expires after", "A key that ends by itself does less harm if it leaks. You can rotate it any time before.", &lives, chosen_life, faults))
        div.actions { (button("Create the key", "")) a href="/keys" { "Cancel" } }
    };
    let inside = html! {
        div.head { div { p.crumb { a href="/keys" { "API keys" } } h1 { "Create a key" } p.lead { (counted((portal.max_keys - working) as u64, "more key")) " can be created." } } }
        (faults.summary())
        section.card { (form(visit.known(), "/keys", &fields)) }
    };
    Ok(Answer::Page(status, frame(visit, "Create a key", &inside)))
}

/// Counts the keys that work or could, without those that are being replaced.
fn working(visit: &Visit<'_>) -> Result<usize, Problem> {
    let mut cursor = String::new();
    let mut count = 0;
    loop {
        let page = theirs(visit, &WORKING, &cursor, "500")?;
        count += page.items.iter().filter(|key| key.rotated_to.is_none()).count();
        match page.next {
            Some(next) if count <= visit.config.portal.max_keys => cursor = next,
            _ => return Ok(count),
        }
    }
}

/// Refuses more keys than a consumer may make in a day.
fn check_pace(visit: &Visit<'_>) -> Result<(), Problem> {
    let yesterday = visit.now.minus(Duration::from_hours(24));
    let mut first = [0; 16];
    first[..6].copy_from_slice(&yesterday.as_millis().to_be_bytes()[2..]);
    let made = theirs(visit, &[], &KeyId::from_bytes(first).to_string(), "100")?.items.len();
    if made < A_DAY {
        return Ok(());
    }
    Err(Problem::new(
        429,
        "too_many_keys",
        format!("You made {A_DAY} keys within a day. Try again tomorrow."),
    ))
}

pub(super) fn create(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let portal = &visit.config.portal;
    let (name, expires) = (visit.field("name").trim(), visit.field("expires"));
    let (key_type, scopes) = (visit.field("type"), visit.fields("scope"));
    let mut faults = Faults::none();
    if name.is_empty() {
        faults.add("name", "Give it a name.");
    }
    if !key_types(visit).iter().any(|t| t.name == key_type) {
        faults.add("type", "Choose one of these.");
    }
    if scopes.iter().any(|scope| !portal.scopes.iter().any(|allowed| allowed.as_str() == *scope)) {
        faults.add("scopes", "Choose among these.");
    }
    let life = expires.parse::<Span>().ok().map(Span::as_duration);
    if !life.is_some_and(|life| !life.is_zero() && life <= portal.max_expires) {
        faults.add("expires", "Choose one of these.");
    }
    if !faults.is_empty() {
        return new_form(visit, &faults, 422);
    }
    // Held until it is made: two forms at once must not both find room for the last key.
    let _turn = visit.book.making.lock().unwrap_or_else(PoisonError::into_inner);
    let body = json!({
        "consumer": visit.consumer().id.to_string(),
        "name": name,
        "type": key_type,
        "scopes": scopes,
        "expires": expires,
        "note": visit.origin(),
    });
    let once = named_once(visit)?;
    let ask = Ask { body, once: Some(once), ..Ask::default() };
    // One that comes again is answered, whether there is room or not.
    if !visit.was_done("createKeys", &ask)? {
        check_pace(visit)?;
        if working(visit)? >= portal.max_keys {
            return new_form(visit, &Faults::none(), 409);
        }
    }
    let made: Result<KeysMade, Problem> = visit.call("createKeys", &ask);
    match made {
        Ok(made) => {
            let new = made.keys.into_iter().next().expect("one was asked for");
            Ok(made_page(visit, "Your new key", &new, None))
        }
        Err(problem) => match Faults::of(&problem) {
            Some(faults) => new_form(visit, &faults, 422),
            None => Err(problem),
        },
    }
}

/// Returns the name under which a form is sent once.
pub(super) fn named_once<'v>(visit: &'v Visit<'_>) -> Result<&'v str, Problem> {
    let once = visit.field("once");
    let is_good = (16..=128).contains(&once.len()) && once.bytes().all(|b| b.is_ascii_graphic());
    if is_good {
        Ok(once)
    } else {
        Err(Problem::new(400, "malformed", "This form is not whole. Go back and try again."))
    }
}

/// Shows a key just made: the one page that has its token.
fn made_page(visit: &Visit<'_>, title: &str, new: &NewKeyShape, old: Option<&KeyShape>) -> Answer {
    let key = &new.key;
    let inside = html! {
        div.head { div { p.crumb { a href="/keys" { "API keys" } } h1 { (title) } } }
        @if let Some(token) = new.token.as_ref().map(TokenText::expose) {
            section.card {
                div.notice.is-warn role="status" { p { strong { "Copy it now." } " It is shown this once and nobody can show it again." } }
                code.token #token { (token) }
                div.actions {
                    button.button type="button" data-copy="token" hidden { "Copy the key" }
                    a.button.is-plain href=(format!("/keys/{}", key.id.0)) { "Done" }
                }
            }
            section.card { h2 { "Try it" } (example(visit, key, Some(token))) }
        } @else {
            section.card {
                div.notice { p { "This form was sent before: the key " code { (key.hint) } " was made then, and shown then. If you have not kept it, revoke it and make another." } }
                div.actions { a.button href=(format!("/keys/{}", key.id.0)) { "To the key" } }
            }
        }
        section.card {
            @if let Some(old) = old {
                h2 { "The old key" }
                p {
                    @match (&old.status.0, &old.expires_at) {
                        (Status::Active, Some(at)) => { (called(old)) " (" code { (old.hint) } ") works until " (when(at.0, visit.now)) ". Until then both work." },
                        _ => { code { (old.hint) } " works no more." },
                    }
                }
            }
            h2 { "Details" } (details(visit, key))
        }
    };
    Answer::Page(if new.token.is_some() { 201 } else { 200 }, frame(visit, title, &inside))
}

fn rotate_form(visit: &Visit<'_>, key: &KeyShape, faults: &Faults) -> Markup {
    let graces = graces(visit);
    let default = if graces.iter().any(|(value, _)| value == "24h" || value == "1d") {
        graces
            .iter()
            .find(|(value, _)| value == "24h" || value == "1d")
            .map_or("", |(value, _)| value.as_str())
    } else {
        graces.last().map_or("", |(value, _)| value.as_str())
    };
    let fields = html! {
        (once())
        (select("grace", "Both work for", "Time to put the new key in place.", &graces, default, faults))
        div.actions { (button("Rotate", "is-plain")) }
    };
    html! {
        section.card {
            h2 { "Rotate" }
            p.soft { "Makes a new key like this one. The old one goes on for a while, so that nothing breaks." }
            (form(visit.known(), &format!("/keys/{}/rotate", key.id.0), &fields))
        }
    }
}

fn revoke_form(visit: &Visit<'_>, key: &KeyShape, faults: &Faults) -> Markup {
    let hint = format!("Type the last four characters of the key, {}, to confirm.", last_four(key));
    let fields = html! {
        (Field { hint: &hint, required: true, ..Field::text("confirm", "Confirm") }.render(faults))
        div.actions { (button("Revoke for good", "is-bad")) }
    };
    html! {
        section.card {
            h2 { "Revoke" }
            p.soft { "Ends the key at once and for good. The next request with it is refused." }
            (form(visit.known(), &format!("/keys/{}/revoke", key.id.0), &fields))
        }
    }
}

pub(super) fn last_four(key: &KeyShape) -> &str {
    key.hint.rsplit('…').next().unwrap_or_default()
}

pub(super) fn rotate(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let key = key(visit)?;
    let grace = visit.field("grace").parse::<Span>().ok().map(Span::as_duration);
    if grace.is_none_or(|grace| grace > visit.config.portal.max_grace) {
        return shown(visit, &key, &Faults::at("grace", "Choose one of these."), 422);
    }
    let _turn = visit.book.making.lock().unwrap_or_else(PoisonError::into_inner);
    let old = visit.acts.desk().store()?.key(key.id.0)?;
    // Only what somebody decided is said, so that the same form says the same when it comes again.
    let expires = match old.expires_at {
        None => json!("never"),
        Some(end) if visit.config.successors_end(&old, visit.now) == Some(end) => json!(end.to_string()),
        Some(_) => json!(null),
    };
    let body = json!({
        "grace": visit.field("grace"),
        "expires": expires,
        "note": visit.origin(),
    });
    let id = key.id.0.to_string();
    let ask = Ask { params: &[("key", &id)], body, once: Some(named_once(visit)?), ..Ask::default() };
    if old.rotated_to.is_none() {
        check_pace(visit)?;
    }
    let rotated: Result<KeyRotated, Problem> = visit.call("rotateKey", &ask);
    match rotated {
        Ok(rotated) => Ok(made_page(visit, "Your new key", &rotated.new, Some(&rotated.old))),
        Err(problem) => match Faults::of(&problem) {
            Some(faults) => shown(visit, &key, &faults, 409),
            None => Err(problem),
        },
    }
}

pub(super) fn revoke(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let key = key(visit)?;
    if visit.field("confirm").trim() != last_four(&key) {
        let text = "That is not how the key ends. Nothing was done.";
        return shown(visit, &key, &Faults::at("confirm", text), 422);
    }
    let id = key.id.0.to_string();
    let body = json!({ "note": visit.origin() });
    visit.call::<KeyShape>("revokeKey", &Ask { params: &[("key", &id)], body, ..Ask::default() })?;
    Ok(Answer::see(format!("/keys/{id}")))
}
