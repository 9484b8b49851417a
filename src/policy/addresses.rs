//! Which row the limits of a source address are counted in, in memory of one size however many come.
//!
//! Every way of every set ([`super::sources`]) is a row. A new address takes the way of its set that was not seen
//! for longest, and begins with nothing counted: in a flood from more addresses than there are ways,
//! counts err towards letting requests pass, and whoever goes on keeps his count. The set is locked while
//! an address is charged, so that its row is nobody else's meanwhile.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use super::cells::Row;
use super::sources::{Place, Set, Sources, WAYS};

/// The rows of all addresses: when each was last seen, in the nanoseconds of [`super::Now::mono`].
#[derive(Debug, Default)]
pub(super) struct Addresses(Sources);

/// An address with its row, which stays its own until this is dropped.
pub(super) struct Entered<'a> {
    set: &'a Set,
    row: Row,
}

impl Addresses {
    /// Makes the table, so that no request has to.
    pub(super) fn prepare(&self) {
        self.0.prepare();
    }

    /// Finds or makes the row of an address, and keeps it from being given away. Those whose address is
    /// unknown are one. `forget` is to take back what was counted in the row for another address.
    pub(super) fn enter(&self, address: Option<IpAddr>, now: u64, forget: impl FnOnce(Row)) -> Entered<'_> {
        let Place { set, number, tag } = self.0.place(address);
        set.lock();
        let mut entered = Entered { set, row: 0 };
        let known = set.way_of(tag);
        let way = known.unwrap_or_else(|| longest_unseen(set));
        entered.row = row(number, way);
        if known.is_none() {
            forget(entered.row);
            set.tags[way].store(tag, Ordering::Relaxed);
        }
        set.kept[way].store(now, Ordering::Relaxed);
        entered
    }

    /// Returns what addresses are found by.
    pub(super) fn secrets(&self) -> [u64; 4] {
        self.0.secrets()
    }

    /// Finds addresses as another process did: see [`Sources::take_secrets`].
    pub(super) fn take_secrets(&self, secrets: [u64; 4]) {
        self.0.take_secrets(secrets);
    }

    /// Visits every address that was seen: its tag, its row, and how many nanoseconds ago.
    pub(super) fn each(&self, now: u64, mut visit: impl FnMut(u64, Row, u64)) {
        self.0.each(|Place { set, number, tag }, way| {
            visit(tag, row(number, way), now.saturating_sub(set.kept[way].load(Ordering::Relaxed)));
        });
    }

    /// Finds or makes the row of a tag that was last seen at `seen`, as far as another process knows. Nothing may
    /// be counted in it yet.
    pub(super) fn go_on(&self, tag: u64, seen: u64) -> Row {
        let Place { set, number, tag } = self.0.place_of(tag.max(1));
        set.lock();
        let way = set.way_of(tag).unwrap_or_else(|| longest_unseen(set));
        set.tags[way].store(tag, Ordering::Relaxed);
        set.kept[way].store(seen, Ordering::Relaxed);
        set.unlock();
        row(number, way)
    }

    /// Finds the row of an address that was seen before.
    pub(super) fn row(&self, address: Option<IpAddr>) -> Option<Row> {
        let Place { set, number, tag } = self.0.place(address);
        set.way_of(tag).map(|way| row(number, way))
    }
}

fn longest_unseen(set: &Set) -> usize {
    let seen = |way: &usize| {
        let is_taken = set.tags[*way].load(Ordering::Relaxed) != 0;
        (is_taken, set.kept[*way].load(Ordering::Relaxed))
    };
    (0..WAYS).min_by_key(seen).expect("a set has ways")
}

impl Entered<'_> {
    pub(super) fn row(&self) -> Row {
        self.row
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.set.unlock();
    }
}

fn row(set: usize, way: usize) -> Row {
    Row::try_from(set * WAYS + way).expect("there are fewer ways than rows")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::sources::SETS;
    use super::*;

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    fn enter(addresses: &Addresses, address: Option<IpAddr>, now: u64) -> (Row, bool) {
        let mut is_new = false;
        let row = addresses.enter(address, now, |_| is_new = true).row();
        (row, is_new)
    }

    #[test]
    fn an_address_keeps_its_row_and_a_64_has_one() {
        let addresses = Addresses::default();
        let (row, is_new) = enter(&addresses, Some(v4(1)), 1);
        assert!(is_new);
        assert_eq!(enter(&addresses, Some(v4(1)), 2), (row, false));
        assert_eq!(addresses.row(Some(v4(1))), Some(row));
        assert_eq!(addresses.row(Some(v4(2))), None, "asking takes nothing");
        let v6 = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let (row, _) = enter(&addresses, v6("2001:db8:1:2::1"), 3);
        assert_eq!(enter(&addresses, v6("2001:db8:1:2:ffff::9"), 4), (row, false));
        assert!(enter(&addresses, v6("2001:db8:1:3::1"), 5).1);
        assert!(enter(&addresses, None, 6).1, "the unknown are one of their own");
        assert!(!enter(&addresses, None, 7).1);
    }

    /// A million addresses, ten million under `KGATE_SOAK`, and one that goes on.
    #[test]
    fn many_addresses_take_no_more_rows_and_drive_out_nobody_who_goes_on() {
        let count = if std::env::var_os("KGATE_SOAK").is_some() { 10_000_000 } else { 1_000_000 };
        let addresses = Addresses::default();
        let (one, _) = enter(&addresses, Some(v4(u32::MAX)), 0);
        for number in 0..count {
            let (row, is_new) = enter(&addresses, Some(v4(number)), u64::from(number) + 1);
            assert!(is_new && (row as usize) < SETS * WAYS);
            // 4,000 others fall into one set of 16,384 a quarter of a time on average; that the seven it
            // takes to drive somebody out do, happens once in a hundred million times.
            if number % 4_000 == 0 {
                assert_eq!(
                    enter(&addresses, Some(v4(u32::MAX)), u64::from(number) + 1),
                    (one, false),
                    "{number}"
                );
            }
        }
    }
}
