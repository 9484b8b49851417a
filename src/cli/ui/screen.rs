//! A whole terminal that shows one picture after the other, and is given back as it was.

use std::fmt::Write as _;

use dialoguer::console::Term;

use super::text::clean;
use super::{Tone, Ui, paint};
use crate::cli::failure::Failure;

/// A line of a picture: pieces in colours, some of them in columns.
#[derive(Default)]
pub(in crate::cli) struct Line(Vec<(String, Tone)>);

impl Line {
    pub(in crate::cli) fn new() -> Self {
        Self::default()
    }

    /// Begins a part of the picture.
    pub(in crate::cli) fn heading(text: &str) -> Self {
        Self::new().piece(format!("{text:<14}"), Tone::Strong)
    }

    /// Adds a piece, filled up to a width.
    pub(in crate::cli) fn put(self, text: &str, width: usize) -> Self {
        self.toned(text, width, Tone::Plain)
    }

    /// As [`Line::put`], in a colour. What fills it up has none. A column that is full is left by a space.
    pub(in crate::cli) fn toned(self, text: &str, width: usize, tone: Tone) -> Self {
        let text = clean(text);
        let length = text.chars().count();
        let gap = if width == 0 { 0 } else { width.saturating_sub(length).max(usize::from(length > 0)) };
        self.piece(text.into_owned(), tone).piece(" ".repeat(gap), Tone::Plain)
    }

    /// Adds a piece at the right of a column.
    pub(in crate::cli) fn right(self, text: &str, width: usize) -> Self {
        self.piece(format!("{:>width$}", clean(text)), Tone::Plain)
    }

    fn piece(mut self, text: String, tone: Tone) -> Self {
        self.0.push((text, tone));
        self
    }

    /// Writes as much of it as fits.
    fn write(&self, out: &mut String, width: usize, is_coloured: bool) {
        let mut left = width;
        for (text, tone) in &self.0 {
            let fits: String = text.chars().take(left).collect();
            left -= fits.chars().count();
            out.push_str(&if is_coloured && !fits.trim().is_empty() {
                paint(&fits, tone.code())
            } else {
                fits
            });
        }
    }
}

/// The terminal, taken. Dropping it gives it back.
pub(in crate::cli) struct Screen {
    term: Term,
    is_coloured: bool,
}

impl Ui {
    /// Says whether pictures can follow each other where results go.
    pub(in crate::cli) fn can_be_watched(&self) -> bool {
        self.format == super::Format::Table
            && self.stdout_is_terminal
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Takes the terminal.
    pub(in crate::cli) fn screen(&self) -> Result<Screen, Failure> {
        self.flush()?;
        let term = Term::stdout();
        // The screen programs have for themselves: what was there before comes back after.
        term.write_str("\u{1b}[?1049h\u{1b}[?25l").map_err(|error| Failure::stdout(&error))?;
        Ok(Screen { term, is_coloured: self.colours_results() })
    }

    /// Prints a picture once.
    pub(in crate::cli) fn picture(&self, lines: &[Line]) -> Result<(), Failure> {
        for line in lines {
            let mut text = String::new();
            line.write(&mut text, usize::MAX, self.colours_results());
            self.raw(format!("{}\n", text.trim_end()).as_bytes())?;
        }
        self.raw(b"\n")
    }
}

impl Screen {
    /// Shows a picture in place of the one before. What is too long or too wide is cut off, and that it is
    /// said.
    pub(in crate::cli) fn draw(&self, lines: &[Line]) -> Result<(), Failure> {
        let (height, width) = self.term.size();
        let (height, width) = (usize::from(height).max(2), usize::from(width).max(20));
        // One write, from the top, each line cleared behind its end: nothing flickers.
        let mut text = String::from("\u{1b}[H");
        let fits = if lines.len() > height { height - 1 } else { lines.len() };
        for (at, line) in lines[..fits].iter().enumerate() {
            let lead = if at == 0 { "" } else { "\r\n" };
            text.push_str(lead);
            line.write(&mut text, width, self.is_coloured);
            text.push_str("\u{1b}[K");
        }
        if fits < lines.len() {
            let _ = write!(
                text,
                "\r\n… {} more lines: make the window higher, or use --once\u{1b}[K",
                lines.len() - fits
            );
        }
        text.push_str("\u{1b}[J");
        self.term.write_str(&text).map_err(|error| Failure::stdout(&error))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.term.write_str("\u{1b}[?25h\u{1b}[?1049l");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_edge_and_obeys_nobody() {
        let line = Line::new().put("", 2).toned("a\u{1b}[2Jb", 4, Tone::Bad).right("7", 3).put("end", 0);
        let mut text = String::new();
        line.write(&mut text, usize::MAX, false);
        assert_eq!(text, "  a\\u{1b}[2Jb   7end");
        let mut cut = String::new();
        line.write(&mut cut, 5, true);
        assert_eq!(cut, "  \u{1b}[31ma\\u\u{1b}[0m");
    }
}
