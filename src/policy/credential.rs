//! Exactly one credential, from the one source a route names.
//!
//! A second field, or a second credential in one field, is refused and never settled by taking the
//! first: a proxy on the way may have taken the other. A comma cannot be part of a token, since
//! proxies join repeated fields with it (RFC 9110 §5.3). On a route with a key header,
//! `Authorization` belongs to the backend: it decides nothing here.

use super::Fields;

/// Where a route looks for the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer,
    /// A field that holds nothing but the key; its name in lower case.
    Header(Box<str>),
}

/// What was found there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Presented<'a> {
    /// Nothing: no field, a blank one, a bare scheme, or another scheme.
    Nothing,
    /// One credential, not looked at yet.
    One(&'a [u8]),
    /// More than one.
    Several,
}

impl Source {
    /// Looks for the credential in `fields`.
    pub(super) fn look<'a>(&self, fields: &'a dyn Fields) -> Presented<'a> {
        let name = match self {
            Self::Bearer => "authorization",
            Self::Header(name) => name,
        };
        let mut values = 0;
        let mut last: &[u8] = b"";
        fields.each_value(name, &mut |value| {
            values += 1;
            last = value;
        });
        match (values, self) {
            (0, _) => Presented::Nothing,
            (1, Self::Bearer) => bearer(last.trim_ascii()),
            (1, Self::Header(_)) => one(last.trim_ascii()),
            _ => Presented::Several,
        }
    }
}

fn bearer(value: &[u8]) -> Presented<'_> {
    match strip_bearer(value) {
        Some(token) => one(token),
        None if value.split(|b| *b == b',').any(|part| strip_bearer(part.trim_ascii()).is_some()) => {
            Presented::Several
        }
        None => Presented::Nothing,
    }
}

fn one(token: &[u8]) -> Presented<'_> {
    if token.is_empty() {
        Presented::Nothing
    } else if token.contains(&b',') {
        Presented::Several
    } else {
        Presented::One(token)
    }
}

/// Returns what follows `Bearer`, whose case and following spaces do not matter (RFC 9110 §11.1).
fn strip_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let is_bearer =
        scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_bearer.then(|| rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(Vec<(&'static str, &'static str)>);

    impl Fields for Pairs {
        fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, v)| visit(v.as_bytes()));
        }
    }

    #[test]
    fn a_bearer_token_is_taken_only_if_it_is_the_only_one() {
        for (values, expected) in [
            (&[][..], Presented::Nothing),
            (&[""], Presented::Nothing),
            (&["  "], Presented::Nothing),
            (&["Bearer"], Presented::Nothing),
            (&["Bearer   "], Presented::Nothing),
            (&["Basic dXNlcg=="], Presented::Nothing),
            (&["Digest username=\"a\", realm=\"b\""], Presented::Nothing),
            (&["Bearerx"], Presented::Nothing),
            (&["x"], Presented::Nothing),
            (&["Bearer x"], Presented::One(b"x")),
            (&["bearer x"], Presented::One(b"x")),
            (&["BEARER \t  x  "], Presented::One(b"x")),
            (&["Bearer x y"], Presented::One(b"x y")),
            (&["Bearer x, Bearer y"], Presented::Several),
            (&["Bearer x,"], Presented::Several),
            (&["Basic x, Bearer y"], Presented::Several),
            (&["Bearer x", "Bearer x"], Presented::Several),
            (&["Bearer x", ""], Presented::Several),
            (&["Basic x", "Bearer x"], Presented::Several),
        ] {
            let fields = Pairs(values.iter().map(|v| ("authorization", *v)).collect());
            assert_eq!(Source::Bearer.look(&fields), expected, "{values:?}");
        }
    }

    #[test]
    fn a_key_header_is_read_alone() {
        let source = Source::Header("x-api-key".into());
        for (pairs, expected) in [
            (vec![], Presented::Nothing),
            (vec![("x-api-key", " ")], Presented::Nothing),
            (vec![("x-api-key", " k ")], Presented::One(&b"k"[..])),
            (vec![("x-api-key", "k"), ("authorization", "Bearer other")], Presented::One(b"k")),
            (vec![("authorization", "Bearer k")], Presented::Nothing),
            (vec![("x-api-key", "k"), ("x-api-key", "k")], Presented::Several),
            (vec![("x-api-key", "k, k")], Presented::Several),
        ] {
            assert_eq!(source.look(&Pairs(pairs.clone())), expected, "{pairs:?}");
        }
    }
}
