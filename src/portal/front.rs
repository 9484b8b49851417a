//! A request comes in, is checked, and goes to its page; what comes of it goes out with the headers that keep
//! other sites away from it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST,
    LOCATION, ORIGIN, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY, USER_AGENT,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::admin::{self, Acts, Answering, Answers, Came, Peer, Problem, names_host};
use crate::config::{Config, Portal};
use crate::edge::client_address;
use crate::key::Digest;
use crate::store::{SignedInBy, Visitor};
use crate::tls;

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
        Box::pin(async move {
            let hsts = self.acts.desk().config().listen.portal_tls.as_ref().and_then(|tls| tls.hsts.clone());
            let is_tls = matches!(came.from, Peer::Ip(_));
            let mut response = self.answered(request, came).await;
            if let Some(hsts) = hsts.filter(|_| is_tls).and_then(|hsts| HeaderValue::from_str(&hsts).ok()) {
                response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts);
            }
            response
        })
    }

    fn tls(&self) -> Option<Arc<tls::Server>> {
        Some(Arc::clone(&self.acts.desk().config().listen.portal_tls.as_ref()?.server))
    }
}

impl Front {
    async fn answered(self: Arc<Self>, request: Request<Body>, came: Came) -> Response<Body> {
        let config = self.acts.desk().config();
        // Who resumes a session of TLS shows no certificate again, so nobody has looked at its dates.
        let now = self.acts.desk().now().wall;
        if came.certificate.as_ref().is_some_and(|shown| shown.is_expired(now)) {
            let text = "The certificate that your browser showed has expired.";
            return refused(&Problem::new(403, "expired_certificate", text), None, &config);
        }
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
        let (store, usage) = (self.acts.desk().store()?, visit.usage()?);
        if let Some(shown) = shown {
            let known = who::find(&shown, proxied, (&store, &usage), &visit.config, visit.now)?;
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
        who::check_pace(&usage, visitor, visit.now)?;
        let beginning = Beginning::new(visit, SignedInBy::Proxy, &mut rand::rng());
        usage.begin_session(visitor, beginning.digest(), beginning.session.clone())?;
        let cookie = beginning.cookie(visitor);
        let shown = who::Shown::new(visitor, &beginning);
        let known = who::find(&shown, proxied, (&store, &usage), &visit.config, visit.now)?;
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
            // By another name than the URL's, on loopback: by that. In clear text it is another site where TLS is spoken.
            let clear = origin.strip_prefix("http://").filter(|_| !portal.is_tls);
            let is_host = portal.authority() != Some(host)
                && clear.or_else(|| origin.strip_prefix("https://")) == Some(host);
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
        Answer::File(file, bytes, name) => {
            let mut response = Response::new(admin::sending(file));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
            let kept = format!("attachment; filename=\"{name}\"");
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&kept).expect("names are plain"));
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

    use axum::http::header::COOKIE;

    use super::*;
    use crate::admin::{AlertAnswer, AlertRequest, AlertTaker, Desk, Handlers};
    use crate::key::{ConsumerId, KeyId, Metadata, Networks, Peppers, Role, Scopes, Timestamp};
    use crate::policy::Now;
    use crate::store::{
        Access, Act, Actor, Invite, NewAdminKey, NewConsumer, NewKey, Options, Store, Usage, Via,
    };

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
        let asked = |is_tls, url: &str, host: &str, fields: &[(&'static str, &str)]| {
            let mut request = Request::builder().method("POST").uri("/keys").header(HOST, host);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let url = Some(url.to_owned()).filter(|url| !url.is_empty());
            let portal = crate::config::Portal { url, is_tls, ..Default::default() };
            let came = Came {
                from: Peer::Ip(IpAddr::from([127, 0, 0, 1])),
                here: "127.0.0.1".parse().ok(),
                certificate: None,
            };
            super::check(&head, &came, &portal).err().map(|problem| problem.status)
        };
        let check = |url: &str, host: &str, fields: &[(&'static str, &str)]| asked(false, url, host, fields);
        let (url, host) = ("https://p.example", "p.example");
        assert_eq!(check(url, host, &[("origin", "https://p.example")]), None);
        assert_eq!(
            check(url, host, &[("origin", "https://p.example"), ("sec-fetch-site", "same-origin")]),
            None
        );
        assert_eq!(check("", "localhost:8083", &[("origin", "http://localhost:8083")]), None);
        assert_eq!(check(url, "127.0.0.1:8083", &[("origin", "http://127.0.0.1:8083")]), None);
        // What somebody on the way puts at the same name in clear text is another site.
        for (origin, refused) in [("https://localhost:8083", None), ("http://localhost:8083", Some(403))] {
            assert_eq!(asked(true, "", "localhost:8083", &[("origin", origin)]), refused);
        }
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

    /// No page of a list, and none about one key or consumer, reads more than it shows by more than a stretch of
    /// keys, however many there are.
    #[test]
    fn what_a_page_reads_does_not_grow_with_what_is_there() {
        const KEYS: usize = 5_000;
        let dir = tempfile::tempdir().unwrap();
        let (desk, holder, key) = desk(dir.path(), KEYS);
        let front = Front::new(Acts::new(desk));
        let sign_in = |path: &str, body: String| {
            let answer = visit(&front, "POST", path, "", &body);
            assert_eq!(answer.status(), 303, "{path}");
            let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
            (answer.headers()[LOCATION].to_str().unwrap().to_owned(), cookie)
        };
        let consumer = sign_in("/invite", "code=the-code".to_owned()).1;
        let operator = sign_in("/sign-in", format!("admin_key={}", key.1)).1;
        let (key, stretch, shown) = (key.0, 1_000, 50);
        for (cookie, path, most) in [
            (&consumer, "/keys".to_owned(), stretch),
            // How many keys of a consumer work is counted up to `max_keys`.
            (&consumer, "/keys/new".to_owned(), stretch),
            (&consumer, format!("/keys/{key}"), 0),
            (&consumer, "/usage".to_owned(), 0),
            (&consumer, "/account".to_owned(), 0),
            (&operator, "/operator/consumers".to_owned(), shown),
            (&operator, "/operator/consumers?external_id=nobody".to_owned(), shown),
            (&operator, format!("/operator/consumers/{holder}"), stretch + CONSUMERS + 50),
            (&operator, "/operator/keys".to_owned(), stretch),
            (&operator, format!("/operator/keys?consumer={holder}"), stretch),
            (&operator, "/operator/keys?unused_for=0s".to_owned(), stretch),
            (&operator, format!("/operator/keys/{key}"), CONSUMERS + 50),
            (&operator, "/operator/audit".to_owned(), shown),
            (&operator, "/operator/alerts".to_owned(), CONSUMERS + 50),
            (&operator, "/operator/rotations".to_owned(), 0),
            (&operator, "/operator/access".to_owned(), 0),
        ] {
            crate::store::HANDED.set(0);
            let answer = visit(&front, "GET", &path, cookie, "");
            assert_eq!(answer.status(), 200, "{path}");
            let read = crate::store::HANDED.get();
            assert!(read <= most, "{path} read {read} records, not {most}");
        }
    }

    #[tokio::test]
    async fn a_certificate_that_has_expired_lets_nobody_in_on_a_resumed_session() {
        let dir = tempfile::tempdir().unwrap();
        let front = Arc::new(Front::new(Acts::new(desk(dir.path(), 1).0)));
        // One without an end is taken for one that is over.
        let expired = Arc::new(crate::tls::PeerCertificate::from_der(&[]));
        for (certificate, status) in [(None, 200), (Some(expired), 403)] {
            let from = Peer::Ip(IpAddr::from([127, 0, 0, 1]));
            let came = Came { from, here: "127.0.0.1".parse().ok(), certificate };
            let request = Request::builder().uri("/sign-in").header(HOST, "localhost");
            let answer = Arc::clone(&front).answer(request.body(Body::empty()).unwrap(), came).await;
            assert_eq!(answer.status(), status);
        }
    }

    const CONSUMERS: usize = 120;

    fn visit(front: &Front, method: &str, path: &str, cookie: &str, body: &str) -> Response<Body> {
        let request =
            Request::builder().method(method).uri(path).header(HOST, "localhost").header(COOKIE, cookie);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let came = Came {
            from: Peer::Ip(IpAddr::from([127, 0, 0, 1])),
            here: "127.0.0.1".parse().ok(),
            certificate: None,
        };
        front.visited(&head, body.as_bytes(), &came)
    }

    /// A store with many consumers, of which one has many keys and the code of a link. Returns that one, a key
    /// of it and an admin key.
    fn desk(dir: &std::path::Path, keys: usize) -> (Arc<Desk>, ConsumerId, (KeyId, String)) {
        let text = format!(
            "data_dir = \"{}\"\n[[key_type]]\nname = \"live\"\nprefix = \"acme_live\"\n[[upstream]]\nname = \"b\"\nservers = [\"127.0.0.1:1\"]\n[[route]]\nname = \"r\"\npath = \"/**\"\nupstream = \"b\"\n[listen]\nportal = \"127.0.0.1:1\"\n[portal]\nmax_keys = 400\n",
            dir.join("data").display()
        );
        let config = Config::parse(std::path::Path::new("kgate.toml"), &text);
        let config = Arc::new(config.unwrap_or_else(|error| panic!("{error}")).config);
        let now = Timestamp::from_secs(1_800_000_000);
        let actor = Actor { user: "tess".to_owned(), via: Via::Library };
        let act = Act { actor, at: now, note: None, request: None };
        let mut rng = rand::rng();
        let store = Store::create(&config.data_dir, &Options::default(), &act, &mut rng).unwrap();
        let make = |number: usize| {
            let new = NewConsumer { name: format!("consumer {number}"), ..NewConsumer::default() };
            store.create_consumer(&new, &act, &mut rand::rng()).unwrap().id
        };
        let holder = (0..CONSUMERS).map(make).collect::<Vec<_>>().pop().unwrap();
        let new = NewKey {
            consumer: holder,
            name: "a key".to_owned(),
            key_type: "live".to_owned(),
            prefix: "acme_live".parse().unwrap(),
            scopes: Scopes::default(),
            plan: None,
            networks: Networks::default(),
            metadata: Metadata::new(),
            not_before: None,
            expires_at: None,
        };
        let each = &mut |_| std::ops::ControlFlow::Continue(());
        store.issue_many(&new, keys, &Peppers::default(), &act, &mut rng, each).unwrap();
        let key = store.key_ids_of(holder).unwrap().pop().unwrap();
        let new = NewAdminKey { name: "tess".to_owned(), role: Role::Admin, expires_at: None };
        let admin_key = store.issue_admin_key(&new, &act, &mut rng).unwrap().token.expose().to_owned();
        let usage = Usage::open(&config.data_dir, Access::Write, &Options::default()).unwrap();
        let expires_at = now.plus(Duration::from_hours(1));
        let invite = Invite { consumer: holder, created_at: now, expires_at };
        usage.invite(Digest::sha256(b"the-code"), invite, now).unwrap();
        let handlers = Handlers {
            ready: Box::new(|| Ok(())),
            metrics: Box::new(String::new),
            jwks: Box::new(|| serde_json::Value::Null),
            explain: Box::new(|_| Box::pin(async { Ok(serde_json::Value::Null) })),
            alerts: Arc::new(Nobody),
            config: Box::new(move || Arc::clone(&config)),
            status: Box::new(|| unreachable!("no page of these asks")),
            now: Box::new(move || Now { wall: now, mono: 0 }),
            limits: Box::new(|_| Vec::new()),
            replaced: Box::new(|_| Some(Vec::new())),
            servers: Box::new(Vec::new),
        };
        (Desk::new(handlers), holder, (key, admin_key))
    }

    /// Takes no alert.
    struct Nobody;

    impl AlertTaker for Nobody {
        fn takes(&self, _: &str) -> bool {
            false
        }

        fn take(&self, _: AlertRequest) -> AlertAnswer {
            unreachable!("it takes none")
        }
    }
}
