mod model;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::key::Timestamp;
use crate::policy::{PlanSpec, Spec};

const SECOND: u64 = 1_000_000_000;

type Case<'a> = (&'a str, &'a str, u64, LimitSubject);

/// Reads `10/s`, `10/month` or `10` (in work); the number beside a rate is its burst.
fn limit(text: &str, burst: u64) -> Limit {
    if let Ok(rate) = text.parse() {
        return Limit::Rate { rate, burst };
    }
    text.parse().map_or_else(|_| Limit::Quota(text.parse().unwrap()), Limit::Concurrent)
}

fn rules_of(plans: Vec<Vec<LimitSpec>>) -> Arc<Rules> {
    let plans = plans.into_iter().enumerate();
    let plans = plans.map(|(i, limits)| PlanSpec { name: format!("p{i}"), limits }).collect();
    Arc::new(Rules::compile(Spec { plans, ..Spec::default() }).unwrap())
}

fn specs(limits: &[Case]) -> Vec<LimitSpec> {
    let spec = |(name, text, burst, per): &Case| LimitSpec {
        name: (*name).into(),
        limit: limit(text, *burst),
        per: *per,
        shadow: false,
    };
    limits.iter().map(spec).collect()
}

/// The meters of one plan: each, in its order, and all.
struct Plan {
    each: Box<[Meter]>,
    all: Arc<Meters>,
}

fn plan(limiter: &Limiter, rules: &Rules) -> Plan {
    let each = limiter.meters(rules).remove(0);
    let all = Arc::new(Meters::of(&[&each], rules));
    Plan { each, all }
}

fn meters(limiter: &Limiter, limits: &[Case]) -> Plan {
    plan(limiter, &rules_of(vec![specs(limits)]))
}

fn at(mono: u64) -> Now {
    Now { wall: Timestamp::from_millis(i64::try_from(mono / 1_000_000).unwrap_or(i64::MAX)), mono }
}

fn rows(key: Row, consumer: Row) -> Rows {
    Rows { key, consumer, route: 0, address: 0 }
}

fn result(of: impl FnOnce(&mut Passed) -> Outcome) -> Result<Option<Standing>, Standing> {
    let mut passed = Passed::default();
    let outcome = of(&mut passed);
    match outcome {
        Outcome::Passed => Ok(passed.standing),
        Outcome::Refused(standing) => Err(standing),
        Outcome::Lacks(_) => panic!("no quota here"),
    }
}

fn charge(
    limiter: &Limiter,
    plan: &Plan,
    key: Row,
    consumer: Row,
    mono: u64,
) -> Result<Option<Standing>, Standing> {
    result(|passed| limiter.charge(&plan.all, rows(key, consumer), None, at(mono), 1, passed))
}

fn peek(
    limiter: &Limiter,
    meters: &[Meter],
    key: Row,
    consumer: Row,
    mono: u64,
) -> Result<Option<Standing>, Standing> {
    result(|passed| limiter.peek(meters, rows(key, consumer), None, at(mono), 1, passed))
}

use LimitSubject::{Address, Consumer, Key};

#[test]
fn of_one_address_exactly_the_burst_passes_whatever_comes_beside_it() {
    const FITS: u64 = 200_000;
    let limiter = Limiter::new();
    let meters = meters(&limiter, &[("a", "24/h", FITS, Address), ("b", "500000/d", 500_000, Key)]);
    let passed = AtomicU64::new(0);
    let start = std::sync::Barrier::new(8);
    let ask = |client: u32, key, mono| {
        let client = Some(std::net::Ipv4Addr::from(client).into());
        result(|passed| limiter.charge(&meters.all, rows(key, 0), client, at(mono), 1, passed)).is_ok()
    };
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (ask, start, passed) = (&ask, &start, &passed);
            scope.spawn(move || {
                start.wait();
                for number in 0..60_000 {
                    // Always seen later than the others, so never driven out by them, however they fall.
                    passed.fetch_add(u64::from(ask(7, 0, SECOND + 1)), Ordering::Relaxed);
                    if number % 8 == 0 {
                        // A key for each thread: only the sets of addresses are shared.
                        let other = ask(1000 + thread * 100_000 + number, thread + 1, SECOND);
                        assert!(other, "another address");
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), FITS);
    let left = peek(&limiter, &meters.each[1..], 0, 0, SECOND).unwrap().unwrap();
    assert_eq!(left.remaining + 1, 500_000 - FITS, "what an address was refused cost the key nothing");
}

#[test]
fn a_burst_passes_exactly_and_the_wait_is_exact() {
    let limiter = Limiter::new();
    let meters = meters(&limiter, &[("a", "10/s", 5, Key)]);
    let start = 7 * SECOND;
    for left in (0_u64..5).rev() {
        let standing = charge(&limiter, &meters, 0, 0, start).unwrap().unwrap();
        assert_eq!(standing.remaining, left);
        assert_eq!(standing.reset(), Duration::from_millis(100 * (5 - left)));
        assert_eq!(standing.retry_after().is_zero(), left > 0);
    }
    let refused = charge(&limiter, &meters, 0, 0, start).unwrap_err();
    assert_eq!(refused.retry_after(), Duration::from_millis(100));
    assert_eq!(refused.remaining, 0);
    let at = start + SECOND / 10;
    assert!(charge(&limiter, &meters, 0, 0, at - TICK_NANOS).is_err());
    assert!(charge(&limiter, &meters, 0, 0, at).is_ok(), "a refused request spends nothing");
    assert!(charge(&limiter, &meters, 1, 0, start).is_ok(), "another key has its own count");
}

#[test]
fn of_several_limits_all_are_charged_or_none() {
    let limiter = Limiter::new();
    let meters = meters(
        &limiter,
        &[("day", "100/d", 100, Key), ("burst", "1/s", 2, Key), ("all", "50/h", 50, Consumer)],
    );
    for _ in 0..2 {
        charge(&limiter, &meters, 3, 4, SECOND).unwrap();
    }
    for _ in 0..1000 {
        let refused = charge(&limiter, &meters, 3, 4, SECOND).unwrap_err();
        assert_eq!(refused.limit, LimitRef::new(0, 1));
    }
    let day = peek(&limiter, &meters.each[..1], 3, 4, SECOND).unwrap().unwrap();
    assert_eq!(day.remaining, 97, "two spent and one peeked at");
    assert_eq!(peek(&limiter, &meters.each[2..], 3, 4, SECOND).unwrap().unwrap().remaining, 47);
    assert_eq!(
        peek(&limiter, &meters.each[2..], 9, 4, SECOND).unwrap().unwrap().remaining,
        47,
        "keys share it"
    );
}

#[test]
fn a_raised_limit_helps_at_once_and_keeps_its_count() {
    let limiter = Limiter::new();
    let before = meters(&limiter, &[("a", "10/min", 10, Key)]);
    for _ in 0..10 {
        charge(&limiter, &before, 0, 0, SECOND).unwrap();
    }
    assert!(charge(&limiter, &before, 0, 0, SECOND).is_err());
    let raised = meters(&limiter, &[("a", "100/min", 100, Key)]);
    let standing = charge(&limiter, &raised, 0, 0, SECOND).unwrap().unwrap();
    assert_eq!(standing.remaining, 89, "ten were used before, one now");
    let lowered = meters(&limiter, &[("a", "5/min", 5, Key)]);
    assert!(charge(&limiter, &lowered, 0, 0, SECOND).is_err());
    let gone = meters(&limiter, &[("b", "5/min", 5, Key)]);
    assert_eq!(charge(&limiter, &gone, 0, 0, SECOND).unwrap().unwrap().remaining, 4);
}

#[test]
fn a_row_given_back_comes_again_with_nothing_counted() {
    let limiter = Limiter::new();
    let meters = meters(&limiter, &[("a", "1/d", 1, Key)]);
    let rows: Vec<Row> = (0..2000).map(|_| limiter.take_row(Key)).collect();
    for row in &rows {
        charge(&limiter, &meters, *row, 0, SECOND).unwrap();
        limiter.give_back(Key, *row);
    }
    for _ in 0..900 {
        let row = limiter.take_row(Key);
        assert!(rows.contains(&row), "memory is used again");
        assert!(charge(&limiter, &meters, row, 0, SECOND).is_ok());
    }
}

#[test]
fn eight_threads_get_exactly_what_the_limit_allows() {
    const FITS: u64 = 400_000;
    for limits in [
        &[("a", "400000/d", FITS, Key)][..],
        &[("a", "500000/d", 500_000, Key), ("b", "400000/d", FITS, Key)],
        &[
            ("a", "500000/d", 500_000, Key),
            ("b", "400000/d", FITS, Consumer),
            ("c", "600000/d", 600_000, Consumer),
        ],
    ] {
        let limiter = Limiter::new();
        let meters = meters(&limiter, limits);
        let passed = AtomicU64::new(0);
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let mine =
                        (0..80_000).filter(|_| charge(&limiter, &meters, 0, 0, SECOND).is_ok()).count();
                    passed.fetch_add(mine as u64, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(passed.into_inner(), FITS, "{limits:?}");
        for (i, (_, _, burst, _)) in limits.iter().enumerate() {
            let left =
                peek(&limiter, &meters.each[i..=i], 0, 0, SECOND).map_or(0, |s| s.unwrap().remaining + 1);
            assert_eq!(left, burst - FITS, "every limit was charged for what passed");
        }
    }
}

#[test]
fn time_that_runs_out_refuses() {
    let limiter = Limiter::new();
    let meters = meters(&limiter, &[("a", "1/s", 5, Key)]);
    assert!(charge(&limiter, &meters, 0, 0, u64::MAX).is_err());
}

proptest! {
    /// The model is a leaky bucket that counts what is in it, not when it will be empty.
    #[test]
    fn it_agrees_with_a_sequential_model(
        limits in prop::collection::vec((1u64..2000, 0usize..3, 1u64..20, any::<bool>()), 1..4),
        steps in prop::collection::vec((0u64..200_000_000, 0u32..3, 0u32..2), 1..200),
    ) {
        let rates: Vec<String> = limits.iter().map(|l| format!("{}/{}", l.0, ["s", "min", "h"][l.1])).collect();
        let names = ["a", "b", "c"];
        let spec: Vec<_> = limits
            .iter()
            .zip(&rates)
            .zip(names)
            .map(|((l, rate), name)| (name, rate.as_str(), l.2, if l.3 { Key } else { Consumer }))
            .collect();
        let limiter = Limiter::new();
        let meters = meters(&limiter, &spec);
        let mut levels = vec![[(0_u64, 0_u64); 3]; limits.len()];
        let mut now = 0;
        for (wait, key, consumer) in steps {
            now += wait / TICK_NANOS * TICK_NANOS;
            let ticks = now / TICK_NANOS;
            let mut room = true;
            for (i, l) in limits.iter().enumerate() {
                let interval = ([1, 60, 3600][l.1] * SECOND).div_ceil(l.0 * TICK_NANOS);
                let (level, at) = &mut levels[i][if l.3 { key } else { consumer } as usize];
                *level = level.saturating_sub(ticks - *at);
                *at = ticks;
                room &= *level + interval <= interval * l.2;
            }
            if room {
                for (i, l) in limits.iter().enumerate() {
                    let interval = ([1, 60, 3600][l.1] * SECOND).div_ceil(l.0 * TICK_NANOS);
                    levels[i][if l.3 { key } else { consumer } as usize].0 += interval;
                }
            }
            prop_assert_eq!(peek(&limiter, &meters.each, key, consumer, now).is_ok(), room);
            prop_assert_eq!(charge(&limiter, &meters, key, consumer, now).is_ok(), room);
        }
    }
}
