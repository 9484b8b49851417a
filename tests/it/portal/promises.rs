//! What was promised of keys, sessions and limits, kept through the portal.

use std::time::Duration;

use kgate::key::{ConsumerId, Digest, Role, Timestamp};
use kgate::store::{Access, AuditRow, Invite, Options, PortalSession, SignedInBy, Usage, Via, Visitor};
use kgate::verify::wall;

use super::{Browser, Scene, config, text, token};
use crate::harness::full_or;
use crate::process::{Process, Site};

#[test]
fn what_the_portal_acknowledged_holds_for_the_next_request() {
    let scene = Scene::with("max_keys = 400");
    let acme = scene.consumer("Acme");
    let mut consumer = scene.signed_in(acme);
    let mut operator = scene.operator(Role::Operator);
    // Each makes two keys, and a consumer may make a hundred in a day.
    for round in 0..full_or(48, 8) {
        let old = consumer.create("billing");
        assert_eq!(scene.gateway(&old), 200, "made, round {round}");
        let path = consumer.keys().pop().unwrap();
        let answer = consumer.submit(&path, &format!("{path}/rotate"), &[("grace", "0s")]);
        let new = token(&text(&answer)).unwrap_or_else(|| panic!("{}", text(&answer)));
        assert_eq!((scene.gateway(&old), scene.gateway(&new)), (401, 200), "rotated out, round {round}");
        let key = consumer.keys().pop().unwrap();
        let theirs = format!("/operator{key}");
        for (act, status) in [("disable", 401), ("enable", 200)] {
            let act = format!("{theirs}/{act}");
            assert_eq!(operator.submit(&act, &act, &[]).status, 303);
            assert_eq!(scene.gateway(&new), status, "{act}, round {round}");
        }
        let edit = format!("{theirs}/edit");
        let fields = [("name", "billing"), ("networks", "192.0.2.0/24"), ("expires", ""), ("not_before", "")];
        assert_eq!(operator.submit(&edit, &edit, &fields).status, 303);
        assert_eq!(scene.gateway(&new), 403, "narrowed, round {round}");
        let last = &new[new.len() - 4..];
        assert_eq!(consumer.submit(&key, &format!("{key}/revoke"), &[("confirm", last)]).status, 303);
        assert_eq!(scene.gateway(&new), 401, "revoked, round {round}");
    }
    let kept = consumer.create("kept");
    let page = format!("/operator/consumers/{acme}");
    for (act, status) in [("disable", 401), ("enable", 200)] {
        let act = format!("{page}/{act}");
        assert_eq!(operator.submit(&act, &act, &[]).status, 303);
        assert_eq!(scene.gateway(&kept), status, "{act}");
    }
}

#[test]
fn every_act_is_in_the_audit_log_once_with_who_did_it() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme");
    let from = scene.site.store().audit_tail(1).unwrap()[0].number;
    let mut consumer = scene.signed_in(acme);
    let first = consumer.create("billing");
    let path = consumer.keys().pop().unwrap();
    // What is refused, or wrong, is no act.
    assert_eq!(consumer.submit(&path, &format!("{path}/revoke"), &[("confirm", "nope")]).status, 422);
    consumer.submit(&path, &format!("{path}/rotate"), &[("grace", "1d")]);
    let last = &first[first.len() - 4..];
    consumer.submit(&path, &format!("{path}/revoke"), &[("confirm", last)]);
    let mut operator = scene.operator(Role::Admin);
    let page = format!("/operator/consumers/{acme}");
    let fields = [("consumer", acme.to_string()), ("name", "three".to_owned()), ("count", "3".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(operator.submit("/operator/keys/new", "/operator/keys", &fields).status, 201);
    let edit = format!("{page}/edit");
    assert_eq!(operator.submit(&edit, &edit, &[("name", "Acme 2")]).status, 303);
    let invite = format!("{page}/invite");
    assert_eq!(operator.submit(&invite, &invite, &[("expires", "1d")]).status, 201);
    let name = operator.page("/operator/access");
    let name = name.split("name=\"invitation\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let withdrawn =
        operator.submit("/operator/access", "/operator/access/invitations", &[("invitation", name)]);
    assert_eq!(withdrawn.status, 303);
    let out = format!("{page}/sign-out");
    assert_eq!(operator.submit(&out, &out, &[("note", "T-7")]).status, 303);
    let backup = operator.submit("/operator/gateway", "/operator/gateway/backup", &[]);
    assert_eq!(backup.status, 200);
    assert_eq!(operator.submit("/operator", "/sign-out", &[]).status, 303);
    let mut rows: Vec<AuditRow> = Vec::new();
    scene
        .site
        .store()
        .audit(from + 1, &mut |row| {
            rows.push(row);
            true
        })
        .unwrap();
    let theirs = |row: &AuditRow| match row.actor.via {
        Via::Portal if row.actor.user == format!("{acme} (Acme)") => "consumer",
        Via::Portal if row.actor.user.starts_with("akey_") => "operator",
        _ => "somebody else",
    };
    let said: Vec<_> = rows.iter().map(|row| (row.action.name(), theirs(row))).collect();
    assert_eq!(
        said,
        [
            ("portal.invited", "somebody else"),
            ("portal.signed_in", "consumer"),
            ("key.issued", "consumer"),
            ("key.rotated", "consumer"),
            ("key.revoked", "consumer"),
            ("admin_key.created", "somebody else"),
            ("portal.signed_in", "operator"),
            ("key.issued", "operator"),
            ("consumer.updated", "operator"),
            ("portal.invited", "operator"),
            ("portal.signed_out", "operator"),
            ("portal.signed_out", "operator"),
            ("store.backed_up", "operator"),
            ("portal.signed_out", "operator"),
        ]
    );
    assert_eq!(rows[12].note.as_deref(), Some("from 127.0.0.1"));
    assert_eq!(rows[11].note.as_deref(), Some("T-7 (from 127.0.0.1)"));
    assert!(scene.site.store().verify_audit().unwrap().faults.is_empty());
}

#[test]
fn no_secret_is_in_any_log_backup_or_file() {
    let site = Site::with(&config("max_keys = 5"));
    let log = site.dir.path().join("access.log");
    let out = std::fs::File::create(&log).unwrap();
    let process = Process::start_writing(site.command(&["serve"]), out.into()).unwrap();
    let scene = Scene { site, process };
    let acme = scene.consumer("Acme");
    let code = scene.invite(acme);
    let mut consumer = scene.nobody();
    consumer.post("/invite", &[("code", &code)]);
    let key = consumer.create("billing");
    assert_eq!(scene.gateway(&key), 200);
    let mut operator = scene.operator(Role::Admin);
    let invite = format!("/operator/consumers/{acme}/invite");
    let answer = operator.submit(&invite, &invite, &[]);
    let link = token(&text(&answer)).unwrap();
    let fields = [("consumer", acme.to_string()), ("count", "2".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let two = text(&operator.submit("/operator/keys/new", "/operator/keys", &fields));
    let two = token(&two).unwrap();
    let two: Vec<&str> = two.lines().collect();
    assert_eq!(two.len(), 2, "{two:?}");
    // Found by itself, and revoked by itself: typed into a form, and nowhere else.
    operator.submit("/operator/keys/find", "/operator/keys/find", &[("token", two[0])]);
    operator.submit("/operator/keys/revoke", "/operator/keys/revoke", &[("keys", two[1]), ("confirm", "1")]);
    let secret = |cookie: &Option<String>| cookie.clone().unwrap().split('.').next_back().unwrap().to_owned();
    let secrets = [
        code,
        link.split_once('#').unwrap().1.to_owned(),
        key,
        two[0].to_owned(),
        two[1].to_owned(),
        secret(&consumer.cookie),
        secret(&operator.cookie),
    ];
    let dir = scene.site.dir.path();
    let backup = operator.submit("/operator/gateway", "/operator/gateway/backup", &[]);
    assert_eq!((backup.status, backup.header("content-disposition").is_some()), (200, true));
    std::fs::write(dir.join("from-the-portal.backup"), &backup.body).unwrap();
    scene.site.run(&["backup", dir.join("of-the-command.backup").to_str().unwrap()]);
    for page in
        ["/operator/audit", "/operator/access", "/operator/keys", &format!("/operator/consumers/{acme}")]
    {
        let page = operator.page(page);
        assert!(secrets.iter().all(|secret| !page.contains(secret.as_str())));
    }
    // The last lines of the access log are written when it ends, and counts of usage too.
    let said = {
        scene.process.signal(rustix::process::Signal::TERM);
        scene.process.wait().1
    };
    let audit = scene.site.command(&["audit", "--json"]).output().unwrap().stdout;
    let mut texts = vec![("standard error".to_owned(), said.into_bytes()), ("audit".to_owned(), audit)];
    for place in [dir.to_owned(), scene.site.data()] {
        for file in std::fs::read_dir(place).unwrap() {
            let path = file.unwrap().path();
            texts.extend(std::fs::read(&path).ok().map(|bytes| (path.display().to_string(), bytes)));
        }
    }
    assert!(texts.iter().any(|(name, bytes)| name.ends_with("access.log") && bytes.len() > 100));
    assert!(texts.iter().filter(|(name, _)| name.ends_with(".backup")).count() == 2);
    for (name, bytes) in &texts {
        for secret in &secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{name} has {}…", &secret[..16]);
        }
    }
}

impl Scene {
    fn usage(&self) -> Usage {
        Usage::open(&self.site.data(), Access::Write, &Options::default()).unwrap()
    }

    /// Begins a session as if it had been begun and seen at other times.
    fn session(
        &self,
        consumer: ConsumerId,
        name: &str,
        created_at: Timestamp,
        seen_at: Timestamp,
    ) -> Browser {
        let secret = format!("kgate_session_{name}");
        let session = PortalSession {
            id: name.to_owned(),
            by: SignedInBy::Invite,
            created_at,
            seen_at,
            agent: String::new(),
            from: None,
        };
        let digest = Digest::sha256(secret.as_bytes());
        self.usage().begin_session(Visitor::Consumer(consumer), digest, session).unwrap();
        Browser { cookie: Some(format!("kgate_portal={consumer}.{secret}")), ..self.nobody() }
    }
}

#[test]
fn a_session_is_over_when_it_was_idle_too_long_and_when_it_lasted_too_long() {
    let scene = Scene::with("session_idle = \"1h\"\nsession_max = \"10h\"");
    let acme = scene.consumer("Acme");
    let ago = |minutes: u64| wall().minus(Duration::from_secs(minutes * 60));
    for (name, created, seen, status) in
        [("young", 5, 5, 200), ("used", 9 * 60, 50, 200), ("idle", 90, 61, 303), ("old", 10 * 60 + 1, 1, 303)]
    {
        let mut browser = scene.session(acme, name, ago(created), ago(seen));
        assert_eq!(browser.get("/keys").status, status, "{name}");
    }
    // A page puts the end of idling off.
    let seen = |id: &str| {
        let all = scene.usage().sessions_of(Visitor::Consumer(acme)).unwrap();
        all.into_iter().find(|session| session.id == id).map(|session| session.seen_at)
    };
    assert!(seen("used") > Some(ago(5)), "it was seen just now");
    assert!(seen("idle") < Some(ago(50)), "what is over is not seen");
}

#[test]
fn a_link_is_good_for_its_time_and_once() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme");
    let hour = Duration::from_hours(1);
    let now = wall();
    for (code, expires_at, status) in
        [("over", now.minus(Duration::from_secs(1)), 422), ("good", now.plus(hour), 303), ("good", now, 422)]
    {
        if status == 303 || code == "over" {
            let invite = Invite { consumer: acme, created_at: now.minus(hour), expires_at };
            scene.usage().invite(Digest::sha256(code.as_bytes()), invite, now.minus(hour)).unwrap();
        }
        assert_eq!(scene.nobody().post("/invite", &[("code", code)]).status, status, "{code}");
    }
}

#[test]
fn nobody_ends_or_sees_a_session_of_somebody_else() {
    let scene = Scene::new();
    let (acme, evil) = (scene.consumer("Acme"), scene.consumer("Evil"));
    let mut victim = scene.signed_in(acme);
    let theirs = scene.usage().sessions_of(Visitor::Consumer(acme)).unwrap().pop().unwrap().id;
    let (mut thief, mut elsewhere) = (scene.signed_in(evil), scene.signed_in(evil));
    let page = thief.page("/account");
    assert!(!page.contains(&theirs));
    let csrf = thief.csrf();
    let answer = thief.post("/account/sessions", &[("csrf", csrf.as_str()), ("session", &theirs)]);
    assert_eq!((answer.status, victim.get("/keys").status), (303, 200));
    // Signing out everywhere else is one's own everywhere, too.
    assert_eq!(thief.post("/account/sessions", &[("csrf", csrf.as_str())]).status, 303);
    assert_eq!([&mut victim, &mut thief, &mut elsewhere].map(|b| b.get("/keys").status), [200, 200, 303]);
}

#[test]
fn the_cookie_of_a_session_is_for_this_site_alone() {
    let plain = Scene::new();
    let https = Scene::with("url = \"https://portal.example\"");
    for (scene, name, is_secure) in [(plain, "kgate_portal=", false), (https, "__Host-kgate=", true)] {
        let code = scene.invite(scene.consumer("Acme"));
        let mut browser = scene.nobody();
        let answer = browser.post("/invite", &[("code", &code)]);
        let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("{}", text(&answer))).to_owned();
        let parts: Vec<&str> = cookie.split("; ").collect();
        assert!(parts[0].starts_with(name), "{cookie}");
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(parts.contains(&part), "{part}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        assert_eq!(parts.contains(&"Secure"), is_secure, "{cookie}");
        let out = browser.submit("/keys", "/sign-out", &[]);
        assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    }
}

#[test]
fn consumers_make_what_the_configuration_allows_and_no_more() {
    let two = "[[key_type]]\nname = \"other\"\nprefix = \"acme_other\"\n[[upstream]]";
    let portal = "key_types = [\"live\"]\nscopes = [\"products:read\"]\nmax_keys = 2\nmax_expires = \"30d\"\nmax_grace = \"2d\"";
    let site = Site::with(&config(portal).replacen("[[upstream]]", two, 1));
    let process = site.serve(&[]);
    let scene = Scene { site, process };
    let mut browser = scene.signed_in(scene.consumer("Acme"));
    let ask = |browser: &mut Browser, change: (&str, &str)| {
        let mut fields = vec![("name", "x"), ("expires", "7d")];
        fields.retain(|(name, _)| *name != change.0);
        fields.push(change);
        browser.submit("/keys/new", "/keys", &fields).status
    };
    // A type that is there but not for consumers; the form's own hidden field comes first and is another.
    let csrf = browser.csrf();
    let other = [
        ("csrf", csrf.as_str()),
        ("once", "0123456789abcdef0123456789abcdef"),
        ("name", "x"),
        ("type", "other"),
        ("expires", "7d"),
    ];
    assert_eq!(browser.post("/keys", &other).status, 422);
    for change in [
        ("expires", "31d"),
        ("expires", "never"),
        ("expires", "0s"),
        ("expires", ""),
        ("scope", "products:write"),
        ("scope", "*"),
        ("name", ""),
    ] {
        assert_eq!(ask(&mut browser, change), 422, "{change:?}");
    }
    assert!(browser.keys().is_empty());
    browser.create("one");
    let path = browser.keys().pop().unwrap();
    for grace in ["49h", "never", ""] {
        assert_eq!(
            browser.submit(&path, &format!("{path}/rotate"), &[("grace", grace)]).status,
            422,
            "{grace}"
        );
    }
    // Of many at once as many are made as there is room for.
    let (address, cookie) = (browser.address, browser.cookie.clone());
    let made = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..6)
            .map(|number| {
                let (csrf, cookie) = (csrf.clone(), cookie.clone());
                scope.spawn(move || {
                    let once = format!("{number}123456789abcdef0123456789abcdef");
                    let fields = [
                        ("csrf", csrf.as_str()),
                        ("once", &once),
                        ("name", "x"),
                        ("type", "live"),
                        ("expires", "7d"),
                    ];
                    Browser { address, cookie }.post("/keys", &fields).status
                })
            })
            .collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).filter(|status| *status == 201).count()
    });
    assert_eq!((made, browser.keys().len()), (1, 2));
    assert!(browser.page("/keys/new").contains("You have as many keys as you may"));
    // One that replaces another is none more.
    let answer = browser.submit(&path, &format!("{path}/rotate"), &[("grace", "1d")]);
    assert_eq!(answer.status, 201, "{}", text(&answer));
}
