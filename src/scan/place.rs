//! Where a key was found: file, member of an archive, how it was written there, which commit.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::report::{printable, printable_text};
use crate::key::Timestamp;

/// One place of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as reached from the path that was given; in history, its path in the commit's tree.
    pub path: PathBuf,
    /// Members of archives on the way in, outermost first; a compressed file without a name of its
    /// own adds none.
    pub members: Vec<PathBuf>,
    /// Which part of it.
    pub part: Part,
    /// How the key was written there, outermost first; empty if plainly.
    pub decoded: Vec<Encoding>,
    /// Bytes before it in the innermost file or member, or before the encoded text it stands in.
    pub offset: u64,
    /// The line, from 1. A line ends with a line feed.
    pub line: u64,
    /// The column, from 1, in bytes (in UTF-16 units where the key is in UTF-16).
    pub column: u64,
    /// In history: the commit that has it.
    pub commit: Option<Arc<Commit>>,
    /// Whether [`ALLOW`] stands on the same line.
    pub allowed: bool,
}

/// On the line of a key, says that it is meant to be there.
pub const ALLOW: &str = "kgate:allow";

impl Place {
    /// A place in the content of the file `path`, plainly written.
    pub fn in_content(path: PathBuf, offset: u64, line: u64, column: u64) -> Self {
        Self {
            path,
            members: Vec::new(),
            part: Part::Content,
            decoded: Vec::new(),
            offset,
            line,
            column,
            commit: None,
            allowed: false,
        }
    }
}

/// `src/a.rs:12:9`, `backup.zip!conf/.env:1:5 (base64)`, `secret-name.txt [name]`: without its commit,
/// and with everything escaped that a terminal would obey.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.path))?;
        for member in &self.members {
            write!(f, "!{}", printable(member))?;
        }
        if self.part.has_lines() {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.part != Part::Content {
            write!(f, " [{}]", self.part.as_str().replace('_', " "))?;
        }
        for (index, encoding) in self.decoded.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { " (" } else { ", " }, encoding.as_str())?;
        }
        if self.decoded.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// Which part of a file, or of what a repository keeps beside files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Its content.
    Content,
    /// Its name, or the name of a directory on its path.
    Name,
    /// Where a symbolic link leads.
    LinkTarget,
    /// What a commit or an annotated tag says.
    Message,
    /// Who made a commit or tag.
    Person,
    /// Anything else in the head of a commit or tag.
    Header,
}

impl Part {
    /// Says whether lines and columns mean something in it.
    pub fn has_lines(self) -> bool {
        !matches!(self, Self::Name | Self::LinkTarget)
    }

    /// Returns a word for lists and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Name => "name",
            Self::LinkTarget => "link_target",
            Self::Message => "message",
            Self::Person => "person",
            Self::Header => "header",
        }
    }
}

/// A way to write a key so that a search for its text does not find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// Base64 or base64url, padded or not, wrapped or not.
    Base64,
    /// Hexadecimal of either case, wrapped or not.
    Hex,
    /// Percent codes, as in URLs.
    Percent,
    /// Entities of HTML and XML.
    HtmlEntity,
    /// Escapes of strings: `\u005f`, `\u{5f}`, `\x5f`, `\137`.
    Escape,
    /// Quoted-printable, as in mail.
    QuotedPrintable,
    /// Four bytes a character, of either order.
    Utf32,
    /// In parts: two literals one after another, or one with an escaped line break.
    Split,
}

impl Encoding {
    /// Returns a word for lists and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Percent => "percent",
            Self::HtmlEntity => "html_entity",
            Self::Escape => "escape",
            Self::QuotedPrintable => "quoted_printable",
            Self::Utf32 => "utf_32",
            Self::Split => "split",
        }
    }
}

/// A commit a key was found in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commit {
    /// When it was committed.
    pub date: Timestamp,
    /// Its name in hexadecimal.
    pub id: String,
    /// Who wrote it: name and address, as recorded.
    pub author: String,
}

impl Commit {
    /// Returns the first twelve characters of its name, enough to find it by.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// `1a2b3c4d5e6f 2026-11-02 Jane Doe <jane@example.com>`, neutralised.
impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date.to_string();
        let day = date.get(..10).unwrap_or(&date);
        write!(f, "{} {day} {}", self.short_id(), printable_text(&self.author))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_said_in_one_line() {
        let mut place = Place::in_content("a\u{1b}.zip".into(), 0, 3, 7);
        assert_eq!(place.to_string(), "a\\u{1b}.zip:3:7");
        place.members = vec!["in.tar".into(), "x/.env".into()];
        place.decoded = vec![Encoding::Base64, Encoding::Base64];
        assert_eq!(place.to_string(), "a\\u{1b}.zip!in.tar!x/.env:3:7 (base64, base64)");
        place = Place { part: Part::LinkTarget, ..Place::in_content("link".into(), 0, 1, 1) };
        assert_eq!(place.to_string(), "link [link target]");
        let commit = Commit {
            date: Timestamp::from_secs(0),
            id: "0123456789abcdef0123".to_owned(),
            author: "J\n <j@x>".to_owned(),
        };
        assert_eq!(commit.to_string(), "0123456789ab 1970-01-01 J\\n <j@x>");
    }
}
