//! What one process hands to the next that goes on in its place: how far every rate is counted, which requests
//! are in work, and what is counted by source address, together with the secrets by which addresses are found.

use std::collections::HashMap;

use super::cells::Row;
use super::decide::Engine;
use super::meter::{Load, Meter, Rows};
use super::rules::LimitSubject;
use super::{Limiter, Now};
use crate::key::QuotaSubject;

/// One count. Times are spans: the clocks of two processes have nothing in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Counted {
    /// A rate's.
    Rate {
        /// Whose.
        subject: QuotaSubject,
        /// The name of the limit.
        limit: String,
        /// How far the count is ahead of the time, in ticks of 16 ns.
        ahead: u64,
        /// The interval between requests it was reached with, in ticks.
        interval: u64,
    },
    /// Requests in work.
    Work {
        /// Whose.
        subject: QuotaSubject,
        /// The name of the limit.
        limit: String,
        /// How many.
        count: u64,
    },
    /// By what addresses are found. Comes before what was counted of any.
    Secrets {
        /// In which table.
        table: SourceTable,
        /// They are as good as random.
        secrets: [u64; 4],
    },
    /// Failed authentications of an address.
    Failed {
        /// Who, under the table's secrets.
        tag: u64,
        /// Until they are forgotten, in nanoseconds.
        ahead: u64,
    },
    /// Failed attempts of an address at a door beside the gateway: see [`super::Attempts`].
    Attempt {
        /// Who, under the table's secrets.
        tag: u64,
        /// Until they are forgotten, in nanoseconds.
        ahead: u64,
    },
    /// A rate's count of an address.
    Address {
        /// Who, under the table's secrets.
        tag: u64,
        /// When it was last seen, in nanoseconds before now.
        ago: u64,
        /// The name of the limit.
        limit: String,
        /// As of every rate.
        ahead: u64,
        /// As of every rate.
        interval: u64,
    },
}

/// A table of source addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceTable {
    /// Of those whose authentication failed.
    Failures,
    /// Of those that limits count.
    Limits,
    /// Of those who failed at a door beside the gateway.
    Attempts,
}

/// Requests in work that a limit counts, of one subject.
#[derive(Debug)]
pub struct Working {
    /// Whose they are.
    pub subject: QuotaSubject,
    /// The name of the limit.
    pub limit: String,
    meter: Meter,
    row: Row,
}

impl Working {
    /// Returns how many there are now.
    pub fn count(&self) -> u64 {
        self.meter.in_work(Rows::all(self.row))
    }

    /// Counts so many of them as ended.
    pub fn release(&self, count: u64) {
        self.meter.release(Rows::all(self.row), count);
    }
}

impl Engine {
    /// Returns every count that is not idle at `now`, for a process that is to go on with them. Charge
    /// nothing to this engine from then on.
    pub fn counted(&self, now: Now) -> Vec<Counted> {
        let ticks = Load::new(now, 0).ticks;
        let limiter: &Limiter = self.index().limiter();
        let mut all = Vec::new();
        for (table, secrets) in [
            (SourceTable::Failures, limiter.failures().secrets()),
            (SourceTable::Limits, limiter.addresses().secrets()),
        ] {
            all.push(Counted::Secrets { table, secrets });
        }
        limiter.failures().each(now.mono, |tag, ahead| all.push(Counted::Failed { tag, ahead }));
        for meter in self.combos().rates() {
            let limit = &self.rules().limit(meter.limit).name;
            if meter.subject == LimitSubject::Address {
                limiter.addresses().each(now.mono, |tag, row, ago| {
                    if let Some((ahead, interval)) = limiter.ahead(meter, row, ticks) {
                        all.push(Counted::Address { tag, ago, limit: limit.clone(), ahead, interval });
                    }
                });
            }
            self.each_row(meter.subject, &mut |row, subject| {
                if let Some((ahead, interval)) = limiter.ahead(meter, row, ticks) {
                    all.push(Counted::Rate { subject: subject(), limit: limit.clone(), ahead, interval });
                }
            });
        }
        let work = self.working().into_iter().map(|working| {
            let count = working.count();
            Counted::Work { subject: working.subject, limit: working.limit, count }
        });
        all.extend(work);
        all
    }

    /// Returns every subject that has requests in work which a limit counts.
    pub fn working(&self) -> Vec<Working> {
        let mut all = Vec::new();
        for meter in self.combos().concurrents() {
            let limit = &self.rules().limit(meter.limit).name;
            self.each_row(meter.subject, &mut |row, subject| {
                if meter.in_work(Rows::all(row)) > 0 {
                    all.push(Working { subject: subject(), limit: limit.clone(), meter: meter.clone(), row });
                }
            });
        }
        all
    }

    /// Goes on with what another process counted, before anybody is served. What is unknown here is left out.
    /// Requests that are in work there are counted here, too, until they are released: they are returned, with how many each is.
    pub fn go_on(&self, counted: &[Counted], now: Now) -> Vec<(Working, u64)> {
        let ticks = Load::new(now, 0).ticks;
        let limiter: &Limiter = self.index().limiter();
        let mut named: HashMap<(&QuotaSubject, &str), (u64, u64)> = HashMap::new();
        let mut at_work: HashMap<(&QuotaSubject, &str), u64> = HashMap::new();
        let (mut knows_failures, mut knows_addresses) = (false, false);
        let by_address = |limit: &str| {
            let is_it = |m: &&Meter| m.subject == LimitSubject::Address;
            self.combos().rates().filter(is_it).find(|m| self.rules().limit(m.limit).name == limit)
        };
        for count in counted {
            match count {
                Counted::Rate { subject, limit, ahead, interval } => {
                    named.insert((subject, limit), (*ahead, *interval));
                }
                Counted::Work { subject, limit, count } => {
                    at_work.insert((subject, limit), *count);
                }
                Counted::Secrets { table: SourceTable::Failures, secrets } => {
                    knows_failures = self.rules().failed_auth().is_some();
                    limiter.failures().take_secrets(*secrets);
                }
                Counted::Secrets { table: SourceTable::Limits, secrets } => {
                    knows_addresses = true;
                    limiter.addresses().take_secrets(*secrets);
                }
                Counted::Failed { tag, ahead } if knows_failures => {
                    limiter.failures().go_on(*tag, now.mono.saturating_add(*ahead));
                }
                Counted::Address { tag, ago, limit, ahead, interval } if knows_addresses => {
                    if let Some(meter) = by_address(limit) {
                        let row = limiter.addresses().go_on(*tag, now.mono.saturating_sub(*ago));
                        limiter.go_on(meter, row, ticks, (*ahead, *interval));
                    }
                }
                // Under secrets that are not known, or, of attempts, kept by whoever keeps that door.
                Counted::Failed { .. }
                | Counted::Address { .. }
                | Counted::Secrets { table: SourceTable::Attempts, .. }
                | Counted::Attempt { .. } => {}
            }
        }
        for meter in self.combos().rates() {
            let name = self.rules().limit(meter.limit).name.as_str();
            self.each_row(meter.subject, &mut |row, subject| {
                if let Some(count) = named.get(&(&subject(), name)) {
                    limiter.go_on(meter, row, ticks, *count);
                }
            });
        }
        let mut working = Vec::new();
        if at_work.is_empty() {
            return working;
        }
        for meter in self.combos().concurrents() {
            let limit = &self.rules().limit(meter.limit).name;
            self.each_row(meter.subject, &mut |row, subject| {
                let subject = subject();
                if let Some(count) = at_work.get(&(&subject, limit.as_str())).copied() {
                    meter.enter(Rows::all(row), count);
                    let one = Working { subject, limit: limit.clone(), meter: meter.clone(), row };
                    working.push((one, count));
                }
            });
        }
        working
    }
}
