//! The data directory of a configuration that may have mistakes elsewhere.
//!
//! A leaked key must be revocable while somebody is half-way through editing the routes, so commands
//! that need the store and nothing else go by this.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

/// Returns the `data_dir` of the file at `path`, resolved as [`super::Config`] does, whatever else is
/// wrong with the file; `None` if it cannot be told for sure.
pub fn data_dir_alone(path: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(path).ok()?;
    let (table, _) = DeTable::parse_recoverable(&text);
    let dir = table.get_ref().get("data_dir")?.get_ref().as_str()?.to_owned();
    if dir.is_empty() {
        return None;
    }
    Some(path.parent().unwrap_or(Path::new("")).join(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_elsewhere_do_not_hide_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kgate.toml");
        for (text, found) in [
            ("data_dir = \"./d\"\n[listen]\nproxy = 1\n", true),
            ("data_dir = \"./d\"\n[[route]]\npath = \"/half\n", true),
            ("data_dir = 3\n", false),
            ("nothing = 1\n", false),
        ] {
            std::fs::write(&path, text).unwrap();
            let wanted = found.then(|| dir.path().join("./d"));
            assert_eq!(data_dir_alone(&path), wanted, "{text}");
        }
    }
}
