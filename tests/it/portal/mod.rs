//! The portal of a running `kgate serve`: pages asked for over real sockets, and by a real browser.

mod api;
mod attacks;
mod browser;
mod operator;
mod pages;
mod promises;
mod tls;

use std::net::SocketAddr;

use kgate::key::{ConsumerId, Role};
use kgate::store::{NewAdminKey, NewConsumer, Store};

use crate::harness::{Answer, Client, act};
use crate::process::{CONFIG, Process, Site};

/// A served site with a portal.
pub struct Scene {
    pub site: Site,
    pub process: Process,
}

/// A browser as far as these tests need one: a cookie, and forms.
pub struct Browser {
    pub address: SocketAddr,
    pub cookie: Option<String>,
}

/// [`CONFIG`] with a portal of these settings.
pub fn config(portal: &str) -> String {
    let listen = "admin = \"127.0.0.1:0\"\nportal = \"127.0.0.1:0\"";
    format!("{}\n[portal]\n{portal}\n", CONFIG.replace("admin = \"127.0.0.1:0\"", listen))
}

impl Scene {
    pub fn new() -> Self {
        Self::with("scopes = [\"products:read\", \"products:write\"]\nmax_keys = 3\nmax_expires = \"30d\"")
    }

    pub fn with(portal: &str) -> Self {
        let site = Site::with(&config(portal));
        let process = site.serve(&[]);
        Self { site, process }
    }

    pub fn nobody(&self) -> Browser {
        Browser { address: self.process.portal.expect("it has a portal"), cookie: None }
    }

    /// Makes a consumer.
    pub fn consumer(&self, name: &str) -> ConsumerId {
        let new = NewConsumer { name: name.to_owned(), ..NewConsumer::default() };
        self.site.store().create_consumer(&new, &act(), &mut rand::rng()).unwrap().id
    }

    /// Returns the code of a link for a consumer, by the command.
    pub fn invite(&self, consumer: ConsumerId) -> String {
        let output = self.site.command(&["portal", "invite", &consumer.to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let link = String::from_utf8(output.stdout).unwrap();
        link.trim().split_once("/invite#").expect("a link with a code").1.to_owned()
    }

    /// Signs a consumer in.
    pub fn signed_in(&self, consumer: ConsumerId) -> Browser {
        let mut browser = self.nobody();
        let answer = browser.post("/invite", &[("code", &self.invite(consumer))]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/keys")));
        browser
    }

    /// Signs an operator in.
    pub fn operator(&self, role: Role) -> Browser {
        let mut browser = self.nobody();
        let answer = browser.post("/sign-in", &[("admin_key", &admin_key(&self.site.store(), role))]);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/operator")));
        browser
    }

    /// Asks the gateway for `/` with a key.
    pub fn gateway(&self, token: &str) -> u16 {
        let mut client = Client::tcp(self.process.address);
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        ));
        client.answer().status
    }
}

pub fn admin_key(store: &Store, role: Role) -> String {
    let new = NewAdminKey { name: format!("test {role}"), role, expires_at: None };
    store.issue_admin_key(&new, &act(), &mut rand::rng()).unwrap().token.expose().to_owned()
}

impl Browser {
    /// Sends bytes with this browser's cookie and takes the cookie of the answer.
    pub fn send(&mut self, head: &str, body: &str) -> Answer {
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        let mut client = Client::tcp(self.address);
        client.send(format!("{head}{cookie}Content-Length: {}\r\n\r\n{body}", body.len()));
        let answer = client.answer();
        if let Some(set) = answer.header("set-cookie") {
            let pair = set.split(';').next().unwrap_or_default().to_owned();
            self.cookie = (!pair.ends_with('=')).then_some(pair);
        }
        answer
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address), "")
    }

    /// Returns a page that must be there.
    pub fn page(&mut self, path: &str) -> String {
        let answer = self.get(path);
        let text = text(&answer);
        assert_eq!(answer.status, 200, "{path}: {text}");
        text
    }

    /// Sends a form as a browser does, without the code of the session.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("http://{}", self.address);
        self.post_from(path, &origin, fields)
    }

    pub fn post_from(&mut self, path: &str, origin: &str, fields: &[(&str, &str)]) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            self.address
        );
        self.send(&head, &form(fields))
    }

    /// Fills in the form of `page` that goes to `path` and sends it, with what is hidden in it.
    pub fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let text = self.page(page);
        let form = text
            .split("<form")
            .find(|form| form.contains(&format!("action=\"{path}\"")))
            .unwrap_or_else(|| panic!("no form of {page} goes to {path}: {text}"));
        let form = form.split("</form>").next().unwrap_or_default();
        let mut all: Vec<(String, String)> = Vec::new();
        for input in form.split("<input").skip(1).filter(|input| input.contains("type=\"hidden\"")) {
            all.push((attribute(input, "name"), attribute(input, "value")));
        }
        all.extend(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let fields: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.post(path, &fields)
    }

    /// Returns the code every form of this session brings.
    pub fn csrf(&mut self) -> String {
        let text = self.page("/account");
        let input = text.split("<input").find(|input| input.contains("name=\"csrf\"")).expect("a form");
        attribute(input, "value")
    }

    /// Makes a key and returns its token.
    pub fn create(&mut self, name: &str) -> String {
        let answer = self.submit("/keys/new", "/keys", &[("name", name), ("expires", "7d")]);
        assert_eq!(answer.status, 201, "{}", text(&answer));
        token(&text(&answer)).expect("a token in the answer that made it")
    }

    /// Returns the paths of the keys that are listed.
    pub fn keys(&mut self) -> Vec<String> {
        let text = self.page("/keys");
        text.split("href=\"")
            .skip(1)
            .filter(|rest| rest.starts_with("/keys/key_"))
            .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
            .collect()
    }
}

pub fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Returns the token a page shows.
pub fn token(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("id=\"token\">")?;
    Some(rest.split('<').next()?.to_owned())
}

fn attribute(tag: &str, name: &str) -> String {
    let tag = tag.split('>').next().unwrap_or_default();
    let (_, rest) = tag.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {tag}"));
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|b| match b {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(b).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect()
    };
    fields.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect::<Vec<_>>().join("&")
}
