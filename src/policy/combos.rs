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
    /// The different plans of key types, likewise.
    type_plans: Vec<Option<usize>>,
    /// By key type, an index into the one above.
    key_types: Box<[usize]>,
    /// By the key's plan, none first; then by the consumer's plan, none first, the key type's and the
    /// route's. Most keys have no plan of their own, so most rows are never made. The last row is that of
    /// callers without a key, by route.
    rows: Box<[OnceLock<ComboRow>]>,
}

/// The number of a combination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Combo {
    row: usize,
    at: usize,
}

/// By the consumer's plan, the key type's and the route's; of callers without a key by route.
type ComboRow = Box<[OnceLock<Arc<Meters>>]>;

impl Combos {
    pub(super) fn new(plans: Vec<Box<[Meter]>>, rules: &Arc<Rules>) -> Self {
        let routes = 0..rules.spec().routes.len();
        let (route_plans, route_slots) = numbered(routes.map(|route| rules.facts(route).plan));
        let types = 0..rules.spec().key_types.as_slice().len();
        let (type_plans, key_types) = numbered(types.map(|key_type| rules.key_type(key_type).plan));
        let rows = (0..rules.spec().plans.len() + 2).map(|_| OnceLock::new()).collect();
        let rules = Arc::clone(rules);
        Self { rules, plans, route_plans, routes: route_slots, type_plans, key_types, rows }
    }

    /// Returns the number of the combination for a key of one plan and of a type, of a consumer of another
    /// plan, on a route.
    pub(super) fn number(
        &self,
        key: Option<usize>,
        consumer: Option<usize>,
        key_type: Option<usize>,
        route: usize,
    ) -> Combo {
        let number = |plan: Option<usize>| plan.map_or(0, |plan| plan + 1);
        let of_type = key_type.map_or(0, |key_type| self.key_types[key_type]);
        let of_key = number(consumer) * self.type_plans.len() + of_type;
        Combo { row: number(key), at: of_key * self.route_plans.len() + self.routes[route] }
    }

    /// Returns the number of what limits callers without a key on a route that lets them in.
    pub(super) fn anonymous(&self, route: usize) -> Combo {
        Combo { row: self.named() + 1, at: route }
    }

    /// Returns how many plans have a name, which keys and consumers have them by.
    fn named(&self) -> usize {
        self.rules.spec().plans.len()
    }

    /// Returns the meters of a combination.
    #[inline]
    pub(super) fn meters(&self, combo: Combo) -> &Arc<Meters> {
        let made = self.rows[combo.row].get().and_then(|row| row[combo.at].get());
        made.unwrap_or_else(|| self.make(combo))
    }

    #[cold]
    fn make(&self, combo: Combo) -> &Arc<Meters> {
        let (types, routes) = (self.type_plans.len(), self.route_plans.len());
        let is_anonymous = combo.row > self.named();
        let row = self.rows[combo.row].get_or_init(|| {
            let width = if is_anonymous { self.routes.len() } else { (self.named() + 1) * types * routes };
            (0..width).map(|_| OnceLock::new()).collect()
        });
        row[combo.at].get_or_init(|| {
            let of = |plan: Option<usize>| plan.map_or(&[][..], |plan| &*self.plans[plan]);
            if is_anonymous {
                let anonymous = self.rules.facts(combo.at).anonymous.as_ref();
                let counted = anonymous.into_iter().flat_map(|anonymous| &anonymous.counted);
                let plans: Vec<&[Meter]> = counted.map(|plan| of(Some(*plan))).collect();
                return Arc::new(Meters::of(&plans, &self.rules));
            }
            let (of_key, of_route) = (combo.at / routes, combo.at % routes);
            let (consumer, of_type) = (of_key / types, of_key % types);
            let plans = [
                of(combo.row.checked_sub(1)),
                of(consumer.checked_sub(1)),
                of(self.type_plans[of_type]),
                of(self.route_plans[of_route]),
            ];
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

    /// Returns every limit on requests in work, one for each place of counts.
    pub(super) fn concurrents(&self) -> impl Iterator<Item = &Meter> {
        let mut seen = std::collections::HashSet::new();
        self.plans
            .iter()
            .flatten()
            .filter(move |meter| matches!(meter.kind, MeterKind::Concurrent(_)) && seen.insert(meter.order))
    }

    /// Returns every quota.
    pub(super) fn quotas(&self) -> impl Iterator<Item = &Meter> {
        self.plans.iter().flatten().filter(|meter| matches!(meter.kind, MeterKind::Quota(_)))
    }
}

/// Returns the different plans, none first, and the place of each one given among them.
fn numbered(plans: impl Iterator<Item = Option<usize>>) -> (Vec<Option<usize>>, Box<[usize]>) {
    let mut different = vec![None];
    let place = |plan| {
        different.iter().position(|other| *other == plan).unwrap_or_else(|| {
            different.push(plan);
            different.len() - 1
        })
    };
    let places = plans.map(place).collect();
    (different, places)
}
