//! From TOML as written to the typed configuration.

use std::path::Path;

use super::{Loaded, Report};

pub(super) fn build(_path: &Path, _text: &str) -> Result<Loaded, Report> {
    todo!()
}
