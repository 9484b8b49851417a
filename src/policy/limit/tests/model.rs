//! Rates, quotas and requests in work, all at once, against what they mean: while clocks jump, processes stop in
//! order or die, and many threads ask.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicI64;

use super::*;
use crate::key::{KeyId, Quota, QuotaSubject};
use crate::policy::want::Leftover;

const WEEK: i64 = 7 * 86_400;

/// Within a week: only a step leads to another.
const START: i64 = 2_900 * WEEK + WEEK / 2;

/// What the usage file says was granted, by key and week: all that outlives a process.
type File = HashMap<(Row, u32), u64>;

/// The limits of one plan, which every key has.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    /// A second, and as many at once.
    rate: u64,
    /// A week.
    quota: u64,
    at_once: u64,
    /// How much of the quota a process is granted in one go.
    grant: u64,
}

impl Allowed {
    fn meters(self, limiter: &Limiter) -> Plan {
        let texts = (format!("{}/s", self.rate), format!("{}/week", self.quota), self.at_once.to_string());
        let (rate, quota, at_once) = (texts.0.as_str(), texts.1.as_str(), texts.2.as_str());
        meters(
            limiter,
            &[("rate", rate, self.rate, Key), ("quota", quota, 0, Key), ("at-once", at_once, 0, Key)],
        )
    }
}

fn quota_of(plan: &Plan) -> (&Meter, Quota) {
    let quota = |meter: &'_ Meter| if let MeterKind::Quota(quota) = meter.kind { Some(quota) } else { None };
    plan.each.iter().find_map(|meter| Some((meter, quota(meter)?))).expect("there is one")
}

/// Asks as a request does, with grants fetched from `file`. `Err` is the limit that refused.
fn ask(
    limiter: &Limiter,
    plan: &Plan,
    (file, grant): (&Mutex<File>, u64),
    key: Row,
    now: Now,
) -> Result<Held, LimitRef> {
    loop {
        let mut passed = Passed::default();
        match limiter.charge(&plan.all, rows(key, 0), None, now, 1, &mut passed) {
            Outcome::Passed => return Ok(plan.all.hold(rows(key, 0)).expect("some are limited at once")),
            Outcome::Refused(standing) => return Err(standing.limit),
            Outcome::Lacks(_) => {
                let (meter, quota) = quota_of(plan);
                let week = quota.window().number(now.wall);
                let mut file = file.lock().unwrap();
                let granted = file.entry((key, week)).or_default();
                let added = grant.min(quota.count() - *granted);
                *granted += added;
                // With the file held, as the one thread does that grants.
                Limiter::deposit(meter, key, week, *granted, added, 0);
            }
        }
    }
}

/// What the model knows of one key in one process.
#[derive(Clone, Copy, Default)]
struct Life {
    /// How full the bucket of the rate is, in ticks, and when it was.
    level: u64,
    at: u64,
    in_work: u64,
    /// The week that is counted, what the file had granted of it, and what of that is here and not spent.
    week: u32,
    granted: u64,
    left: u64,
}

/// Everything as it should be, one thing after another.
struct Model {
    allowed: Allowed,
    lives: [Life; 2],
    file: File,
    passed: File,
    /// Granted, and never to be spent: the process died, or its clock jumped to another week.
    lost: File,
}

impl Model {
    fn new(allowed: Allowed) -> Self {
        Self { allowed, lives: Default::default(), file: File::new(), passed: File::new(), lost: File::new() }
    }

    fn ask(&mut self, key: Row, week: u32, ticks: u64) -> bool {
        let (Allowed { rate, quota, at_once, grant }, life) = (self.allowed, &mut self.lives[key as usize]);
        let interval = SECOND.div_ceil(rate * TICK_NANOS);
        life.level = life.level.saturating_sub(ticks - life.at);
        life.at = ticks;
        if life.level + interval > interval * rate || life.in_work >= at_once {
            return false;
        }
        let file = self.file.entry((key, week)).or_default();
        let here = if life.week == week { (life.granted, life.left) } else { (0, 0) };
        if here.1 == 0 {
            if here.0 >= quota {
                return false;
            }
            if life.week != week {
                *self.lost.entry((key, life.week)).or_default() += life.left;
            }
            let added = grant.min(quota - *file);
            *file += added;
            (life.week, life.granted, life.left) = (week, *file, added);
            if added == 0 {
                return false;
            }
        }
        life.left -= 1;
        life.level += interval;
        life.in_work += 1;
        *self.passed.entry((key, week)).or_default() += 1;
        true
    }

    /// The process ends; in order, it gives back what it has of `week`.
    fn end(&mut self, week: u32, is_orderly: bool) {
        for (key, life) in (0..).zip(&mut self.lives) {
            if is_orderly && life.week == week {
                *self.file.entry((key, week)).or_default() -= life.left;
            } else {
                *self.lost.entry((key, life.week)).or_default() += life.left;
            }
            *life = Life { at: life.at, ..Life::default() };
        }
    }

    /// What must hold whatever happened: no week gives more than its quota, and all that was granted was spent, is
    /// here, or is lost.
    fn is_sound(&self) -> bool {
        self.file.iter().all(|(&(key, week), granted)| {
            let of = |file: &File| file.get(&(key, week)).copied().unwrap_or_default();
            let life = self.lives[key as usize];
            let here = if life.week == week { life.left } else { 0 };
            of(&self.passed) + of(&self.lost) + here == *granted && *granted <= self.allowed.quota
        })
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Ask(Row),
    /// The oldest request in work of a key ends.
    End(Row),
    /// So many nanoseconds pass.
    Wait(u64),
    /// The wall clock is set, by weeks; what counts the time between requests goes on.
    Step(i64),
    Restart,
    Kill,
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (0u32..2).prop_map(Act::Ask),
        8 => (0u32..2).prop_map(Act::End),
        4 => (0u64..400_000_000).prop_map(Act::Wait),
        2 => (-2i64..3).prop_map(Act::Step),
        1 => Just(Act::Restart),
        1 => Just(Act::Kill),
    ]
}

proptest! {
    #[test]
    fn every_kind_agrees_with_the_model_through_clock_steps_restarts_and_kills(
        (rate, quota, at_once, grant) in (1u64..12, 1u64..40, 1u64..4, 1u64..8),
        acts in prop::collection::vec(acts(), 1..300),
    ) {
        let allowed = Allowed { rate, quota, at_once, grant };
        let file = Mutex::new(File::new());
        let mut model = Model::new(allowed);
        let mut limiter = Limiter::new();
        let mut plan = allowed.meters(&limiter);
        let mut held: [Vec<Held>; 2] = Default::default();
        let (mut mono, mut wall) = (SECOND, START);
        for act in acts {
            let now = Now { wall: Timestamp::from_secs(wall), mono };
            let week = quota_of(&plan).1.window().number(now.wall);
            match act {
                Act::Ask(key) => {
                    let passes = model.ask(key, week, mono / TICK_NANOS);
                    let asked = ask(&limiter, &plan, (&file, grant), key, now);
                    prop_assert_eq!(asked.is_ok(), passes, "{:?} {:?}", allowed, asked.err());
                    held[key as usize].extend(asked);
                }
                Act::End(key) if !held[key as usize].is_empty() => {
                    held[key as usize].remove(0);
                    model.lives[key as usize].in_work -= 1;
                }
                Act::End(_) => {}
                Act::Wait(nanos) => mono += nanos / TICK_NANOS * TICK_NANOS,
                Act::Step(weeks) => wall += weeks * WEEK,
                Act::Restart | Act::Kill => {
                    let is_orderly = matches!(act, Act::Restart);
                    for key in 0..2 {
                        let subject = || QuotaSubject::Key(KeyId::from_bytes([0; 16]));
                        let rest = is_orderly.then(|| Leftover::take(quota_of(&plan).0, key, now.wall, "quota", subject));
                        if let Some(rest) = rest.flatten() {
                            *file.lock().unwrap().get_mut(&(key, week)).unwrap() -= rest.left;
                        }
                    }
                    model.end(week, is_orderly);
                    held.iter_mut().for_each(Vec::clear);
                    limiter = Limiter::new();
                    plan = allowed.meters(&limiter);
                }
            }
            prop_assert!(model.is_sound());
            prop_assert_eq!(&*file.lock().unwrap(), &model.file);
        }
    }
}

/// Eight threads, while other requests in work end: exactly the quota passes, and never more at once than may.
#[test]
fn eight_threads_get_exactly_their_quota_and_their_places() {
    const AT_ONCE: i64 = 3;
    let allowed = Allowed { rate: 600_000, quota: 40_000, at_once: 3, grant: 64 };
    let (limiter, file) = (Limiter::new(), Mutex::default());
    let plan = allowed.meters(&limiter);
    let (passed, in_work, start) = (AtomicU64::new(0), AtomicI64::new(0), std::sync::Barrier::new(8));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (limiter, plan, file) = (&limiter, &plan, &file);
            let (passed, in_work, start) = (&passed, &in_work, &start);
            scope.spawn(move || {
                start.wait();
                let mut ours = Vec::new();
                // Far more attempts than it takes, unless a place is not given back.
                for number in 0_u64..3_000_000 {
                    // Time goes on, so that it is not the rate that refuses.
                    let now = Now { wall: Timestamp::from_secs(START), mono: SECOND + number * 100_000 };
                    match ask(limiter, plan, (file, 64), 0, now) {
                        Ok(held) => {
                            passed.fetch_add(1, Ordering::SeqCst);
                            let now = in_work.fetch_add(1, Ordering::SeqCst) + 1;
                            assert!(now <= AT_ONCE, "{now} at once");
                            ours.push(held);
                        }
                        Err(limit) if limit == quota_of(plan).0.limit => break,
                        Err(_) => std::thread::yield_now(),
                    }
                    if !ours.is_empty() && number % (thread + 1) == 0 {
                        in_work.fetch_sub(1, Ordering::SeqCst);
                        ours.pop();
                    }
                }
                in_work.fetch_sub(i64::try_from(ours.len()).unwrap(), Ordering::SeqCst);
            });
        }
    });
    assert_eq!(passed.into_inner(), 40_000);
    // Every place was given back.
    let places = meters(&limiter, &[("at-once", "3", 0, Key)]);
    let charge = || charge(&limiter, &places, 0, 0, SECOND).is_ok();
    assert_eq!([charge(), charge(), charge(), charge()], [true, true, true, false]);
}

/// Eight threads whose clock jumps between two weeks, in both directions: what a jump makes a process forget is lost
/// to the key, and no week gives more than its quota.
#[test]
fn eight_threads_whose_clock_jumps_get_no_more_than_their_quota() {
    let allowed = Allowed { rate: 600_000, quota: 5_000, at_once: 1_000, grant: 64 };
    let (limiter, file) = (Limiter::new(), Mutex::default());
    let plan = allowed.meters(&limiter);
    let (passed, start) = ([AtomicU64::new(0), AtomicU64::new(0)], std::sync::Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (limiter, plan, file, passed, start) = (&limiter, &plan, &file, &passed, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0_u64..20_000 {
                    let week = usize::try_from(number / 250 % 2).unwrap();
                    let wall = Timestamp::from_secs(START + WEEK * i64::try_from(week).unwrap());
                    let now = Now { wall, mono: SECOND + number * 100_000 };
                    let is_passed = ask(limiter, plan, (file, 64), 0, now).is_ok();
                    passed[week].fetch_add(u64::from(is_passed), Ordering::SeqCst);
                }
            });
        }
    });
    let file: File = file.into_inner().unwrap();
    let passed = passed.map(AtomicU64::into_inner);
    assert!(passed.iter().all(|passed| (1..=5_000).contains(passed)), "{passed:?}");
    assert!(file.values().all(|granted| *granted <= 5_000) && file.len() == 2, "{file:?}");
}
