use std::collections::BTreeMap;

use super::*;

fn spec(servers: &[&str], balance: Balance) -> config::Upstream {
    let second = Duration::from_secs(1);
    config::Upstream {
        name: "u".to_owned(),
        servers: servers.iter().map(|s| Address::Tcp(s.parse().unwrap())).collect(),
        weights: vec![1; servers.len()],
        balance,
        health: None,
        ejection: Some(Ejection { failures: 2, lasts: second, server_errors: false }),
        tls: None,
        protocol: crate::config::Protocol::Http1,
        shared_secret: None,
        jwt: None,
        hmac_secret: None,
        forward_metadata: Vec::new(),
        connect_timeout: second,
        response_timeout: second,
        total_timeout: None,
        idle_timeout: second,
    }
}

fn made(spec: &config::Upstream) -> Upstream {
    Upstream::new(spec, None).unwrap()
}

fn upstream(count: u16, balance: Balance) -> Upstream {
    let servers: Vec<String> = (1..=count).map(|port| format!("127.0.0.1:{port}")).collect();
    made(&spec(&servers.iter().map(String::as_str).collect::<Vec<_>>(), balance))
}

fn port(chosen: &Chosen) -> u16 {
    chosen.socket_address().unwrap().port()
}

fn turn(upstream: &Upstream, now: u64) -> u16 {
    port(&upstream.pick(|| None, now, None).unwrap())
}

fn turns(upstream: &Upstream, now: u64, count: usize) -> Vec<u16> {
    (0..count).map(|_| turn(upstream, now)).collect()
}

fn endpoint(upstream: &Upstream, port: u16) -> Arc<Endpoint> {
    upstream.endpoints().into_iter().find(|e| e.socket_address().unwrap().port() == port).unwrap()
}

fn fails(upstream: &Upstream, port: u16, now: u64) -> Option<usize> {
    upstream.failed(&endpoint(upstream, port), now)
}

/// A second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;

#[test]
fn servers_take_turns_and_one_that_fails_is_passed_over_until_a_request_to_it_succeeds() {
    let upstream = upstream(3, Balance::RoundRobin);
    assert_eq!(turns(&upstream, 1, 6), [1, 2, 3, 1, 2, 3]);
    assert_eq!(fails(&upstream, 2, 1), None, "once is no habit");
    assert_eq!(fails(&upstream, 2, 1), Some(1));
    assert_eq!(fails(&upstream, 2, 1), None, "it is known");
    assert_eq!(turns(&upstream, 2, 4).iter().filter(|p| **p == 2).count(), 0);
    // Its time is over: one request tries it, and no other until that one is done or as long again.
    assert_eq!(turns(&upstream, 2 + SECOND, 5).iter().filter(|p| **p == 2).count(), 1);
    assert_eq!(upstream.answered(&endpoint(&upstream, 2), 200, 3 + SECOND), Some(0));
    assert_eq!(upstream.answered(&endpoint(&upstream, 2), 200, 3 + SECOND), None);
    assert_eq!(turns(&upstream, 4 + SECOND, 6).iter().filter(|p| **p == 2).count(), 2);
}

#[test]
fn a_failed_trial_lasts_as_long_again() {
    let upstream = upstream(2, Balance::RoundRobin);
    fails(&upstream, 1, 1);
    fails(&upstream, 1, 1);
    assert!(turns(&upstream, 2 + SECOND, 3).contains(&1));
    assert_eq!(fails(&upstream, 1, 3 + SECOND), None);
    assert!(!turns(&upstream, 2 * SECOND, 20).contains(&1));
    assert!(turns(&upstream, 4 + 2 * SECOND, 3).contains(&1));
}

#[test]
fn a_success_between_failures_forgives_them() {
    let upstream = upstream(2, Balance::RoundRobin);
    for _ in 0..10 {
        assert_eq!(fails(&upstream, 1, 1), None);
        assert_eq!(upstream.answered(&endpoint(&upstream, 1), 500, 1), None, "an answer is an answer");
    }
    assert_eq!(turns(&upstream, 2, 4), [1, 2, 1, 2]);
}

#[test]
fn server_errors_count_where_that_is_asked_for() {
    let mut spec = spec(&["127.0.0.1:1", "127.0.0.1:2"], Balance::RoundRobin);
    spec.ejection = Some(Ejection { failures: 2, lasts: Duration::from_secs(1), server_errors: true });
    let upstream = made(&spec);
    let one = endpoint(&upstream, 1);
    assert_eq!(upstream.answered(&one, 503, 1), None);
    assert_eq!(upstream.answered(&one, 500, 1), Some(1));
    assert_eq!(turns(&upstream, 2, 3), [2, 2, 2]);
}

#[test]
fn with_all_servers_failing_they_are_still_tried() {
    for balance in [Balance::RoundRobin, Balance::LeastInFlight, Balance::ByKey] {
        let upstream = upstream(2, balance);
        for server in [1, 1, 2, 2] {
            fails(&upstream, server, 1);
        }
        let mut tried = turns(&upstream, 2, 10);
        tried.sort_unstable();
        tried.dedup();
        assert_eq!(tried, [1, 2], "{balance:?}");
        // The first that answers takes all of it.
        assert_eq!(upstream.answered(&endpoint(&upstream, 2), 200, 3), Some(1));
        assert_eq!(turns(&upstream, 4, 3), [2, 2, 2], "{balance:?}");
    }
}

#[test]
fn a_second_attempt_goes_to_another_server_if_there_is_one() {
    for balance in [Balance::RoundRobin, Balance::LeastInFlight, Balance::ByKey, Balance::ByConsumer] {
        let two = upstream(2, balance);
        for caller in 0..10 {
            let first = two.pick(|| Some(pool::hash(&[caller])), 1, None).unwrap();
            let second = two.pick(|| Some(pool::hash(&[caller])), 1, Some(&first)).unwrap();
            assert_ne!(port(&first), port(&second), "{balance:?}");
        }
        let one = upstream(1, balance);
        let first = one.pick(|| None, 1, None).unwrap();
        assert_eq!(port(&one.pick(|| None, 1, Some(&first)).unwrap()), 1);
    }
}

#[test]
fn weights_are_kept_exactly_and_evenly_spread() {
    let mut spec = spec(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], Balance::RoundRobin);
    spec.weights = vec![5, 1, 1];
    let upstream = made(&spec);
    // The textbook sequence of the smooth weighted round robin.
    assert_eq!(turns(&upstream, 1, 7), [1, 1, 2, 1, 3, 1, 1]);
    spec.weights = vec![50, 100, 50];
    let upstream = made(&spec);
    let taken = turns(&upstream, 1, 400);
    for (server, share) in [(1, 100), (2, 200), (3, 100)] {
        assert_eq!(taken.iter().filter(|p| **p == server).count(), share);
    }
}

#[test]
fn the_idlest_server_for_its_weight_is_chosen() {
    let mut spec = spec(&["127.0.0.1:1", "127.0.0.1:2"], Balance::LeastInFlight);
    spec.weights = vec![3, 1];
    let upstream = made(&spec);
    let held: Vec<Chosen> = (0..40).map(|_| upstream.pick(|| None, 1, None).unwrap()).collect();
    assert_eq!(held.iter().filter(|chosen| port(chosen) == 1).count(), 30);
    // Whoever is done first gets the next one.
    let mut held = held;
    held.retain(|chosen| port(chosen) == 1);
    assert_eq!((0..9).map(|_| turn(&upstream, 1)).collect::<Vec<_>>(), [2; 9]);
    drop(held);
    let evenly = turns(&upstream, 1, 8);
    assert!(evenly.contains(&1) && !evenly.is_empty(), "all are idle again: {evenly:?}");
}

fn homes(upstream: &Upstream, callers: u32) -> BTreeMap<u32, u16> {
    let home =
        |caller: u32| port(&upstream.pick(|| Some(pool::hash(&caller.to_be_bytes())), 1, None).unwrap());
    (0..callers).map(|caller| (caller, home(caller))).collect()
}

#[test]
fn a_caller_stays_with_its_server_and_only_those_of_a_server_that_goes_move() {
    let five = upstream(5, Balance::ByKey);
    let before = homes(&five, 10_000);
    assert_eq!(before, homes(&upstream(5, Balance::ByKey), 10_000), "another process chooses alike");
    for server in 1..=5 {
        let share = before.values().filter(|home| **home == server).count();
        assert!((1_800..=2_200).contains(&share), "server {server} has {share} of 10,000");
    }
    fails(&five, 3, 1);
    fails(&five, 3, 1);
    let after = homes(&five, 10_000);
    for (caller, home) in &before {
        assert!(*home == 3 || after[caller] == *home, "caller {caller} moved from {home}");
        assert_ne!(after[caller], 3);
    }
    let four = homes(&upstream(4, Balance::ByKey), 10_000);
    let moved = before.iter().filter(|(caller, home)| four[caller] != **home).count();
    let had = before.values().filter(|home| **home == 5).count();
    assert_eq!(moved, had, "taking the fifth away moves those of the fifth");
}

#[test]
fn weights_hold_for_callers_too() {
    let mut spec = spec(&["127.0.0.1:1", "127.0.0.1:2"], Balance::ByConsumer);
    spec.weights = vec![3, 1];
    let homes = homes(&made(&spec), 10_000);
    let share = homes.values().filter(|home| **home == 1).count();
    assert!((7_300..=7_700).contains(&share), "{share} of 10,000");
}

#[test]
fn questions_take_a_server_out_and_bring_it_back() {
    let upstream = upstream(2, Balance::RoundRobin);
    let one = endpoint(&upstream, 1);
    let checked = |is_well| one.vitals.checked(is_well, 2, 3).then(|| upstream.remake());
    assert_eq!([false, true, false, false].map(checked), [None; 4], "three bad ones in a row, no fewer");
    assert_eq!(checked(false), Some(1));
    assert_eq!(turns(&upstream, 1, 3), [2, 2, 2]);
    assert_eq!([true, false, true].map(checked), [None; 3]);
    assert_eq!(checked(true), Some(0));
    assert!(turns(&upstream, 1, 3).contains(&1));
}

#[test]
fn a_name_is_as_many_servers_as_it_has_addresses_and_keeps_them_when_nothing_is_found() {
    let mut spec = spec(&[], Balance::RoundRobin);
    spec.servers = vec![Address::Name("backend.internal".to_owned(), 80)];
    spec.weights = vec![1];
    let upstream = made(&spec);
    assert!(upstream.pick(|| None, 1, None).is_none(), "it was never looked up");
    let at = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
    assert_eq!(upstream.found(0, &at(&["127.0.0.1:1", "127.0.0.1:2"])), Some(0));
    assert_eq!(upstream.found(0, &at(&["127.0.0.1:2", "127.0.0.1:1"])), None, "turned round is the same");
    assert_eq!(turns(&upstream, 1, 4), [1, 2, 1, 2]);
    fails(&upstream, 2, 1);
    fails(&upstream, 2, 1);
    assert_eq!(upstream.found(0, &at(&["127.0.0.1:2", "127.0.0.1:3"])), Some(1), "2 is still ill");
    assert_eq!(turns(&upstream, 2, 3), [3, 3, 3]);
    assert_eq!(upstream.found(0, &[]), None);
    assert_eq!(turns(&upstream, 2, 2), [3, 3]);
    // A reload knows all that.
    let next = Upstream::new(&spec, Some(&upstream)).unwrap();
    assert_eq!(turns(&next, 2, 3), [3, 3, 3]);
    let many: Vec<SocketAddr> = (1..=1000).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
    next.found(0, &many);
    assert_eq!(next.endpoints().len(), MAX_ADDRESSES);
}

#[test]
fn new_names_are_looked_up_before_the_first_request() {
    let mut spec = spec(&[], Balance::RoundRobin);
    spec.servers = vec![
        Address::Name("localhost".to_owned(), 4711),
        Address::Name("does-not-exist.invalid".to_owned(), 1),
    ];
    spec.weights = vec![1, 1];
    let upstreams = [made(&spec)];
    look_up_new_names(&upstreams);
    let chosen = upstreams[0].pick(|| None, 1, None).unwrap();
    assert!(chosen.socket_address().unwrap().ip().is_loopback());
    assert_eq!(port(&chosen), 4711);
}
