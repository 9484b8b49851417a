//! Where needles are in a content, and how to know it without searching all of it: a content that was
//! made of another one has the other's, and can have new ones only where something new stands or where
//! two stretches meet.
//!
//! Most objects of a repository are versions of others, and differ from them in a few lines.

use super::needle::{Clue, Mark, Needles};

/// Every place in a content where a needle is, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::scan) struct Marks(Vec<Mark>);

/// A stretch of a content that was made of another one, the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) enum Stretch {
    /// `len` bytes of the base from `from` on.
    Kept { from: usize, len: usize },
    /// This many bytes that are given.
    New(usize),
}

/// One thread's means to find marks; its buffers are used again.
#[derive(Default)]
pub(super) struct Marker {
    /// What is new in a content, and what is around it.
    text: Vec<u8>,
    runs: Vec<Run>,
}

/// Bytes that stand together in the content, too.
#[derive(Clone, Copy)]
struct Run {
    /// Where it begins in the text.
    text: usize,
    /// Where it begins in the content.
    content: usize,
}

impl Marks {
    /// Calls `found` with every clue of one group of needles and where it is, in order.
    pub(super) fn each(&self, needles: &Needles, group: usize, mut found: impl FnMut(Clue, usize)) {
        for mark in self.0.iter().filter(|mark| usize::from(mark.group) == group) {
            needles.clues(*mark).iter().for_each(|clue| found(*clue, mark.at));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of `base` that are wholly in a stretch of it, which is at `at` in the content.
    fn keep(&mut self, needles: &Needles, base: &Self, from: usize, len: usize, at: usize) {
        let first = base.0.partition_point(|mark| mark.at < from);
        let inside = base.0[first..].iter().take_while(|mark| mark.at < from + len);
        let whole = inside.filter(|mark| mark.at + needles.length(**mark) <= from + len);
        self.0.extend(whole.map(|mark| mark.moved(mark.at - from + at)));
    }
}

impl Marker {
    /// Finds the marks of a content by searching it; `None` if there are more than are worth keeping.
    pub(super) fn find(needles: &Needles, content: &[u8]) -> Option<Marks> {
        let mut marks = Marks::default();
        needles.mark(content, |mark, _| {
            marks.0.push(mark);
            marks.0.len() <= MOST
        })?;
        marks.0.sort_unstable();
        Some(marks)
    }

    /// Finds the marks of a content that was made of one with the marks `base`.
    pub(super) fn derive(
        &mut self,
        needles: &Needles,
        content: &[u8],
        base: &Marks,
        stretches: &[Stretch],
    ) -> Option<Marks> {
        self.text.clear();
        self.runs.clear();
        let mut marks = Marks::default();
        // As much of a needle as can stand outside of what is new.
        let margin = needles.longest() - 1;
        let mut at = 0;
        for stretch in stretches {
            match *stretch {
                Stretch::New(len) => {
                    self.add(content, at, len);
                    at += len;
                }
                Stretch::Kept { from, len } => {
                    marks.keep(needles, base, from, len, at);
                    if len <= 2 * margin {
                        self.add(content, at, len);
                    } else {
                        self.add(content, at, margin);
                        self.add(content, at + len - margin, margin);
                    }
                    at += len;
                }
            }
        }
        if self.text.len() > content.len() / 2 {
            return Self::find(needles, content);
        }
        let Self { text, runs } = &*self;
        needles.mark(text, |mark, len| {
            let next = runs.partition_point(|run| run.text <= mark.at);
            let end = runs.get(next).map_or(text.len(), |run| run.text);
            // What is in two runs is not in the content.
            if mark.at + len <= end {
                let run = runs[next - 1];
                marks.0.push(mark.moved(mark.at - run.text + run.content));
            }
            marks.0.len() <= MOST
        })?;
        marks.0.sort_unstable();
        // Around what is new there are marks of the base, too.
        marks.0.dedup();
        (marks.0.len() <= MOST).then_some(marks)
    }

    /// Adds part of the content to what is searched.
    fn add(&mut self, content: &[u8], at: usize, len: usize) {
        let follows = self.runs.last().is_some_and(|run| run.content + (self.text.len() - run.text) == at);
        if !follows {
            self.runs.push(Run { text: self.text.len(), content: at });
        }
        self.text.extend_from_slice(&content[at..at + len]);
    }
}

/// Marks kept of one content; those that have more are searched again in every version.
const MOST: usize = 500;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn needles() -> Needles {
        Needles::new(&[b"acme_live_".to_vec().into_boxed_slice(), b"ac_a_".to_vec().into_boxed_slice()])
    }

    /// Text in which needles, their beginnings and their ends are frequent.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        const WORDS: &[&str] =
            &["acme_", "live_", "acme", "_live_", "%5F", "%", "5F", "a", "c_a_", "&#9", "YWNtZV9saXZl", "x"];
        proptest::collection::vec(proptest::sample::select(WORDS), 0..40)
            .prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn marks_of_a_version_are_those_a_search_finds(
            base in text(),
            fill in 0usize..400,
            made in proptest::collection::vec((any::<bool>(), any::<u16>(), any::<u16>(), text()), 0..8),
        ) {
            // Long stretches without needles, so that the new ones are the lesser part.
            let blank = vec![b'.'; fill];
            let base = [&blank[..], &base, &blank].concat();
            let (mut content, mut stretches) = (Vec::new(), Vec::new());
            for (keeps, from, len, text) in made {
                if keeps {
                    let from = usize::from(from) % (base.len() + 1);
                    let len = usize::from(len) % (base.len() + 1 - from);
                    content.extend_from_slice(&base[from..from + len]);
                    stretches.push(Stretch::Kept { from, len });
                } else {
                    stretches.push(Stretch::New(text.len()));
                    content.extend_from_slice(&text);
                }
            }
            let needles = needles();
            let marks = Marker::find(&needles, &base).unwrap();
            let derived = Marker::default().derive(&needles, &content, &marks, &stretches);
            prop_assert_eq!(derived, Marker::find(&needles, &content));
        }
    }

    /// Wherever the longest needle is cut in two, of which one half or both are kept: a margin that is one
    /// byte too small loses it.
    #[test]
    fn the_longest_needle_is_found_across_every_seam() {
        let needles = needles();
        let mut wide: Vec<u8> = b"acme_live_".iter().flat_map(|&byte| [byte, 0, 0, 0]).collect();
        wide.truncate(needles.longest());
        let blank = vec![b'.'; 20 * wide.len()];
        for cut in 1..wide.len() {
            let (before, after) = wide.split_at(cut);
            let [head, tail] = [[&blank[..], before].concat(), [after, &blank[..]].concat()];
            let content = [&head[..], &tail[..]].concat();
            let kept = |from, len| Stretch::Kept { from, len };
            for (base, stretches) in [
                ([&head[..], b"|"].concat(), vec![kept(0, head.len()), Stretch::New(tail.len())]),
                ([b"|", &tail[..]].concat(), vec![Stretch::New(head.len()), kept(1, tail.len())]),
                (
                    [&head[..], b"|", &tail[..]].concat(),
                    vec![kept(0, head.len()), kept(head.len() + 1, tail.len())],
                ),
                (
                    [&head[..], b"|", &blank[..]].concat(),
                    vec![kept(0, head.len()), Stretch::New(after.len()), kept(head.len() + 1, blank.len())],
                ),
            ] {
                let marks = Marker::find(&needles, &base).unwrap();
                let derived = Marker::default().derive(&needles, &content, &marks, &stretches).unwrap();
                assert!(!derived.is_empty(), "cut after {cut}: {stretches:?}");
                assert_eq!(Some(derived), Marker::find(&needles, &content), "cut after {cut}");
            }
        }
    }

    #[test]
    fn needles_without_number_are_not_kept() {
        let needles = needles();
        assert_eq!(Marker::find(&needles, &b"acme_".repeat(MOST)).unwrap().0.len(), MOST);
        assert_eq!(Marker::find(&needles, &b"acme_".repeat(MOST + 1)), None);
        let base = Marker::find(&needles, b"acme_").unwrap();
        let stretches = vec![Stretch::Kept { from: 0, len: 5 }; MOST + 1];
        let content = b"acme_".repeat(MOST + 1);
        assert_eq!(Marker::default().derive(&needles, &content, &base, &stretches), None);
    }
}
