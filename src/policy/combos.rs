//! Which limits apply together: a key's plan, its consumer's and the route's, put together on first use.

use std::sync::{Arc, OnceLock};

use super::cells::Table;
use super::limit::Meters;
use super::meter::{Meter, MeterKind};
use super::rules::{LimitSubject, Rules};

/// The meters of every combination of plans.
#[derive(Debug)]
pub(super) struct Combos {
    rules: Arc<Rules>,
    /// By plan.
    plans: Vec<Box<[Meter]>>,
    /// The different plans of routes; that of a route without one comes first.
    route_plans: Vec<Option<usize>>,
    /// By route, an index into the one above.
    routes: Box<[usize]>,
    /// By the key's plan, none first; then by the consumer's plan, none first, and the route's. Most
    /// keys have no plan of their own, so most rows are never made.
    rows: Box<[OnceLock<ComboRow>]>,
}

/// The number of a combination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Combo {
    row: usize,
    at: usize,
}

/// By the consumer's plan and the route's.
type ComboRow = Box<[OnceLock<Arc<Meters>>]>;

impl Combos {
    pub(super) fn new(plans: Vec<Box<[Meter]>>, rules: &Arc<Rules>) -> Self {
        let mut route_plans = vec![None];
        let routes = (0..rules.spec().routes.len()).map(|route| {
            let plan = rules.facts(route).plan;
            route_plans.iter().position(|other| *other == plan).unwrap_or_else(|| {
                route_plans.push(plan);
                route_plans.len() - 1
            })
        });
        let routes = routes.collect();
        let rows = (0..=plans.len()).map(|_| OnceLock::new()).collect();
        Self { rules: Arc::clone(rules), plans, route_plans, routes, rows }
    }

    /// Returns the number of the combination for a key of one plan, of a consumer of another, on a route.
    pub(super) fn number(&self, key: Option<usize>, consumer: Option<usize>, route: usize) -> Combo {
        let number = |plan: Option<usize>| plan.map_or(0, |plan| plan + 1);
        Combo { row: number(key), at: number(consumer) * self.route_plans.len() + self.routes[route] }
    }

    /// Returns the meters of a combination.
    #[inline]
    pub(super) fn meters(&self, combo: Combo) -> &Arc<Meters> {
        let made = self.rows[combo.row].get().and_then(|row| row[combo.at].get());
        made.unwrap_or_else(|| self.make(combo))
    }

    #[cold]
    fn make(&self, combo: Combo) -> &Arc<Meters> {
        let width = self.route_plans.len();
        let row = self.rows[combo.row].get_or_init(|| {
            (0..=self.plans.len()).flat_map(|_| (0..width).map(|_| OnceLock::new())).collect()
        });
        row[combo.at].get_or_init(|| {
            let of = |plan: Option<usize>| plan.map_or(&[][..], |plan| &*self.plans[plan]);
            let (consumer, slot) = (combo.at / width, combo.at % width);
            let plans =
                [of(combo.row.checked_sub(1)), of(consumer.checked_sub(1)), of(self.route_plans[slot])];
            Arc::new(Meters::of(&plans, &self.rules))
        })
    }

    /// Returns the rules that the plans are of.
    pub(super) fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns where keys are counted by a plan, or, without one, by the first that counts them.
    pub(super) fn key_cells(&self, plan: Option<usize>) -> Option<Arc<Table>> {
        let (named, others) = (plan.map(|plan| &self.plans[plan]), &self.plans);
        let mut meters = named.into_iter().chain(others).flatten();
        meters.find(|meter| meter.subject == LimitSubject::Key).map(|meter| Arc::clone(&meter.table))
    }

    /// Returns every rate, one for each place of counts.
    pub(super) fn rates(&self) -> impl Iterator<Item = &Meter> {
        let mut seen = std::collections::HashSet::new();
        self.plans
            .iter()
            .flatten()
            .filter(move |meter| matches!(meter.kind, MeterKind::Rate { .. }) && seen.insert(meter.order))
    }

    /// Returns every quota.
    pub(super) fn quotas(&self) -> impl Iterator<Item = &Meter> {
        self.plans.iter().flatten().filter(|meter| matches!(meter.kind, MeterKind::Quota(_)))
    }
}
