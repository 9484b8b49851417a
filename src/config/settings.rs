//! Every setting, declared once.

use std::fmt::Write as _;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The table it is in: `""` for the top, `server`, `route`, …
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes, for people.
    pub kind: &'static str,
    /// Its default as written in TOML, strings without quotes; `None` if it has none.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// Finds a setting.
pub(super) fn setting(table: &str, name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.table == table && s.name == name)
}

/// Renders `docs/config.md`.
pub fn docs() -> String {
    let mut out = String::from(PREAMBLE);
    for (table, heading, text) in TABLES {
        let _ = write!(out, "\n## {heading}\n\n{text}\n\n");
        out.push_str("| setting | type | default | meaning |\n|---|---|---|---|\n");
        for setting in SETTINGS.iter().filter(|s| s.table == *table) {
            let default = match (setting.default, setting.required) {
                (_, true) => "required".to_owned(),
                (Some(default), _) => format!("`{default}`"),
                (None, _) => "none".to_owned(),
            };
            let meaning = setting.meaning.replace('|', "\\|");
            let kind = setting.kind.replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | {kind} | {default} | {meaning} |", setting.name);
        }
    }
    out.push_str(REST);
    out
}

const PREAMBLE: &str = "# kgate.toml

<!-- Generated from the table of settings in src/config/settings.rs; `KGATE_BLESS=1 cargo test --test it docs` writes it. -->

kgate looks for its configuration at `--config`, `$KGATE_CONFIG`, `./kgate.toml`,
`$XDG_CONFIG_HOME/kgate/kgate.toml` (else `~/.config/kgate/kgate.toml`) and `/etc/kgate/kgate.toml`, and
takes the first. `kgate init` writes one with every setting shown; `kgate check` lists every mistake with its
line and column. An unknown setting is a mistake. Paths are relative to the file.

- **duration**: a number and a unit, `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"24h\"`, `\"90d\"`, `\"2w\"`, `\"1y\"`.
- **size**: bytes, as a number or with a unit, `65536`, `\"64KiB\"`, `\"16MiB\"`, `\"1GiB\"`.
- **network**: `\"10.0.0.0/8\"`, `\"2001:db8::/32\"` or one address.
- **address**: `\"127.0.0.1:8080\"`, `\"[::1]:8080\"` or `\"unix:PATH\"`; of upstreams also `\"host:port\"`.
- **rate**: `\"100/s\"`, `\"3000/min\"`, `\"5000/h\"`, `\"10000/d\"`.
- **quota**: `\"1000/hour\"`, `\"10k/day\"`, `\"50k/week\"`, `\"1M/month\"`. Days begin at midnight, weeks on Monday, months on the first or their
  `anchor_day`, in UTC.

Keys and consumers are not here: they live in the store and change without a reload.
";

const REST: &str = "
## `[identity_headers]`: what a backend is told

Renames any of `X-Consumer-Id`, `X-Consumer-Name`, `X-Consumer-External-Id`, `X-Consumer-Scopes`,
`X-Consumer-Plan`, `X-Key-Id` and `X-RateLimit-Remaining`, one metadata header (`X-Consumer-Meta-Tier`), or
all of those (`\"X-Consumer-Meta-*\" = \"X-Tenant-*\"`). What clients send under either name is removed; see
`docs/http.md`.

```toml
[identity_headers]
\"X-Consumer-Name\" = \"X-Consumer-Username\"
```

## Reload

`kgate serve` reads the file again on SIGHUP and when it changes. A file with mistakes leaves the old
configuration running. `listen`, `data_dir` and `server.workers` need a restart.
";

const TABLES: &[(&str, &str, &str)] = &[
    ("", "Top of the file", "Where the data is; everything else is in the tables below."),
    (
        "listen",
        "`[listen]`",
        "Where kgate listens. A change of an address needs a restart; everything else of a listener is reloaded.",
    ),
    (
        "listen.proxy",
        "An element of `proxy` of `[listen]`",
        "A table in place of an address says more of a listener: `proxy = [{ address = \"0.0.0.0:443\", tls = { certificate = \"chain.pem\", key = \"key.pem\" } }, { address = \"0.0.0.0:80\", redirect_to_https = 443 }]`, or a `[[listen.proxy]]` each.",
    ),
    (
        "listen.proxy.tls",
        "`tls` of a listener",
        "TLS 1.2 with forward secrecy and authenticated ciphers, and TLS 1.3. A file that changes is read again within seconds, and at SIGHUP; open connections go on. A bad file leaves the old ones in force. See [tls.md](tls.md).",
    ),
    (
        "listen.proxy.tls.certificates",
        "`certificates` of `tls`",
        "Several certificates; which one a client gets goes by the name it asks for (SNI).",
    ),
    (
        "listen.admin_tls",
        "`[listen.admin_tls]`",
        "As `tls` of a listener of the gateway, for every address of `admin` but Unix sockets. Clients that show a certificate may be callers of the admin API: `roles` says what they may do. Roles and files are reloaded.",
    ),
    (
        "listen.portal_tls",
        "`[listen.portal_tls]`",
        "As `tls` of a listener of the gateway, for every address of `portal` but Unix sockets: browsers reach the portal without a proxy in front. Files are reloaded.",
    ),
    (
        "sidecar",
        "`[sidecar]`",
        "Where Envoy, NGINX, Traefik, Caddy and the like ask for verdicts; see `docs/fronts/`. Without the table there is no sidecar. With it, `listen.proxy` may be empty: then kgate only answers them.",
    ),
    ("server", "`[server]`", "Caps and time-outs, and what holds for every request."),
    (
        "server.failed_auth",
        "`failed_auth` of `[server]`",
        "How many failed authentications are taken from one source address, IPv6 by /64, before it gets 429 whatever it brings: `failed_auth = { rate = \"60/min\", exempt = [\"192.0.2.0/24\"] }`, or `failed_auth = \"off\"`. Addresses of `trusted_proxies` and of `sidecar.fronts` are exempt, as they stand for many. See [security.md](security.md).",
    ),
    (
        "access_log",
        "`[access_log]`",
        "Where a line for each request goes. What is in it: [seeing.md](seeing.md).",
    ),
    (
        "access_log.sample",
        "`sample` of `[access_log]`",
        "A table: `sample = { allow = 100 }` writes every hundredth line of requests that were let through, and all others. Lines that stand for several say so: `\"one_in\": 100`. Counts of keys and metrics are always of all.",
    ),
    (
        "webhook",
        "`[[webhook]]`",
        "Who is told of events by signed requests, retried until they are taken; see [seeing.md](seeing.md). Redirects are not followed, and only public addresses are connected to unless `networks` names others.",
    ),
    (
        "traces",
        "`[traces]`",
        "Where a trace of each request goes, as OTLP over HTTP. Without the table nothing is traced, and nothing is spent on it.",
    ),
    (
        "usage",
        "`[usage]`",
        "How long `kgate usage` can look back. Each key in use makes a row per bucket, route and outcome: finer buckets cost more room.",
    ),
    (
        "leaks",
        "`[leaks]`",
        "Who may report leaked keys at `POST /leaks/github`, `/leaks/gitlab` and `/leaks` on the admin listener. Off unless one of the first three is set; see [leaks.md](leaks.md).",
    ),
    (
        "portal",
        "`[portal]`",
        "What consumers may do for themselves in a browser, where `listen.portal` says; see [portal.md](portal.md).",
    ),
    (
        "portal.identity_proxy",
        "`identity_proxy` of `[portal]`",
        "A proxy in front of the portal that knows who a consumer is: `identity_proxy = { header = \"X-Auth-Request-User\", from = [\"127.0.0.1\"] }`. The header says the consumer's external id, with every request; from anybody else it says nothing.",
    ),
    ("key_type", "`[[key_type]]`", "A declared prefix. At least one."),
    (
        "pepper",
        "`[[pepper]]`",
        "A secret mixed into the digests of keys, so that the store alone is not enough to test guesses. New keys use the first; the others keep older keys working.",
    ),
    (
        "plans.NAME",
        "`[plans.NAME]`",
        "A named set of limits. A key has its own plan, its consumer's, or `server.default_plan`.",
    ),
    (
        "plans.NAME.limits",
        "`limits` of a plan",
        "Each limit is a table and allows one of three things: a rate `{ name = \"burst\", rate = \"100/s\", burst = 200 }`, a quota `{ name = \"month\", quota = \"1M/month\" }`, or so many requests in work at once `{ name = \"parallel\", concurrent = 10 }`. A request must fit all of them, and is charged to all or none. The limits of the key's plan, its consumer's (or `server.default_plan`) and the route's apply together; of limits with one name the key's plan counts before the consumer's, and that before the route's.",
    ),
    ("upstream", "`[[upstream]]`", "A backend: one or more servers."),
    (
        "upstream.tls",
        "`tls` of an upstream",
        "A table: `tls = { ca = \"backend-ca.pem\", certificate = \"kgate.pem\" }`; all defaults are `tls = {}`. A server whose certificate has expired, is for another name or is signed by somebody else gets no request: the answer is 502. Changed files are read again with the configuration.",
    ),
    (
        "upstream.health",
        "`health` of an upstream",
        "A table: `health = { path = \"/healthz\" }`. Where it is given, a server that fails the questions gets no requests until it answers well again. If all fail, all get requests: an answer may still come, and a refusal would help nobody.",
    ),
    (
        "upstream.ejection",
        "`ejection` of an upstream",
        "Requests tell about servers, too: one to which `failures` in a row fail is passed over for a while, unless no other is left. Which are is in `kgate_upstream_server_up` of `/metrics` and in `kgate status`.",
    ),
    (
        "upstream.jwt",
        "`jwt` of an upstream",
        "A table: `jwt = { algorithm = \"ES256\", audience = \"products\" }`; all defaults are `jwt = {}`. Requests that brought a key get a token; what it says and how a backend checks it is in [verify-backend.md](verify-backend.md).",
    ),
    (
        "route",
        "`[[route]]`",
        "Which requests go where, and what they need. The most specific route wins, whatever the order. A route with only a name, a path and an upstream takes any valid key.",
    ),
    (
        "route.request_headers",
        "`request_headers` of a route",
        "`request_headers = { remove = [\"Cookie\"], set = { X-Api-Version = \"2\" } }`. Made in the order of the table. What says who calls, what carries keys, and what frames or routes a request is not to be edited.",
    ),
    (
        "route.response_headers",
        "`response_headers` of a route",
        "`response_headers = { set = { Cache-Control = \"no-store\" }, remove = [\"Server\"] }`.",
    ),
    (
        "route.cors",
        "`cors` of a route",
        "`cors = { origins = [\"https://app.example.com\"] }`. A pre-flight is answered by kgate, before any key is asked for; every other answer on the route, refusals too, says whether the page may read it, and what the backend says of that is taken away.",
    ),
    (
        "self_service",
        "`[self_service]`",
        "What holders may do with a key as the only proof, on the gateway's listeners: `POST /.kgate/keys/rotate`, `POST /.kgate/keys/revoke`, `GET /.kgate/usage`. Without the table, nothing. See [http.md](http.md#what-holders-can-do-themselves).",
    ),
];

macro_rules! settings {
    ($( $table:literal { $( $name:literal $kind:literal $default:tt $meaning:literal; )* } )*) => {
        /// Every setting there is, in the order of the documentation.
        pub const SETTINGS: &[Setting] = &[ $( $( Setting {
            table: $table,
            name: $name,
            kind: $kind,
            default: settings!(@default $default),
            required: settings!(@required $default),
            meaning: $meaning,
        }, )* )* ];
    };
    (@default required) => { None };
    (@default none) => { None };
    (@default $text:literal) => { Some($text) };
    (@required required) => { true };
    (@required $other:tt) => { false };
}

settings! {
    "" {
        "data_dir" "path" required "The directory of the store. Only its owner may read it.";
        "listen" "table" none "See `[listen]`.";
        "sidecar" "table" none "See `[sidecar]`.";
        "server" "table" none "See `[server]`.";
        "access_log" "table" none "See `[access_log]`.";
        "webhook" "tables" none "See `[[webhook]]`.";
        "traces" "table" none "See `[traces]`.";
        "usage" "table" none "See `[usage]`.";
        "leaks" "table" none "See `[leaks]`.";
        "portal" "table" none "See `[portal]`.";
        "identity_headers" "table" none "See `[identity_headers]`.";
        "key_type" "tables" none "See `[[key_type]]`.";
        "pepper" "tables" none "See `[[pepper]]`.";
        "plans" "table" none "See `[plans.NAME]`.";
        "upstream" "tables" none "See `[[upstream]]`.";
        "route" "tables" none "See `[[route]]`.";
        "self_service" "table" none "See `[self_service]`.";
    }
    "listen" {
        "proxy" "list of addresses and tables" r#"["127.0.0.1:8080"]"# "The gateway itself; a table in place of an address says more, see below.";
        "admin" "address, or list of addresses" "[]" "The admin API ([admin-api.md](admin-api.md)), which wants an admin key or, through `unix:PATH`, the user kgate runs as; and without credentials health (`/healthz`), readiness (`/readyz`), `/metrics`, `/status` and `/.well-known/jwks.json`. An address that others can reach needs `admin_tls`, or `admin_trusted`.";
        "admin_hosts" "list of texts" "[]" "Host names under which it may be called, besides loopback ones and the address itself. Others get 421, so that no page in a browser can reach it by a name of its own.";
        "admin_tls" "table" none "TLS at every address of `admin` but Unix sockets. See `[listen.admin_tls]`.";
        "admin_trusted" "true | false" "false" "Whether only machines of yours can reach `admin`: without it, and without `admin_tls`, only loopback addresses and Unix sockets are taken.";
        "portal" "address, or list of addresses" "[]" "The portal for consumers and operators ([portal.md](portal.md)): with `portal_tls`, or on loopback or a Unix socket with TLS in front.";
        "portal_tls" "table" none "TLS at every address of `portal` but Unix sockets. See `[listen.portal_tls]`.";
    }
    "listen.proxy" {
        "address" "address" required "Where it listens.";
        "tls" "table" none "TLS; without it clear text is spoken. See `tls` below.";
        "h2c" "true | false" none "Whether HTTP/2 is spoken in clear text, to who begins with it. On a Unix socket it is; elsewhere only where the listener is `trusted`.";
        "trusted" "true | false" "false" "Whether only machines of yours can connect: needed for `h2c` on a TCP address.";
        "proxy_protocol" "list of networks" "[]" "Load balancers that begin each connection with a PROXY header, version 1 or 2, which says for whom it is; `\"unix\"` stands for whoever connects through a Unix socket. A connection from one of them without it is closed; from anybody else it is a malformed request.";
        "redirect_to_https" "number" none "Serves nothing, but sends every request on to `https://` at this port.";
    }
    "listen.proxy.tls" {
        "certificate" "path" none "The chain, PEM: the server's own certificate first, and after each the one that signed it.";
        "key" "path" none "Its private key, PEM, not encrypted; without it, it is in the same file.";
        "certificates" "list of tables" none "Several of them instead, each a table with `certificate` and `key`. The first is for clients that name no host, or an unknown one.";
        "min_version" "`1.2` | `1.3`" "1.2" "The oldest version of TLS spoken.";
        "http2" "true | false" "true" "Whether HTTP/2 is offered (ALPN), before HTTP/1.1.";
        "client_certificates" "`off` | `optional` | `required`" "off" "Whether clients are asked for certificates, and let in without.";
        "client_ca" "path" none "Whose client certificates are good, PEM: one authority or several.";
        "hsts" "duration" none "Says to browsers, with every answer, to speak only TLS to this host for so long (`Strict-Transport-Security`).";
        "hsts_subdomains" "true | false" "false" "Whether that holds for all hosts below it, too.";
    }
    "listen.proxy.tls.certificates" {
        "certificate" "path" required "The chain, PEM.";
        "key" "path" none "Its private key; without it, it is in the same file.";
    }
    "listen.admin_tls" {
        "certificate" "path" none "The chain, PEM: the server's own certificate first, and after each the one that signed it.";
        "key" "path" none "Its private key, PEM, not encrypted; without it, it is in the same file.";
        "certificates" "list of tables" none "Several of them instead, as of a listener of the gateway.";
        "min_version" "`1.2` | `1.3`" "1.2" "The oldest version of TLS spoken.";
        "client_certificates" "`off` | `optional` | `required`" "off" "Whether clients are asked for certificates, and let in without. Required, nobody without one gets as far as `/metrics`.";
        "client_ca" "path" none "Whose client certificates are good, PEM: one authority or several.";
        "roles" "table" none "What whoever shows a certificate may do without an admin key, by a name in it: `{ \"cn:alice\" = \"operator\", \"uri:spiffe://example.com/prometheus\" = \"viewer\" }`. Names as in `client_certificates` of a route; of several that fit, the highest role counts.";
    }
    "listen.portal_tls" {
        "certificate" "path" none "The chain, PEM: the server's own certificate first, and after each the one that signed it.";
        "key" "path" none "Its private key, PEM, not encrypted; without it, it is in the same file.";
        "certificates" "list of tables" none "Several of them instead, as of a listener of the gateway.";
        "min_version" "`1.2` | `1.3`" "1.2" "The oldest version of TLS spoken.";
        "client_certificates" "`off` | `optional` | `required`" "off" "Whether browsers are asked for certificates, and let in without. They open nothing here: required, nobody without one gets as far as the sign-in.";
        "client_ca" "path" none "Whose client certificates are good, PEM: one authority or several.";
        "hsts" "duration" none "Sends `Strict-Transport-Security` with this age.";
        "hsts_subdomains" "true | false" "false" "Whether that is for names below, too.";
    }
    "sidecar" {
        "listen" "list of addresses" required "Where it listens: HTTP/1.1, and HTTP/2 in clear text for gRPC.";
        "fronts" "list of networks" r#"["127.0.0.0/8", "::1", "unix"]"# "The proxies that may ask, and whose word on the original request and client counts; `\"unix\"` stands for whoever connects through a Unix socket. Everybody else is refused.";
    }
    "server" {
        "workers" "number" none "Worker threads; without it, one for each core.";
        "trusted_proxies" "list of networks" "[]" "Peers whose `X-Forwarded-For` and `X-Request-Id` are believed; `\"unix\"` stands for whoever connects through a Unix socket.";
        "realm" "text" "kgate" "The realm in `WWW-Authenticate`.";
        "default_plan" "plan" none "The plan of keys that have none and whose consumer has none.";
        "max_connections" "number" "10000" "Client connections open at once; further ones wait.";
        "max_connections_per_address" "number" "1024" "Those of one address, IPv6 by /64; further ones are closed. Addresses of `trusted_proxies` and of `proxy_protocol` are exempt, as they stand for many.";
        "max_requests_per_connection" "number" "10000" "Requests of one connection; the last answer closes it.";
        "max_streams" "number" "100" "Requests at once over one HTTP/2 connection; further ones are refused.";
        "max_in_flight" "number" "4096" "Requests in work at once; further ones get 503.";
        "max_header_bytes" "size" "32KiB" "Request line and header fields together; more is 431.";
        "max_header_fields" "number" "100" "Header fields of a request; more is 431.";
        "max_url_bytes" "size" "8KiB" "The request target; longer is 414.";
        "max_body" "size" "16MiB" "The body of a request; larger is 413.";
        "handshake_timeout" "duration" "10s" "For a PROXY header, and for a TLS handshake; slower connections are closed.";
        "header_timeout" "duration" "10s" "From the first byte of a request to the end of its header; slower is 408.";
        "idle_timeout" "duration" "60s" "How long a connection may wait for its next request.";
        "body_timeout" "duration" "30s" "The longest pause in a request's body, or of a client taking its answer.";
        "min_body_rate" "size" "256" "The slowest a request's body may come, in bytes a second, counted while it is waited for and from the tenth second on; slower is 408. 0 takes any.";
        "upgrade_idle_timeout" "duration" "10m" "How long both sides of an upgraded connection (WebSocket) may be silent at once.";
        "cut_within" "duration" "5s" "How soon after its key stops working a request under way (WebSocket, stream, upload) is cut. At least 2s.";
        "fresh_within" "duration" "50ms" "How long a request waits until a changed store is read (and, from one second to ten, until more of a quota is granted); after that it gets 503, never a verdict that may be outdated. More than 50 ms is for machines so busy that it happens. 1ms to 1min.";
        "keepalive_pool" "number" "256" "Idle connections to backends kept for reuse, in all; as many more for requests with a body.";
        "drain_timeout" "duration" "30s" "How long requests in work may go on after SIGTERM.";
        "trust_request_id" "`trusted-proxies` | `anyone` | `nobody`" "trusted-proxies" "Whose `X-Request-Id` is taken; everybody else gets a new one.";
        "failed_auth" "table or `off`" "{}" "A limit on bad credentials from one address; see `failed_auth` below.";
        "rate_headers" "`both` | `ietf` | `x` | `off`" "both" "`RateLimit` and `RateLimit-Policy` (`ietf`), `X-RateLimit-…` (`x`), both or neither.";
    }
    "server.failed_auth" {
        "rate" "rate" "60/min" "How often one address may fail.";
        "burst" "number" none "How many failures at once; without it, the number in `rate`.";
        "exempt" "list of networks" "[]" "Who is not limited: offices, monitors, and whatever else many share.";
    }
    "access_log" {
        "file" "path" none "The file lines go to, made with mode 0600; without it, standard output. Opened anew on SIGUSR1 and SIGHUP.";
        "format" "`auto` | `json` | `text` | `off`" "auto" "`auto` is for people on a terminal and JSON elsewhere.";
        "max_size" "size or `off`" "100MiB" "A file that would grow beyond is put aside as `FILE.1`, the one before as `FILE.2`, and so on.";
        "max_age" "duration or `off`" "off" "A file older than this is put aside likewise, with the next line.";
        "keep" "number" "7" "How many files put aside are kept.";
        "sample" "table" "{}" "How many lines are written; see `sample` below.";
    }
    "access_log.sample" {
        "allow" "number" "1" "One in so many lines of requests that were let through; 0 is none.";
        "deny" "number" "1" "Of those that were refused.";
        "error" "number" "1" "Of those that failed: caps, the backend, the store.";
    }
    "webhook" {
        "name" "text" required "Its name in logs and metrics.";
        "url" "URL" required "Where events are sent: `https://…`; `http://…` only into one of its `networks`.";
        "secret_file" "path" required "The file with the secret events are signed with: HMAC-SHA-256. 32 random bytes or more.";
        "events" "list of texts" r#"["key.revoked", "key.leaked", "key.expiring", "key.used_after_end", "quota.reached", "audit.head"]"# "What it is told of.";
        "networks" "list of networks" "[]" "Networks that are not of the public internet in which its host may be: `[\"10.1.2.0/24\"]`.";
        "ca_file" "path" none "PEM certificates of the authorities that vouch for it, instead of the machine's. Another file in its place is taken up when it is noticed.";
        "timeout" "duration" "10s" "How long a request to it may take.";
        "retry_for" "duration" "3d" "How long an event is tried before it is given up, with pauses from 5 seconds to an hour.";
    }
    "traces" {
        "url" "URL" "http://127.0.0.1:4318/v1/traces" "The collector's address for OTLP over HTTP.";
        "one_in" "number" "1" "One in so many requests is traced; 0 is none but those a trusted proxy traces already.";
        "service" "text" "kgate" "The `service.name` of the spans.";
        "networks" "list of networks" r#"["127.0.0.0/8", "::1"]"# "Networks that are not of the public internet in which the collector may be.";
        "ca_file" "path" none "PEM certificates of the authorities that vouch for it, instead of the machine's. Another file in its place is taken up when it is noticed.";
        "timeout" "duration" "10s" "How long a request to it may take.";
    }
    "usage" {
        "keep_minutes" "duration" "2h" "Counts by the minute; at least an hour.";
        "keep_hours" "duration" "8d" "Counts by the hour; at least two days.";
        "keep_days" "duration" "400d" "Counts by the day, and alerts; at least a week.";
    }
    "leaks" {
        "github_keys" "path" none "GitHub's public keys as its API gives them, to check its alerts with. kgate does not fetch them; a changed file is read again.";
        "gitlab_keys" "path" none "GitLab's public keys, likewise.";
        "secret_file" "path" none "What other senders sign their alerts with: HMAC-SHA-256. 32 random bytes or more.";
        "window" "duration" "5m" "How old an alert of such a sender may be, and how far its clock may be off.";
        "on_alert" "`revoke` | `disable` | `report`" "revoke" "What happens to a live secret key that was reported. Publishable keys are always left alone.";
    }
    "portal" {
        "url" "URL" none "What browsers call it: `https://portal.example.com`. Links to sign in begin with it, only it and loopback names are answered, and with `https://` cookies are for TLS alone.";
        "title" "text" "API portal" "What its pages are headed with.";
        "support" "text" none "Whom consumers may ask: an address, or a few words.";
        "api_url" "URL" none "Where the API itself is, for the example shown with every new key: `https://api.example.com`.";
        "key_types" "list of texts" none "The key types consumers may make keys of; without it, all.";
        "scopes" "list of texts" "[]" "The scopes they may give them.";
        "max_keys" "number" "10" "How many keys of a consumer may work at once, without those that are being replaced. 0: consumers make none.";
        "max_expires" "duration" "1y" "The longest a key made here may live. Every one has an end.";
        "max_grace" "duration" "7d" "The longest a key replaced here may go on working.";
        "invite_expires" "duration" "3d" "How long a link of `kgate portal invite` is good.";
        "session_idle" "duration" "30m" "A session that was not used for so long is over.";
        "session_max" "duration" "12h" "How long a session lasts at most.";
        "operators" "true | false" "true" "Whether operators may sign in, with an admin key.";
        "identity_proxy" "table" none "See `identity_proxy` below.";
    }
    "portal.identity_proxy" {
        "header" "header" required "The header that says a consumer's external id.";
        "from" "list of networks" required "Where the proxy is; `\"unix\"` stands for whoever connects through a Unix socket. Nobody else's header counts.";
    }
    "key_type" {
        "name" "text" required "What routes and commands call it.";
        "prefix" "prefix" required "What its tokens start with: 1 to 24 characters, lower-case words of letters and digits joined by `_`, `acme_live`.";
        "environment" "text" none "The environment it belongs to; without it, its name.";
        "kind" "`secret` | `publishable`" "secret" "Publishable keys are made to be seen, in a browser for instance.";
        "origins" "list of origins" "[]" "Of publishable keys: the web pages they may be used from, `https://app.example.com`, `https://*.example.com`; without it, anything. Told by `Origin`, or by `Referer` where there is no `Origin`.";
        "per_address" "rate or `off`" "600/min" "Of publishable keys: how often one source address, IPv6 by /64, may use keys of publishable types, all of them together. It is the limit `address`.";
        "default_expires" "duration or `never`" "never" "The life of a new key when none is asked for.";
        "format" "`kgate` | `opaque`" "kgate" "`opaque` takes tokens of other systems, known only by their length.";
        "min_len" "number" none "Of `opaque`: the shortest token, in bytes; at least 16.";
        "max_len" "number" none "Of `opaque`: the longest token, in bytes; at most 1024.";
    }
    "pepper" {
        "id" "text" required "Its name in the store. Never reuse one for another secret.";
        "file" "path" none "The file with the secret. A line end at its end does not count.";
        "env" "variable" none "The environment variable with the secret, instead of a file. Every command that makes or checks keys needs it too.";
    }
    "plans.NAME" {
        "limits" "list of tables" "[]" "Its limits, at most 16.";
    }
    "plans.NAME.limits" {
        "name" "text" required "Shown to clients in `RateLimit`. Limits of one name and kind in different plans share their counts.";
        "rate" "rate" none "How often.";
        "burst" "number" none "Of `rate`: how many at once; without it, the number in `rate`.";
        "quota" "quota" none "How many in a window of the calendar, in UTC; exact across processes, restarts and crashes.";
        "anchor_day" "number" none "Of a `quota` by the month: the day its months begin, 1 to 28.";
        "concurrent" "number" none "How many requests in work at once.";
        "per" "`key` | `consumer` | `route` | `address`" "key" "Whether every key counts for itself (with those it replaced), all keys of a consumer together, everybody on a route together, or every source address for itself, IPv6 by /64, whatever key it brings. By address only rates are counted.";
        "shadow" "true | false" "false" "Whether it only logs and counts what it would refuse.";
    }
    "upstream" {
        "name" "text" required "What routes call it.";
        "servers" "list of addresses" required "Its servers. A name is looked up every 10 seconds, and every address it has is a server.";
        "balance" "`round-robin` | `least-in-flight` | `by-key` | `by-consumer`" "round-robin" "Whose turn it is: the next one's; the one's with the fewest requests in work; the same one's for every request of a key, or of a consumer. The last two move only the requests of a server that comes or goes; requests without a key go round.";
        "weights" "table" none "What share a server takes, from 1 to 100; without it, 1: `{ \"127.0.0.1:9000\" = 3 }`.";
        "health" "table" none "Ask its servers whether they are well; see `health` below.";
        "ejection" "table or `off`" "{}" "Pass over a server to which requests fail; see `ejection` below.";
        "tls" "table" none "Speak TLS to its servers; see `tls` below.";
        "protocol" "`http/1.1` | `http/2` | `auto`" "http/1.1" "What its servers speak. `auto` agrees on it in the TLS handshake; `http/2` without `tls` begins with it at once, as gRPC servers want it.";
        "shared_secret_file" "path" none "A file with a secret sent as `X-Kgate-Secret`, by which the backend knows kgate.";
        "jwt" "table" none "Tell the backend who calls by a signed token, too; see `jwt` below.";
        "hmac_secret_file" "path" none "A file with a secret under which every request to the backend carries a code over its method, target, time, id and identity headers: `X-Kgate-Signature`. See `docs/verify-backend.md`.";
        "forward_metadata" "list of texts" "[]" "Which metadata is forwarded, as `X-Consumer-Meta-…`.";
        "connect_timeout" "duration" "2s" "For a connection to a server; more is 504.";
        "response_timeout" "duration" "60s" "From the end of the request to the first byte of the answer, and between two pieces of it; more is 504.";
        "total_timeout" "duration" none "From the choice of a server to the end of the answer; without it, an answer may go on as long as it goes on. More is 504, or the end of the connection if the answer had begun. Not for upgraded connections.";
        "idle_timeout" "duration" "60s" "How long an idle connection is kept for reuse. Keep it below the backend's own.";
    }
    "upstream.tls" {
        "ca" "path" none "Certificates of the authorities that must have signed the servers' (PEM); without it, those this machine trusts.";
        "server_name" "text" none "The name that must be in the servers' certificates; without it, each one's own name or address as in `servers`.";
        "certificate" "path" none "The certificate chain by which the servers know kgate (PEM), so that they can refuse everybody else.";
        "key" "path" none "Its private key; without it, in the same file.";
    }
    "upstream.health" {
        "path" "text" required "What is asked for with `GET`; an answer of 200 to 399 is a good one.";
        "host" "host" none "The `Host` of the question; without it, the server's address.";
        "interval" "duration" "5s" "From one question to the next.";
        "timeout" "duration" "2s" "For the head of the answer; not longer than `interval`.";
        "healthy" "number" "2" "How many good answers in a row bring a server back.";
        "unhealthy" "number" "3" "How many bad ones in a row take it out.";
    }
    "upstream.ejection" {
        "failures" "number" "3" "How many requests in a row must fail: no connection, a connection that breaks, no answer in time, no HTTP.";
        "lasts" "duration" "5s" "How long it is passed over. Then one request is let through; if that fails, it lasts as long again.";
        "server_errors" "true | false" "false" "Whether answers of 500 to 599 are failures, too.";
    }
    "upstream.jwt" {
        "header" "header" "X-Kgate-Token" "The header that carries the token.";
        "algorithm" "`EdDSA` | `ES256` | `HS256`" "EdDSA" "How it is signed: the first two by a key of `kgate signing-key`, the last by a secret the backend has, too.";
        "secret_file" "path" none "Of `HS256`: the file with the secret, 32 bytes or more.";
        "issuer" "text" "kgate" "The claim `iss`.";
        "audience" "text" none "The claim `aud`; without it, the upstream's name. Give every backend its own.";
        "jti" "true | false" "false" "Whether every request gets a token of its own, with a `jti` by which the backend can refuse a second use. Otherwise a token is signed once for each key in 5 seconds.";
    }
    "route" {
        "name" "text" required "Its name in logs and metrics.";
        "path" "path pattern" required "Segments; `*` is one segment, a last `**` zero or more: `/v1/products/**`.";
        "upstream" "upstream" required "Where it leads.";
        "host" "host" none "The host it is for, without port; without it, every host.";
        "methods" "list of texts" "[]" "The methods it takes; none named is all but `TRACE` and `CONNECT`.";
        "public" "true | false" "false" "Whether it asks for no key.";
        "anonymous" "plan" none "Lets callers in who bring no key, under this plan; what it counts by key or consumer is counted by source address. Whoever brings a key that does not work gets 401 all the same. Not beside `scopes`.";
        "scopes" "scopes" none "What the key must hold: `products:read`, `all(a, b)` or `any(a, b)`.";
        "key_types" "list of key types" "[]" "The key types it takes; none named is all.";
        "credentials" "list of places" r#"["bearer"]"# "Where the key is looked for: `bearer`, `header:NAME`, `basic-user`, `basic-password`, `cookie:NAME`, `query:NAME`, `websocket`. There must be exactly one over all of them; see `docs/http.md`.";
        "key_header" "header" none "Short for `credentials = [\"header:NAME\"]`.";
        "upstream_by_type" "table" none "Another upstream for keys of a type: `{ test = \"sandbox\" }`.";
        "plan" "plan" none "A plan for everybody who uses it, beside the key's and the consumer's.";
        "cost" "number" "1" "How much a request is charged to rates and quotas; 0 is nothing.";
        "client_certificates" "list of texts" "[]" "Names of client certificates it takes, of which the client's must have one: `cn:NAME`, `dns:NAME`, `email:NAME`, `uri:NAME`, or `subject:CN=…, O=…` whole; anybody else gets 403, before any key is looked at, also on a `public` route. Needs `client_certificates` on the listener.";
        "cors" "table" none "Which pages of other origins may ask and read, see `cors` below; without it that is the backend's business.";
        "compress" "true | false" "false" "Whether its answers are compressed for clients that take it (`gzip`, `br`, `zstd`). Not events, lines of JSON, partial answers, calls of gRPC, or what the backend compressed. Leave it off where answers repeat what a client sent beside secrets.";
        "strict_path" "true | false" "true" "`false` lets ambiguous spellings of a path through, as they are. Dot segments never pass.";
        "rewrite_prefix" "path" none "What the backend sees in the place of what stands before the first wildcard of `path`: with `path = \"/v1/products/**\"` and `rewrite_prefix = \"/catalog\"`, `/v1/products/7` becomes `/catalog/7`.";
        "rewrite_host" "host" none "The `Host` the backend gets; without it, the client's. `X-Forwarded-Host` has the client's in any case.";
        "request_headers" "table" none "Edits of the request's header; see `request_headers` below.";
        "response_headers" "table" none "Edits of the answer's header, likewise. Refusals are not edited. What is removed or set is in no interim answer (103) either.";
        "response_timeout" "duration" none "Instead of the upstream's.";
        "total_timeout" "duration" none "Instead of the upstream's.";
        "max_body" "size" none "Instead of the server's. A request that turns out longer than its route allows has been charged to limits.";
    }
    "route.request_headers" {
        "remove" "list of texts" "[]" "Names of fields to take away.";
        "set" "table" none "Fields to put in the place of all of their name: `{ X-Api-Version = \"2\" }`.";
        "add" "table" none "Fields to put beside those of their name.";
    }
    "route.response_headers" {
        "remove" "list of texts" "[]" "Names of fields to take away.";
        "set" "table" none "Fields to put in the place of all of their name.";
        "add" "table" none "Fields to put beside those of their name.";
    }
    "route.cors" {
        "origins" "list of texts" required "Origins whose pages may: scheme, host and perhaps port, `https://app.example.com`; or `*`.";
        "headers" "list of headers" r#"["authorization", "content-type"]"# "Request headers they may set; those the route takes keys from always.";
        "expose" "list of headers" "[]" "Response headers they may read.";
        "credentials" "true | false" "false" "Whether the browser may send cookies along.";
        "max_age" "duration" "10m" "How long the browser may go by the answer to a pre-flight.";
    }
    "self_service" {
        "allow" "list of `rotate` | `revoke` | `usage`" required "What holders may do.";
        "host" "host" none "The host it is for, without port; without it, every host.";
        "key_types" "list of key types" "[]" "The key types it is for; none named is all secret ones. Publishable ones cannot be.";
        "credentials" "list of places" r#"["bearer"]"# "Where the key is looked for, as on a route: `bearer` or `header:NAME`.";
        "key_header" "header" none "Short for `credentials = [\"header:NAME\"]`.";
        "plan" "plan" none "A plan for it, beside the key's and the consumer's. To rotate and to revoke is charged to all of them, to ask for usage is not.";
        "grace" "duration" "24h" "How long a key that was rotated goes on working; `0s` ends it at once.";
    }
}
