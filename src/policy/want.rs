//! What is to be fetched from the file before a quota can be spent, and where it is to be put.

use super::cells::Row;
use super::limit::Limiter;
use super::meter::{Load, Meter, MeterKind, QuotaCell, Rows};
use super::rules::LimitSubject;
use crate::key::{QuotaSubject, QuotaWindow, Timestamp};

/// Quotas of which more must be granted before a request can be decided, or should be soon.
#[derive(Clone, Debug)]
pub struct NeedsGrant {
    wants: Vec<Want>,
}

/// One quota of one subject in one window, and where its grant is spent from.
#[derive(Clone, Debug)]
pub struct Want {
    window: QuotaWindow,
    cost: u64,
    meter: Meter,
    row: Row,
}

/// What is left of a grant that nobody will spend.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Of what.
    pub window: QuotaWindow,
    /// How many.
    pub left: u64,
}

/// A quota of which much is spent.
#[derive(Clone, Debug)]
pub struct Spent {
    /// Of what.
    pub window: QuotaWindow,
    /// How many were granted to all processes, less what this one has not spent of it.
    pub used: u64,
}

impl Spent {
    /// Returns what is spent of a subject's quota in the window of now, if that is at least `percent`.
    pub(super) fn of(
        meter: &Meter,
        row: Row,
        now: Timestamp,
        name: &str,
        percent: u64,
        subject: impl FnOnce() -> QuotaSubject,
    ) -> Option<Self> {
        let MeterKind::Quota(quota) = meter.kind else { return None };
        let window = quota.window().number(now);
        let rows = Rows::all(row);
        let cell = QuotaCell::from_words(meter.peek(rows)).in_window(window);
        let used = cell.granted.saturating_sub(cell.left);
        let is_much = u128::from(used) * 100 >= u128::from(quota.count()) * u128::from(percent);
        (used > 0 && is_much).then(|| Self {
            window: QuotaWindow { subject: subject(), name: name.into(), quota, number: window },
            used,
        })
    }
}

impl NeedsGrant {
    pub(super) fn new(wants: Vec<Want>) -> Self {
        Self { wants }
    }

    /// Returns what is wanted.
    pub fn into_wants(self) -> Vec<Want> {
        self.wants
    }
}

impl Want {
    /// Returns what is wanted of a limit, if it is a quota that has too little or has asked for more.
    pub(super) fn of(
        meter: &Meter,
        name: &str,
        rows: Rows,
        load: Load,
        subject: impl FnOnce(LimitSubject) -> Option<QuotaSubject>,
    ) -> Option<Self> {
        let MeterKind::Quota(quota) = meter.kind else { return None };
        let window = quota.window().number(load.wall);
        let cell = QuotaCell::from_words(meter.peek(rows)).in_window(window);
        if cell.left >= load.cost && !cell.is_asked {
            return None;
        }
        let subject = subject(meter.subject)?;
        Some(Self {
            window: QuotaWindow { subject, name: name.into(), quota, number: window },
            cost: load.cost,
            meter: meter.clone(),
            row: meter.row(rows),
        })
    }

    /// Returns what is wanted.
    pub fn window(&self) -> &QuotaWindow {
        &self.window
    }

    /// Returns what the request is charged.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Returns what is left to spend now.
    pub fn left(&self) -> u64 {
        let rows = Rows::all(self.row);
        QuotaCell::from_words(self.meter.peek(rows)).in_window(self.window.number).left
    }

    /// Makes a grant spendable: `granted` is all that the file says was granted in the window, `added`
    /// what of it is new and for this process. More is asked for when half of `full` is left.
    pub fn deposit(&self, granted: u64, added: u64, full: u64) {
        let low = (full / 2).max(1).ilog2();
        Limiter::deposit(&self.meter, self.row, self.window.number, granted, added, low);
    }

    /// Lets more be asked for again after it could not be had.
    pub fn ask_again(&self) {
        Limiter::ask_again(&self.meter, self.row);
    }
}

impl Leftover {
    /// Takes what is left of a subject's grant for the window of now.
    pub(super) fn take(
        meter: &Meter,
        row: Row,
        now: Timestamp,
        name: &str,
        subject: impl FnOnce() -> QuotaSubject,
    ) -> Option<Self> {
        let MeterKind::Quota(quota) = meter.kind else { return None };
        let window = quota.window().number(now);
        meter.table.existing(row, meter.at)?;
        let cell = Limiter::withdraw(meter, row);
        let is_current = cell.window == window && cell.left > 0;
        let window = || QuotaWindow { subject: subject(), name: name.into(), quota, number: window };
        is_current.then(|| Self { window: window(), left: cell.left })
    }
}
