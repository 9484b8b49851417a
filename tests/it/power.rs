//! Power loss: what a disk may keep of writes that were not synced when it stopped.
//!
//! `strace` records every write and sync of a real command. Each moment of that record is replayed: writes before the last
//! finished sync are on the disk; of later ones any part may be, sector by sector. The store must open from
//! all of it, whole, and know what was acknowledged before.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use kgate::store::{Access, Level, Options, Store, doctor};

use crate::process::Site;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    if crate::harness::is_quick() {
        return;
    }
    let (site, commands) = site();
    for args in &commands {
        let record = Record::of(&site, args);
        let seen = record.replay(&record.moments());
        assert_eq!(seen.lost, None, "{args:?}");
        assert!(seen.old > 0 && seen.new > 0, "{args:?}: {seen:?}");
    }
}

#[test]
fn a_sync_that_was_left_out_is_found() {
    if crate::harness::is_quick() {
        return;
    }
    let (site, commands) = site();
    for args in &commands {
        let mut record = Record::of(&site, args);
        record.events.retain(|event| !matches!(event, Event::Synced));
        let seen = record.replay(&record.moments());
        assert!(seen.lost.is_some(), "{args:?}: {seen:?}");
    }
}

fn site() -> (Site, Vec<Vec<String>>) {
    let site = Site::new();
    let store = site.store();
    let ids: Vec<String> = (0..2).map(|_| Site::issue(&store).record.id.to_string()).collect();
    store.close().unwrap();
    let commands = [
        "consumer create Beta",
        "key create --consumer Beta --json",
        &format!("key rotate {} --grace 1h --json", ids[0]),
        &format!("key revoke {} --reason leak --yes --json", ids[1]),
    ];
    (site, commands.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect())
}

/// What a command did to the store's file.
struct Record {
    /// The file before it.
    before: Vec<u8>,
    old_revision: u64,
    new_revision: u64,
    events: Vec<Event>,
}

enum Event {
    Wrote {
        at: usize,
        bytes: Vec<u8>,
    },
    Cut(usize),
    /// Everything written before is on the disk.
    Synced,
    /// The command said that it was done.
    Acknowledged,
}

/// How often the store opened as it was before and after the command, and the first thing that was not as promised.
#[derive(Default, Debug)]
struct Seen {
    old: usize,
    new: usize,
    lost: Option<String>,
}

impl Record {
    fn of(site: &Site, args: &[String]) -> Self {
        let file = site.store_file();
        let before = fs::read(&file).unwrap();
        let old_revision = revision(&site.data());
        let log = site.dir.path().join("strace");
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let command = site.command(&args);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-y", "-xx", "-s", "100000000", "-e", "signal=none", "-o"]).arg(&log);
        strace.args(["-e", "trace=pwrite64,write,fdatasync,fsync,ftruncate", "--"]);
        strace.arg(command.get_program()).args(command.get_args());
        strace.env_remove("KGATE_CONFIG").env_remove("KGATE_DATA_DIR");
        let output = strace.output().expect("strace runs (`make test` installs it)");
        assert!(output.status.success(), "{output:?}");
        let new_revision = revision(&site.data());
        assert!(new_revision > old_revision);
        let text = fs::read_to_string(&log).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let events: Vec<Event> = text.lines().filter_map(|line| Event::parse(line, name)).collect();
        let record = Self { before, old_revision, new_revision, events };
        // The record is all that happened: replayed to its end it is the file.
        assert!(record.image(record.events.len(), |_| true) == fs::read(&file).unwrap(), "{text:.2000}");
        record
    }

    /// Every number of events after which the power may be lost, up to the acknowledgement and beyond.
    fn moments(&self) -> Vec<usize> {
        assert!(self.events.iter().any(|event| matches!(event, Event::Acknowledged)));
        (0..=self.events.len()).collect()
    }

    /// Returns what is on the disk after so many events, if of each sector not synced then this one is kept.
    fn image(&self, moment: usize, mut is_kept: impl FnMut(usize) -> bool) -> Vec<u8> {
        let events = &self.events[..moment];
        let synced = events.iter().rposition(|event| matches!(event, Event::Synced)).unwrap_or(0);
        let mut disk = self.before.clone();
        let mut sector = 0;
        for (index, event) in events.iter().enumerate() {
            match event {
                Event::Wrote { at, bytes } => {
                    let mut from = 0;
                    while from < bytes.len() {
                        let to = bytes.len().min((at + from) / SECTOR * SECTOR + SECTOR - at);
                        if index < synced || is_kept(sector) {
                            if disk.len() < at + to {
                                disk.resize(at + to, 0);
                            }
                            disk[at + from..at + to].copy_from_slice(&bytes[from..to]);
                        }
                        sector += 1;
                        from = to;
                    }
                }
                // The length is the file system's, whose journal keeps the order.
                Event::Cut(length) => disk.resize(*length, 0),
                Event::Synced | Event::Acknowledged => {}
            }
        }
        disk
    }

    /// Opens what may be left at each of the moments.
    fn replay(&self, moments: &[usize]) -> Seen {
        let rounds = if crate::harness::is_soak() { 60 } else { 4 };
        let mut seen = Seen::default();
        let mut chance = Chance(0x2545_f491_4f6c_dd1d);
        for &moment in moments {
            let is_acknowledged =
                self.events[..moment].iter().any(|event| matches!(event, Event::Acknowledged));
            for round in 0..rounds {
                let image = match round {
                    0 => self.image(moment, |_| false),
                    1 => self.image(moment, |_| true),
                    _ => self.image(moment, |_| chance.is_heads()),
                };
                let what = format!("event {moment} of {}, round {round}", self.events.len());
                match open(&image) {
                    Ok(revision) if revision == self.old_revision && !is_acknowledged => seen.old += 1,
                    Ok(revision) if revision == self.new_revision => seen.new += 1,
                    Ok(revision) => {
                        seen.lost.get_or_insert(format!("{what}: revision {revision}"));
                    }
                    Err(problem) => {
                        seen.lost.get_or_insert(format!("{what}: {problem}"));
                    }
                }
            }
        }
        seen
    }
}

impl Event {
    /// Reads a line of strace's; `None` where it is not about the store's file.
    fn parse(line: &str, name: &str) -> Option<Self> {
        let call = line.split_once(' ')?.1.trim_start();
        if call.starts_with("<... fdatasync resumed") || call.starts_with("<... fsync resumed") {
            return call.ends_with("= 0").then_some(Self::Synced);
        }
        let (call, rest) = call.split_once('(')?;
        let (fd, rest) = rest.split_once('<')?;
        let (path, rest) = rest.split_once('>')?;
        if call == "write" {
            return (fd == "1").then_some(Self::Acknowledged);
        }
        if !path.ends_with(name)
            && !path.ends_with(&name.bytes().map(|b| format!("\\x{b:02x}")).collect::<String>())
        {
            return None;
        }
        let mut arguments = rest.trim_start_matches(", ").split(", ");
        match call {
            "pwrite64" => {
                let text = arguments.next()?.trim_matches('"');
                let bytes: Vec<u8> =
                    text.split("\\x").skip(1).map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
                assert_eq!(arguments.next()?.parse(), Ok(bytes.len()));
                let at = arguments.next()?.split([')', ' ']).next()?.parse().unwrap();
                Some(Self::Wrote { at, bytes })
            }
            "ftruncate" => Some(Self::Cut(arguments.next()?.split([')', ' ']).next()?.parse().unwrap())),
            _ => line.ends_with("= 0").then_some(Self::Synced),
        }
    }
}

/// Opens a store's file as a command would, looks at all of it, and returns its revision.
fn open(image: &[u8]) -> Result<u64, String> {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(dir.path().join("kgate.redb"));
    file.unwrap().write_all(image).unwrap();
    let store = Store::open(dir.path(), Access::Write, &Options::default()).map_err(|e| e.to_string())?;
    store.close().map_err(|e| e.to_string())?;
    let report = doctor(dir.path(), &Options::default());
    match report.checks.iter().find(|check| check.level == Level::Fault) {
        Some(check) => Err(format!("{}: {}", check.name, check.detail)),
        None => Ok(report.revision.unwrap().to_string().parse().unwrap()),
    }
}

fn revision(dir: &Path) -> u64 {
    doctor(dir, &Options::default()).revision.unwrap().to_string().parse().unwrap()
}

/// Xorshift: the same parts at every run.
struct Chance(u64);

impl Chance {
    fn is_heads(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 40 & 1 == 1
    }
}
