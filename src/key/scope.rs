//! Scopes a key holds and requirements a route states.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One scope: colon-separated segments, `products:read`.
///
/// Segments are of `A-Z a-z 0-9 _ . -`, or `*`: as the last segment it stands for one or more
/// segments, elsewhere for exactly one. At most 128 bytes. There is no implicit hierarchy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Scope(String);

impl Scope {
    /// The longest scope, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Returns the scope as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether holding this scope grants `wanted`.
    pub fn grants(&self, wanted: &Scope) -> bool {
        if self.0 == wanted.0 {
            return true;
        }
        if !self.0.as_bytes().contains(&b'*') {
            return false;
        }
        let mut held = self.0.split(':').peekable();
        let mut wanted = wanted.0.split(':');
        while let Some(segment) = held.next() {
            let Some(want) = wanted.next() else { return false };
            match segment {
                "*" if held.peek().is_none() => return true,
                "*" => {}
                _ if segment == want => {}
                _ => return false,
            }
        }
        wanted.next().is_none()
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let segment = |s: &str| s == "*" || (!s.is_empty() && s.bytes().all(inner));
        if text.len() <= Self::MAX_LEN && text.split(':').all(segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ScopeError::Scope(text.to_owned()))
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The scopes of a key: sorted, without duplicates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Returns the scopes in order.
    pub fn as_slice(&self) -> &[Scope] {
        &self.0
    }

    /// Says whether any held scope grants `wanted`.
    pub fn grant(&self, wanted: &Scope) -> bool {
        self.0.iter().any(|held| held.grants(wanted))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut list: Vec<Scope> = scopes.into_iter().collect();
        list.sort();
        list.dedup();
        Self(list)
    }
}

impl fmt::Display for Scopes {
    /// Prints them comma-joined, as `X-Consumer-Scopes` carries them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

/// What a route asks of a key's scopes: `products:read`, `all(a, b)` or `any(a, b)`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Requirement {
    /// Nothing.
    #[default]
    Nothing,
    /// Every one of these.
    All(Vec<Scope>),
    /// At least one of these.
    Any(Vec<Scope>),
}

impl Requirement {
    /// Says whether `held` is enough.
    pub fn is_met_by(&self, held: &Scopes) -> bool {
        match self {
            Self::Nothing => true,
            Self::All(wanted) => wanted.iter().all(|w| held.grant(w)),
            Self::Any(wanted) => wanted.iter().any(|w| held.grant(w)),
        }
    }

    /// Returns the scopes named, in the order they were written.
    pub fn scopes(&self) -> &[Scope] {
        match self {
            Self::Nothing => &[],
            Self::All(scopes) | Self::Any(scopes) => scopes,
        }
    }
}

impl FromStr for Requirement {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let list = |inner: &str| {
            let scopes: Vec<Scope> = inner.split(',').map(|s| wanted(s.trim())).collect::<Result<_, _>>()?;
            Ok(scopes)
        };
        let inner_of =
            |name: &str| text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')');
        let text = text.trim();
        if let Some(inner) = inner_of("all") {
            return list(inner).map(Self::All);
        }
        if let Some(inner) = inner_of("any") {
            return list(inner).map(Self::Any);
        }
        wanted(text).map(|scope| Self::All(vec![scope]))
    }
}

/// A requirement names scopes exactly: a `*` there would be a wish, not a demand.
fn wanted(text: &str) -> Result<Scope, ScopeError> {
    let scope: Scope = text.parse()?;
    if scope.as_str().split(':').any(|s| s == "*") {
        return Err(ScopeError::Wildcard(text.to_owned()));
    }
    Ok(scope)
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, scopes) = match self {
            Self::Nothing => return f.write_str("none"),
            Self::All(scopes) if scopes.len() == 1 => return write!(f, "{}", scopes[0]),
            Self::All(scopes) => ("all", scopes),
            Self::Any(scopes) => ("any", scopes),
        };
        let names: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        write!(f, "{name}({})", names.join(", "))
    }
}

/// The text is not a scope or a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not a scope.
    #[error("`{0}` is not a scope: colon-separated segments of A-Z a-z 0-9 _ . - or *, at most 128 bytes")]
    Scope(String),
    /// A wildcard where exact scopes are wanted.
    #[error("`{0}` has a wildcard: a route's requirement names scopes exactly")]
    Wildcard(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(held: &str, wanted: &str) -> bool {
        held.parse::<Scope>().unwrap().grants(&wanted.parse().unwrap())
    }

    #[test]
    fn wildcards_match_whole_segments() {
        assert!(grants("products:read", "products:read"));
        assert!(grants("*", "products:read"));
        assert!(grants("products:*", "products:read"));
        assert!(grants("products:*", "products:read:all"));
        assert!(grants("*:read", "products:read"));
        assert!(grants("a:*:c", "a:b:c"));
        assert!(!grants("products", "products:read"));
        assert!(!grants("products:*", "products"));
        assert!(!grants("products:re*".strip_suffix('*').unwrap(), "products:read"));
        assert!(!grants("*:read", "products:write"));
        assert!(!grants("a:*:c", "a:b:d:c"));
        assert!(!grants("products:read", "products:read:all"));
    }

    #[test]
    fn requirements_are_all_or_any() {
        let held: Scopes = ["a:read", "b:write"].map(|s| s.parse().unwrap()).into_iter().collect();
        for (text, met) in [
            ("a:read", true),
            ("all(a:read, b:write)", true),
            ("all(a:read, c:read)", false),
            ("any(c:read,b:write)", true),
            ("any(c:read)", false),
        ] {
            let requirement: Requirement = text.parse().unwrap();
            assert_eq!(requirement.is_met_by(&held), met, "{text}");
        }
        for bad in ["", "all()", "any(a,)", "some(a)", "a b", "a:*", "all(a"] {
            assert!(bad.parse::<Requirement>().is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_without_a_colon_or_with_strange_bytes() {
        for bad in ["", ":", "a:", "a,b", "a b", "a\r\n", "ä", "a:**"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
        assert!("admin".parse::<Scope>().is_ok());
    }
}
