//! From TOML as written to the typed configuration, one function a table.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use super::headers::{canonical_name, is_header_name, is_reserved};
use super::holders;
use super::listen::{Certificate, Dated};
use super::reader::{At, Section, shown};
use super::report::did_you_mean;
use super::secret::Readers;
use super::{
    Address, Config, Cors, Forward, IdentityHeader, IdentityHeaders, Jwt, JwtAlgorithm, Listen, Loaded,
    RateHeaders, Report, RequestIdTrust, RouteAnswers, Secret, Server, Sidecar, TIMEOUTS, TrustedProxies,
    Upstream, balance, forward, upstream_tls,
};
use crate::key::{
    ADMIN_PREFIX, Format, KeyType, KeyTypes, Kind, Limit, Networks, Pepper, Peppers, Prefix, Quota, Rate,
    Requirement, Span, Window,
};
use crate::policy::{
    FailedAuth, Fault, LimitSpec, LimitSubject, Origin, Place, PlanSpec, Publishable, RouteSpec, Rules,
    Source, Spec,
};
use crate::store::Retention;

/// Checks a whole file.
pub(super) fn build(path: &Path, text: &str) -> Result<Loaded, Report> {
    let mut report = Report::new(path, text);
    let (root, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        let hint = "the file is not valid TOML here; see https://toml.io".to_owned();
        report.error(fault.span().unwrap_or(0..0), fault.message().trim(), Some(hint));
    }
    if report.has_errors() {
        // What the parser made up to go on would only bring false alarms.
        report.sort();
        return Err(report);
    }
    let report = RefCell::new(report);
    let base = path.parent().unwrap_or(Path::new(""));
    let builder = Builder { base, report: &report, dates: RefCell::default() };
    let mut config = builder.config(path, &root);
    let dates = builder.dates.into_inner();
    if let Some(config) = &mut config {
        for certificate in dates.iter().map(Certificate::from) {
            if !config.certificates.contains(&certificate) {
                config.certificates.push(certificate);
            }
        }
    }
    let mut report = report.into_inner();
    report.sort();
    match config {
        Some(config) if !report.has_errors() => Ok(Loaded { config, warnings: report, dates }),
        _ => Err(report),
    }
}

pub(super) struct Builder<'t> {
    /// The directory relative paths start from.
    base: &'t Path,
    report: &'t RefCell<Report>,
    /// When the certificates it names hold.
    pub(super) dates: RefCell<Vec<Dated>>,
}

/// Names that can be referred to, for look-ups with a hint.
pub(super) struct Names {
    pub(super) what: &'static str,
    pub(super) names: Vec<String>,
}

impl Names {
    pub(super) fn find(&self, from: &Section<'_>, name: &At<&str>) -> Option<usize> {
        let found = self.names.iter().position(|n| n == name.value);
        if found.is_none() {
            let names = || self.names.iter().map(String::as_str);
            let hint = match did_you_mean(name.value, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if self.names.is_empty() => format!("no {} is declared", self.what),
                None => format!(
                    "declared are {}",
                    names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            from.error(
                name.span.clone(),
                format!("there is no {} `{}`", self.what, shown(name.value)),
                Some(hint),
            );
        }
        found
    }
}

impl<'t> Builder<'t> {
    #[expect(clippy::too_many_lines, reason = "every table once, in the order they need each other")]
    fn config(&self, path: &Path, root: &'t toml::Spanned<DeTable<'t>>) -> Option<Config> {
        let top = Section::new("", 0..0, root.get_ref(), self.report);
        let empty = EMPTY.get_or_init(DeTable::new);
        let table = |name, table| {
            let section = top.section(name, table);
            section.unwrap_or_else(|| Section::new(table, 0..0, empty, self.report))
        };
        let listen_section = table("listen", "listen");
        let server_section = table("server", "server");
        let usage = usage(&table("usage", "usage"));
        let access_log_section = table("access_log", "access_log");
        let sample = access_log_section.section("sample", "access_log.sample");
        let webhooks = super::tell::webhooks(self, &top.sections("webhook", "webhook"));
        let traces = top.section("traces", "traces").and_then(|section| super::tell::traces(self, &section));
        let access_log = super::access_log::access_log(self, &access_log_section, sample.as_ref());

        let data_dir = self.path_of(&top, "data_dir");
        let sidecar = top.section("sidecar", "sidecar").map(|section| self.sidecar(&section));
        let listen = self.listen(&listen_section, sidecar.as_ref());
        let leaks = super::leaks::leaks(self, &table("leaks", "leaks"), !listen.admin.is_empty());
        let key_type_sections = top.sections("key_type", "key_type");
        let (key_types, publishable, key_type_spans) = key_types(&top, &key_type_sections);
        let peppers = self.peppers(&top);
        let plan_sections = top.named_sections("plans", "plans.NAME");
        let (plans, limit_spans) = plans(&plan_sections);
        let plan_names = Names { what: "plan", names: plans.iter().map(|plan| plan.name.clone()).collect() };
        let server = server(&server_section, &plan_names);
        let has_portal = top.has("portal");
        let portal = super::portal::portal(&table("portal", "portal"), has_portal, &listen, &key_types);
        let identity_headers = identity_headers(&top);
        let upstream_sections = top.sections("upstream", "upstream");
        let upstreams = self.upstreams(&upstream_sections, &identity_headers);
        super::portal::check_way(&top, &portal, &listen.portal, &upstreams);
        let route_sections = top.sections("route", "route");
        let tokens = token_headers(&upstreams);
        let routes = routes(&route_sections, &key_types, &upstreams, &plan_names, &identity_headers, &tokens);
        let self_service = top.section("self_service", "self_service");
        let own = self_service.as_ref().map_or_else(Vec::new, |section| {
            holders::routes(section, &key_types, &plan_names, &identity_headers, &tokens)
        });

        if key_types.as_slice().is_empty() && !top.has("key_type") {
            let hint = "add a [[key_type]] with a name and a prefix; `kgate init` writes one".to_owned();
            top.error(0..0, "no key type is declared", Some(hint));
        }
        warn_of_plans(&top, &server_section, &server, &plans);
        warn_of_routes(&top, &route_sections, &routes, &key_types);
        warn_of_certificates(&route_sections, &routes, &listen.proxy);

        let fronts = sidecar.as_ref();
        let spec = Spec {
            key_types: key_types.clone(),
            peppers: peppers.clone(),
            plans: plans.clone(),
            default_plan: server.default_plan.clone(),
            upstreams: upstreams.len(),
            failed_auth: server.failed_auth.as_ref().map(|limit| without_proxies(limit, &server, fronts)),
            routes: routes.iter().map(|route| route.spec.clone()).chain(own.iter().cloned()).collect(),
            publishable,
        };
        let rules = match Rules::compile(spec) {
            Ok(rules) => rules,
            Err(faults) => {
                for fault in faults {
                    let span = place_of(
                        &fault,
                        &top,
                        &server_section,
                        &key_type_spans,
                        &plan_sections,
                        &limit_spans,
                        &route_sections,
                        &routes,
                        self_service.as_ref(),
                    );
                    // What the file's readers said of a setting, with a hint, is not said again.
                    if !self.report.borrow().has_error_at(&span) {
                        top.error(span, fault.to_string(), None);
                    }
                }
                return None;
            }
        };
        let keys: Vec<String> = rules.credential_headers().iter().map(|name| canonical_name(name)).collect();
        let named = routes.iter().map(|route| (route.section, &route.forward)).collect::<Vec<_>>();
        forward::check_against_credentials(&route_sections, &named, &keys);
        let (route_answers, forwards) = by_route(routes, own.len());
        Some(Config {
            path: path.to_owned(),
            data_dir: data_dir?,
            listen,
            sidecar,
            server,
            identity_headers,
            access_log,
            webhooks,
            traces,
            usage,
            leaks,
            portal,
            key_types,
            peppers,
            plans,
            upstreams,
            rotation_grace: self_service.as_ref().map_or(Duration::ZERO, holders::grace),
            route_names: rules.spec().routes.iter().map(|route| route.name.clone()).collect(),
            route_answers,
            forwards,
            certificates: Vec::new(),
            rules: Arc::new(rules),
        })
    }

    pub(super) fn path_of(&self, section: &Section<'_>, name: &str) -> Option<PathBuf> {
        let text = section.text(name)?;
        if text.value.is_empty() || text.value.contains('\0') {
            section.error(text.span, format!("`{name}` is not a path"), None);
            return None;
        }
        Some(self.base.join(text.value))
    }

    fn listen(&self, section: &Section<'_>, sidecar: Option<&Sidecar>) -> Listen {
        let doors = self.doors(section, sidecar.is_some());
        let proxy: Vec<_> = doors.iter().map(|door| door.address.clone()).collect();
        let asked = sidecar.map_or(&[][..], |sidecar| &sidecar.listen);
        if let Some(twice) = proxy.iter().find(|address| asked.contains(address) && !is_any_port(address)) {
            section.error(section.span_of("proxy"), format!("the sidecar listens at `{twice}` too"), None);
        }
        let has_tls = section.has("admin_tls");
        let admin_tls = section.section("admin_tls", "listen.admin_tls").and_then(|tls| self.admin_tls(&tls));
        let is_trusted = section.flag("admin_trusted");
        let admin = self.addresses(section, "admin", &|span, at| {
            if !has_tls && !is_trusted {
                let hint = "give it [listen.admin_tls], listen at 127.0.0.1 or a Unix socket, or say `admin_trusted = true` where only machines of yours can reach it";
                let message = format!("admin keys sent to `{at}` would cross the network in clear text");
                section.error(span, message, Some(hint.to_owned()));
            }
        });
        if has_tls && !admin.iter().any(|address| matches!(address, Address::Tcp(_))) {
            let hint = "TLS is for TCP addresses of `admin`: a Unix socket needs none";
            section.error(
                section.span_of("admin_tls"),
                "`admin_tls` protects nothing",
                Some(hint.to_owned()),
            );
        }
        if let Some(twice) =
            admin.iter().find(|at| !is_any_port(at) && (proxy.contains(at) || asked.contains(at)))
        {
            section.error(
                section.span_of("admin"),
                format!("`proxy` or the sidecar listens at `{twice}` too"),
                None,
            );
        }
        let admin_hosts =
            section.texts("admin_hosts").iter().map(|name| name.value.to_ascii_lowercase()).collect();
        let has_tls = section.has("portal_tls");
        let portal_tls =
            section.section("portal_tls", "listen.portal_tls").and_then(|tls| self.portal_tls(&tls));
        let portal = self.addresses(section, "portal", &|span, at| {
            if !has_tls {
                let message = format!("sessions and new keys sent to `{at}` cross the network in clear text");
                let hint = "give it [listen.portal_tls], or listen at 127.0.0.1 or a Unix socket, with TLS in front: a route of the gateway, or another proxy";
                section.warn(span, message, hint);
            }
        });
        if has_tls && !portal.iter().any(|address| matches!(address, Address::Tcp(_))) {
            let hint = "TLS is for TCP addresses of `portal`: a Unix socket needs none".to_owned();
            section.error(section.span_of("portal_tls"), "`portal_tls` protects nothing", Some(hint));
        }
        let taken = |at: &Address| proxy.contains(at) || asked.contains(at) || admin.contains(at);
        if let Some(twice) = portal.iter().find(|at| !is_any_port(at) && taken(at)) {
            section.error(section.span_of("portal"), format!("something else listens at `{twice}`"), None);
        }
        Listen { proxy: doors, admin, admin_hosts, admin_tls, portal, portal_tls }
    }

    fn sidecar(&self, section: &Section<'_>) -> Sidecar {
        if section.texts("listen").is_empty() {
            let hint = "listen = [\"127.0.0.1:8082\"]".to_owned();
            section.error(section.span_of("listen"), "`listen` names no address", Some(hint));
        }
        Sidecar { listen: self.listeners(section, "listen"), fronts: trusted_proxies(section, "fronts") }
    }

    /// Reads addresses to listen at.
    fn listeners(&self, section: &Section<'_>, name: &str) -> Vec<Address> {
        self.addresses(section, name, &|span, at| {
            section.warn(
                span,
                format!("keys sent to `{at}` cross the network in clear text"),
                "listen at 127.0.0.1 or a Unix socket behind a TLS proxy, or be sure that one is in front",
            );
        })
    }

    /// Reads where to listen. `beyond` says what is wrong with an address that others can reach.
    fn addresses(
        &self,
        section: &Section<'_>,
        name: &str,
        beyond: &dyn Fn(Range<usize>, &SocketAddr),
    ) -> Vec<Address> {
        let mut listeners = Vec::new();
        for text in section.texts(name) {
            let Some(address) = listen_address(self, section, &text) else { continue };
            match &address {
                Address::Tcp(at) if !at.ip().is_loopback() => beyond(text.span.clone(), at),
                _ => {}
            }
            if listeners.contains(&address) {
                section.error(text.span, format!("`{address}` is listed twice"), None);
            } else {
                listeners.push(address);
            }
        }
        listeners
    }

    fn address(&self, section: &Section<'_>, text: &At<&str>) -> Option<Address> {
        let fault = |hint: &str| {
            section.error(
                text.span.clone(),
                format!("`{}` is not an address", shown(text.value)),
                Some(hint.to_owned()),
            );
            None
        };
        if let Some(path) = text.value.strip_prefix("unix:") {
            // sockaddr_un has room for 108 bytes with the final zero.
            let path = self.base.join(path);
            return match path.as_os_str().len() {
                _ if text.value == "unix:" || text.value.contains('\0') => fault("write \"unix:PATH\""),
                108.. => fault("a Unix socket's path has at most 107 bytes"),
                _ => Some(Address::Unix(path)),
            };
        }
        if text.value.contains("://") {
            return fault("leave out the scheme: backends are spoken to in HTTP/1.1, \"127.0.0.1:9000\"");
        }
        if let Ok(address) = text.value.parse() {
            return Some(Address::Tcp(address));
        }
        let Some((host, port)) = text.value.rsplit_once(':') else {
            return fault("a port is missing: \"127.0.0.1:9000\"");
        };
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        // Names of digits alone are addresses gone wrong, 127.0.0.300 for instance.
        let is_name = host.len() <= 253
            && host.trim_end_matches('.').split('.').all(label)
            && !host.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
        match port.parse() {
            Ok(port) if port > 0 && is_name => Some(Address::Name(host.to_owned(), port)),
            _ => fault("write \"127.0.0.1:9000\", \"[::1]:9000\", \"host:9000\" or \"unix:PATH\""),
        }
    }

    pub(super) fn secret(&self, section: &Section<'_>, name: &str) -> Option<Secret> {
        let path = self.path_of(section, name)?;
        let span = section.span_of(name);
        match Secret::read(&path) {
            Ok((secret, readers)) => {
                if readers == Readers::Others {
                    let message = format!("others than its owner can read {}", path.display());
                    section.warn(span, message, format!("run `chmod 600 {}`", path.display()));
                }
                Some(secret)
            }
            Err(fault) => {
                let hint = "the path is relative to the configuration file".to_owned();
                section.error(span, format!("{}: {fault}", path.display()), Some(hint));
                None
            }
        }
    }

    fn peppers(&self, top: &Section<'t>) -> Peppers {
        let mut seen = BTreeSet::new();
        let mut peppers = Vec::new();
        for section in top.sections("pepper", "pepper") {
            let id = name_of(&section, "id", &mut seen);
            let secret = self.pepper_secret(&section);
            if let (Some(id), Some(secret)) = (id, secret) {
                if secret.expose().len() < 32 {
                    section.warn(
                        section.span_of(if section.has("env") { "env" } else { "file" }),
                        format!("the pepper has only {} bytes", secret.expose().len()),
                        "use 32 random bytes or more: `openssl rand -hex 32`",
                    );
                }
                peppers.push(Pepper::new(id, secret.expose()));
            }
        }
        Peppers::new(peppers)
    }

    /// Reads a pepper from a file or from an environment variable.
    fn pepper_secret(&self, section: &Section<'_>) -> Option<Secret> {
        let hint = || Some("file = \"secrets/pepper\" or env = \"KGATE_PEPPER\"".to_owned());
        match (section.has("file"), section.has("env")) {
            (true, false) => return self.secret(section, "file"),
            (false, true) => {}
            (false, false) => {
                section.error(section.span.clone(), "a pepper needs `file` or `env`", hint());
                return None;
            }
            (true, true) => {
                section.error(section.span_of("env"), "`env` beside `file`: a pepper has one place", hint());
                return None;
            }
        }
        let name = section.text("env")?;
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            section.error(name.span, "`env` is not the name of a variable", hint());
            return None;
        }
        match Secret::from_variable(std::env::var_os(name.value)) {
            Ok(secret) => Some(secret),
            Err(fault) => {
                let hint =
                    "the process that runs kgate must have it, `kgate serve` and every command".to_owned();
                section.error(name.span, format!("`{}`: {fault}", shown(name.value)), Some(hint));
                None
            }
        }
    }

    fn upstreams(&self, sections: &[Section<'t>], headers: &IdentityHeaders) -> Vec<Upstream> {
        let mut seen = BTreeSet::new();
        let upstreams: Vec<_> =
            sections.iter().map(|section| self.upstream(section, headers, &mut seen)).collect();
        warn_of_audiences(sections, &upstreams);
        upstreams
    }

    fn upstream(
        &self,
        section: &Section<'t>,
        headers: &IdentityHeaders,
        seen: &mut BTreeSet<String>,
    ) -> Upstream {
        // A name stays even if it is taken, so that references to it are no further mistakes.
        let name = section.text("name").map(|at| at.value.to_owned()).unwrap_or_default();
        name_of(section, "name", seen);
        let given = section.texts("servers");
        if given.is_empty() && section.has("servers") {
            section.error(section.span_of("servers"), "`servers` names no address", None);
        }
        let mut written = Vec::new();
        for text in &given {
            let Some(address) = self.address(section, text) else { continue };
            match &address {
                Address::Tcp(at) if at.port() == 0 || at.ip().is_unspecified() => {
                    section.error(text.span.clone(), format!("nobody can connect to `{at}`"), None);
                }
                _ if written.iter().any(|(_, other)| *other == address) => {
                    let hint = "give it a weight in `weights` if it is to take more".to_owned();
                    section.error(text.span.clone(), format!("`{address}` is listed twice"), Some(hint));
                }
                _ => written.push((text.value, address)),
            }
        }
        let weights = balance::weights(section, &written);
        let servers: Vec<Address> = written.into_iter().map(|(_, address)| address).collect();
        let tls = self.upstream_tls(section, &servers);
        let protocol = upstream_tls::protocol(section);
        let shared_secret = self.secret(section, "shared_secret_file");
        if let Some(secret) = &shared_secret
            && !secret.expose().iter().all(u8::is_ascii_graphic)
        {
            let hint = "a header carries only printable characters: `openssl rand -hex 32`".to_owned();
            section.error(
                section.span_of("shared_secret_file"),
                "the secret cannot be sent in a header",
                Some(hint),
            );
        }
        let hmac_secret = self.secret(section, "hmac_secret_file");
        for (name, secret) in [("shared_secret_file", &shared_secret), ("hmac_secret_file", &hmac_secret)] {
            if let Some(secret) = secret.as_ref().filter(|secret| secret.expose().len() < SECRET_LEN) {
                let length = secret.expose().len();
                section.warn(
                    section.span_of(name),
                    format!("the secret has only {length} bytes"),
                    "use 32 random bytes or more: `openssl rand -hex 32`",
                );
            }
        }
        let jwt = section.section("jwt", "upstream.jwt");
        let jwt = jwt.and_then(|section| self.jwt(&section, &name, headers));
        let proofs = ["shared_secret_file", "jwt", "hmac_secret_file"];
        let shows_certificate =
            section.section("tls", "upstream.tls").is_some_and(|tls| tls.has("certificate"));
        if !proofs.iter().any(|name| section.has(name))
            && !shows_certificate
            && let Some(at) = servers.iter().position(is_exposed)
        {
            section.warn(
                section.span_of("servers"),
                format!("whoever reaches `{}` directly can claim to be any consumer", servers[at]),
                "set `shared_secret_file` and have the backend check X-Kgate-Secret, or set `jwt` or `hmac_secret_file`, or have it ask for a client certificate and set `tls.certificate`: docs/verify-backend.md",
            );
        }
        let mut forward_metadata: Vec<String> = Vec::new();
        for key in section.texts("forward_metadata") {
            let name = canonical_name(&headers.meta_name(key.value));
            if key.value.is_empty() || !key.value.bytes().any(|b| b.is_ascii_alphanumeric()) {
                section.error(
                    key.span,
                    format!("`{}` is no use as a part of a header's name", shown(key.value)),
                    None,
                );
            } else if let Some(other) =
                forward_metadata.iter().find(|k| canonical_name(&headers.meta_name(k)) == name)
            {
                section.error(
                    key.span,
                    format!("`{}` and `{}` would be the same header", shown(key.value), shown(other)),
                    None,
                );
            } else {
                forward_metadata.push(key.value.to_owned());
            }
        }
        Upstream {
            name,
            servers,
            weights,
            balance: balance::balance(section),
            health: balance::health(section),
            ejection: balance::ejection(section, EMPTY.get_or_init(DeTable::new)),
            tls,
            protocol,
            shared_secret,
            jwt,
            hmac_secret,
            forward_metadata,
            connect_timeout: section.duration("connect_timeout", TIMEOUTS),
            response_timeout: section.duration("response_timeout", TIMEOUTS),
            total_timeout: section.duration_if_given("total_timeout", TIMEOUTS),
            idle_timeout: section.duration("idle_timeout", TIMEOUTS),
        }
    }
}

impl Builder<'_> {
    fn jwt(&self, section: &Section<'_>, upstream: &str, headers: &IdentityHeaders) -> Option<Jwt> {
        let header = section.text("header")?;
        if let Some(problem) = header_problem(header.value, headers) {
            section.error(header.span, format!("`{}` {problem}", shown(header.value)), None);
        }
        let issuer = claim(section, "issuer").unwrap_or_default();
        let audience = claim(section, "audience").unwrap_or_else(|| upstream.to_owned());
        Some(Jwt {
            header: header.value.to_owned(),
            algorithm: self.jwt_algorithm(section)?,
            issuer,
            audience,
            jti: section.flag("jti"),
        })
    }

    fn jwt_algorithm(&self, section: &Section<'_>) -> Option<JwtAlgorithm> {
        let name = section.choice("algorithm", &[("EdDSA", "EdDSA"), ("ES256", "ES256"), ("HS256", "HS256")]);
        if name != "HS256" {
            if section.has("secret_file") {
                let hint = "`kgate signing-key create` makes its keys; take `secret_file` away".to_owned();
                let message = format!("{name} has no shared secret");
                section.error(section.span_of("secret_file"), message, Some(hint));
            }
            return Some(if name == "ES256" { JwtAlgorithm::Es256 } else { JwtAlgorithm::EdDsa });
        }
        if !section.has("secret_file") {
            let hint = "write 32 random bytes to a file, `openssl rand -hex 32`, and name it here".to_owned();
            section.error(section.span_of("algorithm"), "HS256 needs `secret_file`", Some(hint));
        }
        let secret = self.secret(section, "secret_file")?;
        if secret.expose().len() < SECRET_LEN {
            let length = secret.expose().len();
            let hint = "RFC 7518 §3.2 asks for 32 or more: `openssl rand -hex 32`".to_owned();
            let message = format!("the secret has only {length} bytes");
            section.error(section.span_of("secret_file"), message, Some(hint));
        }
        Some(JwtAlgorithm::Hs256(secret))
    }
}

/// Reads the text of a claim, which has to say something.
fn claim(section: &Section<'_>, name: &str) -> Option<String> {
    let text = section.text(name)?;
    if text.value.is_empty() || text.value.len() > 256 || text.value.chars().any(char::is_control) {
        let message = format!("`{name}` must have 1 to 256 bytes and no control characters");
        section.error(text.span, message, None);
    }
    Some(text.value.to_owned())
}

/// An upstream others than this machine can reach, as far as one can tell from its address.
fn is_exposed(server: &Address) -> bool {
    match server {
        Address::Tcp(at) => !at.ip().to_canonical().is_loopback(),
        Address::Name(host, _) => host != "localhost",
        Address::Unix(_) => false,
    }
}

fn server(section: &Section<'_>, plans: &Names) -> Server {
    let number = |name, range| section.number(name, range).expect("it has a default");
    let count = |name, range: RangeInclusive<u64>| usize::try_from(number(name, range)).unwrap_or(usize::MAX);
    let bytes = |name, range| usize::try_from(section.size(name, range)).unwrap_or(usize::MAX);
    let default_plan = section.text("default_plan").filter(|name| plans.find(section, name).is_some());
    Server {
        workers: section.number("workers", 1..=1024).and_then(|n| usize::try_from(n).ok()),
        trusted_proxies: trusted_proxies(section, "trusted_proxies"),
        realm: realm(section),
        default_plan: default_plan.map(|at| at.value.to_owned()),
        max_connections: count("max_connections", 1..=10_000_000),
        max_connections_per_address: count("max_connections_per_address", 1..=10_000_000),
        max_requests_per_connection: count("max_requests_per_connection", 1..=1_000_000_000),
        max_streams: count("max_streams", 1..=10_000),
        max_in_flight: count("max_in_flight", 1..=10_000_000),
        max_header_bytes: bytes("max_header_bytes", 1 << 10..=1 << 20),
        // The `http` crate's map takes 32,768 names.
        max_header_fields: count("max_header_fields", 8..=10_000),
        max_url_bytes: bytes("max_url_bytes", 64..=1 << 20),
        max_body: section.size("max_body", 0..=1 << 50),
        handshake_timeout: section.duration("handshake_timeout", TIMEOUTS),
        header_timeout: section.duration("header_timeout", TIMEOUTS),
        idle_timeout: section.duration("idle_timeout", TIMEOUTS),
        body_timeout: section.duration("body_timeout", TIMEOUTS),
        min_body_rate: section.size("min_body_rate", 0..=1 << 30),
        upgrade_idle_timeout: section.duration("upgrade_idle_timeout", TIMEOUTS),
        cut_within: section.duration("cut_within", CUT_WITHIN),
        fresh_within: section.duration("fresh_within", FRESH_WITHIN),
        keepalive_pool: count("keepalive_pool", 0..=1_000_000),
        drain_timeout: section.duration("drain_timeout", Duration::ZERO..=*TIMEOUTS.end()),
        trust_request_id: section.choice(
            "trust_request_id",
            &[
                ("trusted-proxies", RequestIdTrust::TrustedProxies),
                ("anyone", RequestIdTrust::Anyone),
                ("nobody", RequestIdTrust::Nobody),
            ],
        ),
        rate_headers: section.choice(
            "rate_headers",
            &[
                ("both", RateHeaders::Both),
                ("ietf", RateHeaders::Ietf),
                ("x", RateHeaders::X),
                ("off", RateHeaders::Off),
            ],
        ),
        failed_auth: failed_auth(section),
    }
}

/// Reads how many failed authentications are taken from one address.
fn failed_auth(section: &Section<'_>) -> Option<FailedAuth> {
    let section =
        section.section_or_off("failed_auth", "server.failed_auth", EMPTY.get_or_init(DeTable::new))?;
    let rate = section.parsed::<Rate>("rate").map(|at| at.value);
    let burst = section.number("burst", 1..=Rate::MAX_COUNT);
    let mut exempt = Vec::new();
    for text in section.texts("exempt") {
        match Networks::parse_one(text.value) {
            Ok(network) if network.prefix_len() == 0 => {
                let hint = "to limit nobody, write `failed_auth = \"off\"`".to_owned();
                section.error(text.span, format!("`{network}` is everybody"), Some(hint));
            }
            Ok(network) => exempt.push(network),
            Err(error) => section.error(text.span, error.to_string(), None),
        }
    }
    let rate = rate?;
    let burst = burst.unwrap_or(rate.count());
    Some(FailedAuth { rate, burst, exempt: exempt.into_iter().collect() })
}

/// Adds proxies to the addresses that may fail: what fails behind them is not theirs.
fn without_proxies(failed_auth: &FailedAuth, server: &Server, sidecar: Option<&Sidecar>) -> FailedAuth {
    let fronts = sidecar.map_or(&[][..], |sidecar| sidecar.fronts.networks.as_slice());
    let own = failed_auth.exempt.as_slice().iter().chain(server.trusted_proxies.networks.as_slice());
    FailedAuth { exempt: own.chain(fronts).copied().collect(), ..failed_auth.clone() }
}

fn usage(section: &Section<'_>) -> Retention {
    let day = Duration::from_hours(24);
    let at_least = |name, least| section.duration(name, least..=3_660 * day);
    Retention {
        minutes: at_least("keep_minutes", Duration::from_hours(1)),
        // `key rotation-status` looks a day back.
        hours: at_least("keep_hours", 2 * day),
        days: at_least("keep_days", 7 * day),
    }
}

/// Says whether the kernel chooses the port.
/// Reads an address to listen at.
pub(super) fn listen_address(
    builder: &Builder<'_>,
    section: &Section<'_>,
    text: &At<&str>,
) -> Option<Address> {
    match builder.address(section, text)? {
        Address::Name(..) => {
            let hint = "listen at an address and port, \"127.0.0.1:8080\"".to_owned();
            let message = format!("`{}` is not an address", shown(text.value));
            section.error(text.span.clone(), message, Some(hint));
            None
        }
        address => Some(address),
    }
}

fn is_any_port(address: &Address) -> bool {
    matches!(address, Address::Tcp(at) if at.port() == 0)
}

pub(super) fn trusted_proxies(section: &Section<'_>, name: &str) -> TrustedProxies {
    let mut trusted = TrustedProxies::default();
    let mut networks = Vec::new();
    for text in section.texts(name) {
        if text.value == "unix" {
            trusted.unix = true;
            continue;
        }
        match Networks::parse_one(text.value) {
            Ok(network) if network.prefix_len() == 0 => {
                let hint =
                    "name the addresses of your proxies; whoever is trusted can claim any address".to_owned();
                section.error(text.span, format!("`{network}` trusts everybody"), Some(hint));
            }
            Ok(network) => networks.push(network),
            Err(error) => section.error(text.span, error.to_string(), None),
        }
    }
    trusted.networks = networks.into_iter().collect();
    trusted
}

fn realm(section: &Section<'_>) -> String {
    let realm = section.text("realm").map_or(At { value: "kgate", span: 0..0 }, |at| at);
    let is_plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    if realm.value.is_empty() || realm.value.len() > 128 || !realm.value.bytes().all(is_plain) {
        let hint = "it is sent in a header: printable ASCII without \" and \\, at most 128 bytes".to_owned();
        section.error(realm.span, "`realm` cannot be sent", Some(hint));
    }
    realm.value.to_owned()
}

/// Reads a name, which must be new. Names are labels of metrics and fields of logs.
pub(super) fn name_of(section: &Section<'_>, field: &str, seen: &mut BTreeSet<String>) -> Option<String> {
    let name = section.text(field)?;
    let fault =
        name_fault(name.value).map(|why| format!("`{}` is not a name: {why}", shown(name.value))).or_else(
            || (!seen.insert(name.value.to_owned())).then(|| format!("`{}` is already taken", name.value)),
        );
    match fault {
        Some(fault) => {
            section.error(name.span, fault, None);
            None
        }
        None => Some(name.value.to_owned()),
    }
}

fn name_fault(name: &str) -> Option<&'static str> {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    match name.len() {
        0 => Some("it is empty"),
        65.. => Some("it is longer than 64 bytes"),
        _ if !name.bytes().all(is_fine) => Some("it has other characters than A-Z a-z 0-9 . _ -"),
        _ => None,
    }
}

fn key_types(top: &Section<'_>, sections: &[Section<'_>]) -> (KeyTypes, Vec<Publishable>, Vec<Range<usize>>) {
    let (mut names, mut prefixes) = (BTreeSet::new(), BTreeSet::new());
    let (mut types, mut publishable, mut spans) = (Vec::new(), Vec::new(), Vec::new());
    for section in sections {
        let name = name_of(section, "name", &mut names);
        let prefix = section.parsed::<Prefix>("prefix");
        if let Some(prefix) = prefix.as_ref().filter(|p| p.value.as_str() == ADMIN_PREFIX) {
            section.error(
                prefix.span.clone(),
                format!("the prefix `{ADMIN_PREFIX}` is that of admin keys"),
                None,
            );
        }
        if let Some(prefix) = prefix.as_ref().filter(|p| !prefixes.insert(p.value.as_str().to_owned())) {
            top.error(
                prefix.span.clone(),
                format!("the prefix `{}` is already taken", prefix.value.as_str()),
                None,
            );
        }
        let environment = section.text("environment");
        if let Some((environment, why)) = environment.as_ref().and_then(|e| Some((e, name_fault(e.value)?))) {
            section.error(environment.span.clone(), format!("the environment is not a name: {why}"), None);
        }
        let kind = section.choice("kind", &[("secret", Kind::Secret), ("publishable", Kind::Publishable)]);
        let bound = bound(section, kind);
        let format = format(section);
        let default_expires = default_expires(section);
        if let (Some(name), Some(prefix)) = (name, prefix) {
            let environment = environment.map_or_else(|| name.clone(), |e| e.value.to_owned());
            let prefix = prefix.value;
            publishable.extend(bound.map(|bound| Publishable { key_type: name.clone(), ..bound }));
            types.push(KeyType { name, prefix, environment, kind, format, default_expires });
            spans.push(section.span.clone());
        }
    }
    (KeyTypes::new(types), publishable, spans)
}

/// Reads what keys are bound to that everybody may see.
fn bound(section: &Section<'_>, kind: Kind) -> Option<Publishable> {
    if kind == Kind::Secret {
        for name in ["origins", "per_address"].into_iter().filter(|name| section.has(name)) {
            let hint = "set `kind = \"publishable\"`; secret keys are bound to networks and limited by plans";
            let message = format!("`{name}` is for publishable keys, which anybody may see and use");
            section.error(section.span_of(name), message, Some(hint.to_owned()));
        }
        return None;
    }
    let mut origins: Vec<Origin> = Vec::new();
    let listed = section.texts("origins");
    if listed.is_empty() && section.has("origins") {
        let hint = "leave it out to take its keys from anywhere".to_owned();
        section.error(section.span_of("origins"), "`origins` names no origin", Some(hint));
    }
    for text in listed {
        match text.value.parse::<Origin>() {
            Ok(origin) if origins.contains(&origin) => {
                section.error(text.span, format!("`{origin}` is listed twice"), None);
            }
            Ok(origin) => origins.push(origin),
            Err(error) => {
                let hint = "write \"https://app.example.com\" or \"https://*.example.com\"".to_owned();
                let message = format!("`{}` is no origin: {error}", shown(text.value));
                section.error(text.span, message, Some(hint));
            }
        }
    }
    let is_off = section.text("per_address").is_none_or(|text| text.value == "off");
    let per_address = if is_off { None } else { section.parsed::<Rate>("per_address").map(|at| at.value) };
    Some(Publishable { key_type: String::new(), origins, per_address })
}

fn format(section: &Section<'_>) -> Format {
    let is_opaque = section.choice("format", &[("kgate", false), ("opaque", true)]);
    if !is_opaque {
        for name in ["min_len", "max_len"].into_iter().filter(|name| section.has(name)) {
            let hint = "a kgate token's length follows from its prefix".to_owned();
            section.error(section.span_of(name), format!("`{name}` needs `format = \"opaque\"`"), Some(hint));
        }
        return Format::Kgate;
    }
    for name in ["min_len", "max_len"].into_iter().filter(|name| !section.has(name)) {
        section.error(section.span_of("format"), format!("an opaque key type needs `{name}`"), None);
    }
    // Shorter ones could be guessed; longer ones fill header caps.
    let length = |name| section.number(name, 16..=1024).and_then(|n| usize::try_from(n).ok());
    let (min_len, max_len) = (length("min_len").unwrap_or(16), length("max_len").unwrap_or(1024));
    if min_len > max_len {
        section.error(section.span_of("min_len"), "`min_len` is greater than `max_len`", None);
    }
    Format::Opaque { min_len, max_len }
}

fn default_expires(section: &Section<'_>) -> Option<Span> {
    if section.text("default_expires").is_none_or(|text| text.value == "never") {
        return None;
    }
    let span = section.parsed::<Span>("default_expires")?;
    if span.value.as_duration().is_zero() {
        section.error(span.span, "a new key would be expired at once", None);
        return None;
    }
    Some(span.value)
}

fn plans(sections: &[(At<&str>, Section<'_>)]) -> (Vec<PlanSpec>, Vec<Vec<Range<usize>>>) {
    let (mut plans, mut spans) = (Vec::new(), Vec::new());
    for (name, section) in sections {
        if let Some(why) = name_fault(name.value) {
            section.error(name.span.clone(), format!("`{}` is not a name: {why}", shown(name.value)), None);
        }
        let limits: Vec<_> = section.sections("limits", "plans.NAME.limits");
        let mut seen = BTreeSet::new();
        let limits: Vec<_> = limits.iter().filter_map(|section| limit(section, &mut seen)).collect();
        spans.push(limits.iter().map(|at| at.span.clone()).collect());
        let limits = limits.into_iter().map(|at| at.value).collect();
        plans.push(PlanSpec { name: name.value.to_owned(), limits });
    }
    (plans, spans)
}

fn limit(section: &Section<'_>, seen: &mut BTreeSet<String>) -> Option<At<LimitSpec>> {
    let name = name_of(section, "name", seen);
    let subjects = [
        ("key", LimitSubject::Key),
        ("consumer", LimitSubject::Consumer),
        ("route", LimitSubject::Route),
        ("address", LimitSubject::Address),
    ];
    let per = section.choice("per", &subjects);
    let shadow = section.flag("shadow");
    let limit = allowance(section);
    let (name, limit) = (name?, limit?);
    Some(At { value: LimitSpec { name, limit, per, shadow }, span: section.span.clone() })
}

/// What a limit allows: one of `rate`, `quota` and `concurrent`, and what belongs to it.
fn allowance(section: &Section<'_>) -> Option<Limit> {
    let given: Vec<&str> = ["rate", "quota", "concurrent"].into_iter().filter(|n| section.has(n)).collect();
    for (name, of) in [("burst", "rate"), ("anchor_day", "quota")] {
        if section.has(name) && !section.has(of) {
            let hint = format!("take `{name}` away, or make the limit a `{of}`");
            section.error(section.span_of(name), format!("`{name}` belongs to `{of}`"), Some(hint));
        }
    }
    match given[..] {
        ["rate"] => {
            let burst = section.number("burst", 1..=Rate::MAX_COUNT);
            let rate = section.parsed::<Rate>("rate")?.value;
            Some(Limit::Rate { rate, burst: burst.unwrap_or(rate.count()) })
        }
        ["quota"] => {
            let day = section.number("anchor_day", 1..=u64::from(Window::MAX_ANCHOR));
            let quota = section.parsed::<Quota>("quota")?.value;
            let Some(day) = day else { return Some(Limit::Quota(quota)) };
            let anchored = quota.with_anchor(u8::try_from(day).unwrap_or(Window::MAX_ANCHOR));
            if anchored.is_none() {
                let hint = "take it away, or count by the month: \"1M/month\"".to_owned();
                section.error(section.span_of("anchor_day"), "only months have an `anchor_day`", Some(hint));
            }
            anchored.map(Limit::Quota)
        }
        ["concurrent"] => section.number("concurrent", 1..=1_000_000).map(Limit::Concurrent),
        [] => {
            let hint = "give `rate = \"100/s\"`, `quota = \"1M/month\"` or `concurrent = 10`".to_owned();
            section.error(section.span.clone(), "the limit does not say what it allows", Some(hint));
            None
        }
        _ => {
            let hint = "make each a limit with a name of its own: a request must fit all".to_owned();
            section.error(
                section.span_of(given[1]),
                format!("one limit is either a `{}` or a `{}`", given[0], given[1]),
                Some(hint),
            );
            None
        }
    }
}

fn identity_headers(top: &Section<'_>) -> IdentityHeaders {
    let mut headers = IdentityHeaders::default();
    let mut renamed: Vec<(At<&str>, At<&str>)> = Vec::new();
    for (from, to) in top.pairs("identity_headers") {
        let is_family = from.value.ends_with('*');
        let name = if is_family { to.value.strip_suffix("-*").unwrap_or("") } else { to.value };
        if !is_header_name(name) {
            let hint = if is_family {
                "end it like the original: \"X-Tenant-*\""
            } else {
                "a header's name has letters, digits and -"
            };
            top.error(
                to.span,
                format!("`{}` is not a header's name", shown(to.value)),
                Some(hint.to_owned()),
            );
        } else if is_reserved(name) {
            top.error(to.span, format!("`{name}` has a meaning of its own in HTTP or in kgate"), None);
        } else if !headers.rename(from.value, to.value) {
            let names = IdentityHeader::ALL.map(IdentityHeader::default_name);
            let hint = match did_you_mean(from.value, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the identity headers are {}, X-Consumer-Meta-…", names.join(", ")),
            };
            top.error(from.span, format!("there is no identity header `{}`", shown(from.value)), Some(hint));
        } else {
            renamed.push((from, to));
        }
    }
    for (from, to) in &renamed {
        let canonical = canonical_name(to.value);
        let is_taken = headers.all_canonical().into_iter().filter(|name| *name == canonical).count() > 1;
        let family = canonical_name(headers.meta_prefix());
        let is_in_family = canonical.starts_with(&family)
            && !from.value.to_ascii_lowercase().starts_with("x-consumer-meta-");
        if is_taken || is_in_family {
            top.error(
                to.span.clone(),
                format!("`{}` is the name of another identity header", to.value),
                None,
            );
        }
    }
    headers
}

/// A route, and which section it came from.
struct Route {
    spec: RouteSpec,
    forward: Forward,
    section: usize,
    answers: RouteAnswers,
}

/// Returns how each route answers and forwards. What kgate itself answers, `own` routes behind the others,
/// is forwarded nowhere.
fn by_route(routes: Vec<Route>, own: usize) -> (Vec<RouteAnswers>, Vec<Forward>) {
    let own = std::iter::repeat_with(Default::default).take(own);
    routes.into_iter().map(|route| (route.answers, route.forward)).chain(own).unzip()
}

/// Returns the canonical names of the headers that carry tokens to backends.
fn token_headers(upstreams: &[Upstream]) -> Vec<String> {
    let tokens = upstreams.iter().filter_map(|upstream| upstream.jwt.as_ref());
    tokens.map(|jwt| canonical_name(&jwt.header)).collect()
}

fn routes(
    sections: &[Section<'_>],
    key_types: &KeyTypes,
    upstreams: &[Upstream],
    plans: &Names,
    headers: &IdentityHeaders,
    tokens: &[String],
) -> Vec<Route> {
    let upstreams = Names { what: "upstream", names: upstreams.iter().map(|u| u.name.clone()).collect() };
    let key_types =
        Names { what: "key type", names: key_types.as_slice().iter().map(|t| t.name.clone()).collect() };
    let mut seen = BTreeSet::new();
    let route = |(number, section)| {
        let spec = route(section, &key_types, &upstreams, plans, headers, tokens, &mut seen)?;
        let answers = RouteAnswers { cors: cors(section, &spec), compress: section.flag("compress") };
        let forward = forward::forward(section, headers, tokens);
        Some(Route { spec, forward, section: number, answers })
    };
    sections.iter().enumerate().filter_map(route).collect()
}

fn route(
    section: &Section<'_>,
    key_types: &Names,
    upstreams: &Names,
    plans: &Names,
    headers: &IdentityHeaders,
    tokens: &[String],
    seen: &mut BTreeSet<String>,
) -> Option<RouteSpec> {
    let name = name_of(section, "name", seen);
    let plan_of = |field| section.text(field).and_then(|name| plans.find(section, &name));
    let (plan, anonymous) = (plan_of("plan"), plan_of("anonymous"));
    let path = section.text("path");
    let upstream = section.text("upstream").and_then(|name| upstreams.find(section, &name));
    let types = section.texts("key_types");
    if types.is_empty() && section.has("key_types") {
        let hint = "leave it out to take all of them, or set `public = true`".to_owned();
        section.error(section.span_of("key_types"), "`key_types` names no key type", Some(hint));
    }
    let known_types = types.iter().filter(|name| key_types.find(section, name).is_some());
    let known_types: Vec<String> = known_types.map(|at| at.value.to_owned()).collect();
    let by_type = section.pairs("upstream_by_type").into_iter().filter_map(|(name, to)| {
        let (from, to) = (key_types.find(section, &name), upstreams.find(section, &to));
        Some((key_types.names[from?].clone(), to?))
    });
    let upstream_by_type = by_type.collect();
    let public = section.flag("public");
    if public {
        for name in [
            "anonymous",
            "scopes",
            "key_types",
            "key_header",
            "credentials",
            "upstream_by_type",
            "plan",
            "cost",
        ] {
            if section.has(name) {
                let hint = format!("take away `public` or `{name}`");
                section.error(
                    section.span_of(name),
                    format!("a public route asks for no key, so `{name}` means nothing"),
                    Some(hint),
                );
            }
        }
    }
    let scopes = if section.has("scopes") { section.parsed::<Requirement>("scopes") } else { None };
    Some(RouteSpec {
        host: section.text("host").map(|at| at.value.to_owned()),
        methods: section.texts("methods").into_iter().map(|at| at.value.to_owned()).collect(),
        public,
        scopes: scopes.map(|at| at.value).unwrap_or_default(),
        key_types: known_types,
        credentials: credentials(section, headers, tokens),
        upstream_by_type,
        lax_path: !section.flag("strict_path"),
        self_service: None,
        plan: plan.map(|index| plans.names[index].clone()),
        anonymous: anonymous.map(|index| plans.names[index].clone()),
        cost: section.number("cost", 0..=1_000_000).filter(|_| section.has("cost")),
        client_certificates: client_certificates(section),
        name: name?,
        path: path?.value.to_owned(),
        // What is wrong with it was said; the rest of the route is still to be judged.
        upstream: upstream.or_else(|| (!upstreams.names.is_empty()).then_some(0))?,
    })
}

/// Reads which pages of other origins may ask a route.
fn cors(section: &Section<'_>, route: &RouteSpec) -> Option<Cors> {
    let section = section.section("cors", "route.cors")?;
    let credentials = section.flag("credentials");
    let given = section.texts("origins");
    if given.is_empty() && section.has("origins") {
        section.error(section.span_of("origins"), "`origins` names none", None);
    }
    let mut origins = Vec::new();
    for text in given {
        let host = text.value.strip_prefix("https://").or_else(|| text.value.strip_prefix("http://"));
        let is_host = |host: &str| {
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b);
            !host.is_empty() && host.bytes().all(is_plain)
        };
        if text.value == "*" && credentials {
            let hint = "name the origins, or take `credentials` away".to_owned();
            section.error(text.span, "browsers send no credentials where any origin may ask", Some(hint));
        } else if text.value == "*" || host.is_some_and(is_host) {
            origins.push(text.value.to_owned());
        } else {
            let hint =
                "an origin is scheme, host in lower case and perhaps port: \"https://app.example.com\"";
            section.error(text.span, format!("`{}` is no origin", shown(text.value)), Some(hint.to_owned()));
        }
    }
    let names = |name: &str| {
        let text = section.texts(name).into_iter();
        text.filter_map(|text| {
            let is_name = is_header_name(text.value);
            if !is_name {
                let message = format!("`{}` is not a header's name", shown(text.value));
                section.error(text.span, message, None);
            }
            is_name.then(|| text.value.to_ascii_lowercase())
        })
        .collect::<Vec<_>>()
    };
    let mut headers = names("headers");
    // What carries the key must be let through, or nobody could ask.
    for source in &route.credentials {
        if let Source::Header(name) = source
            && !headers.iter().any(|header| header.as_str() == &**name)
        {
            headers.push(name.to_string());
        }
    }
    let max_age = section.duration("max_age", Duration::ZERO..=Duration::from_hours(24));
    Some(Cors { origins, headers, expose: names("expose"), credentials, max_age })
}

/// Reads which client certificates a route takes.
fn client_certificates(section: &Section<'_>) -> Vec<String> {
    let listed = section.texts("client_certificates");
    if listed.is_empty() && section.has("client_certificates") {
        let span = section.span_of("client_certificates");
        section.error(
            span,
            "`client_certificates` names none",
            Some("leave it out to ask for none".to_owned()),
        );
    }
    listed.iter().filter_map(|text| named_certificate(section, text)).collect()
}

/// Reads a name as a client's certificate may give it, or says that it is none.
pub(super) fn named_certificate(section: &Section<'_>, text: &At<&str>) -> Option<String> {
    let name = certificate_name(text.value);
    if name.is_none() {
        let hint = "write \"cn:NAME\", \"dns:NAME\", \"email:NAME\", \"uri:NAME\" or \"subject:NAME\"";
        let message = format!("`{}` is no name of a certificate", shown(text.value));
        section.error(text.span.clone(), message, Some(hint.to_owned()));
    }
    name
}

/// Reads a name with its kind as a client's certificate may give it: `cn:NAME`, `dns:NAME`, `email:NAME`,
/// `uri:NAME` or `subject:NAME`. `None` if it is of no such kind, or empty.
pub fn certificate_name(text: &str) -> Option<String> {
    let (kind, name) = text.split_once(':')?;
    let is_known = ["cn", "dns", "email", "uri", "subject"].contains(&kind) && !name.is_empty();
    is_known.then(|| if kind == "dns" { text.to_ascii_lowercase() } else { text.to_owned() })
}

/// Reads where a route takes keys from; `key_header` is short for one header.
pub(super) fn credentials(
    section: &Section<'_>,
    headers: &IdentityHeaders,
    tokens: &[String],
) -> Vec<Source> {
    if !section.has("credentials") {
        return section
            .text("key_header")
            .and_then(|name| key_header(section, headers, tokens, name))
            .into_iter()
            .collect();
    }
    if section.has("key_header") {
        let hint = "name the header in `credentials`: \"header:X-Api-Key\"".to_owned();
        section.error(section.span_of("key_header"), "`key_header` beside `credentials`", Some(hint));
    }
    let listed = section.texts("credentials");
    if listed.is_empty() {
        let hint = "leave it out for `Authorization: Bearer`, or set `public = true`".to_owned();
        section.error(section.span_of("credentials"), "`credentials` names no place", Some(hint));
    }
    let mut sources = Vec::new();
    for text in listed {
        let source = match text.value.strip_prefix("header:") {
            Some(name) => key_header(section, headers, tokens, At { value: name, span: text.span.clone() }),
            None => match text.value.parse() {
                Ok(source) => Some(source),
                Err(error) => {
                    let hint = "places are \"bearer\", \"header:NAME\", \"basic-user\", \"basic-password\", \
                        \"cookie:NAME\", \"query:NAME\" and \"websocket\"";
                    let message = format!("`{}` is {error}", shown(text.value));
                    section.error(text.span.clone(), message, Some(hint.to_owned()));
                    None
                }
            },
        };
        let Some(source) = source else { continue };
        if let Source::Query(name) = &source {
            section.warn(
                text.span.clone(),
                format!("keys in the argument `{name}` end up in histories, bookmarks and the logs of whoever is on the way"),
                "take keys from a header, and from the query only what cannot send one",
            );
        }
        if sources.contains(&source) {
            section.error(text.span, format!("`{source}` is named twice"), None);
        } else {
            sources.push(source);
        }
    }
    sources
}

fn key_header(
    section: &Section<'_>,
    headers: &IdentityHeaders,
    tokens: &[String],
    name: At<&str>,
) -> Option<Source> {
    let canonical = canonical_name(name.value);
    let problem = if canonical == "authorization" {
        "takes keys as \"bearer\", \"basic-user\" or \"basic-password\""
    } else if canonical.starts_with(&canonical_name(IdentityHeaders::OWN_PREFIX))
        || tokens.contains(&canonical)
    {
        "tells backends who calls, which clients cannot"
    } else if let Some(problem) = header_problem(name.value, headers) {
        problem
    } else {
        return Some(Source::Header(name.value.to_ascii_lowercase().into()));
    };
    section.error(name.span, format!("`{}` {problem}", shown(name.value)), None);
    None
}

/// Says why a header can carry neither a key nor a token, if it cannot.
fn header_problem(name: &str, headers: &IdentityHeaders) -> Option<&'static str> {
    let canonical = canonical_name(name);
    if !is_header_name(name) {
        Some("is not a header's name")
    } else if is_reserved(name) {
        Some("has a meaning of its own in HTTP or in kgate")
    } else if headers.all_canonical().contains(&canonical)
        || canonical.starts_with(&canonical_name(headers.meta_prefix()))
    {
        Some("is an identity header, which clients cannot send")
    } else {
        None
    }
}

/// A backend can show a token it was sent to whoever takes tokens of the same issuer for the same audience.
fn warn_of_audiences(sections: &[Section<'_>], upstreams: &[Upstream]) {
    for (number, upstream) in upstreams.iter().enumerate() {
        let Some(jwt) = &upstream.jwt else { continue };
        let is_meant = |other: &&Upstream| {
            let other = other.jwt.as_ref();
            other.is_some_and(|other| (&other.issuer, &other.audience) == (&jwt.issuer, &jwt.audience))
        };
        if let Some(other) = upstreams[..number].iter().find(is_meant) {
            sections[number].warn(
                sections[number].span_of("jwt"),
                format!(
                    "`{}` takes tokens for `{}`, too: one of them can show the other's",
                    other.name, jwt.audience
                ),
                "give each backend an `audience` of its own, unless they are one and the same",
            );
        }
    }
}

fn warn_of_plans(top: &Section<'_>, section: &Section<'_>, server: &Server, plans: &[PlanSpec]) {
    if plans.is_empty() {
        top.warn(
            0..0,
            "no plan is declared, so nothing is limited",
            "add a [plans.NAME] and `server.default_plan`",
        );
    } else if server.default_plan.is_none() && !section.has("default_plan") {
        top.warn(
            section.span.clone(),
            "a consumer without a plan is not limited",
            format!("set `default_plan` in [server], for example to \"{}\"", plans[0].name),
        );
    }
}

/// Warns of routes that ask for certificates which no listener asks for.
fn warn_of_certificates(sections: &[Section<'_>], routes: &[Route], doors: &[super::Listener]) {
    if doors.iter().any(|door| door.tls.as_ref().is_some_and(|tls| tls.asks_clients)) {
        return;
    }
    for route in routes.iter().filter(|route| !route.spec.client_certificates.is_empty()) {
        let section = &sections[route.section];
        section.warn(
            section.span_of("client_certificates"),
            format!("nobody can use route `{}`: no listener asks clients for certificates", route.spec.name),
            "say `client_certificates = \"optional\"`, and whose are good (`client_ca`), in `tls` of a listener",
        );
    }
}

fn warn_of_routes(top: &Section<'_>, sections: &[Section<'_>], routes: &[Route], key_types: &KeyTypes) {
    if sections.is_empty() {
        top.warn(0..0, "no route is declared, so every request is answered with 404", "add a [[route]]");
    }
    let publishable = key_types.as_slice().iter().find(|t| t.kind == Kind::Publishable);
    let Some(publishable) = publishable else { return };
    let has_secret = key_types.as_slice().iter().any(|t| t.kind == Kind::Secret);
    for route in routes.iter().filter(|r| has_secret && !r.spec.public && r.spec.key_types.is_empty()) {
        top.warn(
            sections[route.section].span.clone(),
            format!(
                "route `{}` takes publishable keys (`{}`), which anybody can read",
                route.spec.name, publishable.name
            ),
            "name its `key_types`",
        );
    }
}

/// Finds what the engine's compiler complains of.
#[allow(clippy::too_many_arguments)] // Every one is a list of places; together they are the file.
fn place_of(
    fault: &Fault,
    top: &Section<'_>,
    server: &Section<'_>,
    key_types: &[Range<usize>],
    plans: &[(At<&str>, Section<'_>)],
    limits: &[Vec<Range<usize>>],
    sections: &[Section<'_>],
    routes: &[Route],
    self_service: Option<&Section<'_>>,
) -> Range<usize> {
    // Behind the routes come those of `[self_service]`.
    let section_of = |route: usize| routes.get(route).map(|route| &sections[route.section]).or(self_service);
    let span = match fault.place {
        Place::KeyType(i) => key_types.get(i).cloned(),
        Place::FailedAuth => Some(server.span_of("failed_auth")),
        Place::DefaultPlan => Some(server.span_of("default_plan")),
        Place::Plan(i) => plans.get(i).map(|(name, _)| name.span.clone()),
        Place::Limit(i, j) => limits.get(i).and_then(|limits| limits.get(j)).cloned(),
        Place::Route(i) => section_of(i).map(|section| section.span.clone()),
        Place::RouteField(i, field) => section_of(i).map(|section| section.span_of(field)),
    };
    span.unwrap_or_else(|| top.span.clone())
}

/// What a table that is not given is read from.
static EMPTY: std::sync::OnceLock<DeTable<'static>> = std::sync::OnceLock::new();

/// The shortest secret that does not weaken HMAC-SHA-256, in bytes (RFC 2104 §3).
const SECRET_LEN: usize = 32;

/// Half of it passes between two looks, and what lasts is dropped half a second later.
const CUT_WITHIN: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_hours(1);

/// Whoever waits holds a place among the requests in work.
const FRESH_WITHIN: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);

#[cfg(test)]
mod tests;
