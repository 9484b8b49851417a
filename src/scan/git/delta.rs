//! Deltas of packs: a text made of stretches of another one (the base) and of bytes given literally.
//!
//! The format is that of gitformat-pack(5), "Deltified representation".

use super::Damage;
use crate::scan::content::Stretch;

/// Returns how many bytes applying `delta` gives.
pub(super) fn result_len(delta: &[u8]) -> Result<u64, Damage> {
    let mut rest = delta;
    varint(&mut rest)?;
    varint(&mut rest)
}

/// Makes `out` what `delta` says `base` becomes, and says in `stretches` what of it comes from where.
///
/// The caller has compared [`result_len`] with the memory it has.
pub(super) fn apply(
    base: &[u8],
    delta: &[u8],
    out: &mut Vec<u8>,
    stretches: &mut Vec<Stretch>,
) -> Result<(), Damage> {
    let mut rest = delta;
    let base_len = varint(&mut rest)?;
    let result_len = usize::try_from(varint(&mut rest)?).map_err(|_| DAMAGED)?;
    if base_len != base.len() as u64 {
        return Err(DAMAGED);
    }
    stretches.clear();
    out.clear();
    out.reserve(result_len);
    while let Some((&op, after)) = rest.split_first() {
        rest = after;
        let stretch = if op & COPY == 0 {
            let (literal, after) = rest.split_at_checked(usize::from(op)).ok_or(DAMAGED)?;
            rest = after;
            stretches.push(Stretch::New(literal.len()));
            literal
        } else {
            let (from, len) = copy(op, &mut rest)?;
            stretches.push(Stretch::Kept { from, len });
            base.get(from..from + len).ok_or(DAMAGED)?
        };
        // An empty stretch is the reserved operation 0; a long one would outgrow what was promised.
        if stretch.is_empty() || out.len() + stretch.len() > result_len {
            return Err(DAMAGED);
        }
        out.extend_from_slice(stretch);
    }
    if out.len() == result_len { Ok(()) } else { Err(DAMAGED) }
}

/// Reads where to copy from and how much: only the bytes that are not zero are there.
fn copy(op: u8, rest: &mut &[u8]) -> Result<(usize, usize), Damage> {
    let mut value = 0_usize;
    for byte in 0..7 {
        if op & 1 << byte != 0 {
            let (&next, after) = rest.split_first().ok_or(DAMAGED)?;
            value |= usize::from(next) << (8 * byte);
            *rest = after;
        }
    }
    let (offset, len) = (value & 0xffff_ffff, value >> 32);
    Ok((offset, if len == 0 { 0x1_0000 } else { len }))
}

/// Reads a number, seven bits a byte, the lowest first.
fn varint(rest: &mut &[u8]) -> Result<u64, Damage> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(DAMAGED)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DAMAGED)
}

const COPY: u8 = 0x80;
const DAMAGED: Damage = Damage::Delta;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn copies_and_literals_make_the_result() {
        let base = b"hello world";
        // 11 -> 12: copy 6..11, then " there!", of which the last byte is a copy of nothing else.
        let delta = [11, 12, 0x80 | 0x01 | 0x10, 6, 5, 7, b' ', b't', b'h', b'e', b'r', b'e', b'!'];
        let (mut out, mut stretches) = (Vec::new(), Vec::new());
        apply(base, &delta, &mut out, &mut stretches).unwrap();
        assert_eq!(out, b"world there!");
        assert_eq!(stretches, [Stretch::Kept { from: 6, len: 5 }, Stretch::New(7)]);
        assert_eq!(result_len(&delta).unwrap(), 12);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_delta_or_damage(
            base in proptest::collection::vec(any::<u8>(), 0..64),
            mut delta in proptest::collection::vec(any::<u8>(), 0..64),
            honest: bool,
        ) {
            if honest {
                delta.insert(0, u8::try_from(base.len()).unwrap());
            }
            let (mut out, mut stretches) = (Vec::new(), Vec::new());
            if result_len(&delta).is_ok_and(|len| len < 1 << 20)
                && apply(&base, &delta, &mut out, &mut stretches).is_ok()
            {
                prop_assert_eq!(out.len() as u64, result_len(&delta).unwrap());
                let length = |stretch: &Stretch| match *stretch {
                    Stretch::New(len) | Stretch::Kept { len, .. } => len,
                };
                prop_assert_eq!(stretches.iter().map(length).sum::<usize>(), out.len());
            }
        }
    }
}
