//! The pages, one table: who may call what is said here and nowhere else. One file for each group.

mod account;
mod keys;
mod operator;
mod sign_in;
mod usage;

use super::Guard::{Anybody, Consumer, Operator, SignedIn};
use super::visit::{Page, get, post};
use crate::key::Role;

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
    pages.extend(operators());
    pages
}

/// The pages of operators: what only shows is a viewer's, and what changes something is for the role that the
/// endpoint asks for.
fn operators() -> Vec<Page> {
    use operator::{access, alerts, audit, consumers, explain, gateway, keys, many, overview};
    let (viewer, operator, admin) = (Operator(Role::Viewer), Operator(Role::Operator), Operator(Role::Admin));
    vec![
        get("/operator", viewer, overview::show),
        get("/operator/consumers", viewer, consumers::list),
        post("/operator/consumers", operator, consumers::create),
        get("/operator/consumers/new", operator, consumers::new),
        get("/operator/consumers/{consumer}", viewer, consumers::show),
        get("/operator/consumers/{consumer}/edit", operator, consumers::edit),
        post("/operator/consumers/{consumer}/edit", operator, consumers::update),
        get("/operator/consumers/{consumer}/disable", operator, |v| {
            consumers::ask(v, consumers::Act::Disable)
        }),
        post("/operator/consumers/{consumer}/disable", operator, |v| {
            consumers::done(v, consumers::Act::Disable)
        }),
        get("/operator/consumers/{consumer}/enable", operator, |v| consumers::ask(v, consumers::Act::Enable)),
        post("/operator/consumers/{consumer}/enable", operator, |v| {
            consumers::done(v, consumers::Act::Enable)
        }),
        get("/operator/consumers/{consumer}/delete", operator, |v| consumers::ask(v, consumers::Act::Delete)),
        post("/operator/consumers/{consumer}/delete", operator, |v| {
            consumers::done(v, consumers::Act::Delete)
        }),
        get("/operator/consumers/{consumer}/invite", operator, |v| consumers::ask(v, consumers::Act::Invite)),
        post("/operator/consumers/{consumer}/invite", operator, |v| {
            consumers::done(v, consumers::Act::Invite)
        }),
        get("/operator/consumers/{consumer}/sign-out", operator, |v| {
            consumers::ask(v, consumers::Act::SignOut)
        }),
        post("/operator/consumers/{consumer}/sign-out", operator, |v| {
            consumers::done(v, consumers::Act::SignOut)
        }),
        get("/operator/keys", viewer, keys::list),
        post("/operator/keys", operator, keys::create),
        get("/operator/keys/new", operator, keys::new),
        get("/operator/keys/find", viewer, explain::find),
        post("/operator/keys/find", viewer, explain::found),
        get("/operator/keys/revoke", operator, many::revoke),
        post("/operator/keys/revoke", operator, many::revoked),
        get("/operator/keys/prune", admin, many::prune),
        post("/operator/keys/prune", admin, many::pruned),
        get("/operator/keys/{key}", viewer, keys::show),
        get("/operator/keys/{key}/edit", operator, keys::edit),
        post("/operator/keys/{key}/edit", operator, keys::update),
        get("/operator/keys/{key}/rotate", operator, |v| keys::ask(v, keys::Act::Rotate)),
        post("/operator/keys/{key}/rotate", operator, |v| keys::done(v, keys::Act::Rotate)),
        get("/operator/keys/{key}/revoke", operator, |v| keys::ask(v, keys::Act::Revoke)),
        post("/operator/keys/{key}/revoke", operator, |v| keys::done(v, keys::Act::Revoke)),
        get("/operator/keys/{key}/disable", operator, |v| keys::ask(v, keys::Act::Disable)),
        post("/operator/keys/{key}/disable", operator, |v| keys::done(v, keys::Act::Disable)),
        get("/operator/keys/{key}/enable", operator, |v| keys::ask(v, keys::Act::Enable)),
        post("/operator/keys/{key}/enable", operator, |v| keys::done(v, keys::Act::Enable)),
        get("/operator/explain", viewer, explain::ask),
        get("/operator/rotations", viewer, alerts::rotations),
        get("/operator/alerts", viewer, alerts::list),
        get("/operator/audit", viewer, audit::list),
        get("/operator/audit/check", viewer, audit::check),
        get("/operator/gateway", viewer, gateway::show),
        get("/operator/gateway/check", viewer, gateway::check),
        post("/operator/gateway/backup", admin, gateway::backup),
        get("/operator/access", viewer, access::show),
        post("/operator/access", admin, access::create),
        post("/operator/access/mine", viewer, access::end_mine),
        post("/operator/access/sessions", operator, access::end),
        post("/operator/access/invitations", operator, access::withdraw),
        get("/operator/access/new", admin, access::new),
        get("/operator/access/{admin_key}/rotate", admin, |v| access::ask(v, access::Act::Rotate)),
        post("/operator/access/{admin_key}/rotate", admin, |v| access::done(v, access::Act::Rotate)),
        get("/operator/access/{admin_key}/revoke", admin, |v| access::ask(v, access::Act::Revoke)),
        post("/operator/access/{admin_key}/revoke", admin, |v| access::done(v, access::Act::Revoke)),
    ]
}
