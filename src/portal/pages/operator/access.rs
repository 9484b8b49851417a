//! Who may manage this gateway, and who is signed in.

#![allow(clippy::unnecessary_wraps, reason = "every page may fail")]

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::super::look::{Faults, Field, Relative, csrf, select, when};
use super::super::super::visit::{Answer, Visit, Who};
use super::super::{account, keys as own, sign_in};
use super::{Sheet, again, body, frame, may, note, note_field, page, subject, token_card, value};
use crate::admin::api::{AdminKeyRotated, InvitationShape, PortalSessionShape, SignedOut};
use crate::admin::shape::{AdminKeyShape, NewAdminKeyShape, TokenText};
use crate::admin::{Ask, Problem};
use crate::key::{Role, Status};
use crate::store::Subject;

const PART: &str = "/operator/access";

pub(in crate::portal::pages) fn show(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let inside = html! {
        div.head {
            div { h1 { "Access" } p.lead { "Who manages this gateway, and who is signed in at this portal." } }
            @if may(visit, Role::Admin) { a.button href="/operator/access/new" { "Create an admin key" } }
        }
        @if let Who::Operator(key) = &visit.known().who {
            section.card {
                h2 { "You" }
                dl {
                    dt { "Name" } dd { (key.name) }
                    dt { "Admin key" } dd { code { (key.id) } }
                    dt { "Role" } dd { (key.role) ": " (role_text(key.role)) }
                    dt { "Expires" } dd { @if let Some(at) = key.expires_at { (when(at, visit.now)) } @else { "never" } }
                }
            }
        }
        @if may(visit, Role::Admin) { (admin_keys(visit)?) }
        (account::sessions(visit, "/operator/access/mine")?)
        @if may(visit, Role::Operator) { (others(visit)?) }
    };
    page(visit, PART, "Access", &inside)
}

const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Viewer => "sees everything but admin keys, and changes nothing",
        Role::Operator => "sees and changes consumers and keys",
        Role::Admin => "does everything, admin keys too",
    }
}

/// As [`role_text`], for a list of choices on a phone.
const fn in_short(role: Role) -> &'static str {
    match role {
        Role::Viewer => "sees, changes nothing",
        Role::Operator => "consumers and keys",
        Role::Admin => "everything",
    }
}

fn admin_keys(visit: &Visit<'_>) -> Result<Markup, Problem> {
    let keys: Vec<AdminKeyShape> = visit.call("listAdminKeys", &Ask::default())?;
    Ok(html! {
        section.card.is-flush {
            div.inside { h2 { "Admin keys" } }
            div.scroll tabindex="0" role="region" aria-label="Admin keys" {
                table.stack {
                    caption { "Admin keys" }
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Key" } th scope="col" { "Role" } th scope="col" { "Status" } th scope="col" { "Expires" } th scope="col" { span.soft { "Change it" } } } }
                    tbody {
                        @for key in &keys {
                            @let path = format!("{PART}/{}", key.id.0);
                            @let works = key.status.0 == Status::Active;
                            tr {
                                th.break scope="row" { (key.name) }
                                td data-label="Key" { code { (key.hint) } }
                                td data-label="Role" { (key.role.0) }
                                td data-label="Status" { span { span.badge.is-good[works].is-bad[!works] { (key.status.0) } @if key.rotated_to.is_some() { " " span.badge.is-warn { "being replaced" } } } }
                                td.nowrap data-label="Expires" { @if let Some(at) = &key.expires_at { (Relative(at.0, visit.now)) } @else { "never" } }
                                td.number { @if works { @if key.rotated_to.is_none() { a href=(format!("{path}/rotate")) aria-label=(format!("Rotate {}", key.name)) { "Rotate" } " " } a href=(format!("{path}/revoke")) aria-label=(format!("Revoke {}", key.name)) { "Revoke" } } }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// Shows who else is signed in and which links are open, the latest first.
fn others(visit: &Visit<'_>) -> Result<Markup, Problem> {
    let known = visit.known();
    let ask = Ask { query: &[("limit", SHOWN)], ..Ask::default() };
    let mut all: Vec<PortalSessionShape> = visit.call("listPortalSessions", &ask)?;
    let own = Subject::from(known.visitor()).to_string();
    all.retain(|session| session.subject != own);
    let open: Vec<InvitationShape> = visit.call("listInvitations", &ask)?;
    Ok(html! { (sessions(visit, "Who else is signed in", &all)) (invitations(visit, &open)) })
}

/// A table of sessions, each with a button that ends it.
pub(super) fn sessions(visit: &Visit<'_>, title: &str, all: &[PortalSessionShape]) -> Markup {
    let known = visit.known();
    let row = |session: &PortalSessionShape| {
        let may_end = session.subject.starts_with("cust_") || may(visit, Role::Admin);
        let name = session.name.as_deref().unwrap_or("gone");
        html! {
            tr {
                th.break scope="row" { (name) " " span.soft { (subject(&session.subject)) } }
                td data-label="Browser" { (account::browser(&session.agent)) }
                td data-label="Address" { (session.from.as_deref().unwrap_or("unknown")) }
                td data-label="Signed in" { span { (Relative(session.created_at.0, visit.now)) " by " (session.by) } }
                td data-label="Last seen" { (Relative(session.seen_at.0, visit.now)) }
                td.number {
                    @if may_end {
                        form.inline method="post" action="/operator/access/sessions" {
                            (csrf(known))
                            input type="hidden" name="whose" value=(session.subject);
                            input type="hidden" name="session" value=(session.id);
                            button.quiet type="submit" aria-label=(format!("Sign out {name}, {}", account::browser(&session.agent))) { "Sign out" }
                        }
                    }
                }
            }
        }
    };
    html! {
        section.card.is-flush {
            div.inside { h2 { (title) } }
            @if all.is_empty() { div.inside.is-last { p.soft { "Nobody. Invite consumers from their pages; operators sign in with an admin key." } } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(title) {
                    table.stack.is-wide {
                        caption { (title) }
                        thead { tr { th scope="col" { "Who" } th scope="col" { "Browser" } th scope="col" { "Address" } th scope="col" { "Signed in" } th scope="col" { "Last seen" } th scope="col" { span.soft { "Action" } } } }
                        tbody { @for session in all { (row(session)) } }
                    }
                }
            }
        }
    }
}

/// A table of open invitations, each with a button that withdraws it.
pub(super) fn invitations(visit: &Visit<'_>, open: &[InvitationShape]) -> Markup {
    let row = |invitation: &InvitationShape| {
        let name = invitation.consumer_name.as_deref().unwrap_or("gone");
        html! {
            tr {
                th.break scope="row" { (name) " " span.soft { (subject(&invitation.consumer_id.0.to_string())) } }
                td data-label="Made" { (Relative(invitation.created_at.0, visit.now)) }
                td data-label="Good until" { (Relative(invitation.expires_at.0, visit.now)) }
                td.number {
                    form.inline method="post" action="/operator/access/invitations" {
                        (csrf(visit.known()))
                        input type="hidden" name="invitation" value=(invitation.id);
                        button.quiet type="submit" aria-label=(format!("Withdraw the link of {name}")) { "Withdraw" }
                    }
                }
            }
        }
    };
    html! {
        section.card.is-flush {
            div.inside { h2 { "Open invitations" } }
            @if open.is_empty() { div.inside.is-last { p.soft { "No link to sign in is waiting to be used." } } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Open invitations" {
                    table.stack.is-wide {
                        caption { "Open invitations" }
                        thead { tr { th scope="col" { "For whom" } th scope="col" { "Made" } th scope="col" { "Good until" } th scope="col" { span.soft { "Action" } } } }
                        tbody { @for invitation in open { (row(invitation)) } }
                    }
                }
            }
        }
    }
}

/// Ends sessions of whoever is signed in.
pub(in crate::portal::pages) fn end_mine(visit: &Visit<'_>) -> Result<Answer, Problem> {
    sign_in::end_sessions(visit, Some(visit.field("session")).filter(|id| !id.is_empty()))?;
    Ok(Answer::see(PART))
}

/// Ends a session of somebody else. That of another operator is an admin's to end.
pub(in crate::portal::pages) fn end(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let session = visit.field("session");
    if session.is_empty() {
        return Err(Problem::new(400, "malformed", "This form is not whole. Go back and try again."));
    }
    let body = json!({ "subject": visit.field("whose"), "session": session, "note": note(visit) });
    visit.call::<SignedOut>("signOut", &Ask { body, ..Ask::default() })?;
    Ok(Answer::see(PART))
}

/// Withdraws a link. One that was used meanwhile is gone, too.
pub(in crate::portal::pages) fn withdraw(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let params = [("invitation", visit.field("invitation"))];
    let ask = Ask { params: &params, body: json!({ "note": note(visit) }), ..Ask::default() };
    match visit.call::<SignedOut>("withdrawInvitation", &ask) {
        Ok(_) => Ok(Answer::see(PART)),
        Err(problem) if problem.status == 404 => Ok(Answer::see(PART)),
        Err(problem) => Err(problem),
    }
}

pub(in crate::portal::pages) fn new(visit: &Visit<'_>) -> Result<Answer, Problem> {
    Ok(new_form(visit, &Faults::none()))
}

fn new_form(visit: &Visit<'_>, faults: &Faults) -> Answer {
    let roles = Role::ALL.map(|role| (role.to_string(), format!("{role}: {}", in_short(role))));
    let fields = html! {
        (own::once())
        (Field { value: visit.field("name"), required: true, hint: "Whose it is.", ..Field::text("name", "Name") }.render(faults))
        (select("role", "Role", "", &roles, visit.field("role"), faults))
        (Field { value: visit.field("expires"), hint: "90d, a date, or never. Empty: in a year.", ..Field::text("expires", "Expires") }.render(faults))
        (note_field(visit, faults))
    };
    Sheet {
        part: PART,
        title: "Create an admin key",
        back: (PART, "Access"),
        lead: "For the admin API, the command line from elsewhere, and this portal.",
        action: PART,
        fields,
        submit: "Create",
        class: "",
    }
    .show(visit, faults)
}

pub(in crate::portal::pages) fn create(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let mut body = body(visit, &["role", "expires"]);
    body.insert("name".to_owned(), visit.field("name").trim().into());
    let ask = Ask { body: Value::Object(body), once: Some(own::named_once(visit)?), ..Ask::default() };
    match visit.call::<NewAdminKeyShape>("createAdminKey", &ask) {
        Ok(made) => Ok(made_page(visit, &made)),
        Err(problem) => again(problem, |faults| Ok(new_form(visit, faults))),
    }
}

fn made_page(visit: &Visit<'_>, made: &NewAdminKeyShape) -> Answer {
    let inside = html! {
        div.head { div { p.crumb { a href=(PART) { "Access" } } h1 { "The new admin key" } p.lead { (made.key.name) ", " (made.key.role.0) } } }
        (token_card(made.token.as_ref().map(TokenText::expose), PART))
    };
    let status = if made.token.is_some() { 201 } else { 200 };
    Answer::Page(status, frame(visit, PART, "The new admin key", &inside))
}

/// What is done to an admin key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::portal::pages) enum Act {
    Rotate,
    Revoke,
}

pub(in crate::portal::pages) fn ask(visit: &Visit<'_>, act: Act) -> Result<Answer, Problem> {
    ask_form(visit, act, &Faults::none())
}

fn found(visit: &Visit<'_>) -> Result<AdminKeyShape, Problem> {
    let params = [("admin_key", visit.param("admin_key"))];
    visit.call("showAdminKey", &Ask { params: &params, ..Ask::default() })
}

fn ask_form(visit: &Visit<'_>, act: Act, faults: &Faults) -> Result<Answer, Problem> {
    let key = found(visit)?;
    let path = format!("{PART}/{}", key.id.0);
    let confirm = format!("Type its name, {}, to confirm.", key.name);
    let (title, lead, action, submit, class) = match act {
        Act::Rotate => (
            "Rotate the admin key",
            "Makes another with the same role. The old one goes on for a while.",
            format!("{path}/rotate"),
            "Rotate",
            "",
        ),
        Act::Revoke => (
            "Revoke the admin key",
            "Ends it at once and for good. Whoever is signed in with it is out.",
            format!("{path}/revoke"),
            "Revoke for good",
            "is-bad",
        ),
    };
    let fields = html! {
        @match act {
            Act::Rotate => {
                (own::once())
                (Field { value: &value(visit, "grace", "1d"), hint: "Both work for so long. 0s ends the old one at once.", ..Field::text("grace", "Grace") }.render(faults))
                (Field { value: visit.field("expires"), hint: "90d, a date, or never. Empty: in a year.", ..Field::text("expires", "Expires") }.render(faults))
            },
            Act::Revoke => (Field { required: true, value: visit.field("confirm"), hint: &confirm, ..Field::text("confirm", "Confirm") }.render(faults)),
        }
        (note_field(visit, faults))
    };
    Ok(Sheet { part: PART, title, back: (PART, "Access"), lead, action: &action, fields, submit, class }
        .show(visit, faults))
}

pub(in crate::portal::pages) fn done(visit: &Visit<'_>, act: Act) -> Result<Answer, Problem> {
    let key = found(visit)?;
    let id = key.id.0.to_string();
    let params = [("admin_key", id.as_str())];
    let result = match act {
        Act::Rotate => {
            let body: Map<String, Value> = body(visit, &["grace", "expires"]);
            let once = Some(own::named_once(visit)?);
            let ask = Ask { params: &params, body: Value::Object(body), once, ..Ask::default() };
            match visit.call::<AdminKeyRotated>("rotateAdminKey", &ask) {
                Ok(done) => return Ok(made_page(visit, &done.new)),
                Err(problem) => Err(problem),
            }
        }
        Act::Revoke => {
            if visit.field("confirm").trim() != key.name.trim() {
                let faults = Faults::at("confirm", "That is not its name. Nothing was done.");
                return ask_form(visit, act, &faults);
            }
            let ask = Ask { params: &params, body: json!({ "note": note(visit) }), ..Ask::default() };
            visit.call::<AdminKeyShape>("revokeAdminKey", &ask).map(drop)
        }
    };
    match result {
        Ok(()) => Ok(Answer::see(PART)),
        Err(problem) => again(problem, |faults| ask_form(visit, act, faults)),
    }
}

/// Sessions a page shows.
const SHOWN: &str = "200";
