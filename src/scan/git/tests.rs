//! Objects as git itself reads them, out of repositories made by git.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gix_hash::{Kind as Hash, ObjectId, oid};
use tempfile::TempDir;

use super::forest::Forest;
use super::loose::{self, Loose};
use super::objects::{Objects, packs_in};
use super::pack::Pack;
use super::resolve::{Made, Resolver, Visitor};
use super::{Damage, Kind};
use crate::scan::content::Marks;

/// Every object, by name.
type All = BTreeMap<ObjectId, Vec<u8>>;

#[derive(Default)]
struct Everything {
    objects: All,
    damaged: BTreeMap<ObjectId, Damage>,
}

impl Visitor for Everything {
    fn object(&mut self, name: &oid, _: Kind, bytes: &[u8], _: Option<Made<'_>>) -> Option<Marks> {
        assert!(self.objects.insert(name.to_owned(), bytes.to_vec()).is_none(), "seen twice");
        None
    }

    fn large(&mut self, name: &oid, size: u64, source: &mut dyn Read) {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, size);
        self.object(name, Kind::Blob, &bytes, None);
    }

    fn damaged(&mut self, name: &oid, damage: Damage) {
        self.damaged.insert(name.to_owned(), damage);
    }

    fn goes_on(&self) -> bool {
        true
    }
}

fn git(folder: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    output.stdout
}

/// A repository of many versions of a few files, packed, with some objects still loose.
fn repository(format: &str, delta_bases: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str]| git(folder.path(), arguments, b"");
    run(&["init", "-q", "--object-format", format]);
    let mut lines: Vec<String> = (0..400).map(|n| format!("line {n}: {}", n * 7919)).collect();
    for version in 0..30 {
        let at = version * 37 % lines.len();
        lines[at].push_str(" changed");
        lines.insert(at, format!("new in {version}"));
        fs::create_dir_all(folder.path().join("deep/er")).unwrap();
        fs::write(folder.path().join("deep/er/text"), lines.join("\n")).unwrap();
        fs::write(folder.path().join(format!("file-{version}")), format!("{version}")).unwrap();
        run(&["add", "."]);
        run(&["commit", "-q", "-m", &format!("version {version}")]);
        if version == 25 {
            run(&["tag", "-a", "-m", "a tag", "v25"]);
            let bases = format!("repack.useDeltaBaseOffset={delta_bases}");
            run(&["-c", &bases, "repack", "-q", "-a", "-d", "-f", "--depth=20"]);
        }
    }
    folder
}

fn resolved(store: &Path, hash: Hash, room: u64) -> Everything {
    let mut everything = Everything::default();
    for path in packs_in(&[store.to_owned()]) {
        let pack = Pack::open(&path, hash).unwrap();
        let forest = Forest::of(&pack);
        for (entry, damage) in forest.lost() {
            everything.damaged(forest.name(*entry), *damage);
        }
        let mut resolver = Resolver::new(room);
        forest.roots().iter().for_each(|root| resolver.resolve(&forest, *root, &mut everything));
    }
    for id in loose::list(store, hash) {
        let object = Loose::open(&loose::path(store, &id)).unwrap();
        let kind = object.kind;
        everything.object(&id, kind, &object.bytes().unwrap(), None);
    }
    everything
}

/// What `git cat-file` says every object is.
fn as_git_says(folder: &Path) -> All {
    let output = git(folder, &["cat-file", "--batch-all-objects", "--batch", "--buffer", "--unordered"], b"");
    let (mut all, mut rest) = (All::new(), &output[..]);
    while !rest.is_empty() {
        let end = rest.iter().position(|&b| b == b'\n').unwrap();
        let mut words = str::from_utf8(&rest[..end]).unwrap().split(' ');
        let id = ObjectId::from_hex(words.next().unwrap().as_bytes()).unwrap();
        let size: usize = words.nth(1).unwrap().parse().unwrap();
        all.insert(id, rest[end + 1..][..size].to_vec());
        rest = &rest[end + 1 + size + 1..];
    }
    all
}

#[test]
fn every_object_is_what_git_says_it_is() {
    for (format, hash, delta_bases) in
        [("sha1", Hash::Sha1, "true"), ("sha1", Hash::Sha1, "false"), ("sha256", Hash::Sha256, "true")]
    {
        let folder = repository(format, delta_bases);
        let expected = as_git_says(folder.path());
        let store = folder.path().join(".git/objects");
        let everything = resolved(&store, hash, 64 << 20);
        assert_eq!(everything.damaged, BTreeMap::new());
        assert!(everything.objects == expected, "{format}, bases by offset: {delta_bases}");
        let mut objects = Objects::new(&[store], hash, 64 << 20);
        for (id, bytes) in &expected {
            assert_eq!(*objects.read(id).unwrap().unwrap().1, *bytes, "{id}");
        }
        assert!(objects.read(&hash.null()).unwrap().is_none());
    }
}

/// `KGATE_TEST_REPO` names a repository to compare with git object by object.
#[test]
fn every_object_of_a_given_repository_is_what_git_says_it_is() {
    let Some(folder) = std::env::var_os("KGATE_TEST_REPO").map(PathBuf::from) else { return };
    let store = git(&folder, &["rev-parse", "--path-format=absolute", "--git-path", "objects"], b"");
    let store = PathBuf::from(String::from_utf8(store).unwrap().trim());
    let everything = resolved(&store, Hash::Sha1, 512 << 20);
    assert!(everything.damaged.is_empty());
    assert!(everything.objects == as_git_says(&folder));
}

#[test]
fn what_does_not_fit_is_said_and_the_rest_is_read() {
    let folder = repository("sha1", "true");
    let store = folder.path().join(".git/objects");
    let all = as_git_says(folder.path());
    let everything = resolved(&store, Hash::Sha1, 12_000);
    assert!(everything.damaged.values().all(|damage| *damage == Damage::TooLarge));
    assert!(!everything.damaged.is_empty());
    assert_eq!(everything.objects.len() + everything.damaged.len(), all.len());
    assert!(everything.objects.iter().all(|(id, bytes)| all[id] == *bytes));
}

#[test]
fn damage_anywhere_in_a_pack_costs_only_what_is_made_of_it() {
    let folder = repository("sha1", "true");
    let store = folder.path().join(".git/objects");
    let all = as_git_says(folder.path());
    let pack = packs_in(std::slice::from_ref(&store))[0].with_extension("pack");
    let intact = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    for at in (12..intact.len() - 20).step_by(1009) {
        let mut damaged = intact.clone();
        damaged[at] ^= 0x55;
        fs::write(&pack, damaged).unwrap();
        let everything = resolved(&store, Hash::Sha1, 64 << 20);
        assert_eq!(everything.objects.len() + everything.damaged.len(), all.len(), "byte {at}");
        // A wrong base of the right length gives a wrong object, which only its name could tell.
        let wrong = everything.objects.iter().filter(|(id, bytes)| all[*id] != **bytes).count();
        assert!(wrong <= 30, "byte {at}: {wrong} objects are not what they were");
    }
    fs::write(&pack, &intact[..intact.len() / 2]).unwrap();
    let everything = resolved(&store, Hash::Sha1, 64 << 20);
    assert_eq!(everything.objects.len() + everything.damaged.len(), all.len());
    assert!(!everything.damaged.is_empty());
}
