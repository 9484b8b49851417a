//! What is fuzzed: a parser each, fed by libFuzzer (`make fuzz`), and with the inputs kept in `corpus/`
//! by the ordinary tests.
//!
//! To add one: a file here with a function that takes bytes and panics where a promise is broken, a line
//! in [`TARGETS`], and at least one input in `tests/fuzz/corpus/NAME/`. A room behind a feature is named
//! in `tests/fuzz/Cargo.toml`. A target uses what is public and neither clock, network nor files.

mod archives;
mod detect;
mod encodings;
mod records;
mod requests;
mod words;

/// A target's name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("archive_bzip2", archives::bzip2),
    ("archive_gzip", archives::gzip),
    ("archive_pdf", archives::pdf),
    ("archive_tar", archives::tar),
    ("archive_xz", archives::xz),
    ("archive_zip", archives::zip),
    ("archive_zlib", archives::zlib),
    ("archive_zstd", archives::zstd),
    ("decode_base64", encodings::base64),
    ("decode_escape", encodings::escape),
    ("decode_hex", encodings::hex),
    ("decode_html", encodings::html),
    ("decode_percent", encodings::percent),
    ("decode_quoted_printable", encodings::quoted_printable),
    ("decode_split", encodings::split),
    ("detect", detect::detect),
    ("config", words::config),
    ("head", requests::head),
    ("log", words::log),
    ("path", requests::path),
    ("proxy", words::proxy),
    ("record", records::record),
    ("token", words::token),
];
