//! Which limits apply together: a key's plan, its consumer's and the route's, put together on first use.

use std::sync::{Arc, OnceLock};

use super::limit::Meters;
use super::meter::{Meter, MeterKind};
use super::rules::Rules;

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

    /// Returns the meters for a key of one plan, of a consumer of another, on a route.
    pub(super) fn meters(&self, key: Option<usize>, consumer: Option<usize>, route: usize) -> &Arc<Meters> {
        let number = |plan: Option<usize>| plan.map_or(0, |plan| plan + 1);
        let width = self.route_plans.len();
        let row = self.rows[number(key)].get_or_init(|| {
            (0..=self.plans.len()).flat_map(|_| (0..width).map(|_| OnceLock::new())).collect()
        });
        let slot = self.routes[route];
        row[number(consumer) * width + slot].get_or_init(|| {
            let of = |plan: Option<usize>| plan.map_or(&[][..], |plan| &*self.plans[plan]);
            let plans = [of(key), of(consumer), of(self.route_plans[slot])];
            Arc::new(Meters::of(&plans, &self.rules))
        })
    }

    /// Returns every quota.
    pub(super) fn quotas(&self) -> impl Iterator<Item = &Meter> {
        self.plans.iter().flatten().filter(|meter| matches!(meter.kind, MeterKind::Quota(_)))
    }
}
