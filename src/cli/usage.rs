//! `kgate usage`

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::key::{ConsumerId, KeyId, Past};
use crate::store::{Retention, Store, UsageBy, UsageRow, UsageWindow, Used};

use super::failure::{Answer, Failure, Outcome};
use super::lookup;
use super::session::Session;
use super::ui::{Cell, Item, Object, Tone};
use super::values::{counted, to_the_second};
use super::view::{Field, time};

/// What `usage` prints of each row.
pub(super) const USAGE: &[Field] = &[
    ("key_id", "the key, with --by key, else null"),
    ("key_name", "what people call it, or null"),
    ("consumer_id", "who holds it, with --by key or consumer, else null"),
    ("consumer_name", "what people call them, or null"),
    ("route", "the route, with --by route, else null"),
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
    /// A minute, hour or day, as --since allows
    Time,
}

impl From<By> for UsageBy {
    fn from(by: By) -> Self {
        match by {
            By::Key => Self::Key,
            By::Consumer => Self::Consumer,
            By::Route => Self::Route,
            By::Time => Self::Time,
        }
    }
}

pub(super) fn run(args: &UsageArgs, session: &Session) -> Outcome {
    let now = session.now();
    let store = session.store()?;
    let subject = args.subject.as_deref().map(|text| Subject::find(&store, text)).transpose()?;
    let by = args.by.unwrap_or(if matches!(subject, Some(Subject::Key(_))) { By::Route } else { By::Key });
    let retention = session.config().map_or_else(|_| Retention::default(), |config| config.usage);
    let window = UsageWindow::reaching(args.since.resolve(now), now, retention);
    let keys = subject.map(|subject| subject.keys(&store)).transpose()?;
    let Some(usage) = session.usage() else {
        return Err(Failure::cannot("the usage file cannot be read").help("run `kgate doctor`"));
    };
    let rows = usage.report(keys, by.into(), window, &store)?;
    let total: u64 = rows.iter().map(UsageRow::requests).sum();
    let mut list = session.ui.list();
    for row in &rows {
        match by {
            By::Key => list.row(&ByKey(row))?,
            By::Consumer => list.row(&ByConsumer(row))?,
            By::Route => list.row(&ByRoute(row))?,
            By::Time => list.row(&ByTime(row))?,
        }
    }
    if list.end()? == 0 {
        session.ui.status(format!("no requests since {}", to_the_second(window.begins())));
    } else {
        session.ui.status(format!("{} since {}", counted(total, "request"), to_the_second(window.begins())));
    }
    Ok(Answer::Yes)
}

/// Whose usage is wanted.
enum Subject {
    Key(KeyId),
    Consumer(ConsumerId),
}

impl Subject {
    fn find(store: &Store, text: &str) -> Result<Self, Failure> {
        match lookup::parse_key_id(text)? {
            // A pruned key is gone, and its counts are not.
            Some(key) => Ok(Self::Key(key)),
            None => Ok(Self::Consumer(lookup::consumer(store, text)?.id)),
        }
    }

    fn keys(self, store: &Store) -> Result<Vec<KeyId>, Failure> {
        let mut keys = Vec::new();
        match self {
            Self::Key(key) => keys.push(key),
            Self::Consumer(consumer) => store.keys_of(consumer, &mut |record| {
                keys.extend(record.map(|key| key.id));
                true
            })?,
        }
        Ok(keys)
    }
}

/// What programs get of a row.
struct Shown<'r>(&'r UsageRow);

impl Shown<'_> {
    fn object(&self) -> Object {
        let row = self.0;
        let name = |named: Option<&Option<String>>| json!(named.and_then(Option::as_deref));
        let mut values = vec![
            json!(row.key.as_ref().map(|(id, _)| id.to_string())),
            name(row.key.as_ref().map(|(_, name)| name)),
            json!(row.consumer.as_ref().map(|(id, _)| id.to_string())),
            name(row.consumer.as_ref().map(|(_, name)| name)),
            json!(row.route),
            time(row.window.begins()),
            time(row.window.ends()),
            json!(row.requests()),
        ];
        values.extend(row.by_used.iter().map(|count| json!(count)));
        values.push(json!(row.series));
        values.push(json!(row.window.period.secs()));
        Object(USAGE.iter().map(|(name, _)| *name).zip(values).collect())
    }

    /// Returns the cells after those that say whose the row is.
    fn numbers(&self) -> impl Iterator<Item = Cell> {
        let counts = self.0.by_used.iter().enumerate().map(|(i, count)| match (count, i) {
            (0, _) => Cell::toned("0", Tone::Faint),
            (_, 0) => Cell::plain(count.to_string()),
            _ => Cell::toned(count.to_string(), Tone::Attention),
        });
        counts.chain([Cell::plain(sparkline(&self.0.series))])
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
struct ByTime<'r>(&'r UsageRow);

fn name_cell<T>(named: Option<&(T, Option<String>)>) -> Cell {
    Cell::or_none(named.and_then(|(_, name)| name.clone()).unwrap_or_default())
}

impl Item for ByKey<'_> {
    const HEADINGS: &'static [&'static str] =
        &["KEY", "NAME", "CONSUMER", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED", "TREND"];

    fn object(&self) -> Object {
        Shown(self.0).object()
    }

    fn cells(&self) -> Vec<Cell> {
        let id = self.0.key.as_ref().map_or_else(Cell::none, |(id, _)| Cell::plain(id.to_string()));
        [id, name_cell(self.0.key.as_ref()), name_cell(self.0.consumer.as_ref())]
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
        let id = self.0.consumer.as_ref().map_or_else(Cell::none, |(id, _)| Cell::plain(id.to_string()));
        [id, name_cell(self.0.consumer.as_ref())].into_iter().chain(Shown(self.0).numbers()).collect()
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

impl Item for ByTime<'_> {
    const HEADINGS: &'static [&'static str] =
        &["FROM", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED"];

    fn object(&self) -> Object {
        Shown(self.0).object()
    }

    fn cells(&self) -> Vec<Cell> {
        let from = Cell::plain(to_the_second(self.0.window.begins()));
        [from].into_iter().chain(Shown(self.0).numbers().take(Used::ALL.len())).collect()
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
