//! Envoy's `ext_authz` over gRPC: `envoy.service.auth.v3.Authorization/Check`.

use std::net::IpAddr;
use std::sync::Arc;

use envoy_types::ext_authz::v3::pb::{
    Address, Authorization, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue,
    HeaderValueOption, HttpResponse, HttpStatus, OkHttpResponse,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use envoy_types::pb::google::rpc;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use tonic::{Request, Response, Status};

use super::Sidecar;
use super::check::{Allowed, Question, Verdict};
use super::setup::Setup;
use crate::config::RequestIdTrust;
use crate::edge::{Answer, Failure, RequestId, TRACEPARENT, client_address};

/// The service, as tonic wants it.
pub(super) struct Check(pub(super) Arc<Sidecar>);

#[tonic::async_trait]
impl Authorization for Check {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let setup = self.0.setup();
        let id = RequestId::make(&mut rand::rng());
        let (metadata, _, request) = request.into_parts();
        let question = question(request, &metadata.into_headers(), &setup);
        let is_grpc = question.as_ref().is_some_and(|question| is_grpc(&question.fields));
        let verdict = match question {
            Some(question) => self.0.check(question).await,
            None => Verdict::Refused(setup.answers.failure(Failure::BadRequest, &id)),
        };
        Ok(Response::new(match verdict {
            Verdict::Allowed(allowed) => permitted(*allowed),
            Verdict::Refused(answer) if is_grpc => refused_in_grpc(answer),
            Verdict::Refused(answer) => refused(&answer),
        }))
    }
}

/// Reads the original request; `None` if something of it is missing or cannot be. `call` are the fields of the
/// question itself.
fn question(request: CheckRequest, call: &HeaderMap, setup: &Setup) -> Option<Question> {
    let attributes = request.attributes?;
    let source = attributes.source.and_then(|source| source.address).and_then(|address| address.address);
    let asks = match source {
        Some(Address::SocketAddress(socket)) => Some(socket.address.parse::<IpAddr>().ok()?),
        _ => None,
    };
    let http = attributes.request?.http?;
    let fields = fields(&http)?;
    if http.method.is_empty() || http.path.is_empty() || http.method == Method::CONNECT.as_str() {
        return None;
    }
    // Envoy makes the id at the edge, and drops what strangers send.
    let id = RequestId::take_or_make(&fields, true, RequestIdTrust::TrustedProxies, &mut rand::rng());
    // Envoy asks within a step of its own, if it traces; the original request says of the one before.
    let trace = setup.trace(if call.contains_key(TRACEPARENT) { call } else { &fields });
    Some(Question {
        client: asks.and_then(|address| client_address(Some(address), &fields, &setup.trusted)),
        method: http.method,
        host: http.host,
        target: http.path.into_bytes(),
        fields,
        id,
        trace,
        takes_target: true,
    })
}

/// Returns the fields, pseudo-fields left out; `None` if one is none.
fn fields(http: &HttpRequest) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    let mut take = |name: &str, value: &[u8]| {
        if name.starts_with(':') {
            return Some(());
        }
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        fields.append(name, http::HeaderValue::from_bytes(value).ok()?);
        Some(())
    };
    for (name, value) in &http.headers {
        take(name, value.as_bytes())?;
    }
    // With `encode_raw_headers` they are here, repeated ones apart.
    for header in http.header_map.iter().flat_map(|map| &map.headers) {
        let value = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
        take(&header.key, value)?;
    }
    Some(fields)
}

fn permitted(allowed: Allowed) -> CheckResponse {
    let Allowed { set, remove, target, is_rewritten, answer, identity } = allowed;
    let mut headers = options(&set);
    if is_rewritten {
        headers.push(option(":path", target.as_bytes()));
    }
    let ok = OkHttpResponse {
        headers,
        headers_to_remove: remove.iter().map(|name| name.as_str().to_owned()).collect(),
        response_headers_to_add: options(&answer),
        ..OkHttpResponse::default()
    };
    let facts = identity
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value { kind: Some(Kind::StringValue(value)) }));
    CheckResponse {
        status: Some(rpc::Status { code: OK, ..rpc::Status::default() }),
        dynamic_metadata: Some(Struct { fields: facts.collect() }),
        http_response: Some(HttpResponse::OkResponse(ok)),
    }
}

fn refused(answer: &Answer) -> CheckResponse {
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(answer.status.as_u16()) }),
        headers: options(&answer.headers),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    };
    CheckResponse {
        status: Some(rpc::Status { code: code_of(answer.status), ..rpc::Status::default() }),
        dynamic_metadata: None,
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

/// Says whether the original request is gRPC, whose clients read a status from `grpc-status` only.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
fn is_grpc(fields: &HeaderMap) -> bool {
    let rest = fields.get(CONTENT_TYPE).and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// A refusal that Envoy turns into an answer without a body: its own words for our HTTP status would be
/// the wrong ones for a limit.
fn refused_in_grpc(mut answer: Answer) -> CheckResponse {
    let code = code_of(answer.status);
    let reason = answer.status.canonical_reason().unwrap_or_default();
    answer.headers.remove(CONTENT_TYPE);
    answer.headers.insert(GRPC_STATUS, code.into());
    answer.headers.insert(GRPC_MESSAGE, http::HeaderValue::from_static(reason));
    answer.body.clear();
    refused(&answer)
}

fn options(headers: &HeaderMap) -> Vec<HeaderValueOption> {
    headers.iter().map(|(name, value)| option(name.as_str(), value.as_bytes())).collect()
}

/// A header that replaces what the client sent.
fn option(name: &str, value: &[u8]) -> HeaderValueOption {
    // Header-safe text of ours is ASCII.
    let value = String::from_utf8_lossy(value).into_owned();
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value, ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

/// Returns the gRPC status that goes with an HTTP status.
/// <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>
fn code_of(status: StatusCode) -> i32 {
    use tonic::Code;
    let code = match status.as_u16() {
        401 => Code::Unauthenticated,
        429 => Code::ResourceExhausted,
        404 => Code::NotFound,
        400 | 405 | 414 | 431 => Code::InvalidArgument,
        503 => Code::Unavailable,
        _ => Code::PermissionDenied,
    };
    code.into()
}

const OK: i32 = 0;
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
