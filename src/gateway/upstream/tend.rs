//! What is done about upstreams beside requests: names looked up again, servers asked whether they are well.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::Upstream;
use super::pool::Endpoint;
use crate::config::{HealthCheck, IdentityHeaders};
use crate::gateway::Gateway;
use crate::gateway::setup::Setup;

/// Looks after the upstreams of the configuration in force, until it is dropped.
pub(in crate::gateway) async fn tend(gateway: Arc<Gateway>) {
    let mut changed = gateway.changed.subscribe();
    loop {
        changed.borrow_and_update();
        let setup = gateway.setup();
        // Dropped with all it holds when there is another configuration.
        let mut tasks = JoinSet::new();
        for index in 0..setup.upstreams.len() {
            if setup.upstreams[index].health.is_some() {
                tasks.spawn(ask_all(Arc::clone(&setup), index));
            }
            let names: Vec<_> =
                setup.upstreams[index].names().map(|(at, host, port)| (at, host.to_owned(), port)).collect();
            for name in names {
                tasks.spawn(look_up(Arc::clone(&setup), index, name));
            }
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}

/// Looks a name up again and again. The resolver's threads do it: no request waits for them.
async fn look_up(setup: Arc<Setup>, upstream: usize, (server, host, port): (usize, String, u16)) {
    let mut turns = every(RESOLVE_EVERY);
    loop {
        turns.tick().await;
        if let Ok(Ok(found)) = timeout(RESOLVE_FOR, tokio::net::lookup_host((host.as_str(), port))).await {
            let found: Vec<_> = found.collect();
            if let Some(down) = setup.upstreams[upstream].found(server, &found) {
                setup.set_down(upstream, down);
            }
        }
    }
}

/// Asks every server of an upstream again and again.
async fn ask_all(setup: Arc<Setup>, index: usize) {
    let upstream = &setup.upstreams[index];
    let Some(check) = upstream.health.clone() else { return };
    let connector = Arc::new(Connector::new(None));
    let mut turns = every(check.interval);
    loop {
        turns.tick().await;
        let mut questions = JoinSet::new();
        for endpoint in upstream.pool.load().all() {
            let (endpoint, check) = (Arc::clone(endpoint), check.clone());
            let (connector, head) = (Arc::clone(&connector), question(upstream, &check, &endpoint));
            questions.spawn(async move {
                let is_well = match head {
                    Some(head) => {
                        timeout(check.timeout, ask(&connector, &endpoint, head)).await == Ok(Some(true))
                    }
                    None => false,
                };
                endpoint.vitals.checked(is_well, check.healthy, check.unhealthy)
            });
        }
        let changes = questions.join_all().await;
        if changes.into_iter().any(|has_changed| has_changed) {
            setup.set_down(index, upstream.remake());
        }
    }
}

/// Asks one server; whether it answered well, `None` if it did not answer.
async fn ask(connector: &Connector, endpoint: &Endpoint, head: RequestHeader) -> Option<bool> {
    let mut peer: HttpPeer = endpoint.peer().clone();
    peer.options.read_timeout = None;
    let (mut session, _) = connector.get_http_session(&peer).await.ok()?;
    let head = if session.as_http2().is_some() { head_of_http2(head, peer.is_tls())? } else { head };
    session.write_request_header(Box::new(head)).await.ok()?;
    session.finish_request_body().await.ok()?;
    session.read_response_header().await.ok()?;
    let status = session.response_header()?.status.as_u16();
    // Not kept: the next question is to find out whether it still accepts connections.
    session.shutdown().await;
    Some((200..400).contains(&status))
}

fn question(upstream: &Upstream, check: &HealthCheck, endpoint: &Endpoint) -> Option<RequestHeader> {
    let mut head = RequestHeader::build("GET", check.path.as_bytes(), None).ok()?;
    let address = endpoint.socket_address().map_or_else(|| "localhost".to_owned(), |at| at.to_string());
    head.insert_header(HOST, check.host.as_deref().unwrap_or(&address)).ok()?;
    head.insert_header(USER_AGENT, "kgate-health").ok()?;
    head.insert_header(CONNECTION, HeaderValue::from_static("close")).ok()?;
    if let Some(secret) = &upstream.secret {
        head.insert_header(IdentityHeaders::SECRET, secret.clone()).ok()?;
    }
    Some(head)
}

/// Puts the host where HTTP/2 has it (RFC 9113 §8.3.1).
fn head_of_http2(mut head: RequestHeader, is_tls: bool) -> Option<RequestHeader> {
    let host = head.remove_header(&HOST)?;
    head.remove_header(&CONNECTION);
    let path = String::from_utf8(head.raw_path().to_vec()).ok()?;
    let scheme = if is_tls { "https" } else { "http" };
    let uri = http::Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(path).build();
    head.set_uri(uri.ok()?);
    head.set_version(http::Version::HTTP_2);
    Some(head)
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut turns = interval_at(Instant::now(), period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

/// How often a name is looked up. The resolver does not tell the record's own time to live.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);

/// Beyond that the resolver is as good as silent, and what is known goes on.
const RESOLVE_FOR: Duration = Duration::from_secs(8);
