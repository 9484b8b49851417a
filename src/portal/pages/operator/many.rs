//! Many keys at once: revoked, and removed when they were revoked long ago. What would be done is shown
//! first.

#![allow(clippy::unnecessary_wraps, reason = "every page may fail")]

use maud::html;
use serde_json::{Map, Value, json};

use super::super::super::look::{Faults, Field, area, button, counted, form, select};
use super::super::super::visit::{Answer, Visit};
use super::keys::{named, reasons};
use super::{Sheet, again, body, frame, lines, note, note_field, subject, value};
use crate::admin::api::{KeysPruned, KeysRevoked};
use crate::admin::{Ask, Problem};
use crate::key::KeyId;

const PART: &str = "/operator/keys";

pub(in crate::portal::pages) fn revoke(visit: &Visit<'_>) -> Result<Answer, Problem> {
    Ok(revoke_form(visit, &Faults::none()))
}

fn revoke_form(visit: &Visit<'_>, faults: &Faults) -> Answer {
    let fields = html! {
        (area("keys", "Keys", "Identifiers, or the keys themselves, one a line.", &identifiers(visit), faults))
        (Field { value: &value(visit, "consumer", visit.query("consumer")), hint: "Or all keys of a consumer: identifier, external id or unambiguous name.", ..Field::text("consumer", "Consumer") }.render(faults))
        (Field { value: visit.field("tags"), hint: "Or of all consumers with these tags, with commas between.", ..Field::text("tags", "Tags") }.render(faults))
        (select("reason", "Reason", "", &reasons(), visit.field("reason"), faults))
        (note_field(visit, faults))
    };
    Sheet {
        part: PART,
        title: "Revoke keys",
        back: (PART, "Keys"),
        lead: "You are shown which keys these are before anything is done.",
        action: "/operator/keys/revoke",
        fields,
        submit: "Show them",
        class: "is-plain",
    }
    .show(visit, faults)
}

/// What was typed, without keys themselves: no page shows one again.
fn identifiers(visit: &Visit<'_>) -> String {
    let mut ids = named(visit.field("keys"));
    ids.retain(|text| text.parse::<KeyId>().is_ok());
    ids.join("\n")
}

pub(in crate::portal::pages) fn revoked(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let mut asked = body(visit, &["consumer", "reason"]);
    asked.insert("keys".to_owned(), json!(named(visit.field("keys"))));
    asked.insert("tags".to_owned(), json!(lines(visit.field("tags"))));
    let call = |asked: &Map<String, Value>| {
        visit.call::<KeysRevoked>("revokeKeys", &Ask { body: Value::Object(asked.clone()), ..Ask::default() })
    };
    let mut would = asked.clone();
    would.insert("dry_run".to_owned(), true.into());
    let would = match call(&would) {
        Ok(would) => would,
        Err(problem) => return again(problem, |faults| Ok(revoke_form(visit, faults))),
    };
    // What is typed is how many there are: another number of keys than the one that was shown is not ended.
    let count = would.revoked.len().to_string();
    let typed = visit.field("confirm").trim();
    if would.revoked.is_empty() || typed != count {
        return Ok(shown(
            visit,
            &would,
            (!typed.is_empty()).then_some("That is not how many they are. Nothing was done."),
        ));
    }
    let done = match call(&asked) {
        Ok(done) => done,
        Err(problem) => return again(problem, |faults| Ok(revoke_form(visit, faults))),
    };
    Ok(shown(visit, &done, None))
}

/// Shows what would be, or was, revoked.
fn shown(visit: &Visit<'_>, keys: &KeysRevoked, fault: Option<&str>) -> Answer {
    let faults = fault.map_or_else(Faults::none, |text| Faults::at("confirm", text));
    let count = keys.revoked.len();
    let title = if keys.dry_run { "Revoke these?" } else { "Revoked" };
    let again = html! {
        // Those that are shown here, by their identifiers: a key itself is not sent back.
        @if named(visit.field("keys")).is_empty() {
            @for name in ["consumer", "tags"] { input type="hidden" name=(name) value=(visit.field(name)); }
        } @else {
            input type="hidden" name="keys" value=(keys.revoked.iter().map(|key| key.0.to_string()).collect::<Vec<_>>().join(" "));
        }
        @for name in ["reason", "note"] { input type="hidden" name=(name) value=(visit.field(name)); }
        (Field { required: true, hint: &format!("Type how many they are, {count}, to confirm."), ..Field::text("confirm", "Confirm") }.render(&faults))
        div.actions { (button("Revoke them for good", "is-bad")) a href=(PART) { "Cancel" } }
    };
    let inside = html! {
        div.head {
            div {
                p.crumb { a href=(PART) { "Keys" } }
                h1 { (title) }
                p.lead { (counted(count as u64, "key")) @if keys.dry_run { " would be" } @else { " " @if count == 1 { "was" } @else { "were" } } " revoked, " (counted(keys.already_revoked.len() as u64, "key")) " had been before." }
            }
        }
        @if !keys.failed.is_empty() {
            div.notice.is-bad role="alert" { @for failed in keys.failed.iter().take(SHOWN) { p { code { (failed.id) } ": " (failed.error) } } }
        }
        @if count > 0 {
            section.card { h2 { "Which" } p.break { @for key in keys.revoked.iter().take(SHOWN) { (subject(&key.0.to_string())) " " } @if count > SHOWN { "and " (count - SHOWN) " more" } } }
        }
        @if keys.dry_run && count > 0 { section.card { (form(visit.known(), "/operator/keys/revoke", &again)) } }
        @else { p { a.button href=(PART) { "To the keys" } } }
    };
    let status = if faults.is_empty() { 200 } else { 422 };
    Answer::Page(status, frame(visit, PART, title, &inside))
}

pub(in crate::portal::pages) fn prune(visit: &Visit<'_>) -> Result<Answer, Problem> {
    Ok(prune_form(visit, &Faults::none()))
}

fn prune_form(visit: &Visit<'_>, faults: &Faults) -> Answer {
    let fields = html! {
        (Field { required: true, value: &value(visit, "revoked_before", "365d"), hint: "So long ago, 365d, or before a date.", ..Field::text("revoked_before", "Revoked before") }.render(faults))
        (note_field(visit, faults))
    };
    Sheet {
        part: PART,
        title: "Remove keys revoked long ago",
        back: (PART, "Keys"),
        lead: "Their digests go to the audit log; their use raises no alert any more. You are shown how many they are before anything is done.",
        action: "/operator/keys/prune",
        fields,
        submit: "Count them",
        class: "is-plain",
    }
    .show(visit, faults)
}

pub(in crate::portal::pages) fn pruned(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let call = |dry_run: bool| {
        let body = json!({
            "revoked_before": visit.field("revoked_before").trim(),
            "dry_run": dry_run,
            "note": note(visit),
        });
        visit.call::<KeysPruned>("pruneKeys", &Ask { body, ..Ask::default() })
    };
    let would = match call(true) {
        Ok(would) => would,
        Err(problem) => return again(problem, |faults| Ok(prune_form(visit, faults))),
    };
    let count = would.pruned.len();
    let typed = visit.field("confirm").trim();
    let is_meant = count > 0 && typed == count.to_string();
    if is_meant {
        call(false)?;
    }
    let faults = if typed.is_empty() || is_meant || count == 0 {
        Faults::none()
    } else {
        Faults::at("confirm", "That is not how many they are. Nothing was done.")
    };
    let again = html! {
        input type="hidden" name="revoked_before" value=(visit.field("revoked_before"));
        input type="hidden" name="note" value=(visit.field("note"));
        (Field { required: true, hint: &format!("Type how many they are, {count}, to confirm."), ..Field::text("confirm", "Confirm") }.render(&faults))
        div.actions { (button("Remove them for good", "is-bad")) a href=(PART) { "Cancel" } }
    };
    let title = "Remove keys revoked long ago";
    let inside = html! {
        div.head { div { p.crumb { a href=(PART) { "Keys" } } h1 { (title) } } }
        @if is_meant { div.notice.is-good role="status" { p { (counted(count as u64, "key")) " removed." } } p { a.button href=(PART) { "To the keys" } } }
        @else if count == 0 { section.card.empty { h2 { "There are none" } p { "No key was revoked before that." } a.button.is-plain href=(PART) { "To the keys" } } }
        @else { section.card { p { (counted(count as u64, "key")) " would be removed." } (form(visit.known(), "/operator/keys/prune", &again)) } }
    };
    let status = if faults.is_empty() { 200 } else { 422 };
    Ok(Answer::Page(status, frame(visit, PART, title, &inside)))
}

/// Keys a page names one by one.
const SHOWN: usize = 200;
