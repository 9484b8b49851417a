//! Signing in and out.
//!
//! A link to sign in leads to a form with a button: whoever merely opens it, a mail scanner or a preview, does
//! not use it up. Every wrong attempt gets one answer, and addresses with many of them none for a while.

#![allow(clippy::unnecessary_wraps, reason = "every page may fail")]

use maud::{Markup, html};

use crate::admin::Problem;
use crate::admin::api::sign_out;
use crate::key::{Digest, Status};
use crate::store::{SignedInBy, Visitor};

use super::super::look::{Faults, Field, Frame, button};
use super::super::visit::{Answer, Known, Visit, Who};
use super::super::who::{self, Beginning};

/// Leads everybody to where they belong.
pub(super) fn start(visit: &Visit<'_>) -> Result<Answer, Problem> {
    Ok(Answer::see(match visit.known.map(|known| &known.who) {
        Some(Who::Consumer(_)) => "/keys",
        Some(Who::Operator(_)) => "/operator",
        None => "/sign-in",
    }))
}

pub(super) fn form(visit: &Visit<'_>) -> Result<Answer, Problem> {
    if visit.known.is_some() {
        return start(visit);
    }
    Ok(Answer::page(page(visit, &Faults::none())))
}

/// Where links lead to.
pub(super) fn invited(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let inside = html! {
        section.narrow.centred.card {
            h1 { "Welcome" }
            p { "You were invited to " (visit.config.portal.title) ". Sign in to make and look after your API keys." }
            (invite_form(&Faults::none()))
        }
    };
    Ok(Answer::page(frame(visit, "Sign in", &inside)))
}

fn page(visit: &Visit<'_>, faults: &Faults) -> Markup {
    let inside = html! {
        div.narrow.centred {
            section.card {
                h1 { "Sign in" }
                p.soft { "Open the link you were sent, or paste its code: what follows the # in it. Each link works once." }
                (invite_form(faults))
            }
            @if visit.config.portal.operators {
                details.card open[faults.of_field("admin_key").is_some()] {
                    summary { "Sign in as an operator" }
                    form method="post" action="/sign-in" {
                        (Field { kind: "password", required: true, hint: "kgate_admin_…", ..Field::text("admin_key", "Admin key") }.render(faults))
                        div.actions { (button("Sign in", "")) }
                    }
                }
            }
        }
    };
    frame(visit, "Sign in", &inside)
}

fn invite_form(faults: &Faults) -> Markup {
    html! {
        form method="post" action="/invite" {
            (Field { required: true, autocomplete: "one-time-code", ..Field::text("code", "Code of your link") }.render(faults))
            div.actions { (button("Sign in", "")) }
        }
    }
}

fn frame(visit: &Visit<'_>, title: &str, inside: &Markup) -> Markup {
    Frame { title, part: "", known: visit.known, config: &visit.config }.around(inside)
}

pub(super) fn by_invite(visit: &Visit<'_>) -> Result<Answer, Problem> {
    check_attempts(visit)?;
    let code = visit.field("code").trim();
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let beginning = Beginning::new(visit, SignedInBy::Invite, &mut rand::rng());
    let usage = visit.usage()?;
    let accepted = match code {
        "" => None,
        code => {
            let invite = Digest::sha256(code.as_bytes());
            usage.accept_invite(invite, beginning.digest(), beginning.session.clone())?
        }
    };
    let store = visit.acts.desk().store()?;
    let consumer = accepted.map(|id| store.consumer(id)).transpose();
    let Some(consumer) = consumer.ok().flatten().filter(|consumer| consumer.enabled) else {
        if let Some(id) = accepted {
            usage.end_sessions(Visitor::Consumer(id), Some(beginning.session.id.clone()))?;
        }
        return Ok(failed(visit, "code", "This link was used, withdrawn or is too old. Ask for a new one."));
    };
    begin(visit, Who::Consumer(consumer), &beginning, "/keys")
}

pub(super) fn by_admin_key(visit: &Visit<'_>) -> Result<Answer, Problem> {
    check_attempts(visit)?;
    let digest = Digest::sha256(visit.field("admin_key").trim().as_bytes());
    let key = if visit.config.portal.operators {
        visit.acts.desk().store()?.admin_key_by_digest(&digest)?
    } else {
        None
    };
    let Some(key) = key.filter(|key| key.status(visit.now) == Status::Active) else {
        return Ok(failed(visit, "admin_key", "This is not an admin key that works."));
    };
    let beginning = Beginning::new(visit, SignedInBy::AdminKey, &mut rand::rng());
    let usage = visit.usage()?;
    usage.begin_session(Visitor::Operator(key.id), beginning.digest(), beginning.session.clone())?;
    begin(visit, Who::Operator(key), &beginning, "/operator")
}

fn begin(visit: &Visit<'_>, who: Who, beginning: &Beginning, to: &str) -> Result<Answer, Problem> {
    let known = Known { who, session: beginning.session.clone(), csrf: String::new() };
    let visitor = known.visitor();
    who::signed_in(visit, visitor, beginning, &known)?;
    Ok(Answer::Session(Some(beginning.cookie(visitor)), Box::new(Answer::see(to))))
}

fn check_attempts(visit: &Visit<'_>) -> Result<(), Problem> {
    if visit.book.wait(visit.client, visit.mono).is_zero() {
        return Ok(());
    }
    let text = "Too many attempts to sign in came from your address. Wait a minute, and try again.";
    Err(Problem::new(429, "too_many_failures", text))
}

fn failed(visit: &Visit<'_>, field: &str, text: &str) -> Answer {
    visit.book.failed(visit.client, visit.mono);
    Answer::Page(422, page(visit, &Faults::at(field, text)))
}

pub(super) fn out(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let known = visit.known();
    let (store, usage) = (visit.acts.desk().store()?, visit.usage()?);
    sign_out((&store, &usage), known.visitor(), Some(known.session.id.clone()), &visit.act())?;
    Ok(Answer::Session(None, Box::new(Answer::see("/sign-in"))))
}

/// Ends the sessions of whoever is signed in: one by its name, or all but this.
pub(super) fn end_sessions(visit: &Visit<'_>, id: Option<&str>) -> Result<(), Problem> {
    let known = visit.known();
    let (store, usage) = (visit.acts.desk().store()?, visit.usage()?);
    for session in usage.sessions_of(known.visitor())? {
        let is_meant = id.map_or(session.id != known.session.id, |id| id == session.id);
        if is_meant {
            sign_out((&store, &usage), known.visitor(), Some(session.id), &visit.act())?;
        }
    }
    Ok(())
}
