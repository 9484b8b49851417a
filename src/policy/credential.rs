//! Exactly one credential, from the places a route names.
//!
//! A second field, or a second credential in one field or in another place, is refused and never settled
//! by taking the first: a proxy on the way may have taken the other. A comma cannot be part of a token,
//! since proxies join repeated fields with it (RFC 9110 §5.3). What is in places the route does not name
//! decides nothing here; `edge` sees to it that no key among it goes on to the backend.

mod pieces;
mod source;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Fields;
pub use pieces::PROTOCOL;
pub(super) use source::is_key_header;
pub use source::{Source, SourceError};

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Presented<'a> {
    /// Nothing: no field, a blank one, a bare scheme, or another scheme.
    Nothing,
    /// One credential, not looked at yet. Owned where it was encoded.
    One(Cow<'a, [u8]>),
    /// More than one.
    Several,
}

/// Looks for the credential in every one of `sources`. `target` is the request's, with its query.
pub(super) fn look<'a>(sources: &[Source], fields: &'a dyn Fields, target: &'a [u8]) -> Presented<'a> {
    if let [source] = sources {
        return source.look(fields, target);
    }
    let mut found = Presented::Nothing;
    for source in sources {
        found = match (found, source.look(fields, target)) {
            (found, Presented::Nothing) => found,
            (Presented::Nothing, one) => one,
            _ => return Presented::Several,
        };
    }
    found
}

impl Source {
    fn look<'a>(&self, fields: &'a dyn Fields, target: &'a [u8]) -> Presented<'a> {
        match self {
            Self::Bearer => alone(fields, "authorization", bearer),
            Self::BasicUser => alone(fields, "authorization", |value| basic(value, |user, _| user)),
            Self::BasicPassword => {
                alone(fields, "authorization", |value| basic(value, |_, password| password))
            }
            Self::Header(name) => alone(fields, name, one),
            Self::Cookie(name) => {
                let mut sole = Sole::default();
                fields.each_value("cookie", &mut |field| {
                    pieces::each_cookie(field, name, |value| sole.take(Cow::Borrowed(value)));
                });
                sole.presented()
            }
            Self::Query(name) => {
                let mut sole = Sole::default();
                let at = target.iter().position(|b| *b == b'?').map_or(target.len(), |at| at + 1);
                pieces::each_argument(&target[at..], name, |value| sole.take(value));
                sole.presented()
            }
            Self::WebSocket => {
                let mut sole = Sole::default();
                fields.each_value("sec-websocket-protocol", &mut |field| {
                    pieces::each_protocol(field, |value| sole.take(Cow::Borrowed(value)));
                });
                sole.presented()
            }
        }
    }
}

/// Reads a field of which there may be only one.
fn alone<'a>(fields: &'a dyn Fields, name: &str, read: impl Fn(&'a [u8]) -> Presented<'a>) -> Presented<'a> {
    let mut values = 0;
    let mut last: &[u8] = b"";
    fields.each_value(name, &mut |value| {
        values += 1;
        last = value;
    });
    match values {
        0 => Presented::Nothing,
        1 => read(last.trim_ascii()),
        _ => Presented::Several,
    }
}

/// Counts what may be there only once.
#[derive(Default)]
struct Sole<'a> {
    count: usize,
    last: Cow<'a, [u8]>,
}

impl<'a> Sole<'a> {
    fn take(&mut self, value: Cow<'a, [u8]>) {
        self.count += 1;
        self.last = value;
    }

    fn presented(self) -> Presented<'a> {
        match self.count {
            0 => Presented::Nothing,
            1 => one(self.last),
            _ => Presented::Several,
        }
    }
}

fn bearer(value: &[u8]) -> Presented<'_> {
    // As nearly everybody spells it.
    if let Some(token @ [first, ..]) = value.strip_prefix(b"Bearer ")
        && !first.is_ascii_whitespace()
    {
        return one(token);
    }
    match strip_scheme(value, b"bearer") {
        Some(token) => one(token),
        None if value
            .split(|b| *b == b',')
            .any(|part| strip_scheme(part.trim_ascii(), b"bearer").is_some()) =>
        {
            Presented::Several
        }
        None => Presented::Nothing,
    }
}

fn basic<'a>(value: &[u8], choose: for<'p> fn(&'p [u8], &'p [u8]) -> &'p [u8]) -> Presented<'a> {
    if value.contains(&b',') {
        let schemes =
            value.split(|b| *b == b',').filter(|part| strip_scheme(part.trim_ascii(), b"basic").is_some());
        return if schemes.count() > 0 { Presented::Several } else { Presented::Nothing };
    }
    let Some(decoded) = basic_pair(value) else { return Presented::Nothing };
    let at = decoded.iter().position(|b| *b == b':').unwrap_or(decoded.len());
    let (user, password) = (&decoded[..at], decoded.get(at + 1..).unwrap_or_default());
    one(choose(user, password).to_vec())
}

/// Returns user name and password with the colon between them, if the scheme is `Basic`.
fn basic_pair(value: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(strip_scheme(value, b"basic")?).ok()
}

/// Says whether a part of an `Authorization` field is of the scheme `Basic` and holds what `is_key` takes
/// for a key.
pub(super) fn hides_in_basic(value: &[u8], is_key: impl Fn(&[u8]) -> bool) -> bool {
    value.split(|b| *b == b',').any(|part| basic_pair(part.trim_ascii()).is_some_and(|pair| is_key(&pair)))
}

fn one<'a>(token: impl Into<Cow<'a, [u8]>>) -> Presented<'a> {
    let token = token.into();
    if token.is_empty() {
        Presented::Nothing
    } else if token.contains(&b',') {
        Presented::Several
    } else {
        Presented::One(token)
    }
}

/// Returns what follows the scheme, whose case and following spaces do not matter (RFC 9110 §11.1).
fn strip_scheme<'a>(value: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let (scheme, rest) = value.split_at_checked(wanted.len())?;
    let is_it = scheme.eq_ignore_ascii_case(wanted) && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_it.then(|| rest.trim_ascii_start())
}

/// What holds keys among other things, by name, over all routes: what is taken out of every request.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    pub(super) cookies: Vec<Box<str>>,
    pub(super) arguments: Vec<Box<str>>,
    pub(super) protocols: bool,
}

impl Carriers {
    pub(super) fn of<'s>(sources: impl Iterator<Item = &'s Source>) -> Self {
        let mut carriers = Self::default();
        for source in sources {
            match source {
                Source::Cookie(name) if !carriers.cookies.contains(name) => {
                    carriers.cookies.push(name.clone());
                }
                Source::Query(name) if !carriers.arguments.contains(name) => {
                    carriers.arguments.push(name.clone());
                }
                Source::WebSocket => carriers.protocols = true,
                _ => {}
            }
        }
        carriers
    }

    /// Returns a query, `?` and all, without keys; `None` if it has none.
    pub(super) fn query_without_keys(&self, query: &str) -> Option<String> {
        if self.arguments.is_empty() {
            return None;
        }
        let rest = pieces::without_arguments(query.strip_prefix('?')?, &self.arguments)?;
        Some(if rest.is_empty() { rest } else { format!("?{rest}") })
    }

    /// Returns a `Cookie` field without keys, maybe empty; `None` if it has none.
    pub(super) fn cookies_without_keys(&self, field: &[u8]) -> Option<Vec<u8>> {
        pieces::without_cookies(field, &self.cookies)
    }

    /// Returns a `Sec-WebSocket-Protocol` field without keys, maybe empty; `None` if it has none.
    pub(super) fn protocols_without_keys(&self, field: &[u8]) -> Option<Vec<u8>> {
        if self.protocols { pieces::without_protocols(field) } else { None }
    }
}

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs<'t>(Vec<(&'static str, &'t str)>);

    impl Fields for Pairs<'_> {
        fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, v)| visit(v.as_bytes()));
        }
    }

    fn found(token: &[u8]) -> Presented<'_> {
        Presented::One(Cow::Borrowed(token))
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
            (&["Bearer x"], found(b"x")),
            (&["bearer x"], found(b"x")),
            (&["BEARER \t  x  "], found(b"x")),
            (&["Bearer x y"], found(b"x y")),
            (&["Bearer x, Bearer y"], Presented::Several),
            (&["Bearer x,"], Presented::Several),
            (&["Basic x, Bearer y"], Presented::Several),
            (&["Bearer x", "Bearer x"], Presented::Several),
            (&["Bearer x", ""], Presented::Several),
            (&["Basic x", "Bearer x"], Presented::Several),
        ] {
            let fields = Pairs(values.iter().map(|v| ("authorization", *v)).collect());
            assert_eq!(look(&[Source::Bearer], &fields, b"/"), expected, "{values:?}");
        }
    }

    #[test]
    fn a_key_header_is_read_alone() {
        let source = Source::Header("x-api-key".into());
        for (pairs, expected) in [
            (vec![], Presented::Nothing),
            (vec![("x-api-key", " ")], Presented::Nothing),
            (vec![("x-api-key", " k ")], found(b"k")),
            (vec![("x-api-key", "k"), ("authorization", "Bearer other")], found(b"k")),
            (vec![("authorization", "Bearer k")], Presented::Nothing),
            (vec![("x-api-key", "k"), ("x-api-key", "k")], Presented::Several),
            (vec![("x-api-key", "k, k")], Presented::Several),
        ] {
            assert_eq!(source.look(&Pairs(pairs.clone()), b"/"), expected, "{pairs:?}");
        }
    }

    #[test]
    fn every_source_is_read_and_no_other() {
        let pair = |text: &str| format!("Basic {}", BASE64.encode(text));
        let (user, password, both) = (pair("k:"), pair("x:k"), pair("k:l"));
        let sources = |list: &[&str]| list.iter().map(|s| s.parse().unwrap()).collect::<Vec<Source>>();
        for (list, target, pairs, expected) in [
            (&["basic-user"][..], "/", vec![("authorization", user.as_str())], found(b"k")),
            (&["basic-user"], "/", vec![("authorization", "basic  azo")], found(b"k")),
            (&["basic-user"], "/", vec![("authorization", "Basic aw")], found(b"k")),
            (&["basic-user"], "/", vec![("authorization", "Basic k:")], Presented::Nothing),
            (&["basic-user"], "/", vec![("authorization", "Bearer k")], Presented::Nothing),
            (&["basic-user"], "/", vec![("authorization", "Basic azo=, Basic azo=")], Presented::Several),
            (&["basic-password"], "/", vec![("authorization", &password)], found(b"k")),
            (&["basic-password"], "/", vec![("authorization", &user)], Presented::Nothing),
            (&["basic-user", "basic-password"], "/", vec![("authorization", &user)], found(b"k")),
            (&["basic-user", "basic-password"], "/", vec![("authorization", &both)], Presented::Several),
            (&["bearer", "basic-user"], "/", vec![("authorization", "Bearer k")], found(b"k")),
            (&["bearer"], "/?k=k", vec![("cookie", "k=k")], Presented::Nothing),
            (&["cookie:k"], "/", vec![("cookie", "a=b; k=k; c")], found(b"k")),
            (&["cookie:k"], "/", vec![("cookie", "k=\"k\"")], found(b"k")),
            (&["cookie:k"], "/", vec![("cookie", "k=k; k=l")], Presented::Several),
            (&["cookie:k"], "/", vec![("cookie", "k=k"), ("cookie", "k=k")], Presented::Several),
            (&["query:k"], "/?a=b&k=k&c", vec![], found(b"k")),
            (&["query:k"], "/?%6b=%6B", vec![], found(b"k")),
            (&["query:k"], "/?k=", vec![], Presented::Nothing),
            (&["query:k"], "/k=k", vec![], Presented::Nothing),
            (&["query:k"], "/?k=k&k=k", vec![], Presented::Several),
            (&["query:k"], "/?k=k&%6b=k", vec![], Presented::Several),
            (&["websocket"], "/", vec![("sec-websocket-protocol", "chat, kgate.key.k")], found(b"k")),
            (
                &["websocket"],
                "/",
                vec![("sec-websocket-protocol", "kgate.key.k"), ("sec-websocket-protocol", "kgate.key.l")],
                Presented::Several,
            ),
            (
                &["bearer", "cookie:k", "query:k"],
                "/?k=k",
                vec![("authorization", "Bearer k")],
                Presented::Several,
            ),
            (&["bearer", "cookie:k", "query:k"], "/?a", vec![("cookie", "k=k")], found(b"k")),
        ] {
            let fields = Pairs(pairs.clone());
            assert_eq!(
                look(&sources(list), &fields, target.as_bytes()),
                expected,
                "{list:?} {target} {pairs:?}"
            );
        }
    }
}
