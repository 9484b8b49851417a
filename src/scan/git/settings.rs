//! The few settings of a repository that say how to read it. Nothing else of its configuration is
//! obeyed: no included file, no filter, no command.

use std::path::Path;

use super::files;

/// A repository's own configuration: section, subsection, name, value, in order.
pub(super) struct Settings(Vec<Setting>);

struct Setting {
    section: String,
    name: String,
    value: String,
}

impl Settings {
    /// Reads a file as far as it can be understood; one that is not there has no settings.
    pub(super) fn read(path: &Path) -> Self {
        let text = String::from_utf8_lossy(&files::read(path).unwrap_or_default()).into_owned();
        let mut section = String::new();
        let mut settings = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix('[') {
                let name = rest.split([']', ' ', '\t']).next().unwrap_or_default();
                section = name.to_ascii_lowercase();
            } else if !line.starts_with(['#', ';']) {
                let (name, value) = line.split_once('=').unwrap_or((line, "true"));
                let value = value.trim().trim_matches('"').to_owned();
                settings.push(Setting {
                    section: section.clone(),
                    name: name.trim().to_ascii_lowercase(),
                    value,
                });
            }
        }
        Self(settings)
    }

    /// Returns what was last said of `section.name`, whatever the subsection.
    pub(super) fn value(&self, section: &str, name: &str) -> Option<&str> {
        let said = self.0.iter().rev().find(|s| s.section == section && s.name == name);
        said.map(|setting| setting.value.as_str())
    }

    /// Returns the filter of a partial clone.
    pub(super) fn partial_filter(&self) -> Option<String> {
        let is_partial =
            self.value("extensions", "partialclone").is_some() || self.value("remote", "promisor").is_some();
        let filter = self.value("remote", "partialclonefilter").or(is_partial.then_some("unknown filter"));
        filter.map(str::to_owned)
    }
}
