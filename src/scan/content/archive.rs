//! Which contents hold others: archives and compressed data, known by their first bytes.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use bzip2::read::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use flate2::read::ZlibDecoder;
use flate2::{Decompress, FlushDecompress};
use lzma_rust2::XzReader;

/// A format that holds other contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Compressed(Compression),
    Tar,
    Zip,
    /// Of which the streams are compressed.
    Pdf,
}

/// A format that holds one other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zlib,
    Bzip2,
    Xz,
    Zstd,
}

impl Format {
    /// Returns the format of a content that begins with `head`, of which [`HEAD`] bytes suffice.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        // The first byte rules out nearly everything; a tar may begin with any.
        let found = match head.first()? {
            0x1f if is_gzip(head) => Self::Compressed(Compression::Gzip),
            b'x' if is_zlib(head) => Self::Compressed(Compression::Zlib),
            b'B' if is_bzip2(head) => Self::Compressed(Compression::Bzip2),
            0xfd if head.starts_with(b"\xfd7zXZ\0") => Self::Compressed(Compression::Xz),
            0x28 if head.starts_with(b"\x28\xb5\x2f\xfd") => Self::Compressed(Compression::Zstd),
            0x50..=0x5f if head.get(1..4) == Some(b"\x2a\x4d\x18") => Self::Compressed(Compression::Zstd),
            b'P' if is_zip(head) => Self::Zip,
            b'%' if head.starts_with(b"%PDF-") => Self::Pdf,
            _ if is_tar(head) => Self::Tar,
            _ => return None,
        };
        Some(found)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compressed(Compression::Gzip) => "gzip",
            Self::Compressed(Compression::Zlib) => "zlib",
            Self::Compressed(Compression::Bzip2) => "bzip2",
            Self::Compressed(Compression::Xz) => "xz",
            Self::Compressed(Compression::Zstd) => "zstd",
            Self::Tar => "tar",
            Self::Zip => "zip",
            Self::Pdf => "PDF",
        })
    }
}

impl Compression {
    /// Returns a reader of what `source` holds, of all its members or frames one after another.
    pub(super) fn decoder<'s>(self, source: &'s mut dyn Read) -> io::Result<Box<dyn Read + 's>> {
        Ok(match self {
            Self::Gzip => Box::new(Gunzip { member: Some(GzDecoder::new(BufReader::new(source))) }),
            Self::Zlib => Box::new(ZlibDecoder::new(source)),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(source)),
            Self::Xz => Box::new(XzReader::new_mem_limit(source, true, XZ_MEMORY)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(source)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
        })
    }
}

/// Reads the members of a gzip file as one. What follows the last is no fault: padding is usual.
struct Gunzip<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let mut source = self.member.take().map(GzDecoder::into_inner).into_iter();
            self.member = source.find_map(|mut source| {
                let goes_on = source.fill_buf().is_ok_and(|next| next.first() == Some(&0x1f));
                goes_on.then(|| GzDecoder::new(source))
            });
        }
        Ok(0)
    }
}

/// Returns where the streams of a PDF begin that look compressed: after the word, the end of its line, and
/// with what zlib begins with (ISO 32000-1, 7.3.8).
pub(super) fn pdf_streams(pdf: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memmem::find_iter(pdf, b"stream").filter_map(|at| {
        let after = at + b"stream".len();
        let feed = match pdf.get(after..)? {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => return None,
        };
        let begins = pdf.get(after + feed..)?;
        matches!(begins, [method, second, ..] if is_zlib_head(*method, *second)).then_some(after + feed)
    })
}

fn is_gzip(head: &[u8]) -> bool {
    // Deflate, and none of the flags that nothing sets.
    matches!(head, [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0)
}

/// Text can begin with what could be the two bytes of a zlib header, so more is looked at.
fn is_zlib(head: &[u8]) -> bool {
    let [0x78, second, ..] = *head else { return false };
    let is_header = is_zlib_head(0x78, second);
    let begins = || {
        let mut out = [0; 64];
        let mut decoder = Decompress::new(true);
        let result = decoder.decompress(&head[..head.len().min(HEAD)], &mut out, FlushDecompress::None);
        result.is_ok() && decoder.total_out() > 0
    };
    is_header && begins()
}

/// Says whether a zlib stream can begin with these bytes (RFC 1950).
fn is_zlib_head(method: u8, second: u8) -> bool {
    let (method, second) = (u16::from(method), u16::from(second));
    method & 0x0f == 8 && method >> 4 <= 7 && (method << 8 | second).is_multiple_of(31) && second & 0x20 == 0
}

fn is_bzip2(head: &[u8]) -> bool {
    matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
        if rest.starts_with(b"1AY&SY") || rest.starts_with(b"\x17\x72\x45\x38\x50\x90"))
}

fn is_zip(head: &[u8]) -> bool {
    [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08", b"PK00PK\x03\x04"].iter().any(|m| head.starts_with(m))
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") || is_old_tar(head)
}

/// Before POSIX a tar had no mark but the checksum of each header.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..512) else { return false };
    let (field, kind) = (&header[148..156], header[156]);
    let is_shaped = matches!(kind, 0 | b'0'..=b'6') && header[155] == b' ' && header[0] != 0;
    let digits = field.iter().skip_while(|b| **b == b' ').take_while(|b| matches!(b, b'0'..=b'7'));
    let stated = || digits.fold(0, |sum, b| sum * 8 + u32::from(b - b'0'));
    let sum = || header.iter().map(|&b| u32::from(b)).sum::<u32>();
    let blank = || field.iter().map(|&b| u32::from(b)).sum::<u32>();
    is_shaped && stated() == sum() - blank() + 8 * u32::from(b' ')
}

/// Bytes that tell every format: the header of a tar.
pub(super) const HEAD: usize = 512;
/// KiB an xz file may ask for: twice what `xz -9` does.
const XZ_MEMORY: u32 = 128 << 10;
/// The largest window a zstd file may ask for, as a power of two: what `zstd -d` allows.
const ZSTD_WINDOW: u32 = 27;
