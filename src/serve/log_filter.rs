//! The process's `log` sink. Pingora logs whole request summaries and raw header bytes, in which a
//! key may be: of its records only the severity and the place in its source come through. Everyone
//! else's records pass from "warn" on.

use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Whose messages may hold bytes of a request.
const UNTRUSTED: &[&str] = &["pingora", "h2", "hyper", "httparse", "rustls"];

/// Sends what may be seen to stderr.
struct Filter {
    /// The second of the last line of an untrusted origin: a peer that causes errors must not fill
    /// the disk.
    last: AtomicI64,
}

static FILTER: Filter = Filter { last: AtomicI64::new(i64::MIN) };

/// Installs the filter, unless the program that embeds kgate has a logger of its own.
pub fn install_log_filter() {
    if log::set_logger(&FILTER).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl Filter {
    /// Returns what may be shown of a record, if anything.
    fn shown(&self, record: &Record<'_>, second: i64) -> Option<String> {
        if record.level() > Level::Warn {
            return None;
        }
        let level = if record.level() == Level::Error { "error" } else { "warning" };
        if !is_untrusted(record.target()) && !record.module_path().is_some_and(is_untrusted) {
            let text: String = record.args().to_string().chars().map(visible).collect();
            return Some(format!("{level}: {text}"));
        }
        if record.level() > Level::Error || self.last.swap(second, Ordering::Relaxed) == second {
            return None;
        }
        // File and line are constants of the source.
        let place = record.file_static().unwrap_or("unknown");
        Some(format!("{level}: inside pingora, at {place}:{}", record.line().unwrap_or(0)))
    }
}

impl Log for Filter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(line) = self.shown(record, crate::verify::wall().as_secs()) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    fn flush(&self) {}
}

fn is_untrusted(name: &str) -> bool {
    UNTRUSTED.iter().any(|prefix| name.starts_with(prefix))
}

fn visible(c: char) -> char {
    if c.is_control() { '?' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_one_byte_of_a_pingora_message_comes_through() {
        let filter = Filter { last: AtomicI64::new(i64::MIN) };
        for level in [Level::Error, Level::Warn, Level::Info, Level::Trace] {
            for target in ["pingora_proxy", "pingora_core::protocols::http", "h2::proto"] {
                let shown = filter.shown(
                    &Record::builder()
                        .level(level)
                        .target(target)
                        .file_static(Some("src/lib.rs"))
                        .line(Some(7))
                        .args(format_args!("Authorization: Bearer acme_live_canary"))
                        .build(),
                    i64::from(level as u32),
                );
                assert!(!shown.unwrap_or_default().contains("canary"));
            }
        }
    }

    #[test]
    fn errors_of_pingora_are_shown_once_a_second() {
        let filter = Filter { last: AtomicI64::new(i64::MIN) };
        let record = |args| Record::builder().level(Level::Error).target("pingora_core").args(args).build();
        let shown: Vec<bool> =
            [1, 1, 1, 2].iter().map(|s| filter.shown(&record(format_args!("x")), *s).is_some()).collect();
        assert_eq!(shown, [true, false, false, true]);
    }

    #[test]
    fn our_own_warnings_come_through_without_control_characters() {
        let filter = Filter { last: AtomicI64::new(i64::MIN) };
        let warning = Record::builder()
            .level(Level::Warn)
            .target("kgate::serve")
            .args(format_args!("a\x1b[2Jb"))
            .build();
        assert_eq!(filter.shown(&warning, 0).as_deref(), Some("warning: a?[2Jb"));
    }
}
