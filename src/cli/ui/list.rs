//! Lists, row by row: an array, lines, or a table in pages.

use comfy_table::{Attribute, Cell as TableCell, Color, ColumnConstraint, ContentArrangement, Table, Width};

use super::text::{clean, csv_heading, csv_line, json_clean};
use super::{Cell, Format, Item, Tone, Ui};
use crate::cli::failure::Failure;

/// A list under way. JSON and CSV leave row by row; a table leaves in pages.
pub(in crate::cli) struct List<'ui> {
    ui: &'ui Ui,
    headings: &'static [&'static str],
    pending: Vec<Vec<Cell>>,
    widths: Vec<u16>,
    printed: u64,
}

impl<'ui> List<'ui> {
    pub(super) fn new(ui: &'ui Ui) -> Self {
        Self { ui, headings: &[], pending: Vec::new(), widths: Vec::new(), printed: 0 }
    }

    /// Adds a row.
    pub(in crate::cli) fn row<I: Item>(&mut self, item: &I) -> Result<(), Failure> {
        match self.ui.format {
            Format::Table => {
                self.headings = I::HEADINGS;
                self.pending.push(item.cells());
                if self.pending.len() >= PAGE {
                    self.print_page()?;
                }
            }
            Format::Json => {
                let text = serde_json::to_string(&item.object()).expect("these values have a JSON form");
                let lead = if self.printed == 0 { "[\n  " } else { ",\n  " };
                self.ui.raw(format!("{lead}{}", json_clean(&text)).as_bytes())?;
            }
            Format::Jsonl => self.ui.object_line(&item.object())?,
            Format::Csv => {
                let object = item.object();
                if self.printed == 0 {
                    self.ui.raw(csv_heading(&object).as_bytes())?;
                }
                self.ui.raw(csv_line(&object).as_bytes())?;
            }
        }
        self.printed += 1;
        Ok(())
    }

    /// Lets the rows so far leave, before a wait for more. JSON must be asked for by the line.
    pub(in crate::cli) fn pause(&mut self) -> Result<(), Failure> {
        if self.ui.format == Format::Table {
            self.print_page()?;
        }
        self.ui.flush()
    }

    /// Ends a list that a walk filled: whole for its reader also if the walk failed midway, and nothing at all if
    /// it never began. `none` is said of an empty one.
    pub(in crate::cli) fn end_walk(self, walked: Result<(), Failure>, none: &str) -> Result<(), Failure> {
        if self.printed == 0 && walked.is_err() {
            return walked;
        }
        let ui = self.ui;
        if self.end()? == 0 {
            ui.status(none);
        }
        walked
    }

    /// Ends the list and returns how many rows it had.
    pub(in crate::cli) fn end(mut self) -> Result<u64, Failure> {
        match self.ui.format {
            Format::Table => self.print_page()?,
            Format::Json if self.printed == 0 => self.ui.raw(b"[]\n")?,
            Format::Json => self.ui.raw(b"\n]\n")?,
            Format::Jsonl | Format::Csv => {}
        }
        Ok(self.printed)
    }

    fn print_page(&mut self) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        if self.ui.colours_results() {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_content_arrangement(ContentArrangement::Disabled);
        let is_first = self.widths.is_empty();
        if is_first {
            table.set_header(self.headings.iter().map(|h| TableCell::new(h).add_attribute(Attribute::Bold)));
        }
        for row in self.pending.drain(..) {
            table.add_row(row.into_iter().map(|cell| {
                let built = TableCell::new(clean(&cell.text));
                match cell.tone {
                    Tone::Plain => built,
                    Tone::Good => built.fg(Color::DarkGreen),
                    Tone::Attention => built.fg(Color::DarkYellow),
                    Tone::Bad => built.fg(Color::DarkRed),
                    Tone::Faint => built.add_attribute(Attribute::Dim),
                    Tone::Strong => built.add_attribute(Attribute::Bold),
                }
            }));
        }
        if is_first {
            self.widths = table.column_max_content_widths();
        } else {
            // Later pages keep the columns of the first, as far as their content lets them.
            table.set_constraints(
                self.widths.iter().map(|w| ColumnConstraint::LowerBoundary(Width::Fixed(w + 2))),
            );
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index + 1 == self.headings.len() { 0 } else { 2 }));
        }
        for line in table.lines() {
            self.ui.raw(line.trim_end().as_bytes())?;
            self.ui.raw(b"\n")?;
        }
        Ok(())
    }
}

/// Rows of a table before the first leave: enough that columns rarely change after.
const PAGE: usize = 500;
