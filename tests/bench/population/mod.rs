//! A store's worth of keys: many keys of fewer consumers, one plan with two rates, no metadata.

#![allow(dead_code, unreachable_pub, reason = "shared by benchmarks that each use a part")]

use std::collections::BTreeSet;
use std::sync::Arc;

use kgate::key::{
    ConsumerId, ConsumerRecord, Digest, Format, KeyId, KeyRecord, KeyType, KeyTypes, Kind, Limit, Metadata,
    Networks, Prefix, Rate, Scheme, State, Timestamp, Token,
};
use kgate::policy::{
    Engine, FailedAuth, IndexBuilder, LimitSpec, LimitSubject, Limiter, PlanSpec, RouteSpec, Rules, Spec,
    Update,
};

pub fn now() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

/// An engine with `keys` keys, and the `Authorization` value of each.
pub fn engine(keys: usize) -> (Arc<Engine>, Vec<Vec<u8>>) {
    engine_under(rules(), keys, &|_| {})
}

/// The same under other rules, of keys changed by `change`.
pub fn engine_under(
    rules: Arc<Rules>,
    keys: usize,
    change: &dyn Fn(&mut KeyRecord),
) -> (Arc<Engine>, Vec<Vec<u8>>) {
    let mut builder = IndexBuilder::new(Arc::new(Limiter::new()));
    let headers = fill(&mut builder, keys, change);
    (Arc::new(Engine::new(rules, builder.finish())), headers)
}

pub fn fill(builder: &mut IndexBuilder, keys: usize, change: &dyn Fn(&mut KeyRecord)) -> Vec<Vec<u8>> {
    builder.reserve(keys);
    let mut rng = rand::rng();
    let holders: Vec<ConsumerId> = (0..10_000).map(|_| ConsumerId::new(now(), &mut rng)).collect();
    for id in &holders {
        builder.push(Update::Consumer(consumer(*id)));
    }
    let prefix: Prefix = "acme_live".parse().expect("a prefix");
    (0..keys)
        .map(|i| {
            let token = Token::mint(&prefix, &mut rng);
            let id = KeyId::new(now(), &mut rng);
            let mut record = key(id, holders[i % holders.len()], &token);
            change(&mut record);
            builder.push(Update::Key(record));
            format!("Bearer {}", token.expose()).into_bytes()
        })
        .collect()
}

/// `Authorization` values of well-formed tokens nobody has.
pub fn unknown(count: usize) -> Vec<Vec<u8>> {
    let prefix: Prefix = "acme_live".parse().expect("a prefix");
    let mut rng = rand::rng();
    let mint = |_| format!("Bearer {}", Token::mint(&prefix, &mut rng).expose()).into_bytes();
    (0..count).map(mint).collect()
}

pub fn rules() -> Arc<Rules> {
    rules_with(vec![limit("second", "100/s"), limit("minute", "3000/min")], "products:read")
}

/// Five limits of every key, and two scopes that are needed of three that are held. For keys changed by
/// [`loaded`].
pub fn loaded_rules() -> Arc<Rules> {
    let consumer = LimitSpec { per: LimitSubject::Consumer, ..limit("all", "900000/s") };
    let limits = [("second", "100/s"), ("minute", "3000/min"), ("hour", "90000/h"), ("day", "900000/d")];
    let limits = limits.into_iter().map(|(name, rate)| limit(name, rate)).chain([consumer]);
    rules_with(limits.collect(), "all(products:read, orders:write)")
}

/// Gives a key three scopes and four networks, the last of which is the client's.
pub fn loaded(key: &mut KeyRecord) {
    let scopes = ["products:read", "orders:write", "users:*"];
    key.scopes = scopes.map(|scope| scope.parse().expect("a scope")).into_iter().collect();
    let networks = "10.0.0.0/8,198.51.100.0/24,2001:db8::/32,192.0.2.0/24";
    key.networks = networks.parse().expect("networks");
}

fn limit(name: &str, rate: &str) -> LimitSpec {
    let rate: Rate = rate.parse().expect("a rate");
    let limit = Limit::Rate { rate, burst: rate.count().max(1_000) };
    LimitSpec { name: name.into(), limit, per: LimitSubject::Key, shadow: false }
}

fn rules_with(limits: Vec<LimitSpec>, scopes: &str) -> Arc<Rules> {
    let key_type = KeyType {
        name: "live".into(),
        prefix: "acme_live".parse().expect("a prefix"),
        environment: "live".into(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    };
    let spec = Spec {
        key_types: KeyTypes::new(vec![key_type]),
        plans: vec![PlanSpec { name: "pro".into(), limits }],
        default_plan: Some("pro".into()),
        routes: vec![RouteSpec {
            name: "products".into(),
            path: "/v1/products/**".into(),
            scopes: scopes.parse().expect("a requirement"),
            ..RouteSpec::default()
        }],
        upstreams: 1,
        failed_auth: Some(FailedAuth {
            rate: "60/min".parse().expect("a rate"),
            burst: 60,
            exempt: Networks::default(),
        }),
        ..Spec::default()
    };
    Arc::new(Rules::compile(spec).expect("good rules"))
}

pub fn consumer(id: ConsumerId) -> ConsumerRecord {
    ConsumerRecord {
        id,
        external_id: None,
        name: "Acme".into(),
        contact: None,
        plan: None,
        enabled: true,
        metadata: Metadata::new(),
        tags: BTreeSet::new(),
        created_at: now(),
    }
}

pub fn key(id: KeyId, consumer: ConsumerId, token: &Token) -> KeyRecord {
    KeyRecord {
        id,
        consumer,
        name: String::new(),
        key_type: "live".into(),
        prefix: "acme_live".into(),
        last_four: token.last_four().into(),
        digest: Digest::sha256(token.expose().as_bytes()),
        scheme: Scheme::Sha256,
        scopes: ["products:read", "orders:write"].map(|s| s.parse().expect("a scope")).into_iter().collect(),
        plan: None,
        networks: Networks::default(),
        metadata: Metadata::new(),
        state: State::Enabled,
        created_at: now(),
        not_before: None,
        expires_at: None,
        rotated_from: None,
        rotated_to: None,
        replaces_until: None,
    }
}
