//! Which pages of other origins may read answers (CORS, fetch.spec.whatwg.org §3.2).

use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};

use super::{Answer, RequestId, X_REQUEST_ID};
use crate::config;

/// The origins of a route, ready to answer.
#[derive(Debug)]
pub struct Cors {
    origins: Vec<String>,
    allow_methods: HeaderValue,
    allow_headers: HeaderValue,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    /// Takes a route's settings, its methods (none named is all) and where it takes keys from.
    pub fn new(settings: &config::Cors, methods: &[String]) -> Self {
        let value = |text: String| HeaderValue::from_str(&text).expect("names were checked");
        let methods = if methods.is_empty() {
            "GET, HEAD, POST, PUT, PATCH, DELETE".to_owned()
        } else {
            methods.join(", ")
        };
        Self {
            origins: settings.origins.clone(),
            allow_methods: value(methods),
            allow_headers: value(settings.headers.join(", ")),
            expose: (!settings.expose.is_empty()).then(|| value(settings.expose.join(", "))),
            credentials: settings.credentials,
            max_age: HeaderValue::from(settings.max_age.as_secs()),
        }
    }

    /// Says which method a pre-flight asks for, if the request is one.
    pub fn asked(method: &http::Method, headers: &HeaderMap) -> Option<String> {
        let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok()?;
        (*method == http::Method::OPTIONS && headers.contains_key(ORIGIN)).then(|| asked.to_owned())
    }

    /// Answers a pre-flight. An origin that may not ask gets an answer that does not let it.
    pub fn preflight(&self, headers: &HeaderMap, id: &RequestId) -> Answer {
        let mut answer = HeaderMap::with_capacity(8);
        if self.allow(headers.get(ORIGIN), &mut answer) {
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, self.allow_methods.clone());
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.clone());
            answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        let varies = [ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS];
        for name in varies {
            answer.append(VARY, HeaderValue::from(name));
        }
        answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer.insert(X_REQUEST_ID, id.as_value().clone());
        Answer { status: StatusCode::NO_CONTENT, headers: answer, body: Vec::new() }
    }

    /// Says in an answer whether the page that asked may read it, and takes away what a backend said of that.
    pub fn decorate(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        for name in OURS {
            answer.remove(name);
        }
        if self.allow(origin, answer)
            && let Some(expose) = &self.expose
        {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// Adds who may read an answer. Says whether that is whoever asks.
    fn allow(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) -> bool {
        if self.origins.iter().any(|allowed| allowed == "*") {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return true;
        }
        // What is said to one is not to be kept for another.
        answer.append(VARY, HeaderValue::from(ORIGIN));
        let Some(origin) = origin else { return false };
        let is_allowed = self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        if is_allowed {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if self.credentials {
                answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        is_allowed
    }
}

const OURS: [HeaderName; 3] =
    [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let settings = config::Cors {
            origins: list(origins),
            headers: list(&["authorization", "content-type"]),
            expose: list(&["ratelimit"]),
            credentials,
            max_age: Duration::from_mins(10),
        };
        Cors::new(&settings, &list(&["GET", "POST"]))
    }

    fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn an_origin_that_is_named_may_ask_and_read_and_no_other() {
        let cors = cors(&["https://app.example.com"], true);
        let id = RequestId::make(&mut rand::rng());
        let ask = |origin: &'static str| {
            let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
            cors.preflight(&headers, &id).headers
        };
        let allowed = ask("https://app.example.com");
        assert_eq!(text(&allowed, "access-control-allow-origin"), Some("https://app.example.com"));
        assert_eq!(text(&allowed, "access-control-allow-methods"), Some("GET, POST"));
        assert_eq!(text(&allowed, "access-control-allow-headers"), Some("authorization, content-type"));
        assert_eq!(text(&allowed, "access-control-allow-credentials"), Some("true"));
        assert_eq!(text(&allowed, "access-control-max-age"), Some("600"));
        for other in [
            "https://app.example.com.evil.example",
            "http://app.example.com",
            "null",
            "https://APP.example.com",
        ] {
            let refused = ask(other);
            assert!(!refused.keys().any(|name| name.as_str().starts_with("access-control")), "{other}");
            assert_eq!(text(&refused, "vary"), Some("origin"));
        }
        // A backend that lets everybody read lets nobody.
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        cors.decorate(Some(&HeaderValue::from_static("https://evil.example")), &mut answer);
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        cors.decorate(Some(&HeaderValue::from_static("https://app.example.com")), &mut answer);
        assert_eq!(text(&answer, "access-control-expose-headers"), Some("ratelimit"));
    }

    #[test]
    fn only_a_request_for_leave_is_a_preflight() {
        let full = HeaderMap::from_iter([
            (ORIGIN, HeaderValue::from_static("https://a.example")),
            (ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT")),
        ]);
        assert_eq!(Cors::asked(&http::Method::OPTIONS, &full).as_deref(), Some("PUT"));
        assert_eq!(Cors::asked(&http::Method::GET, &full), None);
        for name in [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD] {
            let mut part = full.clone();
            part.remove(name);
            assert_eq!(Cors::asked(&http::Method::OPTIONS, &part), None);
        }
    }
}
