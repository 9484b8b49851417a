//! The table `[access_log]`: where lines of requests go, how they look, and how many of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::build;
use super::reader::Section;
use crate::key::Span;

/// The table `[access_log]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessLog {
    /// The file lines go to; `None` is standard output.
    pub file: Option<PathBuf>,
    /// How they look.
    pub format: LogFormat,
    /// When a file is put aside, and how many of those are kept.
    pub rotation: Rotation,
    /// How many lines of each verdict are written.
    pub sample: Sample,
}

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people, one short line a request.
    Text,
    /// No lines.
    Off,
}

/// When a log file is put aside, and how many of those are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Once it would be larger than so many bytes.
    pub max_size: Option<u64>,
    /// Once it is older.
    pub max_age: Option<Duration>,
    /// How many are kept beside the one that is written.
    pub keep: u32,
}

/// One in how many lines of a verdict is written; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Of requests that were let through.
    pub allow: u32,
    /// Of those that were refused.
    pub deny: u32,
    /// Of those that failed otherwise.
    pub error: u32,
}

impl Default for Sample {
    /// Every line.
    fn default() -> Self {
        Self { allow: 1, deny: 1, error: 1 }
    }
}

pub(super) fn access_log(
    builder: &build::Builder<'_>,
    section: &Section<'_>,
    sample: Option<&Section<'_>>,
) -> AccessLog {
    let file = builder.path_of(section, "file");
    if let Some(file) = &file {
        // A relative file without a folder is in the working directory, which is there.
        let folder = file.parent().filter(|folder| *folder != Path::new(""));
        if file.is_dir() {
            section.error(section.span_of("file"), format!("{} is a directory", file.display()), None);
        } else if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let hint = format!("make it: `mkdir -p {}`", folder.display());
            section.error(
                section.span_of("file"),
                format!("there is no directory {}", folder.display()),
                Some(hint),
            );
        }
    } else if let Some(name) = ["max_size", "max_age", "keep"].into_iter().find(|name| section.has(name)) {
        let hint = "set `file` too, or leave it out";
        section.warn(section.span_of(name), format!("`{name}` is of a file, and lines go to stdout"), hint);
    }
    let format = section.choice(
        "format",
        &[
            ("auto", LogFormat::Auto),
            ("json", LogFormat::Json),
            ("text", LogFormat::Text),
            ("off", LogFormat::Off),
        ],
    );
    let one_in = |section: &Section<'_>, name| {
        section.number(name, 0..=1_000_000).and_then(|n| u32::try_from(n).ok()).unwrap_or(1)
    };
    let sample = sample.map_or_else(Sample::default, |section| Sample {
        allow: one_in(section, "allow"),
        deny: one_in(section, "deny"),
        error: one_in(section, "error"),
    });
    if sample.deny != 1 {
        section.warn(
            section.span_of("sample"),
            "not every refusal leaves a line, so not every caller's `request_id` can be looked up",
            "sample `allow` only; refusals are few where things are well",
        );
    }
    AccessLog { file, format, rotation: rotation(section), sample }
}

fn rotation(section: &Section<'_>) -> Rotation {
    let max_size = (!section.is_off("max_size"))
        .then(|| section.size("max_size", 64 * 1024..=1024 * 1024 * 1024 * 1024));
    let max_age = if section.is_off("max_age") || !section.has("max_age") {
        None
    } else {
        let range = Duration::from_mins(1)..=Duration::from_hours(24 * 3660);
        section.parsed::<Span>("max_age").map(|at| (at.value.as_duration(), at.span)).and_then(
            |(age, span)| {
                if range.contains(&age) {
                    return Some(age);
                }
                section.error(span, "`max_age` must be from 1m to 10y", None);
                None
            },
        )
    };
    let keep = section.number("keep", 0..=1_000).and_then(|n| u32::try_from(n).ok()).unwrap_or(7);
    Rotation { max_size, max_age, keep }
}
