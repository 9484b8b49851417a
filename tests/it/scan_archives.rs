//! Leak detection in archives made by the tools people make them with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kgate::key::{Digest, Format, KeyType, KeyTypes, Kind, Peppers, Prefix, Token};
use kgate::scan::{Bounds, Detector, Encoding, Options, Outcome, Part, Report, Scan};
use tempfile::TempDir;

pub fn detector() -> Detector {
    let key_type = KeyType {
        name: "acme_live".to_owned(),
        prefix: "acme_live".parse().unwrap(),
        environment: "live".to_owned(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    };
    Detector::new(&KeyTypes::new(vec![key_type])).unwrap()
}

fn mint() -> String {
    Token::mint(&"acme_live".parse::<Prefix>().unwrap(), &mut rand::rng()).expose().to_owned()
}

fn scan(path: &Path) -> Report {
    scan_within(path, Bounds::default())
}

fn scan_within(path: &Path, bounds: Bounds) -> Report {
    let detector = detector();
    let mut scan = Scan::new(&detector, Peppers::default(), Options { bounds, ..Options::default() });
    scan.paths(&[path.to_owned()]);
    scan.finish(None)
}

/// Runs a Python program in `folder`, the standard library being a second opinion on every format.
pub fn python(folder: &Path, program: &str, arguments: &[&str]) {
    let output =
        Command::new("python3").arg("-c").arg(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn zstd(folder: &Path, arguments: &[&str]) {
    let output = Command::new("zstd").arg("-q").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where the only key found stands: members and how it was decoded.
fn only(report: &Report, token: &str) -> (Vec<String>, Vec<Encoding>) {
    let faults = &report.faults;
    let [finding] = &report.findings[..] else { panic!("{:?} {faults:?}", report.findings) };
    assert_eq!(finding.digest, Digest::sha256(token.as_bytes()));
    let [place] = &finding.places[..] else { panic!("{:?}", finding.places) };
    assert_eq!(*faults, []);
    let members = place.members.iter().map(|m| m.to_str().unwrap().to_owned()).collect();
    (members, place.decoded.clone())
}

/// Writes each kind of archive of a file `conf/.env` with the token after 100 kB; of one token the same at every run.
pub const MAKE: &str = r#"
import bz2, gzip, io, lzma, random, sys, tarfile, time, zipfile, zlib
time.time = lambda: 1_700_000_000
time.localtime = lambda *_: time.gmtime(1_700_000_000)
token = sys.argv[1]
text = random.Random(token).randbytes(50000).hex().encode() + b"\nKEY=" + token.encode() + b"\nmore\n"

def tar(data, name="conf/.env", mode="w", format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=format) as archive:
        for n, d in (("before", b"x" * 700), (name, data), ("after", b"y")):
            info = tarfile.TarInfo(n)
            info.size = len(d)
            archive.addfile(info, io.BytesIO(d))
    return out.getvalue()

def zip(data, method, name="conf/.env", seekable=True):
    out = io.BytesIO()
    class Pipe(io.RawIOBase):
        def writable(self): return True
        def write(self, b): return out.write(b)
    with zipfile.ZipFile(out if seekable else Pipe(), "w", method) as archive:
        archive.writestr("before", b"x" * 700)
        archive.writestr(name, data)
    return out.getvalue()

def old_tar(data):
    header = bytearray(512)
    header[0:9] = b"conf/.env"
    header[100:108] = b"0000644\0"
    header[124:136] = b"%011o\0" % len(data)
    header[136:148] = b"%011o\0" % 0
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(-len(data) % 512 + 1024)

half = len(text) // 2
long = "d/" * 90 + "long.env"
files = {
    "gzip": gzip.compress(text),
    "gzip-members": gzip.compress(text[:-30]) + gzip.compress(text[-30:]),
    "gzip-padded": gzip.compress(text) + bytes(512),
    "zlib": zlib.compress(text),
    "zlib-fast": zlib.compress(text, 1),
    "bzip2": bz2.compress(text),
    "bzip2-streams": bz2.compress(text[:-30]) + bz2.compress(text[-30:]),
    "xz": lzma.compress(text),
    "xz-streams": lzma.compress(text[:-30]) + lzma.compress(text[-30:]),
    "tar": tar(text),
    "tar-gnu-long": tar(text, long, format=tarfile.GNU_FORMAT),
    "tar-pax-long": tar(text, long),
    "tar-ustar": tar(text, format=tarfile.USTAR_FORMAT),
    "tar-old": old_tar(text),
    "tar.gz": gzip.compress(tar(text)),
    "tar.bz2": bz2.compress(tar(text)),
    "tar.xz": lzma.compress(tar(text)),
    "zip-stored": zip(text, zipfile.ZIP_STORED),
    "zip-deflated": zip(text, zipfile.ZIP_DEFLATED),
    "zip-bzip2": zip(text, zipfile.ZIP_BZIP2),
    "zip-streamed": zip(text, zipfile.ZIP_DEFLATED, seekable=False),
    "zip-in-zip": zip(zip(text, zipfile.ZIP_DEFLATED), zipfile.ZIP_STORED, "in.zip"),
    "tar.gz-in-zip-in-tar.xz": lzma.compress(tar(zip(gzip.compress(tar(text)), zipfile.ZIP_DEFLATED, "a.tgz"), "b.zip")),
    "plain": text,
}
for name, data in files.items():
    open(name, "wb").write(data)
"#;

#[test]
fn keys_in_every_kind_of_archive_are_found_once_and_named_by_member() {
    let folder = TempDir::new().unwrap();
    let token = mint();
    python(folder.path(), MAKE, &[&token]);
    zstd(folder.path(), &["plain", "-o", "zstd"]);
    zstd(folder.path(), &["--long=27", "-19", "plain", "-o", "zstd-long"]);
    zstd(folder.path(), &["tar", "-o", "tar.zst"]);
    let long = format!("{}long.env", "d/".repeat(90));
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 27);
    for name in names {
        let expected: Vec<&str> = match &*name {
            "tar-gnu-long" | "tar-pax-long" => vec![&long],
            "zip-in-zip" => vec!["in.zip", "conf/.env"],
            "tar.gz-in-zip-in-tar.xz" => vec!["b.zip", "a.tgz", "conf/.env"],
            other if other.starts_with("tar") || other.starts_with("zip") => vec!["conf/.env"],
            _ => vec![],
        };
        let path = folder.path().join(&name);
        let (members, decoded) = only(&scan(&path), &token);
        assert_eq!(
            (members, decoded),
            (expected.iter().map(ToString::to_string).collect(), vec![]),
            "{name}"
        );
        // The same through a pipe, where nothing can be read twice.
        let detector = detector();
        let mut scan = Scan::new(&detector, Peppers::default(), Options::default());
        scan.stream(Path::new("-"), fs::File::open(&path).unwrap());
        assert_eq!(only(&scan.finish(None), &token).0, expected, "{name} as a stream");
    }
}

#[test]
fn names_comments_and_link_targets_of_archives_are_read() {
    let folder = TempDir::new().unwrap();
    let tokens: Vec<String> = (0..5).map(|_| mint()).collect();
    let program = r#"
import sys, tarfile, zipfile, gzip
name, comment, link, owner, gz = sys.argv[1:]
with zipfile.ZipFile("a.zip", "w") as archive:
    archive.writestr(name + ".txt", b"x")
    archive.comment = comment.encode()
with tarfile.open("a.tar", "w") as archive:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = tarfile.SYMTYPE, link
    archive.addfile(info)
    info = tarfile.TarInfo("plain")
    info.pax_headers = {"comment": owner}
    archive.addfile(info)
with open("a.gz", "wb") as raw, gzip.GzipFile(gz, "wb", fileobj=raw) as file:
    file.write(b"x")
"#;
    python(folder.path(), program, &tokens.iter().map(|t| &**t).collect::<Vec<_>>());
    let report = scan(folder.path());
    assert_eq!(report.faults, []);
    for token in &tokens {
        let digest = Digest::sha256(token.as_bytes());
        assert!(report.findings.iter().any(|f| f.digest == digest), "{token}");
    }
    let named = report.findings.iter().flat_map(|f| &f.places).filter(|p| p.part == Part::Name).count();
    assert_eq!(named, 2);
    assert!(!format!("{report:?}").contains(&tokens[0]), "a member's name must not leak it again");
}

#[test]
fn bombs_are_reported_and_not_followed() {
    let folder = TempDir::new().unwrap();
    let program = r#"
import bz2, io, zipfile, zlib
def zeros(compressor, size):
    block = bytes(1 << 20)
    return b"".join(compressor.compress(block) for _ in range(size >> 20)) + compressor.flush()
gz = zeros(zlib.compressobj(9, wbits=31), 32 << 20)
open("bomb.gz", "wb").write(gz)
open("bomb.bz2", "wb").write(zeros(bz2.BZ2Compressor(), 32 << 20))
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("zeros", bytes(32 << 20))
with zipfile.ZipFile("nested.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for i in range(16):
        archive.writestr(f"{i}.gz", gz)
def quine(depth):
    data = b"x"
    for _ in range(depth):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("r.zip", data)
        data = out.getvalue()
    return data
open("deep.zip", "wb").write(quine(40))
with zipfile.ZipFile("many.zip", "w") as archive:
    for i in range(3000):
        archive.writestr(str(i), b"")
"#;
    python(folder.path(), program, &[]);
    fs::write(folder.path().join("zeros"), vec![0; 32 << 20]).unwrap();
    zstd(folder.path(), &["--rm", "zeros", "-o", "bomb.zst"]);
    let bounds = Bounds { members: 2_000, ratio_from: 4 << 20, ..Bounds::default() };
    let report = scan_within(folder.path(), bounds);
    assert_eq!(report.outcome(), Outcome::Incomplete);
    let said: Vec<(String, &str)> = report
        .faults
        .iter()
        .map(|f| (f.path.file_name().unwrap().to_str().unwrap().to_owned(), &*f.problem))
        .collect();
    let bomb = "a decompression bomb: it expands to more than 500 times its size, and was not followed";
    let expected = [
        ("bomb.bz2", bomb.to_owned()),
        ("bomb.gz", bomb.to_owned()),
        ("bomb.zip", format!("in zeros: {bomb}")),
        ("bomb.zst", bomb.to_owned()),
        ("deep.zip", format!("in {}: zip data inside 6 others was not opened", ["r.zip"; 6].join("!"))),
        ("many.zip", "it has more than 2000 members, and the rest were not read".to_owned()),
        ("nested.zip", format!("in 0.gz: {bomb}")),
    ];
    assert_eq!(said, expected.each_ref().map(|(name, problem)| ((*name).to_owned(), &**problem)));
}

#[test]
fn what_is_left_of_a_damaged_archive_is_searched_and_it_is_said() {
    let folder = TempDir::new().unwrap();
    let token = mint();
    python(folder.path(), MAKE, &[&token]);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let after = mint();
    let damaged = TempDir::new().unwrap();
    let plant = |name: &str, bytes: &[u8]| fs::write(damaged.path().join(name), bytes).unwrap();
    for name in ["gzip", "zlib", "bzip2", "xz", "zip-deflated", "tar.gz"] {
        let mut bytes = read(name);
        let half = bytes.len() / 2;
        bytes.truncate(half);
        plant(name, &[&bytes[..], after.as_bytes()].concat());
    }
    // The end is cut off, after the key.
    let tar = read("tar");
    plant("tar", &tar[..700 + 512 * 4 + 100_100]);
    let report = scan(damaged.path());
    let faulty: Vec<PathBuf> = report.faults.iter().map(|f| f.path.clone()).collect();
    assert_eq!(faulty.len(), 7, "{:?}", report.faults);
    let places = |token: &str| {
        let digest = Digest::sha256(token.as_bytes());
        report.findings.iter().find(|f| f.digest == digest).map_or(0, |f| f.place_count)
    };
    assert_eq!((places(&token), places(&after)), (1, 6), "{:?}", report.faults);
}

#[test]
fn an_encrypted_member_is_said_and_the_others_are_read() {
    let folder = TempDir::new().unwrap();
    let token = mint();
    let program = r#"
import sys, zipfile
with zipfile.ZipFile("a.zip", "w") as archive:
    archive.writestr("secret", b"hidden")
    archive.writestr("open", sys.argv[1])
data = bytearray(open("a.zip", "rb").read())
for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
    data[data.index(mark) + at] |= 1
open("a.zip", "wb").write(data)
"#;
    python(folder.path(), program, &[&token]);
    let report = scan(folder.path());
    assert_eq!(report.findings[0].places[0].members, [PathBuf::from("open")]);
    let [fault] = &report.faults[..] else { panic!("{:?}", report.faults) };
    assert!(fault.problem.starts_with("in secret: this member cannot be read"), "{}", fault.problem);
}

#[test]
fn streams_of_a_pdf_are_looked_into() {
    let folder = TempDir::new().unwrap();
    let token = mint();
    let program = r#"
import sys, zlib
text = zlib.compress(b"BT /F1 12 Tf (Key: " + sys.argv[1].encode() + b") Tj ET")
other = b"not compressed at all"
out = b"%PDF-1.7\n"
for number, data in enumerate((other, zlib.compress(b"nothing"), b"\x78\x9cdamaged", text)):
    out += b"%d 0 obj <</Length %d /Filter /FlateDecode>> stream\r\n" % (number, len(data)) + data + b"\nendstream endobj\n"
open("a.pdf", "wb").write(out + b"%%EOF")
"#;
    python(folder.path(), program, &[&token]);
    let (members, decoded) = only(&scan(folder.path()), &token);
    assert!(members.len() == 1 && members[0].starts_with("stream@"), "{members:?}");
    assert_eq!(decoded, []);
    let bytes = fs::read(folder.path().join("a.pdf")).unwrap();
    fs::write(folder.path().join("a.pdf"), [&bytes[..], &vec![b'.'; 1 << 20]].concat()).unwrap();
    only(&scan(folder.path()), &token);
    let report = scan_within(folder.path(), Bounds { held_bytes: 1 << 20, ..Bounds::default() });
    assert_eq!(report.outcome(), Outcome::Incomplete, "what is too large to be looked into is told of");
    let bomb =
        "import zlib; open('b.pdf','wb').write(b'%PDF-1.7 stream\\n' + zlib.compress(bytes(99 << 20)))";
    fs::remove_file(folder.path().join("a.pdf")).unwrap();
    python(folder.path(), bomb, &[]);
    let report = scan_within(folder.path(), Bounds { ratio_from: 4 << 20, ..Bounds::default() });
    let [fault] = &report.faults[..] else { panic!("{:?}", report.faults) };
    assert!(fault.problem.contains("a decompression bomb"), "{}", fault.problem);
}

#[test]
fn other_files_are_no_archives() {
    let folder = TempDir::new().unwrap();
    for (name, text) in [("x^2", "x^2 + y^2 = 1\n"), ("x", "x\u{1}"), ("bz", "BZh9 is a name"), ("pk", "PK")]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(scan(folder.path()).outcome(), Outcome::Clean);
}
