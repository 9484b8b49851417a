//! Contexts of repositories: wherever git can keep a key.

use std::fs;
use std::os::unix::fs::symlink;

use kgate::scan::{Outcome, Part};

use super::{Planted, Repo, assert_found, command, everything, finding, history, mint};

/// A repository that grows, and what was planted in it.
struct Garden {
    repo: Repo,
    planted: Planted,
}

impl Garden {
    fn new(arguments: &[&str]) -> Self {
        let repo = Repo::new(arguments);
        repo.commit("README", "hello");
        Self { repo, planted: Planted::new() }
    }

    /// Makes the key of a context.
    fn key(&mut self, context: &'static str) -> String {
        let token = mint(5_000 + self.planted.len());
        assert!(self.planted.insert(context, token.clone()).is_none(), "{context} is there twice");
        token
    }

    fn files(&mut self) {
        let [head, gone, removed] =
            [self.key("a file"), self.key("a deleted file"), self.key("a deleted line")];
        self.repo.commit("src/deep/er/file", head);
        self.repo.commit("gone", gone);
        self.repo.git(&["rm", "-q", "gone"]);
        self.repo.commit("lines", format!("a\n{removed}\nb\n"));
        self.repo.commit("lines", "a\nb\n");
        let renamed = self.key("a renamed file");
        self.repo.commit("before", format!("{renamed}\n"));
        self.repo.git(&["mv", "before", "after"]);
        self.repo.git(&["commit", "-qm", "rename"]);
        let [name, folder] =
            [self.key("the name of a deleted file"), self.key("the name of a deleted directory")];
        self.repo.commit(&format!("{name}.txt"), "x");
        self.repo.commit(&format!("x-{folder}/y"), "y");
        self.repo.git(&["rm", "-qr", "."]);
        self.repo.commit("README", "hello again");
        let link = self.key("where a deleted link led");
        symlink(link, self.repo.path().join("link")).unwrap();
        self.repo.commit("README", "with a link");
        fs::remove_file(self.repo.path().join("link")).unwrap();
        let large = self.key("a blob larger than is held");
        self.repo.commit("large", [vec![b'.'; 17 << 20], large.into_bytes(), vec![b'.'; 1 << 20]].concat());
        let packed = self.key("a packed delta");
        let text: String = (0..3000).map(|n| format!("line {n}\n")).collect();
        self.repo.commit("text", &text);
        self.repo.commit("text", text.replace("line 1500\n", &format!("line {packed}\n")));
        self.repo.commit("text", text.replace("line 2000\n", ""));
        self.repo.git(&["repack", "-qadf", "--depth=50"]);
    }

    fn merges(&mut self) {
        let [evil, octopus] = [self.key("an evil merge"), self.key("an octopus merge")];
        for branch in ["one", "two", "three", "four"] {
            self.repo.git(&["checkout", "-q", "-b", branch, "main"]);
            self.repo.commit(branch, branch);
        }
        self.repo.git(&["checkout", "-q", "main"]);
        self.repo.git(&["merge", "-q", "--no-ff", "--no-commit", "one"]);
        self.repo.write("one", evil);
        self.repo.git(&["commit", "-qam", "merge"]);
        self.repo.git(&["merge", "-q", "--no-ff", "--no-commit", "two", "three", "four"]);
        self.repo.write("two", octopus);
        self.repo.git(&["commit", "-qam", "octopus"]);
        self.repo.commit("one", "clean");
        self.repo.commit("two", "clean");
    }

    /// A commit nothing leads to, with `content` in it.
    fn detached(&self, content: &str) -> String {
        let blob = self.repo.object("blob", content);
        let tree = self.repo.git_with(&["mktree"], &[], format!("100644 blob {blob}\tfile\n").as_bytes());
        self.repo.git(&["commit-tree", "-m", "detached", &tree])
    }

    fn refs(&mut self) {
        for (context, name) in [
            ("a remote branch", "refs/remotes/origin/x"),
            ("a pull request", "refs/pull/1/head"),
            ("a ref of its own namespace", "refs/custom/deep/x"),
            ("a replacement", "refs/replace/1111111111111111111111111111111111111111"),
            ("an orphan root", "refs/heads/orphan"),
            ("what filter-branch left", "refs/original/refs/heads/main"),
            ("a bisection", "refs/bisect/bad"),
        ] {
            let key = self.key(context);
            let commit = self.detached(&key);
            self.repo.git(&["update-ref", name, &commit]);
        }
        let packed = self.key("a packed ref");
        let commit = self.detached(&packed);
        self.repo.git(&["update-ref", "refs/heads/packed", &commit]);
        let [branch, tag] = [self.key("the name of a packed branch"), self.key("the name of a packed tag")];
        self.repo.git(&["branch", &format!("a/{branch}")]);
        self.repo.git(&["tag", &tag]);
        self.repo.git(&["pack-refs", "--all"]);
        let [branch, tag] = [self.key("the name of a branch"), self.key("the name of a tag")];
        self.repo.git(&["branch", &format!("b/{branch}/c")]);
        self.repo.git(&["tag", &format!("v-{tag}")]);
        let blob = self.key("a tag on a blob");
        let blob = self.repo.object("blob", blob);
        self.repo.git(&["tag", "blob", &blob]);
        let tree = self.key("a tag on a tree");
        let commit = self.detached(&tree);
        self.repo.git(&["tag", "tree", &format!("{commit}^{{tree}}")]);
        let [message, tagger] = [self.key("the message of a tag"), self.key("who made a tag")];
        self.repo.git(&["tag", "-a", "-m", &message, "annotated"]);
        self.repo.git_with(&["tag", "-a", "-m", "x", "tagged"], &[("GIT_COMMITTER_NAME", &tagger)], b"");
        let inner = self.key("a tag on a tag");
        self.repo.git(&["tag", "-a", "-m", &inner, "inner"]);
        self.repo.git(&["tag", "-a", "-m", "outer", "outer", "inner"]);
        self.repo.git(&["tag", "-d", "inner"]);
        let fetched = self.key("what was fetched");
        let commit = self.detached(&fetched);
        fs::write(self.repo.path().join(".git/FETCH_HEAD"), format!("{commit}\t\tbranch 'x' of y\n"))
            .unwrap();
    }

    fn commits(&mut self) {
        let [message, subject] = [self.key("the message of a commit"), self.key("the subject of a commit")];
        self.repo.git(&["commit", "-q", "--allow-empty", "-m", &format!("x\n\nkey: {message}")]);
        self.repo.git(&["commit", "-q", "--allow-empty", "-m", &subject]);
        for (context, variable) in [
            ("an author's name", "GIT_AUTHOR_NAME"),
            ("an author's address", "GIT_AUTHOR_EMAIL"),
            ("a committer's name", "GIT_COMMITTER_NAME"),
            ("a committer's address", "GIT_COMMITTER_EMAIL"),
        ] {
            let key = self.key(context);
            let arguments = ["commit", "-q", "--allow-empty", "-m", "x"];
            self.repo.git_with(&arguments, &[(variable, &key)], b"");
        }
        for (context, header) in
            [("an extra header", "x-key "), ("a signature", "gpgsig -----BEGIN X-----\n ")]
        {
            let key = self.key(context);
            let commit = self.repo.git(&["cat-file", "commit", "HEAD"]);
            let (head, message) = commit.split_once("\n\n").unwrap();
            let commit = self.repo.object("commit", format!("{head}\n{header}{key}\n\n{message}"));
            self.repo.git(&["update-ref", &format!("refs/heads/header-{}", header.len()), &commit]);
        }
        let [note, other] = [self.key("a note"), self.key("a note of another kind")];
        self.repo.git(&["notes", "add", "-m", &note]);
        self.repo.git(&["notes", "--ref", "review", "add", "-m", &other]);
    }

    fn stashes(&mut self) {
        let [older, tracked] = [self.key("an older stash"), self.key("a stashed change")];
        let [staged, untracked] = [self.key("a stashed index"), self.key("a stashed untracked file")];
        self.repo.write("README", older);
        self.repo.git(&["stash", "push", "-q"]);
        self.repo.write("README", staged);
        self.repo.git(&["add", "."]);
        self.repo.write("README", tracked);
        self.repo.write("untracked", untracked);
        self.repo.git(&["stash", "push", "-q", "--include-untracked"]);
    }

    fn beside(&mut self) {
        let dot_git = self.repo.path().join(".git");
        for (context, file) in [
            ("a hook", "hooks/pre-push"),
            ("the description", "description"),
            ("private excludes", "info/exclude"),
            ("private attributes", "info/attributes"),
            ("a rebase", "rebase-merge/message"),
            ("the store of large files", "lfs/objects/ab/cd/abcd"),
            ("a backup of the index", "index.bak"),
        ] {
            let key = self.key(context);
            let path = dot_git.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        let [remote, header] =
            [self.key("the address of a remote"), self.key("a header in the configuration")];
        self.repo.git(&["remote", "add", "x", &format!("https://x:{remote}@git.example/x")]);
        self.repo.git(&["config", "http.extraHeader", &format!("Authorization: Bearer {header}")]);
        let log = self.key("a reflog");
        self.repo.git(&["update-ref", "-m", &log, "--create-reflog", "refs/heads/logged", "HEAD"]);
    }

    fn work_trees(&mut self) {
        let linked = self.repo.path().join("linked");
        self.repo.git(&["worktree", "add", "-q", "--detach", "linked"]);
        let [head, staged] =
            [self.key("the HEAD of a linked work tree"), self.key("the index of a linked work tree")];
        let run = |arguments: &[&str]| assert!(command(&linked).args(arguments).status().unwrap().success());
        fs::write(linked.join("file"), head).unwrap();
        run(&["add", "."]);
        run(&["commit", "-qm", "x"]);
        fs::write(linked.join("file"), staged).unwrap();
        run(&["add", "."]);
        fs::write(linked.join("file"), "").unwrap();
        fs::write(self.repo.path().join(".git/info/exclude"), "linked\n").unwrap();
        let exclude = self.key("private excludes, again");
        fs::write(self.repo.path().join(".git/info/exclude"), format!("linked\n#{exclude}\n")).unwrap();
        self.planted.remove("private excludes");
    }

    fn others(&mut self) -> (Repo, Repo) {
        let (inner, lender) = (Repo::new(&[]), Repo::new(&[]));
        let inside = self.key("the history of a submodule");
        inner.commit("file", inside);
        inner.commit("file", "clean");
        let url = inner.path().to_str().unwrap();
        self.repo.git(&["submodule", "--quiet", "add", url, "vendor/inner"]);
        self.repo.git(&["commit", "-qm", "submodule"]);
        let borrowed = self.key("a borrowed object");
        let commit = lender.commit("file", borrowed);
        let alternates = self.repo.path().join(".git/objects/info/alternates");
        fs::write(alternates, format!("{}\n", lender.path().join(".git/objects").display())).unwrap();
        self.repo.git(&["update-ref", "refs/heads/borrowed", &commit]);
        (inner, lender)
    }

    fn index(&mut self) {
        let [content, name] = [self.key("a staged file"), self.key("the name of a staged file")];
        self.repo.write("staged", content);
        self.repo.write(&format!("n-{name}"), "");
        self.repo.git(&["add", "staged", &format!("n-{name}")]);
        fs::remove_file(self.repo.path().join("staged")).unwrap();
        // Git itself does away with these when a commit is made.
        for (context, file) in
            [("a message being written", "COMMIT_EDITMSG"), ("a merge message", "MERGE_MSG")]
        {
            let key = self.key(context);
            fs::write(self.repo.path().join(".git").join(file), key).unwrap();
        }
    }

    fn unreached(&mut self) {
        let blob = self.key("a dangling blob");
        self.repo.object("blob", blob);
        let commit = self.key("a deleted branch");
        self.detached(&commit);
        let amended = self.key("an amended commit");
        self.repo.commit("amended", amended);
        self.repo.write("amended", "clean");
        self.repo.git(&["commit", "-qa", "--amend", "-m", "amended"]);
        let dropped = self.key("a dropped stash");
        self.repo.write("README", dropped);
        self.repo.git(&["stash", "push", "-q"]);
        self.repo.git(&["stash", "drop", "-q"]);
        let tag = self.key("a deleted tag");
        self.repo.git(&["tag", "-a", "-m", &tag, "deleted"]);
        self.repo.git(&["tag", "-d", "deleted"]);
    }
}

#[test]
fn every_context_of_a_repository_is_seen() {
    let mut garden = Garden::new(&[]);
    garden.files();
    garden.merges();
    garden.refs();
    garden.commits();
    garden.stashes();
    garden.beside();
    garden.work_trees();
    let _others = garden.others();
    garden.index();
    let report = history(garden.repo.path());
    assert_eq!(report.faults, []);
    assert_found(&report, &garden.planted);
    let reached = garden.planted.len();
    garden.unreached();
    assert_eq!(garden.planted.len(), reached + 5);
    // Commits were made since, which did away with these.
    garden.planted.retain(|context, _| !["a message being written", "a merge message"].contains(context));
    let report = everything(garden.repo.path());
    assert_eq!(report.faults, []);
    assert_found(&report, &garden.planted);
    let report = history(garden.repo.path());
    for context in
        ["a dangling blob", "a deleted branch", "an amended commit", "a dropped stash", "a deleted tag"]
    {
        assert!(finding(&report, &garden.planted[context]).is_none(), "{context} is not reached");
    }
}

#[test]
fn repositories_of_other_shapes_are_seen() {
    let mut sha256 = Garden::new(&["--object-format=sha256"]);
    sha256.merges();
    sha256.commits();
    sha256.stashes();
    sha256.index();
    sha256.repo.git(&["repack", "-qad"]);
    assert_found(&history(sha256.repo.path()), &sha256.planted);
    let source = Repo::new(&[]);
    let [old, new] = [mint(7_001), mint(7_002)];
    source.commit("file", &old);
    source.commit("file", &new);
    source.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", source.path().display());
    for (context, arguments, fault) in [
        ("bare", &["--bare"][..], None),
        ("shallow", &["--depth=1"], Some("shallow")),
        ("partial", &["--filter=blob:none"], Some("partial")),
    ] {
        let to = source.path().join(context);
        source.git(&[&["clone", "-q"], arguments, &[&url, to.to_str().unwrap()]].concat());
        let report = history(&to);
        assert!(finding(&report, &new).is_some(), "{context}");
        assert_eq!(finding(&report, &old).is_some(), fault.is_none(), "{context}");
        let said = report.faults.iter().any(|f| f.problem.contains(fault.unwrap_or("nothing")));
        assert_eq!(said, fault.is_some(), "{context}: {:?}", report.faults);
        let outcome = if fault.is_some() { Outcome::Incomplete } else { Outcome::Found };
        assert_eq!(report.outcome(), outcome, "{context}");
    }
}

/// Says whether git can keep refs in tables: from 2.45 on.
fn has_tables() -> bool {
    let version = Repo::new(&[]).git(&["version"]);
    let numbers: Vec<u32> = version.split([' ', '.']).filter_map(|word| word.parse().ok()).collect();
    numbers[..2] >= [2, 45][..]
}

#[test]
fn refs_in_tables_are_read() {
    if !has_tables() {
        eprintln!("git is too old to make tables of refs");
        return;
    }
    for format in ["sha1", "sha256"] {
        let mut garden = Garden::new(&["--ref-format=reftable", "--object-format", format]);
        garden.merges();
        garden.refs();
        garden.commits();
        garden.stashes();
        garden.beside();
        if format == "sha1" {
            garden.work_trees();
        }
        // Names that begin alike are kept as what differs.
        for context in ["the name of a branch that begins as others", "one more", "yet another"] {
            let name = garden.key(context);
            garden.repo.git(&["branch", &name]);
        }
        // Many, so that there is more than one block, and an index.
        let head = garden.repo.git(&["rev-parse", "HEAD"]);
        let updates: String = (0..2_000).map(|n| format!("create refs/many/{n} {head}\n")).collect();
        garden.repo.git_with(
            &["update-ref", "-m", "many", "--create-reflog", "--stdin"],
            &[],
            updates.as_bytes(),
        );
        garden.index();
        for compacts in [false, true] {
            if compacts {
                garden.repo.git(&["pack-refs", "--all"]);
            }
            let report = history(garden.repo.path());
            assert_eq!(report.faults, []);
            assert_found(&report, &garden.planted);
        }
        let path = garden.repo.path();
        let ranged = |old: &str, new: &str| super::scan(|scan| scan.range(path, old, new));
        assert_eq!(ranged("one", "main").faults, []);
        assert!(!ranged("one", "two").findings.is_empty() || !ranged("main~2", "main").findings.is_empty());
        assert_eq!(ranged("nowhere", "main").faults.len(), 1);
        let table = fs::read_dir(path.join(".git/reftable")).unwrap().map(|file| file.unwrap().path());
        let table = table.filter(|path| path.extension().is_some_and(|e| e == "ref")).min().unwrap();
        let intact = fs::read(&table).unwrap();
        for cut in [0, 10, 30, intact.len() / 2, intact.len() - 1] {
            fs::remove_file(&table).unwrap();
            fs::write(&table, &intact[..cut]).unwrap();
            let report = history(path);
            assert!(report.faults.iter().any(|f| f.problem.contains("damaged table of refs")), "{cut}");
        }
    }
}

#[test]
fn a_key_is_traced_to_its_first_and_last_commit_and_every_path() {
    let repo = Repo::new(&[]);
    let token = mint(7_100);
    repo.commit("README", "hello");
    let first = repo.commit("conf/app.ini", format!("[a]\nkey = {token}\n"));
    repo.commit("README", "hello again");
    let second = repo.commit("copy.ini", format!("key = {token}\n"));
    repo.git(&["rm", "-q", "copy.ini"]);
    let last = repo.commit("README", "hello once more");
    repo.git(&["rm", "-q", "conf/app.ini"]);
    repo.commit("README", "clean");
    for packed in [false, true] {
        if packed {
            repo.git(&["repack", "-qad"]);
        }
        let report = history(repo.path());
        let [finding] = &report.findings[..] else { panic!("{report:?}") };
        let id = |commit: &Option<std::sync::Arc<kgate::scan::Commit>>| commit.as_ref().unwrap().id.clone();
        assert_eq!((id(&finding.first_commit), id(&finding.last_commit)), (first.clone(), last.clone()));
        let places: Vec<_> =
            finding.places.iter().map(|p| (p.path.clone(), p.line, p.column, id(&p.commit))).collect();
        let root = repo.path();
        assert_eq!(
            places,
            [(root.join("conf/app.ini"), 2, 7, first.clone()), (root.join("copy.ini"), 1, 7, second.clone())]
        );
        assert_eq!(finding.place_count, 2);
        let author = &finding.first_commit.as_ref().unwrap().author;
        assert_eq!(author, "Jane Doe <jane@example.com>");
    }
}

#[test]
fn parts_of_commits_and_tags_are_told_apart() {
    let repo = Repo::new(&[]);
    repo.commit("README", "hello");
    let tokens: Vec<String> = (0..3).map(|seed| mint(7_200 + seed)).collect();
    repo.git_with(
        &["commit", "-q", "--allow-empty", "-m", &tokens[0]],
        &[("GIT_AUTHOR_NAME", tokens[1].as_str())],
        b"",
    );
    repo.commit(&format!("x/{}", tokens[2]), "x");
    let report = history(repo.path());
    let part = |token: &str| {
        let places = &finding(&report, token).unwrap().places;
        places.iter().find(|place| place.commit.is_some()).map(|place| place.part)
    };
    let parts: Vec<_> = tokens.iter().map(|token| part(token)).collect();
    assert_eq!(parts, [Some(Part::Message), Some(Part::Person), Some(Part::Name)]);
    let said = format!("{report:?}");
    assert!(tokens.iter().all(|token| !said.contains(&token[10..])), "a report must not hold a key");
}
