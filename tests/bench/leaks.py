#!/usr/bin/env python3
"""How fast `kgate leak-scan` is, beside ripgrep, git, betterleaks and Kingfisher, in one run.

  history   every object of a repository, also what no ref leads to, hits traced to commits; beside
            `git cat-file --batch-all-objects`, Kingfisher in turbo mode and betterleaks, one rule each
  tree      17,000 files, 178 MB, archives and encodings looked into; beside
            `rg -uu -a` for a text that is not there, and the same two
  staged    four files added to an index of 2,000

Programs take turns, each --rounds times; the fastest run of each is compared. Caches are warm: every file
is read once before. On a busy machine wall time says how busy it is; CPU time is there for that. Memory is the
largest resident set of the process, which includes the pages of packs it has mapped, and is never less than this script's own. Repositories are those of KGATE_BENCH_REPOS, separated by colons, or one of
50,000 objects that is generated. The others' rules come from `kgate leak-rules`. They get no network: no
validation, no update check.

A line of JSON for each measurement; exit code 1 if a bar is missed and --check is given.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

PREFIX = "acme_live"
MIB = 1 << 20


def run(command, cwd=None):
    """Seconds, largest resident set in bytes, seconds of CPU, and exit code of a command."""
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took, cpu = time.monotonic() - begun, usage.ru_utime + usage.ru_stime
    return took, usage.ru_maxrss * 1024, cpu, process.returncode


def is_partial(command, cwd):
    """Says whether a repository lacks objects, which kgate tells of and ends with 2; anything else than that ends this."""
    done = subprocess.run([*command, "--format", "json"], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode not in (0, 1) and "an object of history that is not there" not in done.stderr:
        sys.exit(f"kgate ended with {done.returncode}: {done.stderr}")
    return done.returncode == 2


def name_of(path):
    """The last part of a path that says more than that it is a repository."""
    return next((part for part in reversed(path.split("/")) if part not in ("", ".", ".git", "repo")), path)


def turns(commands, rounds, slow_rounds, cwd=None, partial=False):
    """The fastest run of each command, by name: seconds, the most memory of any run, the least CPU."""
    fine = {"kgate": {0, 1, 2} if partial else {0, 1}, "rg": {0, 1}}
    best = {}
    for number in range(rounds):
        for name, command in commands.items():
            if name in SLOW and number >= slow_rounds:
                continue
            seconds, memory, cpu, code = run(command, cwd)
            # A program that ends because it was called wrongly is very fast.
            if code not in fine.get(name, {0}):
                sys.exit(f"{name} ended with {code}: {' '.join(command)}")
            known = best.get(name, (seconds, memory, cpu))
            best[name] = min(known[0], seconds), max(known[1], memory), min(known[2], cpu)
    return best


def report(what, best, bars, memory_bar=None):
    """Prints a measurement; says whether all bars are met."""
    ours, memory, our_cpu = best["kgate"]
    line = {"bench": what, "kgate_ms": round(ours * 1e3, 1), "kgate_cpu_ms": round(our_cpu * 1e3),
            "kgate_mib": round(memory / MIB)}
    met = True
    for name, (seconds, resident, cpu) in best.items():
        if name == "kgate":
            continue
        line[f"{name}_ms"] = round(seconds * 1e3, 1)
        line[f"{name}_cpu_ms"] = round(cpu * 1e3)
        line[f"{name}_mib"] = round(resident / MIB)
        line[f"to_{name}"] = round(ours / seconds, 3)
        if name in bars:
            line[f"to_{name}_bar"] = bars[name]
            met &= ours / seconds <= bars[name]
    if "ms" in bars:
        line["ms_bar"] = bars["ms"]
        met &= ours * 1e3 <= bars["ms"]
    if memory_bar:
        line["mib_bar"] = memory_bar // MIB
        met &= memory <= memory_bar
    line["met"] = met
    print(json.dumps(line), flush=True)
    return met


def git(repository, *arguments, **more):
    settings = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "core.hooksPath=/dev/null"]
    return subprocess.run(["git", *settings, "-C", repository, *arguments], check=True, env=ENVIRONMENT,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


WORDS = ("self value return ( ) { } ; = let struct match \"text\" 0x5f &mut name index %d -> :: acme live "
         "// for if 0 1 key_type").split()


def text(generator, size):
    lines, length = [], 0
    while length < size:
        line = " ".join(generator.choices(WORDS, k=generator.randrange(1, 14)))
        lines.append(line)
        length += len(line) + 1
    return "\n".join(lines) + "\n"


def tree(folder):
    """17,000 files of very different sizes."""
    generator = random.Random(1)
    stock = text(generator, 4_000_000)
    for number in range(17_000):
        size = 400_000 if number % 100 == 0 else generator.randrange(500, 13_000)
        start = generator.randrange(len(stock) - size)
        path = f"{folder}/{number % 40:02}/{number // 40 % 20:02}"
        os.makedirs(path, exist_ok=True)
        with open(f"{path}/{number}.rs", "w") as file:
            file.write(stock[start:start + size])


def repository(folder):
    """About 50,000 objects: 12,000 commits that each change a file three folders down."""
    generator = random.Random(2)
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True, env=ENVIRONMENT)
    files = {}
    importer = subprocess.Popen(["git", "-C", folder, "fast-import", "--quiet"], stdin=subprocess.PIPE, env=ENVIRONMENT)
    for number in range(12_000):
        name = f"src/{generator.randrange(20)}/{generator.randrange(20)}.rs"
        lines = files.setdefault(name, text(generator, generator.randrange(2_000, 60_000)).split("\n"))
        lines[generator.randrange(len(lines))] = f"let changed = {number};"
        content = "\n".join(lines).encode()
        message = f"change {number}"
        head = (f"commit refs/heads/main\ncommitter b <b@example.com> {1_600_000_000 + number} +0000\n"
                f"data {len(message)}\n{message}\nM 100644 inline {name}\ndata {len(content)}\n")
        importer.stdin.write(head.encode() + content + b"\n")
    importer.stdin.close()
    if importer.wait():
        sys.exit("git fast-import failed")
    git(folder, "repack", "-adq", "--depth=50", "--window=10")
    return folder


def others(tools, rules):
    """The commands of other scanners that are there: name, and what comes before and after the target."""
    found = {}
    kingfisher, betterleaks = f"{tools}/kingfisher", f"{tools}/betterleaks"
    if os.access(kingfisher, os.X_OK):
        found["kingfisher"] = lambda mode, target: [
            kingfisher, "scan", target, "--rules-path", f"{rules}/kingfisher.yml", "--load-builtins=false",
            "--no-validate", "--no-update-check", "--turbo", "-q", "-j", "2",
            *(["--git-history", "none"] if mode == "dir" else []),
            *(["--staged"] if mode == "staged" else []),
        ]
    if os.access(betterleaks, os.X_OK):
        found["betterleaks"] = lambda mode, target: [
            betterleaks, *([] if mode == "dir" else ["git"]), target, "--config", f"{rules}/betterleaks.toml",
            "--no-banner", "--exit-code", "0", *(["--staged"] if mode == "staged" else []),
        ]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kgate", required=True)
    parser.add_argument("--tools", default="", help="folder with kingfisher and betterleaks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=2, help="rounds of scanners that take seconds")
    parser.add_argument("--only", choices=["history", "tree", "staged"])
    parser.add_argument("--check", action="store_true", help="fail if a bar is missed")
    options = parser.parse_args()
    kgate = [os.path.abspath(options.kgate), "leak-scan", "--prefix", PREFIX]
    wanted = {options.only} if options.only else {"history", "tree", "staged"}
    met = True
    scratch = tempfile.mkdtemp(prefix="kgate-bench-")
    ENVIRONMENT.update(HOME=scratch, XDG_CACHE_HOME=scratch, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")
    try:
        for form, name in [("kingfisher", "kingfisher.yml"), ("betterleaks", "betterleaks.toml")]:
            with open(f"{scratch}/{name}", "w") as file:
                subprocess.run([kgate[0], "leak-rules", "--prefix", PREFIX, "--format", form], check=True,
                               stdout=file, cwd=scratch, env=ENVIRONMENT)
        rivals = others(os.path.abspath(options.tools), scratch)
        if "history" in wanted:
            named = os.environ.get("KGATE_BENCH_REPOS")
            paths = named.split(":") if named else [repository(f"{scratch}/generated.git")]
            for path in paths:
                cat_file = ["git", "-C", path, "cat-file", "--batch-all-objects", "--batch", "--buffer", "--unordered"]
                commands = {"kgate": [*kgate, "--history", path, "--all-objects"], "git": cat_file}
                commands.update({name: rival("git", path) for name, rival in rivals.items()})
                partial = is_partial(commands["kgate"], scratch)
                if partial:
                    print(f"{path} lacks objects: betterleaks would end early, and is left out", file=sys.stderr)
                    commands.pop("betterleaks", None)
                best = turns(commands, options.rounds, options.slow_rounds, scratch, partial)
                bars = {"git": 0.45, "kingfisher": 0.25}
                met &= report(f"history {name_of(path)}", best, bars, 512 * MIB)
        if "tree" in wanted:
            folder = os.environ.get("KGATE_BENCH_TREE") or f"{scratch}/tree"
            if not os.path.isdir(folder):
                tree(folder)
            commands = {"kgate": [*kgate, folder]}
            if shutil.which("rg"):
                commands["rg"] = ["rg", "-uu", "-a", "--no-config", "-F", f"{PREFIX}_impossible", folder]
            commands.update({name: rival("dir", folder) for name, rival in rivals.items()})
            met &= report("tree", turns(commands, 2 * options.rounds, options.slow_rounds, scratch), {"rg": 1.8})
        if "staged" in wanted:
            folder = f"{scratch}/staged"
            subprocess.run(["git", "init", "-q", folder], check=True, env=ENVIRONMENT)
            generator = random.Random(3)
            for number in range(2_000):
                os.makedirs(f"{folder}/{number % 50}", exist_ok=True)
                with open(f"{folder}/{number % 50}/{number}.rs", "w") as file:
                    file.write(text(generator, 4_000))
            git(folder, "add", "-A")
            git(folder, "commit", "-q", "-m", "all")
            for number in range(4):
                with open(f"{folder}/{number}/{number}.rs", "a") as file:
                    file.write(text(generator, 500))
            git(folder, "add", "-A")
            commands = {"kgate": [*kgate, "--staged"], "git": ["git", "-C", folder, "diff", "--cached"]}
            commands.update({name: rival("staged", folder) for name, rival in rivals.items()})
            best = turns(commands, 6 * options.rounds, 3 * options.slow_rounds, folder)
            met &= report("staged", best, {"ms": 10})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if options.check and not met:
        sys.exit(1)


# Those that take seconds are run fewer times.
SLOW = {"kingfisher", "betterleaks"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "KGATE_"))}

if __name__ == "__main__":
    main()
