//! Takes archives apart: what is in them is examined, member by member, and so is what holds it.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libdeflater::Decompressor;

use super::super::detect::Detector;
use super::super::mask::masked;
use super::super::report::{printable, printable_text};
use super::archive::{self, Compression, Format};
use super::budget::{Budget, Metered};
use super::window::{Seeker, Window};
use super::{Bounds, Seen, Sighting};
use crate::key::Digest;

/// The work on one file.
pub(super) struct Unpacker<'u, 'd> {
    detector: &'d Detector,
    bounds: &'u Bounds,
    budget: &'u Budget,
    /// Windows not in use, one for each level that was entered.
    spare: &'u mut Vec<Window>,
    inflater: Decompressor,
    /// On the way to where the work is.
    members: Vec<PathBuf>,
    layers: usize,
    /// Keys seen in members, which are seen again in what holds them if it is not compressed.
    known: HashSet<Digest>,
    seen: &'u mut dyn FnMut(Seen),
}

impl<'u, 'd> Unpacker<'u, 'd> {
    pub(super) fn new(
        detector: &'d Detector,
        bounds: &'u Bounds,
        budget: &'u Budget,
        spare: &'u mut Vec<Window>,
        seen: &'u mut dyn FnMut(Seen),
    ) -> Self {
        Self {
            detector,
            bounds,
            budget,
            spare,
            inflater: Decompressor::new(),
            members: Vec::new(),
            layers: 0,
            known: HashSet::new(),
            seen,
        }
    }

    /// Examines an archive that is in memory.
    pub(super) fn bytes(&mut self, format: Format, bytes: &[u8]) {
        let mut raw = Vec::new();
        Seeker::new(self.detector).whole(bytes, &mut |seen| raw.push(seen));
        let consumed = Cell::new(bytes.len() as u64);
        let result = match format {
            Format::Zip => self.layer(format, |unpacker| unpacker.zip(Cursor::new(bytes))),
            Format::Pdf => self.layer(format, |unpacker| unpacker.pdf(bytes)),
            _ => self.layer(format, |unpacker| unpacker.open(format, &mut &*bytes, &consumed)),
        };
        self.report(result);
        self.emit_unknown(raw);
    }

    /// Examines a zip in a file, in which `raw` was found without opening it.
    pub(super) fn zip_file(&mut self, file: impl Read + Seek, raw: Vec<Seen>) {
        let result = self.layer(Format::Zip, |unpacker| unpacker.zip(BufReader::new(file)));
        self.report(result);
        self.emit_unknown(raw);
    }

    /// Examines a content of any kind. Returns the error that ended the reading early.
    fn content(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let mut window = self.spare.pop().unwrap_or_else(|| Window::new(MEMBER_WINDOW));
        window.clear();
        let result = window.fill(source).1;
        let result = match Format::of(window.bytes()) {
            Some(format) => self.archive(format, &mut window, source),
            None => self.plain(&mut window, source, result),
        };
        self.spare.push(window);
        result
    }

    /// Examines a content that is no archive, of which `window` has what was read with `result`.
    fn plain(
        &mut self,
        window: &mut Window,
        source: &mut dyn Read,
        mut result: io::Result<()>,
    ) -> io::Result<()> {
        let mut seeker = Seeker::new(self.detector);
        loop {
            let is_full = window.is_full();
            // What came before an error was read all the same.
            window.search(&mut seeker, &mut |seen| self.emit(seen));
            if result.is_err() || !is_full {
                return result;
            }
            result = window.fill(source).1;
        }
    }

    /// Examines an archive of which `window` has the beginning and `source` the rest.
    pub(super) fn archive(
        &mut self,
        format: Format,
        window: &mut Window,
        source: &mut dyn Read,
    ) -> io::Result<()> {
        let consumed = Cell::new(0);
        let mut tee = Tee::new(self.detector, window, source, &consumed);
        let opened = self.layer(format, |unpacker| match format {
            Format::Zip => unpacker.held(&mut tee).and_then(|held| unpacker.zip(Cursor::new(held))),
            Format::Pdf => unpacker.held(&mut tee).and_then(|held| unpacker.pdf(&held)),
            _ => unpacker.open(format, &mut tee, &consumed),
        });
        let result = tee.finish();
        let Tee { raw, overflow, .. } = tee;
        if result.is_ok() {
            self.report(opened);
        }
        self.emit_unknown(raw);
        if overflow {
            self.fault(&format!("more than {RAW} keys stand between the members of this archive"));
        }
        result
    }

    /// Examines what `source`, an archive but no zip, holds. `consumed` is how much of it was read.
    fn open(&mut self, format: Format, source: &mut dyn Read, consumed: &Cell<u64>) -> io::Result<()> {
        match format {
            Format::Compressed(compression) => self.compressed(compression, source, consumed),
            _ => self.tar(source),
        }
    }

    /// Enters an archive. Returns what went wrong in it.
    fn layer(
        &mut self,
        format: Format,
        examine: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> Result<(), String> {
        if self.layers >= self.bounds.depth {
            return Err(format!("{format} data inside {} others was not opened", self.layers));
        }
        self.layers += 1;
        let result = examine(self);
        self.layers -= 1;
        result.map_err(|error| format!("the {format} data is damaged: {error}"))
    }

    /// Says what went wrong, unless that is said already.
    fn report(&mut self, result: Result<(), String>) {
        if self.budget.overrun().is_some() {
            if let Some(overrun) = self.budget.say_overrun() {
                self.fault(&overrun.to_string());
            }
        } else if let Err(problem) = result {
            self.fault(&problem);
        }
    }

    fn compressed(
        &mut self,
        compression: Compression,
        source: &mut dyn Read,
        consumed: &Cell<u64>,
    ) -> io::Result<()> {
        let decoder = compression.decoder(source)?;
        self.content(&mut Metered::new(decoder, self.budget, consumed))
    }

    fn tar(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(source);
        let mut long_name = None;
        // Raw, because the crate would read long names of any length into memory.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.budget.member().map_err(io::Error::other)?;
            if let Some(name) = extended_name(&mut entry)? {
                long_name = Some(name).filter(|name| !name.is_empty()).or(long_name);
                continue;
            }
            let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            let target = entry.link_name_bytes().map(Cow::into_owned);
            self.member(&name, |unpacker| {
                if let Some(target) = target {
                    unpacker.named(&target);
                }
                unpacker.content(&mut entry)
            })?;
        }
        Ok(())
    }

    /// Reads into memory what cannot be read in a stream: a zip has its directory at its end.
    fn held(&self, source: &mut dyn Read) -> io::Result<Vec<u8>> {
        let mut held = Vec::new();
        source.take(self.bounds.held_bytes + 1).read_to_end(&mut held)?;
        if held.len() as u64 > self.bounds.held_bytes {
            let bound = self.bounds.held_bytes >> 20;
            return Err(io::Error::other(format!("it may have {bound} MiB at most to be looked into")));
        }
        Ok(held)
    }

    /// Examines the streams of a PDF, each as a member. What is damaged may be compressed in another way,
    /// and is no fault.
    fn pdf(&mut self, pdf: &[u8]) -> io::Result<()> {
        for at in archive::pdf_streams(pdf) {
            self.budget.member().map_err(io::Error::other)?;
            self.members.push(PathBuf::from(format!("stream@{at}")));
            let consumed = Cell::new((pdf.len() - at) as u64);
            let mut source = &pdf[at..];
            let decoded = self.compressed(Compression::Zlib, &mut source, &consumed);
            if self.budget.overrun().is_some() {
                self.report(decoded.map_err(|e| e.to_string()));
            }
            self.members.pop();
        }
        Ok(())
    }

    fn zip(&mut self, source: impl Read + Seek) -> io::Result<()> {
        let mut archive = zip::ZipArchive::new(source)?;
        for index in 0..archive.len() {
            self.budget.member().map_err(io::Error::other)?;
            let name = archive.by_index_raw(index).map(|member| member.name_raw().to_vec());
            let name = name.unwrap_or_else(|_| format!("#{index}").into_bytes());
            self.member(&name, |unpacker| {
                let result = unpacker.zip_member(&mut archive, index);
                unpacker.report(result.map_err(|e| format!("this member cannot be read: {e}")));
                Ok(())
            })?;
        }
        Ok(())
    }

    fn zip_member<R: Read + Seek>(
        &mut self,
        archive: &mut zip::ZipArchive<R>,
        index: usize,
    ) -> io::Result<()> {
        if self.small_member(archive, index)? {
            return Ok(());
        }
        let member = archive.by_index(index)?;
        if !member.is_file() && member.size() == 0 {
            return Ok(());
        }
        let compressed = Cell::new(member.compressed_size());
        self.content(&mut Metered::new(member, self.budget, &compressed))
    }

    /// Examines a member that is small enough to be inflated at once, which is twice as fast as in a
    /// stream. Returns false if it is not, or not sound: then the stream tells what is wrong.
    fn small_member<R: Read + Seek>(
        &mut self,
        archive: &mut zip::ZipArchive<R>,
        index: usize,
    ) -> io::Result<bool> {
        let member = archive.by_index_raw(index)?;
        let (size, compressed) = (member.size(), member.compressed_size());
        let is_deflated = member.compression() == zip::CompressionMethod::Deflated && !member.encrypted();
        // Deflate cannot do better than 1032:1.
        if !is_deflated || size.max(compressed) > AT_ONCE || size / 1032 > compressed {
            return Ok(false);
        }
        let (sum, mut raw) = (member.crc32(), Vec::new());
        member.take(compressed).read_to_end(&mut raw)?;
        let mut content = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        let inflated = self.inflater.deflate_decompress(&raw, &mut content);
        if inflated != Ok(content.len()) || libdeflater::crc32(&content) != sum {
            return Ok(false);
        }
        if Format::of(&content).is_some() {
            let consumed = Cell::new(compressed);
            return self.content(&mut Metered::new(&content[..], self.budget, &consumed)).map(|()| true);
        }
        self.budget.expand(size, size, compressed).map_err(io::Error::other)?;
        Seeker::new(self.detector).whole(&content, &mut |seen| self.emit(seen));
        Ok(true)
    }

    /// Enters a member, of which the name is examined too.
    fn member(&mut self, name: &[u8], examine: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        self.members.push(PathBuf::from(OsStr::from_bytes(name)));
        self.named(name);
        let result = examine(self);
        self.members.pop();
        result
    }

    fn named(&mut self, name: &[u8]) {
        let mut seeker = Seeker::new(self.detector);
        seeker.whole(name, &mut |seen| match seen {
            Seen::Key(sighting) => self.emit(Seen::Key(Sighting { in_name: true, ..sighting })),
            Seen::Fault(_) => self.emit(seen),
        });
    }

    fn emit(&mut self, seen: Seen) {
        match seen {
            Seen::Key(sighting) => {
                self.known.insert(Digest::sha256(sighting.token.expose().as_bytes()));
                (self.seen)(Seen::Key(Sighting { members: self.members.clone(), ..sighting }));
            }
            Seen::Fault(_) => (self.seen)(seen),
        }
    }

    /// Tells of keys in what holds others, but of those in them.
    fn emit_unknown(&mut self, raw: Vec<Seen>) {
        for seen in raw {
            match &seen {
                Seen::Key(s) if self.known.contains(&Digest::sha256(s.token.expose().as_bytes())) => {}
                _ => self.emit(seen),
            }
        }
    }

    fn fault(&mut self, problem: &str) {
        let problem = printable_text(problem);
        let members: Vec<String> = self.members.iter().map(|member| self.shown(member)).collect();
        let text = if members.is_empty() { problem } else { format!("in {}: {problem}", members.join("!")) };
        (self.seen)(Seen::Fault(text));
    }

    /// Returns the name of a member as it may be printed, without tokens.
    fn shown(&self, member: &Path) -> String {
        let name = masked(self.detector, member.as_os_str().as_bytes());
        name.map_or_else(|| printable(member), |name| printable(Path::new(OsStr::from_bytes(&name))))
    }
}

/// If `entry` describes the next one, returns the name that one gets, empty if none.
fn extended_name<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Option<Vec<u8>>> {
    let kind = entry.header().entry_type();
    if !kind.is_gnu_longname() && !kind.is_pax_local_extensions() {
        return Ok(None);
    }
    let mut text = Vec::new();
    entry.take(LONG_NAME).read_to_end(&mut text)?;
    if kind.is_gnu_longname() {
        text.truncate(text.iter().position(|&b| b == 0).unwrap_or(text.len()));
        return Ok(Some(text));
    }
    let extensions = tar::PaxExtensions::new(&text);
    let path = extensions.flatten().find(|e| e.key_bytes() == b"path");
    Ok(Some(path.map_or_else(Vec::new, |e| e.value_bytes().to_vec())))
}

/// Hands on what it reads, and searches it.
struct Tee<'t, 'd> {
    seeker: Seeker<'d>,
    window: &'t mut Window,
    /// How much of the window was handed on.
    handed: usize,
    source: &'t mut dyn Read,
    consumed: &'t Cell<u64>,
    raw: Vec<Seen>,
    /// Whether there was more than could be kept.
    overflow: bool,
    /// Why the source ended early, if it did. What is in it is then no more at fault than it.
    error: Option<io::Error>,
}

impl<'t, 'd> Tee<'t, 'd> {
    fn new(
        detector: &'d Detector,
        window: &'t mut Window,
        source: &'t mut dyn Read,
        consumed: &'t Cell<u64>,
    ) -> Self {
        let seeker = Seeker::new(detector);
        Self { seeker, window, handed: 0, source, consumed, raw: Vec::new(), overflow: false, error: None }
    }

    /// Reads what nobody asked for, and searches all that is left.
    fn finish(&mut self) -> io::Result<()> {
        self.search();
        while self.error.is_none() {
            let (read, result) = self.window.fill(self.source);
            self.search();
            if read == 0 || result.is_err() {
                return result;
            }
        }
        self.error.take().map_or(Ok(()), Err)
    }

    fn search(&mut self) {
        let Self { raw, overflow, .. } = self;
        self.window.search(&mut self.seeker, &mut |seen| {
            if raw.len() < RAW {
                raw.push(seen);
            } else {
                *overflow = true;
            }
        });
        self.handed = self.window.bytes().len();
    }
}

impl Read for Tee<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.handed == self.window.bytes().len() {
            if self.window.is_full() {
                self.search();
            }
            if let Err(e) = self.window.fill_some(self.source) {
                let again = io::Error::new(e.kind(), e.to_string());
                self.error = Some(e);
                return Err(again);
            }
        }
        let rest = &self.window.bytes()[self.handed..];
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        self.handed += n;
        self.consumed.set(self.consumed.get() + n as u64);
        Ok(n)
    }
}

/// Bytes up to which a member of a zip is inflated at once.
const AT_ONCE: u64 = 4 << 20;
/// Bytes of a member looked at at a time.
const MEMBER_WINDOW: usize = 64 << 10;
/// Keys kept that stand in an archive but perhaps in none of its members.
const RAW: usize = 10_000;
/// The longest name of a member that is shown whole, in bytes.
const LONG_NAME: u64 = 64 << 10;
