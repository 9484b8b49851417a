//! The pages, one table: who may call what is said here and nowhere else. One file for each group.

mod account;
mod keys;
mod operator;
mod sign_in;
mod usage;

use super::Guard::{Anybody, Consumer, Operator, SignedIn};
use super::visit::{Page, get, post};
use crate::config::{Address, Config};
use crate::key::{Role, Token};

pub(super) use operator::PARTS as OPERATORS;

/// Returns every page. That of a later line with the same path is never reached.
pub(super) fn all() -> Vec<Page> {
    let mut pages = vec![
        get("/", Anybody, sign_in::start),
        get("/sign-in", Anybody, sign_in::form),
        get("/invite", Anybody, sign_in::invited),
        post("/invite", Anybody, sign_in::by_invite),
        post("/sign-in", Anybody, sign_in::by_admin_key),
        post("/sign-out", SignedIn, sign_in::out),
        get("/keys", Consumer, keys::list),
        post("/keys", Consumer, keys::create),
        get("/keys/new", Consumer, keys::new),
        get("/keys/{key}", Consumer, keys::show),
        post("/keys/{key}/rotate", Consumer, keys::rotate),
        post("/keys/{key}/revoke", Consumer, keys::revoke),
        get("/usage", Consumer, usage::show),
        get("/account", Consumer, account::show),
        post("/account/sessions", Consumer, account::end),
    ];
    pages.extend([get("/operator", Operator(Role::Viewer), operator::start)]);
    pages
}

/// Returns the link by which somebody signs in with an invitation. The code is behind the `#`: no server,
/// no log and no page that is linked to ever sees it.
pub fn invite_link(config: &Config, token: &Token) -> String {
    let site = config.portal.url.clone().or_else(|| {
        config.listen.portal.iter().find_map(|address| match address {
            Address::Tcp(at) => Some(format!("http://{at}")),
            Address::Unix(_) | Address::Name(..) => None,
        })
    });
    format!("{}/invite#{}", site.unwrap_or_default(), token.expose())
}
