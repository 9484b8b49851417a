//! Everything that was counted, read at one moment, to be asked about instead of rendered.

use std::collections::BTreeMap;

use prometheus::proto::{MetricFamily, MetricType};

/// Everything that was counted.
pub struct Tally(Vec<MetricFamily>);

impl Tally {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        Self(families)
    }

    /// Adds up the series of a metric; 0 if there is none. Of a histogram, how often something was observed.
    pub fn sum(&self, metric: &str) -> f64 {
        self.series(metric).map(|(_, value)| value).sum::<f64>() + NOT_NEGATIVE
    }

    /// Adds up the series of a metric by the value of a label.
    pub fn by(&self, metric: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (labels, value) in self.series(metric) {
            if let Some((_, name)) = labels.iter().find(|(name, _)| *name == label) {
                *sums.entry((*name).to_owned()).or_default() += value;
            }
        }
        sums
    }

    /// Returns the series of a metric: their labels, in the order of their names, and their values.
    pub fn series(&self, metric: &str) -> impl Iterator<Item = (Vec<(&str, &str)>, f64)> {
        let family = self.0.iter().find(move |family| family.name() == metric);
        family.into_iter().flat_map(|family| {
            family.get_metric().iter().map(|series| {
                let labels = series.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
                let value = match family.get_field_type() {
                    MetricType::COUNTER => series.get_counter().get_value(),
                    MetricType::HISTOGRAM => count(series.get_histogram().get_sample_count()),
                    _ => series.get_gauge().get_value(),
                };
                (labels, value)
            })
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn count(samples: u64) -> f64 {
    samples as f64
}

/// The sum of nothing is -0.
const NOT_NEGATIVE: f64 = 0.0;
