//! What people call commits: refs, names and their beginnings, `~2`, `^`.

use std::path::PathBuf;

use gix_hash::ObjectId;

use super::Kind;
use super::facts::{self, CommitFacts};
use super::files;
use super::objects::Objects;
use super::refs;
use super::reftable::Value;
use super::repository::{Repository, leading_id};

/// Returns the commit `text` means.
///
/// # Errors
/// A sentence for people.
pub(super) fn commit(repository: &Repository, objects: &mut Objects, text: &str) -> Result<ObjectId, String> {
    let base_end = text.find(['~', '^']).unwrap_or(text.len());
    let (base, mut steps) = text.split_at(base_end);
    let id = named(repository, objects, base).ok_or_else(|| format!("there is no revision `{text}`"))?;
    let mut commit = peel(objects, id).ok_or_else(|| format!("`{text}` is no commit"))?;
    while let Some(step) = steps.chars().next() {
        let digits = steps[1..].find(|c: char| !c.is_ascii_digit()).map_or(steps.len(), |at| at + 1);
        let count = if digits == 1 { 1 } else { steps[1..digits].parse::<usize>().unwrap_or(usize::MAX) };
        steps = &steps[digits..];
        let parents = if step == '~' { count } else { 1 };
        for _ in 0..parents {
            let nth = if step == '~' { 0 } else { count.saturating_sub(1) };
            if step == '^' && count == 0 {
                break;
            }
            let facts = facts_of(objects, &commit).ok_or_else(|| format!("there is no revision `{text}`"))?;
            commit = *facts.parents.get(nth).ok_or_else(|| format!("there is no revision `{text}`"))?;
        }
    }
    Ok(commit)
}

/// Returns the commit that `HEAD` is at; `None` before the first one.
pub(super) fn head(repository: &Repository, objects: &mut Objects) -> Option<ObjectId> {
    let id = named(repository, objects, "HEAD")?;
    peel(objects, id)
}

/// Returns what history needs of a commit, if it is one and there.
pub(super) fn facts_of(objects: &mut Objects, id: &ObjectId) -> Option<CommitFacts> {
    match objects.read(id) {
        Ok(Some((Kind::Commit, bytes))) => Some(CommitFacts::of(id, &bytes)),
        _ => None,
    }
}

/// Follows tags to the commit they are put on.
pub(super) fn peel(objects: &mut Objects, id: ObjectId) -> Option<ObjectId> {
    let mut id = id;
    for _ in 0..MAX_LINKS {
        match objects.read(&id) {
            Ok(Some((Kind::Commit, _))) => return Some(id),
            Ok(Some((Kind::Tag, bytes))) => id = facts::tag_target(&bytes)?,
            _ => return None,
        }
    }
    None
}

fn named(repository: &Repository, objects: &Objects, name: &str) -> Option<ObjectId> {
    let name = if name.is_empty() || name == "@" { "HEAD" } else { name };
    if let Some(id) = leading_id(name.as_bytes(), repository.hash) {
        return Some(id);
    }
    for candidate in [
        name.to_owned(),
        format!("refs/{name}"),
        format!("refs/tags/{name}"),
        format!("refs/heads/{name}"),
        format!("refs/remotes/{name}"),
        format!("refs/remotes/{name}/HEAD"),
    ] {
        if let Some(id) = reference(repository, &candidate) {
            return Some(id);
        }
    }
    if name.len() >= MIN_PREFIX { objects.by_prefix(name) } else { None }
}

/// Reads a ref: of this work tree, shared, or packed.
fn reference(repository: &Repository, name: &str) -> Option<ObjectId> {
    let mut name = name.to_owned();
    for _ in 0..MAX_LINKS {
        if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            return None;
        }
        let dirs = [&repository.git_dir, &repository.common_dir];
        if repository.has_tables {
            // Those of this work tree come first.
            let value =
                |dir: &&PathBuf| refs::tables(repository, dir, &mut Vec::new()).refs.remove(name.as_bytes());
            match dirs.iter().find_map(value)? {
                Value::Object(id) => return Some(id),
                Value::Symbolic(target) => name = String::from_utf8(target).ok()?,
            }
            continue;
        }
        let Some(text) = dirs.iter().find_map(|dir| files::read(&dir.join(&name)).ok()) else {
            return refs::packed_ref(repository, &name);
        };
        match text.strip_prefix(b"ref: ") {
            Some(target) => str::from_utf8(target).ok()?.trim_end().clone_into(&mut name),
            None => return leading_id(&text, repository.hash),
        }
    }
    None
}

/// Refs that lead to refs, and tags put on tags: a longer chain is a circle.
const MAX_LINKS: usize = 10;
/// The shortest beginning of a name that is taken for one, as git.
const MIN_PREFIX: usize = 4;
