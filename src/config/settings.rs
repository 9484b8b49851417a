//! Every setting, declared once.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The table it is in: `""` for the top, `server`, `route`, …
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes, for people.
    pub kind: &'static str,
    /// Its default as written in TOML without quotes; `None` if it has none.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// Every setting there is, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[];

/// Renders `docs/config.md`.
pub fn docs() -> String {
    todo!()
}
