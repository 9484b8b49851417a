//! Counts as they cross from one process to the next: a line each, words with a space between. Names of limits have neither
//! spaces nor line ends. What a later version may add is left out by an earlier one.
//!
//! ```text
//! key|consumer|route ID LIMIT AHEAD INTERVAL
//! work key|consumer|route ID LIMIT COUNT
//! secrets failures|limits|attempts A B C D
//! failed TAG AHEAD
//! attempt TAG AHEAD
//! address TAG AGO LIMIT AHEAD INTERVAL
//! ```

use std::io::Write;

use crate::key::QuotaSubject;
use crate::policy::{Counted, SourceTable};

/// Appends the line of a count.
pub(super) fn write(out: &mut Vec<u8>, count: &Counted) {
    let _ = match count {
        Counted::Rate { subject, limit, ahead, interval } => {
            writeln!(out, "{} {limit} {ahead} {interval}", named(subject))
        }
        Counted::Work { subject, limit, count } => writeln!(out, "work {} {limit} {count}", named(subject)),
        Counted::Secrets { table, secrets: [a, b, c, d] } => {
            writeln!(out, "secrets {} {a} {b} {c} {d}", table_name(*table))
        }
        Counted::Failed { tag, ahead } => writeln!(out, "failed {tag} {ahead}"),
        Counted::Attempt { tag, ahead } => writeln!(out, "attempt {tag} {ahead}"),
        Counted::Address { tag, ago, limit, ahead, interval } => {
            writeln!(out, "address {tag} {ago} {limit} {ahead} {interval}")
        }
    };
}

/// Reads a line; `None` if it is none that is known.
pub(super) fn read(line: &str) -> Option<Counted> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    match kind {
        "work" => {
            let kind = words.next()?;
            let subject = subject(kind, words.next()?)?;
            let limit = words.next()?.to_owned();
            Some(Counted::Work { subject, limit, count: words.next()?.parse().ok()? })
        }
        "secrets" => {
            let of = words.next()?;
            let table = [SourceTable::Failures, SourceTable::Limits, SourceTable::Attempts].into_iter();
            let table = table.into_iter().find(|table| table_name(*table) == of)?;
            let numbers: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
            Some(Counted::Secrets { table, secrets: numbers.try_into().ok()? })
        }
        "failed" => {
            let (tag, ahead) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Counted::Failed { tag, ahead })
        }
        "attempt" => {
            let (tag, ahead) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Counted::Attempt { tag, ahead })
        }
        "address" => {
            let (tag, ago) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let limit = words.next()?.to_owned();
            let (ahead, interval) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Counted::Address { tag, ago, limit, ahead, interval })
        }
        kind => {
            let subject = subject(kind, words.next()?)?;
            let limit = words.next()?.to_owned();
            let (ahead, interval) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Counted::Rate { subject, limit, ahead, interval })
        }
    }
}

fn named(subject: &QuotaSubject) -> String {
    match subject {
        QuotaSubject::Key(id) => format!("key {id}"),
        QuotaSubject::Consumer(id) => format!("consumer {id}"),
        QuotaSubject::Route(name) => format!("route {name}"),
    }
}

fn subject(kind: &str, id: &str) -> Option<QuotaSubject> {
    Some(match kind {
        "key" => QuotaSubject::Key(id.parse().ok()?),
        "consumer" => QuotaSubject::Consumer(id.parse().ok()?),
        "route" => QuotaSubject::Route(id.into()),
        _ => return None,
    })
}

const fn table_name(table: SourceTable) -> &'static str {
    match table {
        SourceTable::Failures => "failures",
        SourceTable::Limits => "limits",
        SourceTable::Attempts => "attempts",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_are_written() {
        let subject = QuotaSubject::Route("products".into());
        let limit = "burst".to_owned();
        for count in [
            Counted::Rate { subject: subject.clone(), limit: limit.clone(), ahead: 12, interval: 3 },
            Counted::Work { subject, limit: limit.clone(), count: 7 },
            Counted::Secrets { table: SourceTable::Failures, secrets: [1, 2, 3, u64::MAX] },
            Counted::Secrets { table: SourceTable::Limits, secrets: [0; 4] },
            Counted::Secrets { table: SourceTable::Attempts, secrets: [4; 4] },
            Counted::Failed { tag: u64::MAX, ahead: 5 },
            Counted::Attempt { tag: 6, ahead: 7 },
            Counted::Address { tag: 1, ago: 2, limit, ahead: 3, interval: 4 },
        ] {
            let mut line = Vec::new();
            write(&mut line, &count);
            assert_eq!(read(std::str::from_utf8(&line).unwrap().trim_end()), Some(count));
        }
        for bad in [
            "",
            "key x a 1 1",
            "route r burst 1",
            "route r burst x 1",
            "planet r burst 1 1",
            "work route r burst",
            "secrets limits 1 2 3",
            "secrets others 1 2 3 4",
            "failed 1",
            "attempt 1",
            "address 1 2 burst 3",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
