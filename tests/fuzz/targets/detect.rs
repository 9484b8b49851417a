//! Leak detection in any bytes.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use kgate::key::{Digest, Format, KeyType, KeyTypes, Kind, Peppers};
use kgate::scan::{Bounds, Detector, Options, Report, Scan};

/// A key, well formed and nobody's.
pub const TOKEN: &str = "acme_live_fuzz0Targets1Plant2This3Token4xY4VhlJS";

/// What is found is a key, however the bytes are cut into reads; and a key in them is found.
pub fn detect(data: &[u8]) {
    let at = data.first().map_or(0, |first| usize::from(*first) * data.len() / 256);
    let planted = [&data[..at], TOKEN.as_bytes(), &data[at..]].concat();
    let report = scan(Cursor::new(&planted));
    assert_eq!(report.totals.bytes, planted.len() as u64, "all is read");
    let plain = |report: &Report| -> BTreeSet<Digest> {
        let is_plain = |finding: &&kgate::scan::Finding| {
            finding.places.iter().any(|place| place.decoded.is_empty() && place.members.is_empty())
        };
        report.findings.iter().filter(is_plain).map(|finding| finding.digest).collect()
    };
    let found = plain(&report);
    assert!(found.contains(&Digest::sha256(TOKEN.as_bytes())), "the planted key is found");
    // One byte first, so that every read begins elsewhere.
    let dripping = scan(Cursor::new(&planted[..1]).chain(Cursor::new(&planted[1..])));
    assert_eq!(plain(&dripping), found, "whatever the reads are");
}

/// Scans a stream, and checks that each finding is a key.
pub fn scan(source: impl Read) -> Report {
    let bounds = Bounds {
        expanded_bytes: 1 << 20,
        ratio_from: 64 << 10,
        members: 200,
        held_bytes: 256 << 10,
        time: Duration::from_secs(5),
        ..Bounds::default()
    };
    let options = Options { threads: 1, buffer_bytes: 16 << 10, reveal: true, bounds, ..Options::default() };
    let mut scan = Scan::new(&DETECTOR, Peppers::default(), options);
    scan.stream(Path::new("-"), source);
    let report = scan.finish(None);
    for finding in &report.findings {
        let token = finding.token.as_ref().expect("it was asked for");
        assert!(TYPES.parse(token.expose().as_bytes()).is_ok(), "what is found is a key");
        assert!(finding.place_count > 0 && !finding.places.is_empty());
    }
    report
}

/// Prefixes of which one begins the other, and one as short as can be.
pub static TYPES: LazyLock<KeyTypes> = LazyLock::new(|| {
    let declare = |prefix: &&str| KeyType {
        name: (*prefix).to_owned(),
        prefix: prefix.parse().expect("a prefix"),
        environment: "live".to_owned(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    };
    KeyTypes::new(["acme_live", "acme", "k"].iter().map(declare).collect())
});

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::new(&TYPES).expect("types to look for"));
