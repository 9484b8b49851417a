//! How many second attempts an upstream is given: when everything fails, trying everything twice would
//! double the load on what is left.

/// At most a tenth of the requests, and some more for quiet times.
///
/// Looked at only when there is something to try again: how many requests there were is told by the count of
/// answers, which is kept anyway.
#[derive(Default)]
pub(super) struct Budget {
    /// When the current span began, monotonic nanoseconds.
    since: u64,
    /// How many answers there had been then.
    answers: u64,
    /// What the span before allows in this one.
    carried: u64,
    spent: u64,
}

impl Budget {
    /// Takes one attempt, if there is one left.
    pub(super) fn take(&mut self, answers: u64, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.since);
        if self.since == 0 || elapsed >= SPAN {
            let lately = answers.saturating_sub(self.answers);
            // The span may have ended long ago: what came in since counts by how much of it falls into one.
            let a_span = u128::from(lately) * u128::from(SPAN) / u128::from(elapsed.max(SPAN));
            *self = Self {
                since: now.max(1),
                answers,
                carried: u64::try_from(a_span).unwrap_or(u64::MAX) / SHARE,
                spent: 0,
            };
        }
        let earned = answers.saturating_sub(self.answers) / SHARE;
        let is_left = self.spent < FLOOR.saturating_add(self.carried).saturating_add(earned);
        self.spent += u64::from(is_left);
        is_left
    }
}

/// One in so many requests may be tried again.
const SHARE: u64 = 10;

/// So many a span, however few requests there are: enough for a server that dies while little happens.
const FLOOR: u64 = 10;

/// Ten seconds: a burst of failures is over by then, or the servers are.
const SPAN: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_requests_and_a_few_more_are_tried_again() {
        let mut budget = Budget::default();
        let taken =
            |budget: &mut Budget, answers, now| (0..10_000).filter(|_| budget.take(answers, now)).count();
        assert_eq!(taken(&mut budget, 0, 1), 10);
        assert_eq!(taken(&mut budget, 1_000, 2), 100, "what was answered meanwhile earns more");
        assert_eq!(taken(&mut budget, 1_000, 3), 0);
        // The next span: a tenth of what the last one saw.
        assert_eq!(taken(&mut budget, 2_000, 1 + SPAN), 10 + 200);
        // A quiet hour with few requests leaves next to nothing, and nothing was saved up.
        assert_eq!(taken(&mut budget, 2_360, 1 + 361 * SPAN), 10);
    }

    #[test]
    fn with_everything_failing_attempts_stay_within_a_tenth() {
        let mut budget = Budget::default();
        let mut retried = 0;
        for request in 0..100_000_u64 {
            // A thousand a second, none answered.
            retried += u64::from(budget.take(0, 1 + request * 1_000_000));
        }
        assert_eq!(retried, 100, "ten in each of ten spans");
    }
}
