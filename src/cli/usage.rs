//! `kgate usage`

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::admin::api::UsageRow;
use crate::key::{KeyId, Past};
use crate::store::UsageBy;

use super::books::UsageWanted;
use super::failure::{Answer, Outcome};
use super::session::Session;
use super::ui::{Cell, Item, Object, Tone};
use super::values::{counted, to_the_second};
use super::view::{Field, named};

/// What `usage` prints of each row.
pub(super) const USAGE: &[Field] = &[
    ("key_id", "the key, with --by key or call, else null"),
    ("key_name", "what people call it, or null"),
    ("consumer_id", "who holds it, with --by key, consumer or call, else null"),
    ("consumer_name", "what people call them, or null"),
    ("route", "the route, with --by route or call, else null"),
    ("from", "time the row begins"),
    ("to", "time the row ends"),
    ("requests", "how many requests there were"),
    ("allowed", "of them, let through"),
    ("limited", "of them, 429: a limit"),
    ("forbidden", "of them, 403: address or scopes"),
    ("refused", "of them, 401: revoked, expired, disabled, not valid yet, not for this route"),
    ("failed", "of them, without an answer: the backend, or a cap"),
    ("series", "array of requests in each step, the first one first"),
    ("step_seconds", "how long a step is"),
];

/// Show how much keys, consumers and routes were used
///
/// Counts requests whose key the store knows, by what became of them. The gateway writes them once a
/// minute, so the last minute may be missing. How far back one can look is set in [usage] of
/// kgate.toml.
#[derive(Args)]
pub(super) struct UsageArgs {
    /// Only this key or consumer: identifier, external id or unambiguous name
    #[arg(value_name = "KEY|CONSUMER")]
    subject: Option<String>,
    /// Since then: 24h ago, a date, or an RFC 3339 time
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    since: Past,
    /// One row for each of these; by default keys, or routes if a key was named
    #[arg(long, value_enum)]
    by: Option<By>,
}

/// What makes a row.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// A key
    Key,
    /// A consumer, with all its keys
    Consumer,
    /// A route
    Route,
    /// A key on a route: who called what
    Call,
    /// A minute, hour or day, as --since allows
    Time,
}

impl From<By> for UsageBy {
    fn from(by: By) -> Self {
        match by {
            By::Key => Self::Key,
            By::Consumer => Self::Consumer,
            By::Route => Self::Route,
            By::Call => Self::Call,
            By::Time => Self::Time,
        }
    }
}

pub(super) fn run(args: &UsageArgs, session: &Session) -> Outcome {
    let names_a_key = args.subject.as_deref().is_some_and(|text| text.parse::<KeyId>().is_ok());
    let by = args.by.unwrap_or(if names_a_key { By::Route } else { By::Key });
    let wanted = UsageWanted { subject: args.subject.clone(), since: args.since, by: by.into() };
    let (rows, begins) = session.books()?.usage(&wanted)?;
    let total: u64 = rows.iter().map(|row| row.requests).sum();
    let mut list = session.ui.list();
    for row in &rows {
        match by {
            By::Key => list.row(&ByKey(row))?,
            By::Consumer => list.row(&ByConsumer(row))?,
            By::Route => list.row(&ByRoute(row))?,
            By::Call => list.row(&ByCall(row))?,
            By::Time => list.row(&ByTime(row))?,
        }
    }
    if list.end()? == 0 {
        let since = to_the_second(begins);
        session.ui.status(format!("no requests since {since}; the gateway writes its counts once a minute"));
    } else {
        session.ui.status(format!("{} since {}", counted(total, "request"), to_the_second(begins)));
    }
    Ok(Answer::Yes)
}

/// What programs get of a row.
struct Shown<'r>(&'r UsageRow);

impl Shown<'_> {
    fn object(&self) -> Object {
        let row = self.0;
        let values = [
            json!(row.key_id),
            json!(row.key_name),
            json!(row.consumer_id),
            json!(row.consumer_name),
            json!(row.route),
            json!(row.from),
            json!(row.to),
            json!(row.requests),
            json!(row.allowed),
            json!(row.limited),
            json!(row.forbidden),
            json!(row.refused),
            json!(row.failed),
            json!(row.series),
            json!(row.step_seconds),
        ];
        Object(named(USAGE, values))
    }

    /// Returns the cells after those that say whose the row is.
    fn counts(&self) -> impl Iterator<Item = Cell> + use<> {
        let row = self.0;
        let counts = [row.allowed, row.limited, row.forbidden, row.refused, row.failed];
        counts.into_iter().enumerate().map(|(i, count)| match (count, i) {
            (0, _) => Cell::toned("0", Tone::Faint),
            (_, 0) => Cell::plain(count.to_string()),
            _ => Cell::toned(count.to_string(), Tone::Attention),
        })
    }

    fn numbers(&self) -> impl Iterator<Item = Cell> + use<> {
        self.counts().chain([Cell::plain(sparkline(&self.0.series))])
    }
}

/// Draws numbers as a line of blocks, at most [`WIDTH`] of them, the highest as high as they go.
fn sparkline(series: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let per_block = series.len().div_ceil(WIDTH).max(1);
    let sums: Vec<u64> = series.chunks(per_block).map(|chunk| chunk.iter().sum()).collect();
    let highest = sums.iter().copied().max().unwrap_or_default().max(1);
    let block = |sum: &u64| match sum {
        0 => '·',
        sum => {
            let level = (u128::from(*sum) * 7).div_ceil(u128::from(highest));
            BLOCKS[usize::try_from(level).unwrap_or(7).min(7)]
        }
    };
    sums.iter().map(block).collect()
}

/// How wide a line of blocks is at most.
const WIDTH: usize = 24;

struct ByKey<'r>(&'r UsageRow);
struct ByConsumer<'r>(&'r UsageRow);
struct ByRoute<'r>(&'r UsageRow);
struct ByCall<'r>(&'r UsageRow);
struct ByTime<'r>(&'r UsageRow);

fn name_cell(name: Option<&String>) -> Cell {
    Cell::or_none(name.cloned().unwrap_or_default())
}

impl Item for ByKey<'_> {
    const HEADINGS: &'static [&'static str] =
        &["KEY", "NAME", "CONSUMER", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED", "TREND"];

    fn object(&self) -> Object {
        Shown(self.0).object()
    }

    fn cells(&self) -> Vec<Cell> {
        let id = self.0.key_id.map_or_else(Cell::none, |id| Cell::plain(id.0.to_string()));
        [id, name_cell(self.0.key_name.as_ref()), name_cell(self.0.consumer_name.as_ref())]
            .into_iter()
            .chain(Shown(self.0).numbers())
            .collect()
    }
}

impl Item for ByConsumer<'_> {
    const HEADINGS: &'static [&'static str] =
        &["CONSUMER", "NAME", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED", "TREND"];

    fn object(&self) -> Object {
        Shown(self.0).object()
    }

    fn cells(&self) -> Vec<Cell> {
        let id = self.0.consumer_id.map_or_else(Cell::none, |id| Cell::plain(id.0.to_string()));
        [id, name_cell(self.0.consumer_name.as_ref())].into_iter().chain(Shown(self.0).numbers()).collect()
    }
}

impl Item for ByRoute<'_> {
    const HEADINGS: &'static [&'static str] =
        &["ROUTE", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED", "TREND"];

    fn object(&self) -> Object {
        Shown(self.0).object()
    }

    fn cells(&self) -> Vec<Cell> {
        let route = Cell::or_none(self.0.route.clone().unwrap_or_default());
        [route].into_iter().chain(Shown(self.0).numbers()).collect()
    }
}

impl Item for ByCall<'_> {
    const HEADINGS: &'static [&'static str] = &[
        "CONSUMER",
        "KEY",
        "NAME",
        "ROUTE",
        "ALLOWED",
        "LIMITED",
        "FORBIDDEN",
        "REFUSED",
        "FAILED",
        "TREND",
    ];

    fn object(&self) -> Object {
        Shown(self.0).object()
    }

    fn cells(&self) -> Vec<Cell> {
        let id = self.0.key_id.map_or_else(Cell::none, |id| Cell::plain(id.0.to_string()));
        let route = Cell::or_none(self.0.route.clone().unwrap_or_default());
        [name_cell(self.0.consumer_name.as_ref()), id, name_cell(self.0.key_name.as_ref()), route]
            .into_iter()
            .chain(Shown(self.0).numbers())
            .collect()
    }
}

impl Item for ByTime<'_> {
    const HEADINGS: &'static [&'static str] =
        &["FROM", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED"];

    fn object(&self) -> Object {
        Shown(self.0).object()
    }

    fn cells(&self) -> Vec<Cell> {
        let from = Cell::plain(to_the_second(self.0.from.0));
        [from].into_iter().chain(Shown(self.0).counts()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_blocks_shows_nothing_as_nothing_and_the_most_as_the_most() {
        assert_eq!(sparkline(&[0, 1, 50, 100]), "·▂▅█");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&vec![u64::MAX / 4_000; 4_000]).chars().count(), 24);
    }
}
