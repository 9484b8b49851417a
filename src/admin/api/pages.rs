//! The API about itself.

#![allow(clippy::unnecessary_wraps, reason = "every endpoint may fail")]

use std::sync::OnceLock;

use axum::http::header::CONTENT_SECURITY_POLICY;

use super::super::endpoint::{Call, Reply, ReplyBody};
use super::super::openapi;
use super::super::problem::Problem;

/// The document, made once: it is the same as long as the program is.
fn document() -> &'static serde_json::Value {
    static DOCUMENT: OnceLock<serde_json::Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| openapi::document(&super::endpoints()))
}

pub(super) fn openapi(_: &Call<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(document()))
}

pub(super) fn docs(_: &Call<'_>) -> Result<Reply, Problem> {
    static PAGE: OnceLock<String> = OnceLock::new();
    let page = PAGE.get_or_init(|| openapi::page(document()));
    let body = ReplyBody::Page("text/html; charset=utf-8", page);
    Ok(Reply { status: 200, body, headers: Vec::new() }.with(CONTENT_SECURITY_POLICY, POLICY))
}

pub(super) fn css(_: &Call<'_>) -> Result<Reply, Problem> {
    let body = ReplyBody::Page("text/css; charset=utf-8", openapi::CSS);
    Ok(Reply { status: 200, body, headers: Vec::new() })
}

const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
