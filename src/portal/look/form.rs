//! Fields of forms, each with its label, a hint, and what is wrong beside it.

use maud::{Markup, html};

use crate::admin::Problem;

use super::super::visit::Known;

/// What is wrong with a form.
#[derive(Clone, Debug, Default)]
pub(in crate::portal) struct Faults {
    general: Option<String>,
    fields: Vec<(String, String)>,
}

impl Faults {
    /// Nothing.
    pub(in crate::portal) fn none() -> Self {
        Self::default()
    }

    /// One field.
    pub(in crate::portal) fn at(name: &str, text: impl Into<String>) -> Self {
        Self { general: None, fields: vec![(name.to_owned(), text.into())] }
    }

    pub(in crate::portal) fn add(&mut self, name: &str, text: impl Into<String>) {
        self.fields.push((name.to_owned(), text.into()));
    }

    pub(in crate::portal) fn is_empty(&self) -> bool {
        self.general.is_none() && self.fields.is_empty()
    }

    /// What an endpoint of the API says is wrong; `None` if it is nothing a form could do better.
    pub(in crate::portal) fn of(problem: &Problem) -> Option<Self> {
        if ![400, 409, 412, 422].contains(&problem.status) && problem.errors.is_empty() {
            return None;
        }
        let field = |pointer: &str| {
            pointer.trim_start_matches(['/', '?']).split('/').next().unwrap_or_default().to_owned()
        };
        // Where in the JSON that was made of the form it is means nothing to who filled it in.
        let detail = |text: &str| text.split(" at line ").next().unwrap_or_default().to_owned();
        let fields: Vec<_> =
            problem.errors.iter().map(|fault| (field(&fault.pointer), detail(&fault.detail))).collect();
        let general = fields.iter().all(|(name, _)| name.is_empty()).then(|| problem.detail.clone());
        Some(Self { general, fields })
    }

    pub(in crate::portal) fn of_field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str())
    }

    /// Says above the form that something is wrong.
    pub(in crate::portal) fn summary(&self) -> Markup {
        html! {
            @if !self.is_empty() {
                div.notice.is-bad role="alert" {
                    @if let Some(text) = &self.general { p { (text) } }
                    @else { p { "Something is not right yet. See below." } }
                }
            }
        }
    }
}

/// A field of one line.
pub(in crate::portal) struct Field<'a> {
    pub(in crate::portal) name: &'a str,
    pub(in crate::portal) label: &'a str,
    pub(in crate::portal) kind: &'a str,
    pub(in crate::portal) value: &'a str,
    pub(in crate::portal) hint: &'a str,
    pub(in crate::portal) required: bool,
    pub(in crate::portal) autocomplete: &'a str,
}

impl<'a> Field<'a> {
    pub(in crate::portal) fn text(name: &'a str, label: &'a str) -> Self {
        Self { name, label, kind: "text", value: "", hint: "", required: false, autocomplete: "off" }
    }

    pub(in crate::portal) fn render(&self, faults: &Faults) -> Markup {
        let fault = faults.of_field(self.name);
        let hint_id = format!("{}-hint", self.name);
        html! {
            div.field.is-bad[fault.is_some()] {
                label for=(self.name) { (self.label) }
                @if !self.hint.is_empty() || fault.is_some() {
                    p.hint #(hint_id) {
                        @if let Some(fault) = fault { span.fault { (fault) } " " }
                        (self.hint)
                    }
                }
                input #(self.name) name=(self.name) type=(self.kind) value=(self.value)
                    autocomplete=(self.autocomplete) autocapitalize="off" spellcheck="false" maxlength="256"
                    required[self.required]
                    aria-describedby=[(!self.hint.is_empty() || fault.is_some()).then_some(hint_id.as_str())]
                    aria-invalid=[fault.map(|_| "true")];
            }
        }
    }
}

/// A choice of one of some.
pub(in crate::portal) fn select(
    name: &str,
    label: &str,
    hint: &str,
    choices: &[(String, String)],
    chosen: &str,
    faults: &Faults,
) -> Markup {
    let fault = faults.of_field(name);
    let hint_id = format!("{name}-hint");
    html! {
        div.field.is-bad[fault.is_some()] {
            label for=(name) { (label) }
            @if !hint.is_empty() || fault.is_some() {
                p.hint #(hint_id) { @if let Some(fault) = fault { span.fault { (fault) } " " } (hint) }
            }
            select #(name) name=(name) aria-describedby=[(!hint.is_empty()).then_some(hint_id.as_str())] {
                @for (value, text) in choices {
                    option value=(value) selected[value == chosen] { (text) }
                }
            }
        }
    }
}

/// A field of several lines, each of them one value.
pub(in crate::portal) fn area(name: &str, label: &str, hint: &str, value: &str, faults: &Faults) -> Markup {
    let fault = faults.of_field(name);
    let hint_id = format!("{name}-hint");
    html! {
        div.field.is-bad[fault.is_some()] {
            label for=(name) { (label) }
            p.hint #(hint_id) { @if let Some(fault) = fault { span.fault { (fault) } " " } (hint) }
            textarea #(name) name=(name) rows="3" maxlength="4096" autocapitalize="off" spellcheck="false"
                aria-describedby=(hint_id) aria-invalid=[fault.map(|_| "true")] { (value) }
        }
    }
}

/// What every form of a session brings along.
pub(in crate::portal) fn csrf(known: &Known) -> Markup {
    html! { input type="hidden" name="csrf" value=(known.csrf); }
}

/// A form that is sent to `action`.
pub(in crate::portal) fn form(known: &Known, action: &str, inside: &Markup) -> Markup {
    html! { form method="post" action=(action) { (csrf(known)) (inside) } }
}

/// The button that sends a form.
pub(in crate::portal) fn button(text: &str, class: &str) -> Markup {
    html! { button class={ "button " (class) } type="submit" { (text) } }
}
