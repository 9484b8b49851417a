use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::{ConfigError, Severity, template};
use super::*;

const HEAD: &str = r#"data_dir = "d"
[server]
default_plan = "p"
[[key_type]]
name = "live"
prefix = "acme_live"
[plans.p]
limits = [{ name = "m", rate = "60/min" }]
[[upstream]]
name = "catalog"
servers = ["127.0.0.1:9000"]
"#;

fn parse(text: &str) -> Result<Loaded, Report> {
    match Config::parse(Path::new("/etc/kgate.toml"), text) {
        Ok(loaded) => Ok(loaded),
        Err(ConfigError::Invalid(report)) => Err(report),
        Err(other) => panic!("{other}"),
    }
}

/// `line:column message` of every problem.
fn told(report: &Report) -> Vec<String> {
    let problems = report.problems().iter();
    problems
        .map(|p| {
            let (line, column) = report.line_and_column(p);
            format!("{line}:{column} {}", p.message)
        })
        .collect()
}

/// The errors of [`HEAD`] and `more`, with lines counted from the start of `more`.
fn errors(more: &str) -> Vec<String> {
    let offset = HEAD.lines().count();
    let Err(report) = parse(&format!("{HEAD}{more}")) else { return Vec::new() };
    let errors = report.problems().iter().filter(|p| p.severity == Severity::Error);
    errors
        .map(|p| {
            let (line, column) = report.line_and_column(p);
            let hint = p.hint.as_deref().map(|h| format!(" [{h}]")).unwrap_or_default();
            format!("{}:{column} {}{hint}", line.saturating_sub(offset), p.message)
        })
        .collect()
}

fn warnings(text: &str) -> Vec<String> {
    told(&parse(text).unwrap_or_else(|report| panic!("{report}")).warnings)
}

/// An error is told in `more` that contains all of `parts`.
fn assert_error(more: &str, parts: &[&str]) {
    let errors = errors(more);
    assert!(
        errors.iter().any(|e| parts.iter().all(|part| e.contains(part))),
        "{more}\nwanted {parts:?}, got {errors:#?}"
    );
}

#[test]
fn the_template_passes_its_own_check_without_a_warning() {
    let loaded = parse(&template("acme", "127.0.0.1:9000")).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let config = loaded.config;
    assert_eq!(config.data_dir, Path::new("/etc/./kgate-data"));
    assert_eq!(config.key_types.by_name("test").unwrap().1.prefix.as_str(), "acme_test");
    assert_eq!(config.upstreams[0].servers, [Address::Tcp("127.0.0.1:9000".parse().unwrap())]);
    assert_eq!(config.route_names, ["everything"]);
}

#[test]
fn what_the_template_comments_out_can_be_switched_on() {
    // Every `# name = value` line, in place, must be valid where it stands.
    let directory = tempfile::tempdir().unwrap();
    for file in ["secret", "pepper", "hook-secret", "ca.pem"] {
        fs::write(directory.path().join(file), "x".repeat(64)).unwrap();
        fs::set_permissions(directory.path().join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut text = String::new();
    for line in template("acme", "127.0.0.1:9000").lines() {
        let setting = line.strip_prefix("# ").filter(|rest| {
            let name = rest.split(" = ").next().unwrap().trim_matches('"');
            matches!(*rest, "[[pepper]]" | "[sidecar]" | "[[webhook]]" | "[traces]" | "[portal]")
                || rest.contains(" = ")
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*'))
        });
        let is_public = setting.is_some_and(|s| s.starts_with("public"));
        text.push_str(if is_public { "" } else { setting.unwrap_or(line) });
        text.push('\n');
    }
    text.push_str("[[upstream]]\nname = \"sandbox\"\nservers = [\"127.0.0.1:9001\"]\n");
    let path = directory.path().join("kgate.toml");
    let loaded = Config::parse(&path, &text).unwrap_or_else(|error| panic!("{error}"));
    // Its listener has no TLS, which is more than one line.
    let told = told(&loaded.warnings);
    assert!(told.iter().all(|line| line.contains("no listener asks clients for certificates")), "{told:?}");
    assert_eq!(loaded.config.peppers.as_slice().len(), 1);
}

#[test]
fn the_documented_shape_is_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret"), "s3cret-s3cret-s3cret-s3cret-s3cret\n").unwrap();
    fs::set_permissions(directory.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let text = r#"
data_dir = "./kgate-data"
[listen]
proxy = ["127.0.0.1:8080", "unix:kgate.sock"]
admin = "127.0.0.1:8081"
[server]
workers = 2
trusted_proxies = ["127.0.0.1/32", "unix"]
realm = "acme"
default_plan = "pro"
max_body = "1MiB"
max_header_bytes = 65536
header_timeout = "5s"
rate_headers = "ietf"
[identity_headers]
"X-Consumer-Name" = "X-Consumer-Username"
"X-Consumer-Meta-*" = "X-Tenant-*"
"X-Consumer-Meta-Tier" = "X-Tier"
[[key_type]]
name = "live"
prefix = "acme_live"
default_expires = "90d"
[[key_type]]
name = "test"
prefix = "acme_test"
environment = "sandbox"
[[key_type]]
name = "old"
prefix = "old"
format = "opaque"
min_len = 20
max_len = 40
[plans.pro]
limits = [{ name = "burst", rate = "100/s", burst = 200 }, { name = "minute", rate = "3000/min", per = "consumer" }]
[[upstream]]
name = "catalog"
servers = ["127.0.0.1:9000", "unix:/run/b.sock", "backend.internal:80"]
shared_secret_file = "secret"
forward_metadata = ["tier", "region name"]
[[upstream]]
name = "sandbox"
servers = ["[::1]:9001"]
[[route]]
name = "products"
host = "api.example.com"
path = "/v1/products/**"
methods = ["GET", "HEAD"]
scopes = "products:read"
key_types = ["live", "test"]
key_header = "X-Api-Key"
upstream = "catalog"
upstream_by_type = { test = "sandbox" }
[[route]]
name = "health"
path = "/healthz"
public = true
upstream = "catalog"
"#;
    let path = directory.path().join("kgate.toml");
    fs::write(&path, text).unwrap();
    let Loaded { config, warnings, .. } = Config::read(&path).unwrap_or_else(|error| panic!("{error}"));
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(config.listen.proxy[1].address, Address::Unix(directory.path().join("kgate.sock")));
    assert!(config.server.trusted_proxies.unix);
    assert_eq!((config.server.max_body, config.server.max_header_bytes), (1 << 20, 65536));
    assert_eq!(config.server.header_timeout, Duration::from_secs(5));
    assert_eq!(config.server.idle_timeout, Duration::from_mins(1));
    assert_eq!(config.server.rate_headers, RateHeaders::Ietf);
    let headers = &config.identity_headers;
    assert_eq!(headers.name(IdentityHeader::ConsumerName), "X-Consumer-Username");
    assert_eq!(headers.meta_name("region name"), "X-Tenant-region-name");
    assert_eq!(headers.meta_name("tier"), "X-Tier");
    let types = config.key_types.as_slice();
    assert_eq!((types[0].environment.as_str(), types[1].environment.as_str()), ("live", "sandbox"));
    assert_eq!(types[2].format, Format::Opaque { min_len: 20, max_len: 40 });
    assert_eq!(types[0].default_expires, Some("90d".parse().unwrap()));
    let limits = &config.plans[0].limits;
    assert_eq!((limits[0].limit.most(), limits[1].limit.most()), (200, 3000));
    assert_eq!(limits[1].per, LimitSubject::Consumer);
    let upstream = &config.upstreams[0];
    assert_eq!(upstream.shared_secret.as_ref().unwrap().expose(), b"s3cret-s3cret-s3cret-s3cret-s3cret");
    assert_eq!(upstream.servers[2], Address::Name("backend.internal".into(), 80));
    assert!(!format!("{config:?}").contains("s3cret"));
    let routes = &config.rules.spec().routes;
    assert_eq!((routes[0].upstream, &routes[0].upstream_by_type), (0, &vec![("test".to_owned(), 1)]));
    assert!(routes[1].public);
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = r#"dta_dir = "d"
[server]
workers = "two"
max_body = "1MB"
header_timeout = "5 s"
default_plan = "prp"
[[key_type]]
name = "live"
prefix = "Acme"
[plans.pro]
limits = [{ name = "m", rate = "60/fortnight" }, { name = "m", rate = "1/s" }]
[[upstream]]
name = "catalog"
servers = ["http://127.0.0.1:9000"]
[[route]]
name = "products"
path = "/v1/**"
upstraem = "catalog"
upstream = "catalogue"
scopes = "products:*"
"#;
    let told = told(&parse(text).unwrap_err());
    let wanted = [
        "1:1 the file has no `data_dir`",
        "1:1 unknown field `dta_dir`",
        "3:11 `workers` must be a number, not a string",
        "4:12 `max_body` is not a size",
        "5:18 `5 s` is not a length of time",
        "6:16 there is no plan `prp`",
        "9:10 `Acme`",
        "11:32 `60/fortnight` is not a rate",
        "11:59 `m` is already taken",
        "14:12 `http://127.0.0.1:9000` is not an address",
        "18:1 unknown field `upstraem`",
        "19:12 there is no upstream `catalogue`",
        "20:10 `products:*` has a wildcard",
    ];
    for wanted in wanted {
        assert!(told.iter().any(|t| t.starts_with(wanted)), "{wanted}\n{told:#?}");
    }
}

#[test]
fn a_problem_shows_its_line_a_caret_and_a_hint() {
    let report =
        parse(&format!("{HEAD}[[route]]\nname = \"r\"\n\tpath = \"/ä\"\n\tupstraem = \"x\"\n")).unwrap_err();
    let text = report.to_string();
    assert!(text.contains("/etc/kgate.toml:15:2: error: unknown field `upstraem`\n"), "{text}");
    assert!(
        text.contains("15 | \tupstraem = \"x\"\n   | \t^^^^^^^^\n   = help: did you mean `upstream`?\n"),
        "{text}"
    );
}

#[test]
fn syntax_errors_have_a_place_too() {
    for (text, place) in [
        ("data_dir = \"d\nx = 1\n", "1:"),
        ("data_dir = \"d\"\n[server\nworkers = 1\n", "2:"),
        ("data_dir = \"d\"\n[[route]\n", "2:"),
        ("a = 1\na = 2\n", "2:"),
        ("\u{feff}a = \n", "1:"),
    ] {
        let told = told(&parse(text).unwrap_err());
        assert!(told.iter().any(|t| t.starts_with(place)), "{text:?}: {told:?}");
    }
    let error = Config::parse(Path::new("x"), "a = = 1").unwrap_err().to_string();
    assert!(error.contains("x:1:5: error:") && error.contains("a = = 1"), "{error}");
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn mistakes_of_each_kind() {
    for (more, parts) in [
        // Names and references.
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"cataolg\"\n",
            &["4:12", "did you mean `catalog`"][..],
        ),
        ("[[route]]\nname = \"r r\"\npath = \"/\"\nupstream = \"catalog\"\n", &["2:8", "not a name"]),
        ("[[route]]\npath = \"/\"\nupstream = \"catalog\"\n", &["1:1", "`route` has no `name`"]),
        ("[[upstream]]\nname = \"catalog\"\nservers = [\"127.0.0.1:1\"]\n", &["2:8", "already taken"]),
        (
            "[[key_type]]\nname = \"x\"\nprefix = \"acme_live\"\n",
            &["3:10", "prefix `acme_live` is already taken"],
        ),
        (
            "[[key_type]]\nname = \"x\"\nprefix = \"x\"\nkind = \"secrete\"\n",
            &["4:8", "\"secret\", \"publishable\""],
        ),
        ("[[key_type]]\nname = \"x\"\nprefix = \"x\"\nmin_len = 20\n", &["4:11", "opaque"]),
        ("[[key_type]]\nname = \"x\"\nprefix = \"x\"\nformat = \"opaque\"\n", &["4:10", "needs `min_len`"]),
        (
            "[[key_type]]\nname = \"x\"\nprefix = \"x\"\nformat = \"opaque\"\nmin_len = 40\nmax_len = 20\n",
            &["greater"],
        ),
        (
            "[[key_type]]\nname = \"x\"\nprefix = \"x\"\ndefault_expires = \"0d\"\n",
            &["4:19", "expired at once"],
        ),
        // Structure.
        ("[route]\nname = \"r\"\n", &["list of tables"]),
        ("[listen]\nproxi = []\n", &["2:1", "did you mean `proxy`"]),
        ("[listen]\nworkers = 2\n", &["2:1", "belongs to `server`"]),
        ("[listen]\nproxy = []\n", &["2:9", "no address"]),
        ("[listen]\nproxy = \"127.0.0.1:1\"\n", &["2:9", "a list"]),
        ("[listen]\nproxy = [\"localhost:80\"]\n", &["2:10", "not an address"]),
        ("[listen]\nproxy = [\"127.0.0.1\"]\n", &["2:10", "a port is missing"]),
        ("[listen]\nproxy = [\"unix:\"]\n", &["2:10", "unix:PATH"]),
        ("[listen]\nproxy = [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n", &["listed twice"]),
        ("[listen]\nproxy = [\"127.0.0.1:1\"]\nadmin = \"127.0.0.1:1\"\n", &["3:9", "listens"]),
        ("[listen]\nadmin = [\"localhost:1\"]\n", &["2:10", "not an address"]),
        ("[[key_type]]\nname = \"k\"\nprefix = \"kgate_admin\"\n", &["3:10", "that of admin keys"]),
        ("[listen]\nadmin = 5\n", &["2:9", "list of texts"]),
        // Upstreams.
        ("[[upstream]]\nname = \"u\"\nservers = []\n", &["3:11", "no address"]),
        ("[[upstream]]\nname = \"u\"\nservers = [\"0.0.0.0:80\"]\n", &["nobody can connect"]),
        ("[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.300:80\"]\n", &["not an address"]),
        (
            "[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.1:1\"]\nshared_secret_file = \"/no/such\"\n",
            &["4:22", "/no/such"],
        ),
        (
            "[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.1:1\"]\nconnect_timeout = \"0s\"\n",
            &["4:19", "from 1ms to 1d"],
        ),
        (
            "[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.1:1\"]\nforward_metadata = [\"a_b\", \"a-b\"]\n",
            &["same header"],
        ),
        ("[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.1:1\"]\nforward_metadata = [\"\"]\n", &["no use"]),
        // Routes.
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\npublic = true\nscopes = \"a\"\n",
            &["6:10", "means nothing"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nkey_types = [\"lvie\"]\n",
            &["5:14", "did you mean `live`"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nkey_types = []\n",
            &["5:13", "no key type"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nkey_header = \"X Api\"\n",
            &["5:14", "not a header"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nkey_header = \"Authorization\"\n",
            &["takes keys as \"bearer\""],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\ncredentials = [\"bearer\", \"header:Host\"]\n",
            &["5:26", "meaning of its own"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\ncredentials = [\"basic\"]\n",
            &["5:16", "not a place", "basic-user"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\ncredentials = [\"cookie:a\", \"cookie:a\"]\n",
            &["5:28", "named twice"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\ncredentials = []\n",
            &["5:15", "names no place"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\ncredentials = [\"bearer\"]\nkey_header = \"X-K\"\n",
            &["6:14", "beside `credentials`"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\npublic = true\ncredentials = [\"bearer\"]\n",
            &["6:15", "means nothing"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nkey_header = \"cookie\"\n",
            &["meaning of its own"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nkey_header = \"X-Key-Id\"\n",
            &["identity header"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nupstream_by_type = { live = \"x\" }\n",
            &["5:29", "no upstream `x`"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\npublic = \"yes\"\n",
            &["5:10", "true or false"],
        ),
        // Callers without a key, and keys everybody may see.
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nanonymous = \"pp\"\n",
            &["5:13", "no plan `pp`", "did you mean `p`"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nanonymous = \"p\"\npublic = true\n",
            &["5:13", "means nothing", "take away `public` or `anonymous`"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nanonymous = \"p\"\nscopes = \"a:b\"\n",
            &["5:13", "callers without a key have no scopes"],
        ),
        (
            "[plans.q]\nlimits = [{ name = \"a\", quota = \"1/day\" }]\n[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\nanonymous = \"q\"\n",
            &["7:13", "limit `a` of plan `q`", "per = \"route\""],
        ),
        (
            "[plans.q]\nlimits = [{ name = \"a\", quota = \"1/day\", per = \"address\" }]\n",
            &["2:11", "only a `rate` can be counted by address"],
        ),
        (
            "[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\norigins = [\"https://a.example\"]\n",
            &["4:11", "for publishable keys", "kind = \"publishable\""],
        ),
        (
            "[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\nper_address = \"1/s\"\n",
            &["4:15", "for publishable keys"],
        ),
        (
            "[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\nkind = \"publishable\"\norigins = [\"https://a.example/x\"]\n",
            &["5:12", "without a path", "write \"https://app.example.com\""],
        ),
        (
            "[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\nkind = \"publishable\"\norigins = [\"https://a.b\", \"https://A.b\"]\n",
            &["5:27", "`https://a.b` is listed twice"],
        ),
        (
            "[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\nkind = \"publishable\"\norigins = []\n",
            &["5:11", "names no origin"],
        ),
        (
            "[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\nkind = \"publishable\"\nper_address = \"often\"\n",
            &["5:15", "100/s"],
        ),
        (
            "[plans.q]\nlimits = [{ name = \"address\", rate = \"1/s\" }]\n[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\nkind = \"publishable\"\n",
            &["2:11", "takes the place of that on publishable keys"],
        ),
        (
            "[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\ncost = 100\n",
            &["5:8", "a cost of 100 never fits limit `m` of plan `p`, which allows 60"],
        ),
        (
            "[listen]\nadmin = \"0.0.0.0:81\"\n",
            &["2:9", "admin keys sent to `0.0.0.0:81` would", "admin_tls"],
        ),
        // The portal.
        (
            "[listen]\nportal = \"unix:p.sock\"\n[listen.portal_tls]\ncertificate = \"c.pem\"\n",
            &["3:1", "`portal_tls` protects nothing", "a Unix socket needs none"],
        ),
        ("[listen]\nportal = \"127.0.0.1:83\"\n[listen.portal_tls]\n", &["3:1", "needs a certificate"]),
        (
            "[portal]\nurl = \"portal.example.com\"\n",
            &["2:7", "is not the address of a site", "https://HOST"],
        ),
        ("[portal]\nurl = \"https://a.b/c\"\n", &["2:7", "is not the address of a site", "without a path"]),
        ("[portal]\napi_url = \"ftp://a.b\"\n", &["2:11", "is not the address of a site"]),
        ("[portal]\ntitle = \" \"\n", &["2:9", "`title` must be one line of 1 to 100 characters"]),
        ("[portal]\nsupport = \"a\\nb\"\n", &["2:11", "`support` must be one line"]),
        ("[portal]\nkey_types = [\"lvie\"]\n", &["2:14", "lvie"]),
        ("[portal]\nscopes = [\"a:b\", \"a:b\"]\n", &["2:18", "`a:b` is listed twice"]),
        ("[portal]\nscopes = [\"a b\"]\n", &["2:11"]),
        ("[portal]\nmax_keys = 401\n", &["2:12", "400"]),
        ("[portal]\nmax_expires = \"30s\"\n", &["2:15", "max_expires"]),
        ("[portal]\nmax_grace = \"2y\"\n", &["2:13"]),
        ("[portal]\ninvite_expires = \"10s\"\n", &["2:18"]),
        (
            "[portal]\nsession_idle = \"2h\"\nsession_max = \"1h\"\n",
            &["2:16", "`session_idle` is longer than `session_max`"],
        ),
        ("[portal]\nmax_key = 1\n", &["2:1", "max_keys"]),
        (
            "[portal]\nidentity_proxy = { header = \"Cookie\", from = [\"127.0.0.1\"] }\n",
            &["2:29", "`Cookie` is no header for this", "X-Auth-Request-User"],
        ),
        ("[portal]\nidentity_proxy = { header = \"X-User\", from = [] }\n", &["2:46", "names no proxy"]),
        ("[portal]\nidentity_proxy = { header = \"X-User\" }\n", &["2:18", "`from`"]),
        (
            "[listen]\nportal = \"127.0.0.1:9000\"\n[portal]\nidentity_proxy = { header = \"X-User\", from = [\"127.0.0.1\"] }\n",
            &[
                "the upstream `catalog` is the portal",
                "could send the header of `identity_proxy`",
                "lead to the identity proxy",
            ],
        ),
        // What holders may do.
        ("[self_service]\nallow = []\n", &["2:9", "names nothing"]),
        ("[self_service]\n", &["1:1", "`allow`"]),
        (
            "[self_service]\nallow = [\"rotat\"]\n",
            &["2:10", "nothing a holder can do", "\"rotate\", \"revoke\""],
        ),
        ("[self_service]\nallow = [\"usage\", \"usage\"]\n", &["2:19", "named twice"]),
        (
            "[self_service]\nallow = [\"revoke\"]\ncredentials = [\"cookie:key\"]\n",
            &["3:16", "a page of somebody else", "bearer"],
        ),
        // A browser goes on sending what somebody once typed in.
        (
            "[self_service]\nallow = [\"revoke\"]\ncredentials = [\"bearer\", \"basic-user\"]\n",
            &["3:26", "a page of somebody else", "bearer"],
        ),
        (
            "[self_service]\nallow = [\"revoke\"]\nkey_types = [\"s\"]\n[[key_type]]\nname = \"s\"\nprefix = \"acme_s\"\nkind = \"publishable\"\n",
            &["3:14", "anybody could end them"],
        ),
        ("[self_service]\nallow = [\"usage\"]\nplan = \"pp\"\n", &["3:8", "did you mean `p`"]),
        ("[self_service]\nallow = [\"usage\"]\nhost = \"a b\"\n", &["3:8", "not a host name"]),
        ("[self_service]\nallow = [\"rotate\"]\ngrace = \"soon\"\n", &["3:9"]),
        (
            "[self_service]\nallow = [\"usage\"]\n[[route]]\nname = \"kgate.usage\"\npath = \"/\"\nupstream = \"catalog\"\n",
            &["the name `kgate.usage` is already taken"],
        ),
        // Identity headers.
        ("[identity_headers]\n\"X-Consumer-Nmae\" = \"X-N\"\n", &["2:1", "did you mean `X-Consumer-Name`"]),
        ("[identity_headers]\n\"X-Consumer-Name\" = \"Host\"\n", &["2:21", "meaning of its own"]),
        ("[identity_headers]\n\"X-Consumer-Name\" = \"X_N\"\n", &["2:21", "not a header"]),
        ("[identity_headers]\n\"X-Consumer-Name\" = \"x-key-id\"\n", &["2:21", "another identity header"]),
        (
            "[identity_headers]\n\"X-Consumer-Name\" = \"X-Consumer-Meta-Name\"\n",
            &["2:21", "another identity header"],
        ),
        ("[identity_headers]\n\"X-Consumer-Meta-*\" = \"X-Tenant\"\n", &["2:23", "X-Tenant-*"]),
        // Plans and peppers.
        ("[plans.q]\nlimits = [{ rate = \"1/s\" }]\n", &["2:11", "has no `name`"]),
        ("[plans.q]\nlimits = [{ name = \"a\", rate = \"1/s\", burst = 0 }]\n", &["from 1 to"]),
        (
            "[plans.q]\nlimits = [{ name = \"a\", rate = \"1/s\", per = \"ip\" }]\n",
            &["\"key\", \"consumer\""],
        ),
        ("[plans.\"a b\"]\n", &["1:8", "not a name"]),
        ("[[pepper]]\nid = \"p\"\nfile = \"/no/such\"\n", &["3:8", "/no/such"]),
        ("[[pepper]]\nid = \"p\"\n", &["needs `file` or `env`"]),
        ("[[pepper]]\nid = \"p\"\nfile = \"f\"\nenv = \"E\"\n", &["4:7", "beside `file`"]),
        ("[[pepper]]\nid = \"p\"\nenv = \"KGATE_NO_SUCH_PEPPER\"\n", &["3:7", "is not set"]),
    ] {
        assert_error(more, parts);
    }
}

#[test]
fn trusting_everybody_is_refused() {
    for network in ["0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "10.0.0.0/33", "fe80::1%eth0"] {
        let text = HEAD.replace("[server]\n", &format!("[server]\ntrusted_proxies = [\"{network}\"]\n"));
        let told = told(&parse(&text).unwrap_err());
        assert!(told.iter().any(|t| t.starts_with("3:20")), "{network}: {told:?}");
    }
}

#[test]
fn failed_authentications_are_limited_unless_that_is_switched_off() {
    let limit = |setting: &str, sidecar: &str| {
        let text = HEAD.replace("[server]\n", &format!("[server]\n{setting}\n"));
        let text =
            format!("{text}[[route]]\nname = \"r\"\npath = \"/**\"\nupstream = \"catalog\"\n{sidecar}");
        let loaded = parse(&text).unwrap_or_else(|report| panic!("{report}"));
        let limit = loaded.config.rules.spec().failed_auth.clone();
        limit.map(|l| (l.rate.to_string(), l.burst, l.exempt.to_string()))
    };
    let is = |rate: &str, burst, exempt: &str| Some((rate.to_owned(), burst, exempt.to_owned()));
    assert_eq!(limit("", ""), is("60/min", 60, ""));
    assert_eq!(limit("failed_auth = {}", ""), is("60/min", 60, ""));
    assert_eq!(limit("failed_auth = \"off\"", ""), None);
    assert_eq!(
        limit("failed_auth = { rate = \"5/s\", burst = 9, exempt = [\"192.0.2.0/24\", \"::1\"] }", ""),
        is("5/s", 9, "192.0.2.0/24,::1/128")
    );
    assert_eq!(
        limit("trusted_proxies = [\"10.0.0.0/8\", \"unix\"]\nfailed_auth = { rate = \"5/s\" }", ""),
        is("5/s", 5, "10.0.0.0/8")
    );
    let sidecar = "[sidecar]\nlisten = [\"127.0.0.1:8082\"]\nfronts = [\"10.1.0.0/16\"]\n";
    assert_eq!(limit("", sidecar), is("60/min", 60, "10.1.0.0/16"));
    for (setting, parts) in [
        ("\"on\"", &["3:15", "`failed_auth` must be a table"][..]),
        ("true", &["3:15", "`failed_auth` must be a table"]),
        // Each of several mistakes is told.
        ("{ rate = \"often\", burst = 0 }", &["3:24", "`often` is not a rate"]),
        ("{ rate = \"often\", burst = 0 }", &["3:41", "`burst` must be"]),
        ("{ rate = \"5\" }", &["3:24", "is not a rate"]),
        ("{ burst = 0 }", &["3:25", "`burst` must be from 1"]),
        ("{ exempt = [\"::/0\"] }", &["3:27", "is everybody"]),
        ("{ exempt = [\"10.0.0.300\"] }", &["3:27"]),
        ("{ rates = 1 }", &["3:17", "unknown field `rates`"]),
        ("{ rate = \"1/d\", burst = 1000 }", &["3:15", "1000"]),
    ] {
        let text = HEAD.replace("[server]\n", &format!("[server]\nfailed_auth = {setting}\n"));
        let told = told(&parse(&text).unwrap_err());
        assert!(told.iter().any(|t| parts.iter().all(|part| t.contains(part))), "{setting}: {told:?}");
    }
}

#[test]
fn doubts_are_warnings() {
    let with_route = format!("{HEAD}[[route]]\nname = \"r\"\npath = \"/**\"\nupstream = \"catalog\"\n");
    assert_eq!(warnings(&with_route), Vec::<String>::new());
    for (text, wanted) in [
        (with_route.replace("default_plan = \"p\"\n", ""), "2:1 a consumer without a plan is not limited"),
        (
            with_route.replace("127.0.0.1:9000", "10.0.0.1:9000"),
            "11:11 whoever reaches `10.0.0.1:9000` directly",
        ),
        (
            with_route.replace("127.0.0.1:9000", "backend:9000"),
            "11:11 whoever reaches `backend:9000` directly",
        ),
        (
            format!("{with_route}[listen]\nproxy = [\"0.0.0.0:80\"]\n"),
            "17:10 keys sent to `0.0.0.0:80` cross",
        ),
        (
            format!("{with_route}[listen]\nportal = \"0.0.0.0:83\"\n"),
            "17:10 sessions and new keys sent to `0.0.0.0:83` cross",
        ),
        (format!("{with_route}[portal]\ntitle = \"Acme\"\n"), "16:1 the portal listens nowhere"),
        (
            format!(
                "{with_route}[listen]\nportal = \"127.0.0.1:83\"\n[portal]\nurl = \"http://portal.example\"\n"
            ),
            "19:7 sessions and new keys would cross",
        ),
        (
            format!("{with_route}[listen]\nportal = \"unix:p.sock\"\n[portal]\ntitle = \"Acme\"\n"),
            "18:1 nobody can call the portal by its socket's name",
        ),
        (
            format!(
                "{with_route}[listen]\nportal = \"127.0.0.1:83\"\n[portal]\nidentity_proxy = {{ header = \"X-User\", from = [\"10.0.0.0/7\"] }}\n"
            ),
            "19:46 whoever connects from there can be any consumer",
        ),
        (
            format!(
                "{with_route}[[key_type]]\nname = \"pub\"\nprefix = \"acme_pub\"\nkind = \"publishable\"\n"
            ),
            "12:1 route `r` takes publishable keys (`pub`)",
        ),
        (
            format!("{with_route}credentials = [\"bearer\", \"query:k\"]\n"),
            "16:26 keys in the argument `k` end up in histories",
        ),
        (HEAD.to_owned(), "1:1 no route is declared"),
    ] {
        let told = warnings(&text);
        assert!(told.len() == 1 && told[0].starts_with(wanted), "{wanted}\n{told:#?}");
    }
}

#[test]
fn secret_files_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    let read = |bytes: &[u8], mode| {
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let text = format!("{HEAD}shared_secret_file = \"secret\"\n");
        Config::parse(&directory.path().join("kgate.toml"), &text)
    };
    for (bytes, secret) in [(&b"abc"[..], &b"abc"[..]), (b"abc\n", b"abc"), (b"abc\r\n", b"abc")] {
        let loaded = read(bytes, 0o600).unwrap();
        assert_eq!(loaded.config.upstreams[0].shared_secret.as_ref().unwrap().expose(), secret);
        assert!(!told(&loaded.warnings).iter().any(|t| t.contains("others than its owner")));
    }
    for mode in [0o640, 0o604] {
        let loaded = read(b"abc", mode).unwrap();
        assert!(told(&loaded.warnings).iter().any(|t| t.starts_with("12:22 others than its owner")));
    }
    for (bytes, wanted) in [
        (&b""[..], "there is nothing in it"),
        (b"\n", "there is nothing in it"),
        (b"a\nb", "cannot be sent"),
        (b"\xff", "cannot be sent"),
        (&[b'x'; 5000], "longer than 4096"),
    ] {
        let error = read(bytes, 0o600).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

/// Two layers see some of it; a person is told once, by the one that has a hint.
#[test]
fn a_mistake_is_told_once() {
    let route = |lines: &str| {
        format!("[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\npublic = true\n{lines}\n")
    };
    let key_type = |lines: &str| {
        format!("[[key_type]]\nname = \"s\"\nprefix = \"s\"\nkind = \"publishable\"\n{lines}\n")
    };
    for (more, part) in [
        (route("cost = 2"), "`cost` means nothing [take away"),
        (route("anonymous = \"p\""), "`anonymous` means nothing [take away"),
        (key_type("origins = []"), "names no origin [leave it out"),
        (key_type("origins = [\"app.example.com\"]"), "begins with `https://` or `http://` [write"),
        (key_type("origins = [\"https://a.example/x\"]"), "without a path [write"),
        (
            "[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.1:1\"]\njwt = { jti = 1 }\n".to_owned(),
            "not an integer",
        ),
    ] {
        let errors = errors(&more);
        assert!(errors.len() == 1 && errors[0].contains(part), "{more}: {errors:#?}");
    }
    assert!(!errors(&route("compress = \"yes\""))[0].contains('['), "there is nothing to add");
}

#[test]
fn secrets_that_can_be_guessed_and_audiences_of_two_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("short", "s3cret"),
        ("near", "0123456789abcdef0123456789abcde"),
        ("long", "0123456789abcdef0123456789abcdef"),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
        fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let jwt = |more: &str| format!("jwt = {{ algorithm = \"HS256\", secret_file = \"long\"{more} }}");
    let other =
        |lines: &str| format!("[[upstream]]\nname = \"other\"\nservers = [\"127.0.0.1:1\"]\n{lines}\n");
    let same = ", audience = \"catalog\"";
    for (more, wanted) in [
        ("shared_secret_file = \"short\"\n".to_owned(), &["12:22 the secret has only 6 bytes"][..]),
        ("hmac_secret_file = \"short\"\n".to_owned(), &["12:20 the secret has only 6 bytes"]),
        ("hmac_secret_file = \"near\"\n".to_owned(), &["12:20 the secret has only 31 bytes"]),
        ("shared_secret_file = \"long\"\nhmac_secret_file = \"long\"\n".to_owned(), &[]),
        (format!("{}\n{}", jwt(""), other(&jwt(same))), &["16:7 `catalog` takes tokens for `catalog`, too"]),
        (format!("{}\n{}", jwt(""), other(&jwt(""))), &[]),
        (format!("{}\n{}", jwt(""), other(&jwt(&format!("{same}, issuer = \"b\"")))), &[]),
    ] {
        let loaded = Config::parse(&directory.path().join("kgate.toml"), &format!("{HEAD}{more}")).unwrap();
        let told = told(&loaded.warnings);
        let told: Vec<_> = told.iter().filter(|text| !text.contains("no route")).collect();
        assert_eq!(told.len(), wanted.len(), "{more}: {told:?}");
        assert!(told.iter().zip(wanted).all(|(told, wanted)| told.starts_with(wanted)), "{more}: {told:?}");
    }
    // One that signs tokens must be as long.
    let short = format!("{HEAD}{}\n", jwt("").replace("long", "near"));
    let error = Config::parse(&directory.path().join("kgate.toml"), &short).unwrap_err().to_string();
    assert!(error.contains("the secret has only 31 bytes"), "{error}");
}

#[test]
fn a_missing_file_is_told_from_a_bad_one() {
    let error = Config::read(Path::new("/no/such/kgate.toml")).unwrap_err();
    let ConfigError::Unreadable { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn candidates_are_tried_in_order() {
    let places = |home: Option<&str>, xdg: Option<&str>| {
        let found = super::super::candidates(home.map(Path::new), xdg.map(Path::new));
        found.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(places(Some("/h"), Some("/x")), "kgate.toml /x/kgate/kgate.toml /etc/kgate/kgate.toml");
    assert_eq!(places(Some("/h"), None), "kgate.toml /h/.config/kgate/kgate.toml /etc/kgate/kgate.toml");
    assert_eq!(
        places(Some("/h"), Some("rel")),
        "kgate.toml /h/.config/kgate/kgate.toml /etc/kgate/kgate.toml"
    );
    assert_eq!(places(None, None), "kgate.toml /etc/kgate/kgate.toml");
}

proptest::proptest! {
    #[test]
    fn no_file_panics(text in "[a-z_\\[\\]=\"{},.0-9 \n\t#'ä]{0,200}") {
        if let Err(report) = parse(&text) {
            let _ = report.to_string();
        }
    }

    #[test]
    fn no_mangled_file_panics(at in 0usize..2000, with in proptest::char::any()) {
        let mut text = template("acme", "127.0.0.1:9000");
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert(at, with);
        match parse(&text) {
            Ok(loaded) => { let _ = loaded.warnings.to_string(); }
            Err(report) => { let _ = report.to_string(); }
        }
    }
}

#[test]
fn balancing_and_health_are_read_and_their_mistakes_told() {
    let config = parse(&HEAD.replace(
        "servers = [\"127.0.0.1:9000\"]\n",
        "servers = [\"127.0.0.1:9000\", \"unix:/run/b.sock\"]\nbalance = \"by-consumer\"\nweights = { \"unix:/run/b.sock\" = 3 }\n\
         health = { path = \"/healthz\", interval = \"1s\", timeout = \"500ms\" }\nejection = \"off\"\ntotal_timeout = \"1m\"\n",
    ))
    .unwrap_or_else(|report| panic!("{report}"))
    .config;
    let upstream = &config.upstreams[0];
    assert_eq!((upstream.balance, &upstream.weights[..]), (super::super::Balance::ByConsumer, &[1, 3][..]));
    assert_eq!((upstream.ejection, upstream.total_timeout), (None, Some(Duration::from_mins(1))));
    let health = upstream.health.as_ref().unwrap();
    assert_eq!((health.path.as_str(), health.healthy, health.unhealthy), ("/healthz", 2, 3));
    let upstream =
        |lines: &str| format!("[[upstream]]\nname = \"b\"\nservers = [\"127.0.0.1:1\"]\n{lines}\n");
    for (lines, parts) in [
        ("weights = { \"127.0.0.1:2\" = 3 }", &["4:13", "not among the servers"][..]),
        ("weights = { \"127.0.0.1:1\" = 0 }", &["4:29", "from 1 to 100"]),
        ("weights = { \"127.0.0.1:1\" = \"3\" }", &["4:29", "a table of numbers"]),
        ("health = { path = \"healthz\" }", &["4:19", "cannot be asked for"]),
        ("health = {}", &["4:10", "`upstream.health` has no `path`"]),
        ("health = { path = \"/\", timeout = \"9s\" }", &["4:34", "longer than `interval`"]),
        ("health = { path = \"/\", host = \"a b\" }", &["4:31", "not a host"]),
        ("ejection = { failures = 0 }", &["4:25", "from 1 to 1000"]),
        ("total_timeout = \"9d\"", &["4:17", "must be from"]),
    ] {
        assert_error(&upstream(lines), parts);
    }
    let twice = "[[upstream]]\nname = \"b\"\nservers = [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n";
    assert_error(twice, &["3:27", "listed twice", "weights"]);
}

#[test]
fn a_routes_edits_cannot_touch_who_calls_what_carries_keys_or_framing() {
    let route = |lines: &str| {
        format!("[[route]]\nname = \"r\"\npath = \"/v1/**\"\nupstream = \"catalog\"\n{lines}\n")
    };
    assert_eq!(
        errors(&route(
            "rewrite_prefix = \"/\"\nrewrite_host = \"b.internal:80\"\nmax_body = \"1GiB\"\ntotal_timeout = \"5s\"\n\
             request_headers = { remove = [\"Cookie\"], set = { X-Version = \"2\" }, add = { Via = \"kgate\" } }\n\
             response_headers = { remove = [\"Server\"], set = { Cache-Control = \"no-store\" } }"
        )),
        [""; 0]
    );
    for name in [
        "X-Consumer-Id",
        "x-consumer-id",
        "X-Consumer-Meta-Tier",
        "X-Key-Id",
        "X-Kgate-Secret",
        "X-Kgate-Token",
        "X-RateLimit-Remaining",
        "Authorization",
        "Connection",
        "Content-Length",
        "Transfer-Encoding",
        "X-Forwarded-For",
        "X-Request-Id",
        "Host",
        "Upgrade",
        "TE",
    ] {
        for edit in ["remove = [\"{}\"]", "set = { {} = \"x\" }", "add = { {} = \"x\" }"] {
            let edit = edit.replace("{}", name);
            assert_error(&route(&format!("request_headers = {{ {edit} }}")), &["5:", name]);
        }
    }
    for name in ["Content-Length", "Connection", "X-Request-Id", "RateLimit", "X-RateLimit-Reset"] {
        assert_error(&route(&format!("response_headers = {{ set = {{ {name} = \"x\" }} }}")), &["5:", name]);
    }
    // What another route takes keys from, and what identity headers and tokens are called, counts too.
    let keyed = "key_header = \"X-Api-Key\"\nrequest_headers = { set = { X-Api-Key = \"x\" } }";
    assert_error(&route(keyed), &["6:", "carries keys"]);
    let renamed = "[identity_headers]\n\"X-Consumer-Name\" = \"X-User\"\n";
    assert_error(
        &(renamed.to_owned() + &route("request_headers = { remove = [\"x-user\"] }")),
        &["7:", "who calls"],
    );
    for (lines, parts) in [
        ("request_headers = { set = { \"X y\" = \"x\" } }", &["5:", "not a header's name"][..]),
        ("request_headers = { set = { X = \"a\\nb\" } }", &["5:", "cannot be sent"]),
        ("request_headers = { set = { X = \"a\", x = \"b\" } }", &["5:", "set twice"]),
        ("rewrite_prefix = \"catalog\"", &["5:", "cannot take a prefix's place"]),
        ("rewrite_prefix = \"/a/../b\"", &["5:", "cannot take a prefix's place"]),
        ("rewrite_prefix = \"/a//b\"", &["5:", "cannot take a prefix's place"]),
        ("rewrite_prefix = \"/a?b\"", &["5:", "cannot take a prefix's place"]),
        ("rewrite_prefix = \"/a\"\nstrict_path = false", &["5:", "cannot be rewritten"]),
        ("rewrite_host = \"a b\"", &["5:", "not a host"]),
    ] {
        assert_error(&route(lines), parts);
    }
}

/// Listeners, caps, pages and backends over TLS: what is out of bounds, means nothing, or is half said.
#[test]
fn mistakes_at_the_edge() {
    for (setting, bounds) in [
        ("max_connections = 0", "from 1 to 10000000"),
        ("max_connections_per_address = 0", "from 1 to 10000000"),
        ("max_requests_per_connection = 0", "from 1 to 1000000000"),
        ("max_streams = 0", "from 1 to 10000"),
        ("max_in_flight = 0", "from 1 to 10000000"),
        ("max_header_bytes = 1023", "from 1024 to 1048576 bytes"),
        ("max_header_fields = 7", "from 8 to 10000"),
        ("max_url_bytes = \"2MiB\"", "from 64 to 1048576 bytes"),
        ("max_body = \"2PiB\"", "`max_body`"),
        ("handshake_timeout = \"0s\"", "from 1ms to 1d"),
        ("header_timeout = \"2d\"", "from 1ms to 1d"),
        ("idle_timeout = \"0s\"", "from 1ms to 1d"),
        ("body_timeout = \"0s\"", "from 1ms to 1d"),
        ("upgrade_idle_timeout = \"0s\"", "from 1ms to 1d"),
        ("min_body_rate = \"2GiB\"", "from 0 to 1073741824 bytes"),
        ("cut_within = \"1s\"", "from 2s to"),
        ("fresh_within = \"0s\"", "from 1ms to 1m"),
        ("fresh_within = \"2min\"", "from 1ms to 1m"),
        ("drain_timeout = \"2d\"", "to 1d"),
        ("keepalive_pool = 1000001", "from 0 to 1000000"),
    ] {
        let Err(report) = parse(&HEAD.replace("[server]", &format!("[server]\n{setting}"))) else {
            panic!("{setting} is taken");
        };
        let told = told(&report);
        assert!(told.iter().any(|line| line.starts_with("3:") && line.contains(bounds)), "{told:?}");
    }
    let door = |more: &str| format!("[listen]\nproxy = [{{ address = \"127.0.0.1:1\", {more} }}]\n");
    let route =
        |more: &str| format!("[[route]]\nname = \"r\"\npath = \"/\"\nupstream = \"catalog\"\n{more}\n");
    let upstream = |more: &str| format!("[[upstream]]\nname = \"b\"\nservers = [\"unix:b.sock\"]\n{more}\n");
    for (more, parts) in [
        (door("h2c = true"), &["2:", "for Unix sockets and trusted networks", "trusted = true"][..]),
        (door("h2c = true, tls = {}"), &["2:", "`h2c` is HTTP/2 without TLS"]),
        (door("redirect_to_https = 0"), &["2:", "from 1 to 65535"]),
        (door("redirect_to_https = 443, tls = {}"), &["2:", "what others redirect to"]),
        (door("proxy_protocol = [\"anywhere\"]"), &["2:", "anywhere"]),
        (door("tls = {}"), &["2:", "`tls` needs a certificate", "self-signed"]),
        (door("tls = { certificate = \"/no/such\" }"), &["2:", "cannot read /no/such"]),
        (door("tls = { certificate = \"a\", certificates = [] }"), &["2:", "beside `certificates`"]),
        (door("tls = { certificate = \"a\", min_version = \"1.1\" }"), &["2:", "\"1.2\", \"1.3\""]),
        (door("tls = { certificate = \"a\", client_ca = \"a\" }"), &["2:", "`client_ca` checks nobody"]),
        (
            door("tls = { certificate = \"a\", client_certificates = \"required\" }"),
            &["2:", "nobody says which client certificates are good", "client_ca"],
        ),
        (
            door("tls = { certificate = \"a\", hsts_subdomains = true }"),
            &["2:", "`hsts_subdomains` belongs to `hsts`"],
        ),
        (door("tls = { certificate = \"a\", hsts = \"for ever\" }"), &["2:", "for ever"]),
        (route("client_certificates = []"), &["5:", "`client_certificates` names none"]),
        (route("client_certificates = [\"acme\"]"), &["5:", "`acme` is no name of a certificate", "cn:NAME"]),
        (route("cors = { origins = [] }"), &["5:", "`origins` names none"]),
        (route("cors = { origins = [\"app.example.com\"] }"), &["5:", "is no origin"]),
        (
            route("cors = { origins = [\"*\"], credentials = true }"),
            &["5:", "no credentials where any origin may ask"],
        ),
        (route("cors = { origins = [\"https://a\"], headers = [\"a b\"] }"), &["5:", "not a header's name"]),
        (route("cors = { origins = [\"https://a\"], max_age = \"2d\" }"), &["5:", "`max_age`"]),
        (upstream("protocol = \"auto\""), &["4:", "`auto` needs `tls`"]),
        (upstream("protocol = \"http/3\""), &["4:", "\"http/1.1\", \"http/2\", \"auto\""]),
        (upstream("balance = \"random\""), &["4:", "\"round-robin\""]),
        (upstream("tls = {}"), &["4:", "a Unix socket has no name", "server_name"]),
        (upstream("tls = { server_name = \"a b\" }"), &["4:", "no name of a server"]),
        (upstream("tls = { server_name = \"a\", key = \"k\" }"), &["4:", "`key` without `certificate`"]),
        (upstream("tls = { server_name = \"a\", ca = \"/no/such\" }"), &["4:", "cannot read /no/such"]),
        (upstream("idle_timeout = \"0s\""), &["4:", "from 1ms to 1d"]),
    ] {
        assert_error(&more, parts);
    }
    // Certificates nobody asks for are no mistake of the route's alone.
    let told = warnings(&format!("{HEAD}{}", route("client_certificates = [\"cn:acme\"]")));
    assert!(told.iter().any(|line| line.contains("nobody can use route `r`")), "{told:?}");
}
