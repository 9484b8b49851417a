//! A scan that takes long: what it shows meanwhile, and how Ctrl-C ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::failure::Failure;
use crate::cli::values::{counted, sized};
use crate::scan::Progress;

/// Signals end the scan at the next file or object, so that what was found is still reported. A second
/// one ends the program, and so does one after [`Interrupt::done`].
pub(super) struct Interrupt(Arc<AtomicBool>);

pub(super) fn on_interrupt(progress: &Progress) -> Result<Interrupt, Failure> {
    let stop = progress.stop_flag();
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_default(signal, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .map_err(|e| Failure::cannot("cannot catch Ctrl-C").because(&e))?;
    }
    Ok(Interrupt(stop))
}

impl Interrupt {
    /// The scan is over: from here on signals do what they always do.
    pub(super) fn done(self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// `17127 files, 178 MB, 1.2 GB/s, 2 found`; with the time left where it can be told.
pub(super) fn so_far(progress: &Progress, elapsed: Duration) -> String {
    let totals = progress.totals();
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = totals.bytes.saturating_mul(1000) / millis;
    let mut parts = Vec::new();
    if totals.files > 0 || totals.objects == 0 {
        parts.push(counted(totals.files, "file"));
    }
    let expected = progress.objects_expected().filter(|&expected| expected >= totals.objects);
    match expected {
        Some(expected) => parts.push(format!("{} of {expected} objects", totals.objects)),
        None if totals.objects > 0 => parts.push(counted(totals.objects, "object")),
        None => {}
    }
    parts.push(sized(totals.bytes));
    parts.push(format!("{}/s", sized(rate)));
    if let Some(expected) = expected.filter(|_| totals.objects > 0) {
        let left = u128::from(expected - totals.objects) * elapsed.as_millis() / u128::from(totals.objects);
        parts.push(format!("{}s left", left.div_ceil(1000)));
    }
    parts.push(format!("{} found", progress.found()));
    parts.join(", ")
}
