//! The context of a trace (W3C Trace Context): who began it, and which step of it a request is.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng;

/// A request's place in a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace {
    /// The trace.
    pub id: [u8; 16],
    /// The step of the trace that sent the request to us.
    pub parent: Option<[u8; 8]>,
    /// The request as it came in.
    pub span: [u8; 8],
    /// The request as it goes on.
    pub outgoing: [u8; 8],
    /// Whether its steps are recorded.
    pub is_sampled: bool,
}

impl Trace {
    /// Goes on with the trace a request is part of, or begins one.
    ///
    /// Whether it is recorded is up to whoever began it, if that is somebody trusted; else it is one in
    /// `one_in`, so that nobody else decides how much is sent.
    pub fn begin(headers: &HeaderMap, is_trusted: bool, one_in: u32, random: &mut impl Rng) -> Self {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        let part = |from: usize| -> [u8; 8] { bytes[from..from + 8].try_into().expect("eight bytes") };
        let context = Context::of(headers);
        Self {
            id: context.map_or_else(|| bytes[..16].try_into().expect("sixteen bytes"), |context| context.id),
            parent: context.map(|context| context.parent),
            span: part(16),
            outgoing: part(24),
            is_sampled: match context {
                Some(context) if is_trusted => context.is_sampled,
                _ => one_in > 0 && random.next_u32().is_multiple_of(one_in),
            },
        }
    }

    /// Returns the `traceparent` for whoever gets the request next.
    pub fn to_value(&self) -> HeaderValue {
        let mut text = [b'-'; 55];
        text[..2].copy_from_slice(b"00");
        push_hex(&self.id, &mut text[3..35]);
        push_hex(&self.outgoing, &mut text[36..52]);
        text[53] = b'0';
        text[54] = if self.is_sampled { b'1' } else { b'0' };
        HeaderValue::from_bytes(&text).expect("hexadecimal digits")
    }

    /// Returns the trace's id as it is written.
    pub fn id_text(&self) -> String {
        let mut text = [0; 32];
        push_hex(&self.id, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Says whether the request's trace headers can go to the backend as they are.
///
/// Exactly one valid `traceparent` can (W3C Trace Context §3.2). Of anything else both `traceparent` and
/// `tracestate` are to be removed: a broken one would be passed on as if it had been checked.
pub fn trace_is_sound(headers: &HeaderMap) -> bool {
    if headers.contains_key(TRACEPARENT) {
        Context::of(headers).is_some()
    } else {
        !headers.contains_key("tracestate")
    }
}

/// What `traceparent` says: `version "-" trace-id "-" parent-id "-" flags`.
#[derive(Clone, Copy)]
struct Context {
    id: [u8; 16],
    parent: [u8; 8],
    is_sampled: bool,
}

impl Context {
    /// Reads the one `traceparent` there must be. What is not valid is as good as none (§3.2.2).
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        let text = all.next().filter(|_| all.next().is_none())?.as_bytes();
        let [version] = hex(text.get(..2)?)?;
        // Later versions may have more behind.
        let is_long = text.len() > 55;
        if version == 0xff || (is_long && (version == 0 || text[55] != b'-')) {
            return None;
        }
        if [2, 35, 52].iter().any(|at| text.get(*at) != Some(&b'-')) {
            return None;
        }
        let (id, parent) = (hex(text.get(3..35)?)?, hex(text.get(36..52)?)?);
        let [flags] = hex(text.get(53..55)?)?;
        let is_valid = id != [0; 16] && parent != [0; 8];
        is_valid.then_some(Self { id, parent, is_sampled: flags & 1 == 1 })
    }
}

/// Reads lower-case hexadecimal digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == 2 * N).then_some(bytes)
}

fn push_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// `traceparent`.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn begun(values: &[&str], is_trusted: bool, one_in: u32) -> Trace {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, value.parse().unwrap());
        }
        Trace::begin(&headers, is_trusted, one_in, &mut rand::rng())
    }

    #[test]
    fn a_trace_goes_on_with_a_step_of_its_own() {
        let trace = begun(&[PARENT], true, 0);
        assert!(trace.is_sampled, "a trusted proxy decided");
        assert_eq!(trace.id_text(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.parent, Some(0xb7ad_6b71_6920_3331_u64.to_be_bytes()));
        let value = trace.to_value();
        let value = value.to_str().unwrap();
        assert!(value.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && value.ends_with("-01"));
        assert!(!value.contains("b7ad6b7169203331"));
        assert_eq!(begun(&[value], true, 0).parent, Some(trace.outgoing));
        // Nobody else decides how much is recorded.
        assert!(!begun(&[PARENT], false, 0).is_sampled);
        assert!(begun(&[&PARENT.replace("-01", "-00")], false, 1).is_sampled);
    }

    #[test]
    fn what_is_not_valid_begins_a_trace() {
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(begun(&[bad], true, 1).parent, None, "{bad}");
            let headers = HeaderMap::from_iter([(TRACEPARENT, bad.parse().unwrap())]);
            assert!(!trace_is_sound(&headers), "{bad}");
        }
        let mut headers = HeaderMap::new();
        assert!(trace_is_sound(&headers));
        headers.insert("tracestate", "a=b".parse().unwrap());
        assert!(!trace_is_sound(&headers), "a state of no trace");
        headers.insert(TRACEPARENT, PARENT.parse().unwrap());
        assert!(trace_is_sound(&headers));
        assert_eq!(begun(&[PARENT, PARENT], true, 1).parent, None, "two of them");
        assert!(begun(&[&PARENT.replacen("00", "01", 1)], true, 1).parent.is_some(), "a later version");
        assert!(begun(&[&(PARENT.replacen("00", "01", 1) + "-more")], true, 1).parent.is_some());
    }

    #[test]
    fn one_in_so_many_is_recorded() {
        let recorded = (0..10_000).filter(|_| begun(&[], false, 10).is_sampled).count();
        assert!((800..1200).contains(&recorded), "{recorded}");
        assert_eq!((0..100).filter(|_| begun(&[], false, 0).is_sampled).count(), 0);
    }
}
