//! Keys that replaced one another, which are counted as one: a successor goes on with the counts of the
//! key it replaces, and both share them while both work. Or whoever may rotate a key could have its
//! limits anew as often.
//!
//! A line is known by its first key, also when that is pruned. Only keys that replaced one or were replaced
//! take memory here, some 100 bytes each.

use std::collections::HashMap;

use super::cells::Row;
use crate::key::KeyId;

/// The lines of an index.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The first key of the line of each successor.
    firsts: HashMap<KeyId, KeyId>,
    /// The row of each line, by its first key.
    rows: HashMap<KeyId, Row>,
    /// How many keys are counted in the row of a line, and which line that is.
    shared: HashMap<Row, (u32, KeyId)>,
}

impl Lines {
    /// Takes what each successor replaced, in no order.
    pub(super) fn of(replaced: &HashMap<KeyId, KeyId>) -> Self {
        let mut firsts: HashMap<KeyId, KeyId> = HashMap::with_capacity(replaced.len());
        let mut way = Vec::new();
        for successor in replaced.keys() {
            let mut id = *successor;
            // Each is walked over once, however long the line is; a damaged store may have a circle.
            let first = loop {
                match (firsts.get(&id), replaced.get(&id)) {
                    (Some(first), _) => break *first,
                    (None, Some(before)) if way.len() < replaced.len() => {
                        way.push(id);
                        id = *before;
                    }
                    _ => break id,
                }
            };
            firsts.extend(way.drain(..).map(|id| (id, first)));
        }
        Self { firsts, ..Self::default() }
    }

    /// Returns the first key of a key's line: itself, if it replaced none.
    pub(super) fn first(&self, id: KeyId) -> KeyId {
        self.firsts.get(&id).copied().unwrap_or(id)
    }

    /// Returns the line of a key, if it replaced one or was replaced.
    pub(super) fn line(&self, id: KeyId, is_replaced: bool) -> Option<KeyId> {
        self.firsts.get(&id).copied().or(is_replaced.then_some(id))
    }

    /// Notes that `id` replaced `before`.
    pub(super) fn follow(&mut self, id: KeyId, before: KeyId) {
        let first = self.first(before);
        self.firsts.insert(id, first);
    }

    /// Returns the row of a line.
    pub(super) fn row(&self, first: KeyId) -> Option<Row> {
        self.rows.get(&first).copied()
    }

    /// Says whether a row is a line's.
    pub(super) fn has(&self, row: Row) -> bool {
        self.shared.contains_key(&row)
    }

    /// Counts one more key in the row of a line.
    pub(super) fn join(&mut self, first: KeyId, row: Row) {
        self.rows.insert(first, row);
        self.shared.entry(row).or_insert((0, first)).0 += 1;
    }

    /// Counts one key less in a row, and says whether it was the last.
    pub(super) fn leave(&mut self, id: KeyId, row: Row) -> bool {
        self.firsts.remove(&id);
        match self.shared.get_mut(&row) {
            Some((keys, _)) if *keys > 1 => {
                *keys -= 1;
                false
            }
            Some((_, first)) => {
                self.rows.remove(first);
                self.shared.remove(&row);
                true
            }
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> KeyId {
        KeyId::from_bytes([number; 16])
    }

    #[test]
    fn a_line_is_known_by_its_first_key_whatever_the_order() {
        let mut lines = Lines::of(&(1..200).map(|n| (id(n), id(n - 1))).collect());
        assert!((0..200).all(|n| lines.first(id(n)) == id(0)));
        assert_eq!(lines.first(id(250)), id(250));
        lines.follow(id(201), id(199));
        assert_eq!(lines.first(id(201)), id(0));
        assert_eq!((lines.line(id(0), true), lines.line(id(0), false)), (Some(id(0)), None));
        let circle = Lines::of(&[(id(1), id(2)), (id(2), id(1))].into());
        assert!([1, 2].contains(&circle.first(id(1)).as_bytes()[0]), "it ends");
    }

    #[test]
    fn a_row_is_given_back_with_the_last_key_of_its_line() {
        let mut lines = Lines::of(&[(id(2), id(1))].into());
        lines.join(id(1), 7);
        lines.join(id(1), 7);
        assert_eq!((lines.row(id(1)), lines.has(7)), (Some(7), true));
        assert!(!lines.leave(id(1), 7));
        assert_eq!(lines.first(id(2)), id(1), "also when the first is gone");
        assert!(lines.leave(id(2), 7));
        assert_eq!((lines.row(id(1)), lines.has(7)), (None, false));
        assert!(lines.leave(id(3), 8), "a row of no line is one key's");
    }
}
