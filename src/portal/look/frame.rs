//! The frame around every page.

use maud::{DOCTYPE, Markup, html};

use crate::admin::Problem;
use crate::config::Config;

use super::super::visit::{Known, Who};
use super::{assets, csrf};

/// The frame of a page.
pub(in crate::portal) struct Frame<'a> {
    /// What the page is.
    pub(in crate::portal) title: &'a str,
    /// The path of its part of the portal, for the navigation.
    pub(in crate::portal) part: &'a str,
    pub(in crate::portal) known: Option<&'a Known>,
    pub(in crate::portal) config: &'a Config,
}

/// The parts consumers see.
const CONSUMERS: &[(&str, &str)] = &[("/keys", "Keys"), ("/usage", "Usage"), ("/account", "Account")];

impl Frame<'_> {
    /// Puts the frame around what a page shows.
    pub(in crate::portal) fn around(&self, inside: &Markup) -> Markup {
        let portal = &self.config.portal;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) " · " (portal.title) }
                    link rel="icon" type="image/svg+xml" href=(assets::icon());
                    link rel="stylesheet" href=(assets::style());
                    script defer src=(assets::script()) {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        div.inner {
                            a.brand href="/" { img src=(assets::icon()) alt="" width="28" height="28"; span { (portal.title) } }
                            @if let Some(known) = self.known { (self.navigation(known)) }
                        }
                    }
                    main #main tabindex="-1" { (inside) }
                    footer {
                        @if let Some(support) = &portal.support { p { "Questions? " (contact(support)) } }
                    }
                }
            }
        }
    }

    fn navigation(&self, known: &Known) -> Markup {
        let (parts, name) = match &known.who {
            Who::Consumer(consumer) => (CONSUMERS, consumer.name.as_str()),
            Who::Operator(key) => (super::super::pages::OPERATORS, key.name.as_str()),
        };
        html! {
            nav aria-label="Parts of the portal" {
                @for (path, text) in parts {
                    a href=(path) aria-current=[(*path == self.part).then_some("page")] { (text) }
                }
            }
            form.sign-out method="post" action="/sign-out" {
                (csrf(known))
                span.who title="Signed in as" { (name) }
                button.quiet type="submit" { "Sign out" }
            }
        }
    }
}

/// Whom to ask, as a link if it is an address.
fn contact(support: &str) -> Markup {
    let is_mail = support.contains('@') && !support.contains([' ', ':', '/', '?', '&']);
    html! {
        @if is_mail { a href=(format!("mailto:{support}")) { (support) } } @else { (support) }
    }
}

/// The page of what went wrong.
pub(in crate::portal) fn error_page(problem: &Problem, known: Option<&Known>, config: &Config) -> Markup {
    let title = match problem.status {
        401 => "Signed out",
        403 => "Not allowed",
        404 => "Not found",
        429 => "Too many attempts",
        503 | 504 | 507 => "Not available right now",
        _ => "That did not work",
    };
    let is_signed_in = known.is_some();
    // What is wrong with the store is the operator's business, and in the server's log.
    let is_internal = problem.is_of_the_store() || problem.code == "damaged";
    let is_operator = known.is_some_and(|known| matches!(known.who, Who::Operator(_)));
    Frame { title, part: "", known, config }.around(&html! {
        section.narrow {
            h1 { (title) }
            @if problem.code == "outcome_unknown" {
                p { "It took too long to know whether this was done. Look at your keys before you try again." }
            } @else if is_internal && !is_operator {
                p { "The portal cannot reach its data right now. Try again in a moment." }
            } @else {
                p { (problem.detail) }
            }
            p {
                @if is_signed_in { a.button href="/" { "Back to the start" } }
                @else { a.button href="/sign-in" { "Sign in" } }
            }
        }
    })
}
