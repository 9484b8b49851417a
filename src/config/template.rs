//! What `kgate init` writes, and where a configuration is looked for.

use std::path::{Path, PathBuf};

/// Returns where a configuration is looked for when none is named, best first: `./kgate.toml`, the
/// user's configuration directory (`xdg`, else `home/.config`), `/etc/kgate/kgate.toml`.
///
/// `xdg` is `$XDG_CONFIG_HOME`; a relative one is ignored, as its specification asks.
pub fn candidates(home: Option<&Path>, xdg: Option<&Path>) -> Vec<PathBuf> {
    let user = xdg
        .filter(|path| path.is_absolute())
        .map(Path::to_owned)
        .or_else(|| home.filter(|path| path.is_absolute()).map(|home| home.join(".config")));
    let mut places = vec![PathBuf::from("kgate.toml")];
    places.extend(user.map(|directory| directory.join("kgate/kgate.toml")));
    places.push(PathBuf::from("/etc/kgate/kgate.toml"));
    places
}

/// Returns a configuration for keys that start with `prefix` and a backend at `upstream`
/// (`127.0.0.1:9000`), with every setting shown. It passes its own check.
pub fn template(prefix: &str, upstream: &str) -> String {
    TEMPLATE.replace("{prefix}", prefix).replace("{upstream}", upstream)
}

const TEMPLATE: &str = include_str!("template.toml");
