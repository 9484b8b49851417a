//! The one way out: results and secrets to standard output, everything said to standard error.
//!
//! Nothing else in the program prints. Text that came from data (names, file names, arguments) is
//! neutralised here, once, for whichever form it leaves in: terminals obey control characters,
//! spreadsheets obey cells that begin with `=`, and neither must obey a consumer's name.

mod list;
mod narrow;
mod screen;
mod text;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use crate::key::redact_tokens;

use super::failure::Failure;
use narrow::Narrow;
use text::{clean_lines, csv_text};

pub(super) use list::List;
pub(super) use screen::Line;
pub(super) use text::{clean, csv_heading, csv_line, json_clean};

/// The form results are printed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: an object, or an array with one element a line.
    Json,
    /// For programs that read line by line: one object a line.
    Jsonl,
    /// For spreadsheets: a heading, then a line each.
    Csv,
}

impl Format {
    /// Reads its names. The value stays a text, so that a command may offer other forms under the
    /// same flag.
    pub(super) fn parser() -> clap::builder::PossibleValuesParser {
        names_of::<Self>()
    }
}

/// Reads the names of a closed set of values, and leaves them as texts.
pub(super) fn names_of<V: clap::ValueEnum>() -> clap::builder::PossibleValuesParser {
    V::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value).collect::<Vec<_>>().into()
}

/// Something with a fixed set of named values: one JSON object, one CSV line.
///
/// Each is built in one place and in one order, so JSON, CSV and `docs/cli.md` cannot disagree.
pub(super) struct Object(pub(super) Vec<(&'static str, Value)>);

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Something that can be listed.
pub(super) trait Item {
    /// The headings of the table people see.
    const HEADINGS: &'static [&'static str];

    /// Returns its JSON and CSV form.
    fn object(&self) -> Object;

    /// Returns its line in the table, as many cells as there are headings.
    fn cells(&self) -> Vec<Cell>;

    /// Returns what `show` prints for people, one line each.
    fn details(&self) -> Vec<(&'static str, Cell)> {
        self.object().0.into_iter().map(|(name, value)| (name, Cell::plain(csv_text(&value)))).collect()
    }
}

/// One cell of a table.
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

/// What a cell's colour says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Attention,
    Bad,
    Faint,
    Strong,
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    pub(super) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// An absent value.
    pub(super) fn none() -> Self {
        Self::toned("-", Tone::Faint)
    }

    /// The text, or a faint dash if it is empty.
    pub(super) fn or_none(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::none() } else { Self::plain(text) }
    }
}

/// Where all output goes.
pub(super) struct Ui {
    format: Format,
    stdout: RefCell<BufWriter<Stdout>>,
    stdout_is_terminal: bool,
    colour: bool,
    voice: Voice,
}

/// The way to standard error alone; may be handed to other threads.
#[derive(Clone, Copy)]
pub(super) struct Voice {
    talk: Talk,
    is_terminal: bool,
    colour: bool,
}

/// Whether status lines are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Talk {
    /// Results, warnings and errors only.
    Quiet,
    /// What was done, too.
    Normal,
}

impl Ui {
    /// Looks at this process's terminal once.
    pub(super) fn new(format: Format, talk: Talk) -> Self {
        let wants_colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let is_terminal = io::stderr().is_terminal();
        Self {
            format,
            stdout: RefCell::new(BufWriter::with_capacity(64 * 1024, io::stdout())),
            stdout_is_terminal: io::stdout().is_terminal(),
            colour: wants_colour,
            voice: Voice { talk, is_terminal, colour: wants_colour && is_terminal },
        }
    }

    /// Returns the form results are wanted in.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Says whether questions can be asked.
    pub(super) fn can_ask(&self) -> bool {
        self.voice.is_terminal && io::stdin().is_terminal()
    }

    /// Prints what was done.
    pub(super) fn status(&self, text: impl AsRef<str>) {
        self.flush_quietly();
        self.voice.status(text.as_ref());
    }

    /// Prints something the user should know although the command goes on.
    pub(super) fn warn(&self, text: impl AsRef<str>) {
        self.flush_quietly();
        self.voice.warn(text.as_ref());
    }

    /// Returns the way to standard error.
    pub(super) fn voice(&self) -> Voice {
        self.voice
    }

    /// Prints a failure, unless it is a silent one.
    pub(super) fn fail(&self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        self.flush_quietly();
        self.voice.fail(failure);
    }

    /// Prints one line of result, neutralised on its way to a terminal only.
    ///
    /// For secrets and generated text: into a pipe they go as they are.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        let text = if self.stdout_is_terminal { clean(text) } else { Cow::Borrowed(text) };
        let mut out = self.stdout.borrow_mut();
        writeln!(out, "{text}").map_err(|e| Failure::stdout(&e))
    }

    /// Prints generated text as it is.
    pub(super) fn raw(&self, text: &[u8]) -> Result<(), Failure> {
        self.stdout.borrow_mut().write_all(text).map_err(|e| Failure::stdout(&e))
    }

    /// As [`Ui::raw`], for writers.
    pub(super) fn write(&self, text: &[u8]) -> io::Result<usize> {
        self.stdout.borrow_mut().write(text)
    }

    /// Hands everything printed so far to the system.
    pub(super) fn flush(&self) -> Result<(), Failure> {
        self.stdout.borrow_mut().flush().map_err(|e| Failure::stdout(&e))
    }

    /// Prints one thing.
    pub(super) fn show(&self, item: &impl Item) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.object(&item.object()),
            Format::Jsonl => self.object_line(&item.object()),
            Format::Csv => {
                let object = item.object();
                self.raw(csv_heading(&object).as_bytes())?;
                self.raw(csv_line(&object).as_bytes())
            }
            Format::Table => {
                let details = item.details();
                let width = details.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let coloured = self.colours_results();
                for (name, cell) in details {
                    let text = clean(&cell.text);
                    let text = if coloured { paint(&text, cell.tone.code()) } else { text.into_owned() };
                    self.raw(format!("{name:width$}  {text}\n").as_bytes())?;
                }
                Ok(())
            }
        }
    }

    /// Prints one thing if JSON or CSV is wanted; people have read the status line.
    pub(super) fn show_to_programs(&self, item: &impl Item) -> Result<(), Failure> {
        if self.format == Format::Table { Ok(()) } else { self.show(item) }
    }

    /// As [`Ui::show_to_programs`], for what has no form of its own for people.
    pub(super) fn object_to_programs(&self, object: &Object) -> Result<(), Failure> {
        match self.format {
            Format::Table => Ok(()),
            Format::Json => self.object(object),
            Format::Jsonl => self.object_line(object),
            Format::Csv => {
                self.raw(csv_heading(object).as_bytes())?;
                self.raw(csv_line(object).as_bytes())
            }
        }
    }

    /// Prints lines of result for people.
    pub(super) fn lines(&self, text: &str) -> Result<(), Failure> {
        self.raw(format!("{}\n", clean_lines(text.trim_end())).as_bytes())
    }

    /// Prints one JSON object, over several lines.
    pub(super) fn object(&self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(object).expect("these values have a JSON form");
        self.raw(format!("{}\n", json_clean(&text)).as_bytes())
    }

    /// Prints one JSON object on one line.
    pub(super) fn object_line(&self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(object).expect("these values have a JSON form");
        self.raw(format!("{}\n", json_clean(&text)).as_bytes())
    }

    /// Returns the same with a list's JSON by the line, for a list without an end.
    pub(super) fn as_lines(&self) -> Self {
        let format = if self.format == Format::Json { Format::Jsonl } else { self.format };
        Self::new(format, self.voice.talk)
    }

    /// Begins a list.
    pub(super) fn list(&self) -> List<'_> {
        List::new(self)
    }

    /// Asks a question that has a flag as its other answer.
    ///
    /// # Errors
    /// A [`Failure`] that names `flag` when nobody can be asked.
    pub(super) fn confirm(&self, question: &str, flag: &str) -> Result<bool, Failure> {
        if !self.can_ask() {
            return Err(Failure::cannot("this needs a confirmation and there is no terminal to ask on")
                .help(format!("pass {flag} to go ahead without being asked")));
        }
        self.flush()?;
        dialoguer::Confirm::new()
            .with_prompt(clean(question))
            .default(false)
            .interact()
            .map_err(|e| Failure::cannot("cannot ask").because(&e))
    }

    /// Asks for a line of text, offering `default`, until `check` likes it.
    #[allow(clippy::unused_self, reason = "all that is asked and said goes through here")]
    pub(super) fn ask(
        &self,
        question: &str,
        default: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, Failure> {
        dialoguer::Input::<String>::new()
            .with_prompt(question)
            .default(default.to_owned())
            .validate_with(|text: &String| check(text))
            .interact_text()
            .map_err(|e| Failure::cannot("cannot ask").because(&e))
    }

    /// Begins a bar over `total` steps; silent unless standard error is a terminal.
    pub(super) fn bar(&self, total: u64, what: &'static str) -> Bar {
        let hidden = self.voice.talk == Talk::Quiet || !self.voice.is_terminal || total < BAR_FROM;
        let bar = if hidden { indicatif::ProgressBar::hidden() } else { indicatif::ProgressBar::new(total) };
        let style = indicatif::ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} ({eta})")
            .expect("the template is well formed");
        bar.set_style(style);
        bar.set_message(what);
        Bar(bar)
    }

    /// Does `work` beside a spinner that shows `count`; without one unless standard error is a
    /// terminal. The argument of `count` is how long it has taken so far.
    pub(super) fn spin<R>(
        &self,
        what: &'static str,
        count: impl Fn(std::time::Duration) -> String + Sync,
        work: impl FnOnce() -> R,
    ) -> R {
        if self.voice.talk == Talk::Quiet || !self.voice.is_terminal {
            return work();
        }
        let target = indicatif::ProgressDrawTarget::term_like_with_hz(Box::new(Narrow::stderr()), HERTZ);
        let spinner = indicatif::ProgressBar::with_draw_target(None, target);
        let style = indicatif::ProgressStyle::with_template("{spinner} {wide_msg}");
        spinner.set_style(style.expect("the template is well formed"));
        let done = std::sync::atomic::AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            let drawing = scope.spawn(|| {
                // Relaxed: the flag carries no data; a frame too many does no harm.
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    spinner.set_message(format!("{what} {}", count(spinner.elapsed())));
                    spinner.tick();
                    std::thread::park_timeout(FRAME);
                }
            });
            let result = work();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            drawing.thread().unpark();
            result
        });
        spinner.finish_and_clear();
        result
    }

    /// Colours a piece of a result, where results are coloured.
    pub(super) fn paint_result<'t>(&self, text: &'t str, code: &str) -> Cow<'t, str> {
        if self.colours_results() && !code.is_empty() { paint(text, code).into() } else { text.into() }
    }

    fn colours_results(&self) -> bool {
        self.colour && self.stdout_is_terminal
    }

    /// Keeps results and what is said about them in order on a terminal. A failure shows again at
    /// the next flush that is looked at.
    fn flush_quietly(&self) {
        let _ = self.flush();
    }
}

impl Voice {
    /// Prints what was done, unless only warnings and errors are wanted.
    pub(super) fn status(self, text: &str) {
        if self.talk == Talk::Normal {
            say(&clean_lines(text));
        }
    }

    /// Prints something the user should know although the command goes on.
    pub(super) fn warn(self, text: &str) {
        say(&format!("{} {}", self.paint("warning:", "1;33"), clean_lines(text)));
    }

    /// Prints a failure.
    pub(super) fn fail(self, failure: &Failure) {
        let mut text = format!("{} {}", self.paint("error:", "1;31"), clean_lines(failure.message()));
        for cause in failure.causes() {
            let _ = write!(text, "\n{} {}", self.paint("caused by:", "1"), clean_lines(cause));
        }
        for advice in failure.advice() {
            let _ = write!(text, "\n{} {}", self.paint("help:", "1;36"), clean_lines(advice));
        }
        say(&text);
    }

    fn paint<'t>(self, text: &'t str, code: &str) -> Cow<'t, str> {
        if self.colour { paint(text, code).into() } else { text.into() }
    }
}

fn say(text: &str) {
    // Nobody is left to tell when standard error is closed.
    // Messages repeat what was typed; a key typed where none belongs must not reach a CI log.
    let _ = writeln!(io::stderr(), "{}", redact_tokens(text));
}

/// Progress of long work.
pub(super) struct Bar(indicatif::ProgressBar);

impl Bar {
    /// Moves on by `steps`.
    pub(super) fn add(&self, steps: u64) {
        self.0.inc(steps);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Tone {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Good => "32",
            Self::Attention => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

fn paint(text: &str, code: &str) -> String {
    if code == "0" { text.to_owned() } else { format!("\u{1b}[{code}m{text}\u{1b}[0m") }
}

/// How often a spinner turns.
const FRAME: std::time::Duration = std::time::Duration::from_millis(100);

/// As often as indicatif draws.
const HERTZ: u8 = 20;

/// Below so many steps a bar would only flicker.
const BAR_FROM: u64 = 500;
