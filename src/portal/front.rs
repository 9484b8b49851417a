//! A request comes in, is checked, and goes to its page; what comes of it goes out with the headers that keep
//! other sites away from it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, ORIGIN, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, USER_AGENT, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::admin::{Acts, Answering, Answers, Came, Peer, Problem, names_host};
use crate::config::{Config, Portal};
use crate::edge::client_address;
use crate::key::Digest;
use crate::store::{SignedInBy, Visitor};

use super::Guard;
use super::look::{assets, error_page};
use super::pages;
use super::visit::{Answer, Known, Page, Visit, Who};
use super::who::{self, Beginning, Book};

/// What answers requests.
pub(super) struct Front {
    acts: Acts,
    book: Book,
    pages: Vec<Page>,
    /// Pages made at once: a stuck store must not hold more threads.
    places: Arc<Semaphore>,
}

impl Front {
    pub(super) fn new(acts: Acts) -> Self {
        Self { acts, book: Book::new(), pages: pages::all(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Answers for Front {
    fn answer(self: Arc<Self>, request: Request<Body>, came: Came) -> Answering {
        Box::pin(async move { self.answered(request, came).await })
    }
}

impl Front {
    async fn answered(self: Arc<Self>, request: Request<Body>, came: Came) -> Response<Body> {
        let config = self.acts.desk().config();
        let (head, body) = request.into_parts();
        if head.method == Method::GET
            && let Some(asset) = assets::find(head.uri.path())
        {
            return sent(asset);
        }
        if let Err(problem) = check(&head, &came, &config.portal) {
            return refused(&problem, None, &config);
        }
        let body = match read_form(&head, body).await {
            Ok(body) => body,
            Err(problem) => return refused(&problem, None, &config),
        };
        let Ok(Ok(place)) = timeout(QUEUE_TIME, Arc::clone(&self.places).acquire_owned()).await else {
            return refused(&Problem::busy(), None, &config);
        };
        let front = Arc::clone(&self);
        // The work goes on when whoever asked has left, and so does its claim to the place.
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            front.visited(&head, &body, &came)
        });
        // It panicked, and said so on standard error.
        let broken = || Problem::new(500, "internal", "something is wrong with the portal itself");
        made.await.unwrap_or_else(|_| refused(&broken(), None, &config))
    }

    /// Makes a page. May wait for the store.
    fn visited(&self, head: &Parts, body: &[u8], came: &Came) -> Response<Body> {
        let config = self.acts.desk().config();
        let peer = match came.from {
            Peer::Ip(address) => Some(address),
            Peer::Unix(_) => None,
        };
        let now = self.acts.desk().now();
        let query = pairs(head.uri.query().unwrap_or_default().as_bytes());
        let form = pairs(body);
        let agent = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        // What this very process sends through a socket is a request of somebody else that the gateway forwards.
        let proxied = match came.from {
            Peer::Unix(None) => None,
            Peer::Unix(Some(_)) | Peer::Ip(_) => who::proxied(&head.headers, peer, &config.portal),
        };
        let mut visit = Visit {
            acts: &self.acts,
            book: &self.book,
            config: Arc::clone(&config),
            now: now.wall,
            mono: now.mono,
            known: None,
            params: &[],
            query: &query,
            form: &form,
            client: client_address(peer, &head.headers, &config.server.trusted_proxies),
            agent: agent.chars().filter(|c| !c.is_control()).collect(),
        };
        let found = self.who(head, proxied, &visit);
        let (known, cookie) = match found {
            Ok(found) => found,
            Err(problem) => return refused(&problem, None, &config),
        };
        visit.known = known.as_ref();
        let answered = self.page(head, &mut visit);
        let mut response = match answered {
            Ok(answer) => rendered(answer, &config.portal),
            Err(problem) => {
                if problem.is_of_the_store() {
                    self.acts.desk().forget_store();
                    self.book.forget();
                }
                refused(&problem, visit.known, &config)
            }
        };
        if let Some(cookie) = cookie
            && !response.headers().contains_key(SET_COOKIE)
        {
            put_cookie(&mut response, &who::set_cookie(&config.portal, Some(&cookie)));
        }
        response
    }

    /// Finds out who is signed in, and signs in whom the identity proxy says it is. Then the cookie is one to
    /// be set.
    fn who(
        &self,
        head: &Parts,
        proxied: Option<&str>,
        visit: &Visit<'_>,
    ) -> Result<(Option<Known>, Option<String>), Problem> {
        let shown = who::shown(&head.headers, &visit.config.portal);
        if shown.is_none() && proxied.is_none() {
            return Ok((None, None));
        }
        let store = self.acts.desk().store()?;
        if let Some(shown) = shown {
            let known = who::find(&shown, proxied, &self.book, &store, &visit.config, visit.now)?;
            if known.is_some() {
                return Ok((known, None));
            }
        }
        let Some(consumer) = proxied.map(|id| who::consumer_of(&store, id)).transpose()?.flatten() else {
            return Ok((None, None));
        };
        if head.method != Method::GET {
            return Ok((None, None));
        }
        let visitor = Visitor::Consumer(consumer.id);
        let usage = self.book.usage(&visit.config.data_dir)?;
        who::check_pace(&usage, visitor, visit.now)?;
        let beginning = Beginning::new(visit, SignedInBy::Proxy, &mut rand::rng());
        usage.begin_session(visitor, beginning.digest(), beginning.session.clone())?;
        let cookie = beginning.cookie(visitor);
        let shown = who::Shown::new(visitor, &beginning);
        let known = who::find(&shown, proxied, &self.book, &store, &visit.config, visit.now)?;
        if let Some(known) = &known {
            who::signed_in(visit, visitor, &beginning, known)?;
        }
        Ok((known, Some(cookie)))
    }

    fn page(&self, head: &Parts, visit: &mut Visit<'_>) -> Result<Answer, Problem> {
        let path = head.uri.path();
        let mut is_there = false;
        for page in &self.pages {
            let Some(params) = matched(page.path, path) else { continue };
            is_there = true;
            if page.method != head.method {
                continue;
            }
            return guarded(page, &Visit { params: &params, ..copy(visit) });
        }
        Err(if is_there {
            Problem::new(405, "method_not_allowed", "This page does not take that.")
        } else {
            Problem::new(404, "no_such_page", "There is nothing here.")
        })
    }
}

/// Lets in whom the table says, with what they meant to send.
fn guarded(page: &Page, visit: &Visit<'_>) -> Result<Answer, Problem> {
    match visit.known {
        None if page.guard == Guard::Anybody => {}
        None if page.method == Method::GET => return Ok(Answer::see("/sign-in")),
        None => {
            return Err(Problem::new(401, "signed_out", "You are not signed in any more. Nothing was done."));
        }
        Some(known) => {
            if !known.may(page.guard) {
                return Err(match (&known.who, page.guard) {
                    (Who::Operator(_), Guard::Operator(_)) => {
                        Problem::new(403, "insufficient_role", "Your admin key's role does not allow this.")
                    }
                    // Nobody is told what others see.
                    _ => Problem::new(404, "no_such_page", "There is nothing here."),
                });
            }
            // Signing in as somebody else is nothing a session has to prove; that it is meant, the form's origin says.
            let is_of_session = page.method == Method::POST && page.guard != Guard::Anybody;
            if is_of_session && !is_theirs(visit.field("csrf"), &known.csrf) {
                let text =
                    "This form was not yours, or is out of date. Nothing was done: go back and try again.";
                return Err(Problem::new(403, "forged", text));
            }
        }
    }
    (page.run)(visit)
}

fn refused(problem: &Problem, known: Option<&Known>, config: &Config) -> Response<Body> {
    let mut response =
        rendered(Answer::Page(problem.status, error_page(problem, known, config)), &config.portal);
    if problem.status == 503 || problem.status == 429 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

fn copy<'a>(visit: &Visit<'a>) -> Visit<'a> {
    Visit { config: Arc::clone(&visit.config), agent: visit.agent.clone(), ..*visit }
}

/// Compares what a form brought with what it has to bring, in a time that does not tell how much was right.
fn is_theirs(given: &str, wanted: &str) -> bool {
    Digest::sha256(given.as_bytes()) == Digest::sha256(wanted.as_bytes())
}

/// Returns the named parts of `path` if it is one of `pattern`.
fn matched(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut params = Vec::new();
    let mut parts = path.split('/');
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !part.is_empty() => params.push((name, part.to_owned())),
            _ if wanted == part => {}
            _ => return None,
        }
    }
    parts.next().is_none().then_some(params)
}

/// Refuses what was not sent here by a browser showing one of our pages.
fn check(head: &Parts, came: &Came, portal: &Portal) -> Result<(), Problem> {
    let misdirected = || Problem::new(421, "misdirected", "This host name is not served here.");
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(misdirected()) };
    let host = host.to_str().unwrap_or_default().to_ascii_lowercase();
    let ours: Vec<String> = portal.authority().map(host_of).into_iter().collect();
    if head.uri.authority().is_some() || !names_host(&host, came.here, &ours) {
        return Err(misdirected());
    }
    match head.method {
        Method::GET => Ok(()),
        Method::POST => check_origin(head, &host, portal),
        _ => Err(Problem::new(405, "method_not_allowed", "This page does not take that.")),
    }
}

/// Returns an authority without its port.
fn host_of(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// A form must come from a page of ours. Every browser says where a form comes from.
fn check_origin(head: &Parts, host: &str, portal: &Portal) -> Result<(), Problem> {
    let forged =
        || Problem::new(403, "forged", "This form did not come from a page of this site. Nothing was done.");
    let said = |name: &HeaderName| {
        let mut values = head.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                value.to_str().map(|value| Some(value.to_ascii_lowercase())).map_err(|_| forged())
            }
            _ => Err(forged()),
        }
    };
    let site = said(&SEC_FETCH_SITE)?;
    if site.as_deref().is_some_and(|site| site != "same-origin") {
        return Err(forged());
    }
    match said(&ORIGIN)? {
        Some(origin) => {
            let is_url = portal.url.as_deref() == Some(origin.as_str());
            // By another name than the URL's, on loopback: by that.
            let is_host = portal.authority() != Some(host)
                && origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host);
            if is_url || is_host { Ok(()) } else { Err(forged()) }
        }
        None if site.is_some() => Ok(()),
        None => Err(forged()),
    }
}

async fn read_form(head: &Parts, body: Body) -> Result<Bytes, Problem> {
    let refused = |status, text: &str| Problem::new(status, "malformed", text);
    if head.method == Method::POST {
        let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = kind.split(|b| *b == b';').next().unwrap_or_default();
        if !kind.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(refused(415, "That is not a form."));
        }
    }
    match timeout(BODY_TIME, Limited::new(body, MAX_FORM).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(_)) => Err(refused(413, "The form is too long.")),
        Err(_) => Err(refused(408, "The form took too long.")),
    }
}

fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn rendered(answer: Answer, portal: &Portal) -> Response<Body> {
    match answer {
        Answer::Page(status, markup) => {
            let mut response = Response::new(Body::from(markup.into_string()));
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            dressed(response)
        }
        Answer::See(path) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SEE_OTHER;
            let path = HeaderValue::from_str(&path).unwrap_or(HeaderValue::from_static("/"));
            response.headers_mut().insert(LOCATION, path);
            dressed(response)
        }
        Answer::Session(cookie, inner) => {
            let mut response = rendered(*inner, portal);
            put_cookie(&mut response, &who::set_cookie(portal, cookie.as_deref()));
            response
        }
    }
}

fn put_cookie(response: &mut Response<Body>, cookie: &str) {
    let cookie = HeaderValue::from_str(cookie).expect("identifiers and tokens fit a header");
    response.headers_mut().insert(SET_COOKIE, cookie);
}

/// Adds what every page has.
fn dressed(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: forms would then not say where they come from.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file that never changes under its name.
fn sent(asset: &'static assets::Asset) -> Response<Body> {
    let mut response = Response::new(Body::from(asset.text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Pages made at once.
const AT_ONCE: usize = 16;

/// How long a request waits for a place.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// For a whole form.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The longest form, in bytes: names, some scopes, a confirmation.
const MAX_FORM: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_path_is_one_of_a_pattern_or_not() {
        let params = |pattern, path| matched(pattern, path);
        assert_eq!(params("/keys/{key}", "/keys/key_1"), Some(vec![("key", "key_1".to_owned())]));
        assert_eq!(params("/keys/{key}/rotate", "/keys/key_1/rotate").map(|p| p.len()), Some(1));
        assert_eq!(params("/", "/"), Some(Vec::new()));
        for (pattern, path) in
            [("/keys/{key}", "/keys/"), ("/keys/{key}", "/keys/a/b"), ("/keys", "/keys/"), ("/keys", "/Keys")]
        {
            assert_eq!(params(pattern, path), None, "{path}");
        }
    }

    #[test]
    fn a_form_comes_from_a_page_of_ours() {
        let check = |url: &str, host: &str, fields: &[(&'static str, &str)]| {
            let mut request = Request::builder().method("POST").uri("/keys").header(HOST, host);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let url = Some(url.to_owned()).filter(|url| !url.is_empty());
            let portal = crate::config::Portal { url, ..Default::default() };
            let came = Came {
                from: Peer::Ip(IpAddr::from([127, 0, 0, 1])),
                here: "127.0.0.1".parse().ok(),
                certificate: None,
            };
            super::check(&head, &came, &portal).err().map(|problem| problem.status)
        };
        let (url, host) = ("https://p.example", "p.example");
        assert_eq!(check(url, host, &[("origin", "https://p.example")]), None);
        assert_eq!(
            check(url, host, &[("origin", "https://p.example"), ("sec-fetch-site", "same-origin")]),
            None
        );
        assert_eq!(check("", "localhost:8083", &[("origin", "http://localhost:8083")]), None);
        assert_eq!(check(url, "127.0.0.1:8083", &[("origin", "http://127.0.0.1:8083")]), None);
        for fields in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://evil.example")],
            &[("origin", "http://p.example")],
            &[("origin", "https://p.example:8443")],
            &[("origin", "https://p.example"), ("origin", "https://p.example")],
            &[("origin", "https://p.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://p.example"), ("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(check(url, host, fields), Some(403), "{fields:?}");
        }
        for rebound in ["evil.example", "p.example.evil.example", "10.0.0.7", ""] {
            assert_eq!(check(url, rebound, &[("origin", "https://p.example")]), Some(421), "{rebound}");
        }
    }
}
