//! The files pages refer to, each under a name that says what is in it: it can be kept for ever.

use std::sync::OnceLock;

use crate::key::Digest;

/// A file.
pub(in crate::portal) struct Asset {
    pub(in crate::portal) path: String,
    pub(in crate::portal) kind: &'static str,
    pub(in crate::portal) text: &'static str,
}

fn all() -> &'static [Asset; 3] {
    static ALL: OnceLock<[Asset; 3]> = OnceLock::new();
    ALL.get_or_init(|| {
        [
            asset("style.css", "text/css; charset=utf-8", include_str!("style.css")),
            asset("enhance.js", "text/javascript; charset=utf-8", include_str!("enhance.js")),
            asset("icon.svg", "image/svg+xml", include_str!("icon.svg")),
        ]
    })
}

fn asset(name: &str, kind: &'static str, text: &'static str) -> Asset {
    let digest = Digest::sha256(text.as_bytes()).to_string();
    Asset { path: format!("/static/{}/{name}", &digest[..16]), kind, text }
}

/// Returns the file at a path.
pub(in crate::portal) fn find(path: &str) -> Option<&'static Asset> {
    all().iter().find(|asset| asset.path == path)
}

pub(super) fn style() -> &'static str {
    &all()[0].path
}

pub(super) fn script() -> &'static str {
    &all()[1].path
}

pub(super) fn icon() -> &'static str {
    &all()[2].path
}
