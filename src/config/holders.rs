//! The table `[self_service]`: what holders may do with a key as the only proof.

use std::time::Duration;

use super::IdentityHeaders;
use super::build::{Names, credentials};
use super::reader::{Section, shown};
use crate::key::{KeyTypes, Kind};
use crate::policy::{RouteSpec, SelfService, Source};

/// Reads the table into the routes it stands for.
pub(super) fn routes(
    section: &Section<'_>,
    key_types: &KeyTypes,
    plans: &Names,
    headers: &IdentityHeaders,
    tokens: &[String],
) -> Vec<RouteSpec> {
    let plan = section.text("plan").and_then(|name| plans.find(section, &name));
    let route = RouteSpec {
        host: section.text("host").map(|at| at.value.to_owned()),
        key_types: taken(section, key_types),
        credentials: places(section, headers, tokens),
        plan: plan.map(|index| plans.names[index].clone()),
        ..RouteSpec::default()
    };
    allowed(section).into_iter().map(|act| of(act, &route)).collect()
}

/// Returns how long a key goes on working that its holder rotated.
pub(super) fn grace(section: &Section<'_>) -> Duration {
    section.duration("grace", Duration::ZERO..=Duration::from_hours(366 * 24))
}

fn of(act: SelfService, route: &RouteSpec) -> RouteSpec {
    let (method, path) = act.asked_by();
    RouteSpec {
        name: format!("kgate.{}", act.as_str()),
        path: path.to_owned(),
        methods: vec![method.to_owned()],
        // To ask spends nothing.
        cost: (act == SelfService::Usage).then_some(0),
        self_service: Some(act),
        ..route.clone()
    }
}

fn allowed(section: &Section<'_>) -> Vec<SelfService> {
    let mut acts = Vec::new();
    let listed = section.texts("allow");
    if listed.is_empty() && section.has("allow") {
        let hint = "leave the table out to allow nothing".to_owned();
        section.error(section.span_of("allow"), "`allow` names nothing", Some(hint));
    }
    for text in listed {
        match SelfService::ALL.into_iter().find(|act| act.as_str() == text.value) {
            Some(act) if acts.contains(&act) => {
                section.error(text.span, format!("`{}` is named twice", act.as_str()), None);
            }
            Some(act) => acts.push(act),
            None => {
                let hint = "there are \"rotate\", \"revoke\" and \"usage\"".to_owned();
                let message = format!("`{}` is nothing a holder can do", shown(text.value));
                section.error(text.span, message, Some(hint));
            }
        }
    }
    acts
}

/// Returns the names of the key types it takes: of a key that everybody may see, everybody is the holder.
fn taken(section: &Section<'_>, key_types: &KeyTypes) -> Vec<String> {
    let names =
        Names { what: "key type", names: key_types.as_slice().iter().map(|t| t.name.clone()).collect() };
    let mut taken = Vec::new();
    for text in section.texts("key_types") {
        let Some(index) = names.find(section, &text) else { continue };
        if key_types.as_slice()[index].kind == Kind::Publishable {
            let message = format!("keys of type `{}` are publishable: anybody could end them", text.value);
            section.error(text.span, message, Some("name types of `kind = \"secret\"`".to_owned()));
        } else {
            taken.push(text.value.to_owned());
        }
    }
    if section.has("key_types") {
        return taken;
    }
    let secret = key_types.as_slice().iter().filter(|key_type| key_type.kind == Kind::Secret);
    taken.extend(secret.map(|key_type| key_type.name.clone()));
    if taken.is_empty() && !key_types.as_slice().is_empty() {
        section.error(section.span.clone(), "no key type is `kind = \"secret\"`", None);
    }
    taken
}

/// Reads where the key is looked for: only where no browser puts it by itself, as it does with cookies and with
/// a name and a password that somebody once typed in, and no URL keeps it.
fn places(section: &Section<'_>, headers: &IdentityHeaders, tokens: &[String]) -> Vec<Source> {
    let sources = credentials(section, headers, tokens);
    for text in section.texts("credentials") {
        let Ok(source) = text.value.parse() else { continue };
        if !matches!(source, Source::Bearer | Source::Header(_)) {
            let message =
                format!("`{}`: a page of somebody else could have a browser end the key", text.value);
            let hint = "take it from \"bearer\" or \"header:NAME\"".to_owned();
            section.error(text.span, message, Some(hint));
        }
    }
    sources
}
