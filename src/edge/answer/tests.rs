use std::collections::BTreeSet;

use http::HeaderMap;

use super::*;
use crate::config::RequestIdTrust;

fn id(text: &'static str) -> RequestId {
    let headers: HeaderMap = [(X_REQUEST_ID, HeaderValue::from_static(text))].into_iter().collect();
    RequestId::take_or_make(&headers, true, RequestIdTrust::Anyone, &mut rand::rng())
}

fn answers() -> Answers {
    Answers { realm: "acme".into(), rate_headers: RateHeaders::Both }
}

fn limit() -> LimitState<'static> {
    LimitState {
        name: "burst",
        limit: Limit::Rate { rate: "100/s".parse().unwrap(), burst: 200 },
        remaining: 7,
        reset: Duration::from_millis(1930),
        retry_after: Duration::from_millis(1),
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|v| v.to_str().unwrap())
}

const NOW: Timestamp = Timestamp::from_secs(1_000);

#[test]
fn each_class_has_its_status_and_headers() {
    let requirement: Requirement = "any(products:read, admin)".parse().unwrap();
    for (class, status, code, headers) in [
        (Class::BadRequest, 400, "ambiguous_path", &[][..]),
        (Class::NotFound, 404, "not_found", &[]),
        (
            Class::MethodNotAllowed { allow: "GET, HEAD" },
            405,
            "method_not_allowed",
            &[("allow", "GET, HEAD")],
        ),
        (
            Class::Unauthorized { credential_sent: false },
            401,
            "unauthorized",
            &[("www-authenticate", "Bearer realm=\"acme\"")],
        ),
        (
            Class::Unauthorized { credential_sent: true },
            401,
            "unauthorized",
            &[("www-authenticate", "Bearer realm=\"acme\", error=\"invalid_token\"")],
        ),
        (Class::Forbidden(Forbidden::Network), 403, "network_not_allowed", &[]),
        (
            Class::Forbidden(Forbidden::Scope(&requirement)),
            403,
            "insufficient_scope",
            &[(
                "www-authenticate",
                "Bearer realm=\"acme\", error=\"insufficient_scope\", scope=\"products:read admin\"",
            )],
        ),
        (
            Class::Limited(limit()),
            429,
            "rate_limited",
            &[
                ("retry-after", "1"),
                ("ratelimit", "\"burst\";r=7;t=2"),
                ("ratelimit-policy", "\"burst\";q=200;w=1"),
                ("x-ratelimit-limit", "200"),
                ("x-ratelimit-remaining", "7"),
                ("x-ratelimit-reset", "1002"),
            ],
        ),
        (
            Class::TooManyFailures { retry_after: Duration::from_millis(1001) },
            429,
            "too_many_failures",
            &[("retry-after", "2")],
        ),
    ] {
        let answer = answers().class(class, &id("abc"), NOW);
        assert_eq!(answer.status.as_u16(), status);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()));
        let common = [
            ("content-type", "application/problem+json"),
            ("cache-control", "no-store"),
            ("x-request-id", "abc"),
        ];
        for (name, value) in common.iter().chain(headers) {
            assert_eq!(header(&answer, name), Some(*value), "{code} {name}");
        }
        assert_eq!(answer.headers.len(), 3 + headers.len(), "{code}: {:?}", answer.headers);
    }
}

#[test]
fn all_401_are_the_same_bytes_but_for_what_rfc_6750_asks() {
    let missing = answers().class(Class::Unauthorized { credential_sent: false }, &id("abc"), NOW);
    let sent = answers().class(Class::Unauthorized { credential_sent: true }, &id("abc"), NOW);
    let other = answers().class(Class::Unauthorized { credential_sent: true }, &id("xyz"), NOW);
    assert_eq!(missing.body, sent.body);
    assert_eq!(
        String::from_utf8(sent.body.clone()).unwrap(),
        "{\"type\":\"urn:kgate:problem:unauthorized\",\"title\":\"Unauthorized\",\"status\":401,\
         \"detail\":\"A valid API key is required.\",\"code\":\"unauthorized\",\"request_id\":\"abc\"}\n"
    );
    assert_eq!(String::from_utf8(other.body).unwrap().replace("xyz", "abc").as_bytes(), sent.body);
    let without_challenge = |mut answer: Answer| {
        answer.headers.remove("www-authenticate");
        answer.headers
    };
    assert_eq!(without_challenge(missing), without_challenge(sent));
}

#[test]
fn failures_have_the_same_shape() {
    let mut codes = BTreeSet::new();
    for (failure, status) in
        Failure::ALL.into_iter().zip([400, 400, 408, 413, 414, 431, 500, 502, 503, 503, 504])
    {
        let answer = answers().failure(failure, &id("abc"));
        assert_eq!(answer.status.as_u16(), status);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["code", "detail", "request_id", "status", "title", "type"]);
        assert_eq!(header(&answer, "retry-after"), (status == 503).then_some("1"));
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        assert!(codes.insert(failure.code()));
    }
}

#[test]
fn no_part_of_a_problem_needs_escaping() {
    for problem in PROBLEMS {
        for text in [problem.code, problem.title, problem.detail] {
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\'), "{text}");
        }
    }
}

#[test]
fn waits_are_rounded_up_and_at_least_a_second() {
    for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
        assert_eq!(retry_after(Duration::from_millis(millis)), seconds);
    }
}

#[test]
fn each_family_of_rate_headers_can_be_off() {
    for (rate_headers, ietf, x) in [
        (RateHeaders::Both, true, true),
        (RateHeaders::Ietf, true, false),
        (RateHeaders::X, false, true),
        (RateHeaders::Off, false, false),
    ] {
        let answers = Answers { rate_headers, ..answers() };
        let answer = answers.class(Class::Limited(limit()), &id("abc"), NOW);
        assert_eq!(answer.headers.contains_key("ratelimit"), ietf);
        assert_eq!(answer.headers.contains_key("ratelimit-policy"), ietf);
        assert_eq!(answer.headers.contains_key("x-ratelimit-reset"), x);
        assert!(answer.headers.contains_key("retry-after"));
    }
}
