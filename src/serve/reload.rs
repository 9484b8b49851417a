//! What a changed configuration asks for, and when the file changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{AccessLog, Address, Config, Sample};

/// The settings that differ and are only read at start.
pub(super) fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    [
        ("data_dir", old.data_dir != new.data_dir),
        ("listen.proxy", addresses(old).ne(addresses(new))),
        ("listen.admin", old.listen.admin != new.listen.admin),
        ("listen.admin_hosts", old.listen.admin_hosts != new.listen.admin_hosts),
        ("listen.portal", old.listen.portal != new.listen.portal),
        ("sidecar.listen", listens(old) != listens(new)),
        ("server.workers", old.server.workers != new.server.workers),
        ("server.fresh_within", old.server.fresh_within != new.server.fresh_within),
        ("server.max_connections", old.server.max_connections != new.server.max_connections),
        ("server.keepalive_pool", old.server.keepalive_pool != new.server.keepalive_pool),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// The doors that spoke TLS and no longer do, from their next connection on.
pub(super) fn drops_tls(old: &Config, new: &Config) -> Vec<&'static str> {
    let (before, now) = (&old.listen, &new.listen);
    let clear = |address: &Address| now.proxy.iter().any(|one| one.address == *address && one.tls.is_none());
    [
        ("listen.proxy", before.proxy.iter().any(|one| one.tls.is_some() && clear(&one.address))),
        ("listen.admin", before.admin_tls.is_some() && now.admin_tls.is_none()),
        ("listen.portal", before.portal_tls.is_some() && now.portal_tls.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, is_dropped)| is_dropped.then_some(name))
    .collect()
}

/// Says whether lines go elsewhere than before: all of the access log but how many lines are written.
pub(super) fn moves_log(old: &Config, new: &Config) -> bool {
    let place = |config: &Config| AccessLog { sample: Sample::default(), ..config.access_log.clone() };
    place(old) != place(new)
}

/// Where the gateway listens.
fn addresses(config: &Config) -> impl Iterator<Item = &Address> {
    config.listen.proxy.iter().map(|listener| &listener.address)
}

/// Where other proxies ask.
fn listens(config: &Config) -> Option<&[Address]> {
    config.sidecar.as_ref().map(|sidecar| &sidecar.listen[..])
}

/// Notices that a file was written or replaced. Editors do either, some through a moment without the
/// file, so a file that is not there is not a change.
struct FileWatch {
    path: PathBuf,
    last: Option<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    inode: (u64, u64),
    modified: (i64, i64),
    size: u64,
}

/// The configuration file, and those it names.
pub(super) struct Watches {
    file: FileWatch,
    named: Vec<FileWatch>,
}

impl Watches {
    /// Watches the files of a configuration from now on.
    pub(super) fn of(config: &Config) -> Self {
        let mut watches = Self { file: FileWatch::new(&config.path), named: Vec::new() };
        watches.follow(config);
        watches
    }

    /// Watches the files this configuration names. Those that were watched before go on being compared with
    /// what they were then.
    pub(super) fn follow(&mut self, config: &Config) {
        let mut before = std::mem::take(&mut self.named);
        let watch = |path: &Path| match before.iter().position(|watch| watch.path == path) {
            Some(at) => before.swap_remove(at),
            None => FileWatch::new(path),
        };
        self.named = config.certificate_files().map(watch).collect();
    }

    /// Says whether one of them changed since the last call.
    pub(super) fn changed(&mut self) -> bool {
        // Every one is looked at: what changed together is read together.
        self.named.iter_mut().fold(self.file.changed(), |any, watch| watch.changed() | any)
    }
}

impl FileWatch {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: state(path) }
    }

    /// Says whether the file changed since the last call.
    fn changed(&mut self) -> bool {
        match state(&self.path) {
            None => false,
            now if now == self.last => false,
            now => {
                self.last = now;
                true
            }
        }
    }
}

fn state(path: &Path) -> Option<State> {
    let meta = std::fs::metadata(path).ok()?;
    Some(State {
        inode: (meta.dev(), meta.ino()),
        modified: (meta.mtime(), meta.mtime_nsec()),
        size: meta.size(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_replacements_are_noticed_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kgate.toml");
        std::fs::write(&path, "a").unwrap();
        let mut watch = FileWatch::new(&path);
        assert!(!watch.changed());
        std::fs::write(&path, "ab").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        std::fs::write(dir.path().join("new"), "cd").unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!watch.changed(), "an editor may be at work");
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(watch.changed());
    }
}
