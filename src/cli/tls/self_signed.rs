//! `kgate tls self-signed`

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::output::{self, Mode};
use crate::cli::session::Session;
use crate::cli::ui::{Cell, Item, Object};
use crate::cli::view::{Field, named, time};
use crate::key::{Span, Timestamp};
use crate::tls;

/// What `tls self-signed` prints.
pub(in crate::cli) const CERTIFICATE: &[Field] = &[
    ("certificate", "the file with the certificate, PEM"),
    ("key", "the file with its private key, PEM"),
    ("names", "the host names and addresses it is for"),
    ("expires_at", "time it holds until"),
];

/// Make a certificate nobody vouches for, and its key
///
/// Writes cert.pem and key.pem (ECDSA over P-256; the key readable by you only), and says how to use them.
#[derive(Args)]
pub(in crate::cli) struct SelfSigned {
    /// Host names and addresses it is for
    #[arg(value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<String>,
    /// Where to write cert.pem and key.pem; made for you alone if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// How long it holds, `90d`, `1y`
    #[arg(long, value_name = "SPAN", default_value = "90d")]
    expires: Span,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &SelfSigned, session: &Session) -> Outcome {
    let (certificate, key) = (args.dir.join("cert.pem"), args.dir.join("key.pem"));
    if let Some(taken) = [&certificate, &key].into_iter().find(|path| path.exists() && !args.force) {
        return Err(Failure::no(format!("{} is there already", taken.display()))
            .help("`--force` replaces it; `--dir` writes elsewhere"));
    }
    let now = session.now();
    let until = now.plus(args.expires.as_duration());
    let made = tls::self_signed(&args.names, now, until).map_err(|error| {
        Failure::cannot(error.to_string()).help("names are `api.example.com`, `*.example.com` or addresses")
    })?;
    make_dir(&args.dir)?;
    output::replace(&key, Mode::Private, |file| file.write_all(made.key.as_bytes()))?;
    output::replace(&certificate, Mode::Shared, |file| file.write_all(made.certificate.as_bytes()))?;
    session.ui.status(format!("made {} and {}", certificate.display(), key.display()));
    session.ui.status(format!(
        "in kgate.toml: tls = {{ certificate = \"{}\", key = \"{}\" }}; then `curl --cacert {} https://…`",
        certificate.display(),
        key.display(),
        certificate.display()
    ));
    session.ui.show_to_programs(&Made { certificate: &certificate, key: &key, names: &args.names, until })?;
    Ok(Answer::Yes)
}

/// Makes a directory, and those above it, for nobody else. One that is there stays as it is.
fn make_dir(dir: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| {
        Failure::cannot(format!("cannot make the directory {}", dir.display())).because(&error)
    })
}

/// The two files.
struct Made<'a> {
    certificate: &'a Path,
    key: &'a Path,
    names: &'a [String],
    until: Timestamp,
}

impl Item for Made<'_> {
    const HEADINGS: &'static [&'static str] = &["CERTIFICATE", "KEY", "NAMES", "EXPIRES"];

    fn object(&self) -> Object {
        let file = |path: &Path| json!(path.display().to_string());
        let names = json!(self.names);
        Object(named(CERTIFICATE, [file(self.certificate), file(self.key), names, time(self.until)]))
    }

    fn cells(&self) -> Vec<Cell> {
        let file = |path: &Path| Cell::plain(path.display().to_string());
        let names = Cell::plain(self.names.join(", "));
        vec![file(self.certificate), file(self.key), names, Cell::plain(self.until.to_string())]
    }
}
