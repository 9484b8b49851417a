use std::path::Path;

use proptest::prelude::*;

use super::*;

const CONFIG: &str = r#"data_dir = "d"
[server]
default_plan = "p"
[identity_headers]
"X-Consumer-Name" = "X-Consumer-Username"
"X-Consumer-Meta-*" = "X-Tenant-*"
"X-Consumer-Meta-Tier" = "X-Tier"
[[key_type]]
name = "live"
prefix = "acme_live"
[plans.p]
[[upstream]]
name = "b"
servers = ["127.0.0.1:1"]
forward_metadata = ["tier", "region"]
[[route]]
name = "r"
path = "/**"
key_header = "X-Api-Key"
upstream = "b"
"#;

fn strip_set() -> StripSet {
    let config = Config::parse(Path::new("kgate.toml"), CONFIG).unwrap().config;
    let metadata = config.upstreams[0].forward_metadata.iter();
    let names = &config.identity_headers;
    let metadata = metadata.map(|key| (key.clone(), header_name(&names.meta_name(key)))).collect();
    let told = Told { metadata, secret: None, token: None, code: None };
    StripSet::new(names, &[told], &[HeaderName::from_static("x-api-key")])
}

const OURS: &[&str] = &[
    "x-consumer-id",
    "x-consumer-name",
    "x-consumer-username",
    "x-consumer-external-id",
    "x-consumer-scopes",
    "x-consumer-plan",
    "x-key-id",
    "x-ratelimit-remaining",
    "x-kgate-secret",
    "x-consumer-meta-",
    "x-consumer-meta-anything",
    "x-tenant-region",
    "x-tenant-",
    "x-tier",
    "x-api-key",
];

#[test]
fn every_spelling_of_every_identity_header_is_removed() {
    let set = strip_set();
    for name in OURS {
        for with in ["-", "_", ".", "~", "!", "'", "|"] {
            let spelling = name.replace('-', with);
            assert!(set.contains(&spelling), "{spelling}");
            assert!(set.contains(&spelling.to_uppercase()), "{spelling}");
        }
    }
}

#[test]
fn other_headers_stay() {
    let set = strip_set();
    for name in [
        "accept",
        "host",
        "user-agent",
        "x-request-id",
        "x-consumer",
        "x-consumer-ids",
        "x-consumer-i",
        "xconsumer-id",
        "x-key",
        "x-ratelimit-limit",
        "x-tenan",
        "x-consumer-met",
        "authorization",
        "x",
        "a-consumer-id",
    ] {
        assert!(!set.contains(name), "{name}");
    }
}

#[test]
fn values_share_a_buffer_and_stay_apart() {
    let (a, b, c) = ("x-a", "x-b", "x-c");
    let names = [a, b, c].map(HeaderName::from_static);
    let mut values = Values::with_room(3, 64);
    values.text(&names[0], Some("Acme\r\nX-Evil: 1"));
    values.text(&names[1], Some(""));
    values.push(&names[2], |out| push_number(42, out));
    let mut head = HeaderMap::new();
    head.append(a, HeaderValue::from_static("spoofed"));
    values.each(|name, value| head.set(name, value));
    assert_eq!(head.get_all(a).iter().collect::<Vec<_>>(), ["Acme%0D%0AX-Evil: 1"]);
    assert!(!head.contains_key(b));
    assert_eq!(head[c], "42");
}

#[test]
fn a_referer_with_a_key_goes_and_any_other_stays() {
    let config = Config::parse(Path::new("kgate.toml"), CONFIG).unwrap().config;
    let token = crate::key::Token::mint(&config.key_types.as_slice()[0].prefix, &mut rand::rng());
    let identification = Identification::new(&config, &Arc::default());
    let page = "https://a.example/page?key=";
    for (referer, stays) in [(page.to_owned() + token.expose(), false), (page.to_owned() + "a", true)] {
        let mut head = HeaderMap::new();
        head.insert(REFERER, HeaderValue::from_str(&referer).unwrap());
        identification.strip(&mut head, true);
        assert_eq!(head.contains_key(REFERER), stays, "{referer}");
    }
}

proptest! {
    #[test]
    fn a_name_goes_exactly_if_its_canonical_form_is_ours(name in "[a-z0-9_.-]{1,24}", at in 0..OURS.len()) {
        let set = strip_set();
        let is_ours = |name: &str| {
            let canonical = canonical_name(name);
            OURS.contains(&canonical.as_str())
                || canonical.starts_with("x-consumer-meta-")
                || canonical.starts_with("x-tenant-")
                || canonical.starts_with("x-kgate-")
        };
        prop_assert_eq!(set.contains(&name), is_ours(&name));
        let near = format!("{}{}", OURS[at], &name[..1]);
        prop_assert_eq!(set.contains(&near), is_ours(&near));
    }
}
