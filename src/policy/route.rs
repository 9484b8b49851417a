//! Host, path and method to a route.
//!
//! Routes with the request's host come first; those without a host take what they leave over. Within
//! each, paths are compared segment by segment from the left, a literal before `*` before `**`. The
//! best pattern decides alone: if none of its routes takes the method, that is a 405, whatever lesser
//! patterns would say.

use std::collections::HashMap;

/// Every route, by host and path.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_host: HashMap<Box<str>, Node>,
    any_host: Node,
}

/// The patterns that share their first segments.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by segment.
    literals: Vec<(Box<str>, Node)>,
    /// `*`
    one: Option<Box<Node>>,
    /// `**`
    rest: Option<Endpoint>,
    here: Option<Endpoint>,
}

/// The routes of one host and pattern; their methods do not overlap.
#[derive(Debug, Default)]
struct Endpoint {
    routes: Vec<(usize, Methods)>,
    /// What goes into `Allow`.
    allow: String,
}

/// The methods of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Methods {
    /// All but `TRACE` and `CONNECT`.
    All,
    /// These.
    These(Vec<String>),
}

/// What a request met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Match<'a> {
    /// This route.
    Route(usize),
    /// No pattern.
    Nothing,
    /// A pattern, but not with this method. The methods it has.
    OtherMethods(&'a str),
}

impl Methods {
    /// Methods nobody may use: one echoes credentials (RFC 9110 §9.3.8), one asks for a tunnel.
    pub(super) const REFUSED: [&'static str; 2] = ["TRACE", "CONNECT"];

    fn take(&self, method: &str) -> bool {
        match self {
            Self::All => !Self::REFUSED.contains(&method),
            Self::These(list) => list.iter().any(|m| m == method),
        }
    }

    fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::These(a), Self::These(b)) => a.iter().any(|m| b.contains(m)),
            _ => true,
        }
    }
}

impl Routes {
    /// Adds a route. `host` is normal, `path` canonical.
    ///
    /// # Errors
    /// The index of a route with the same host and pattern and an overlapping method.
    pub(super) fn add(
        &mut self,
        host: Option<&str>,
        path: &str,
        methods: Methods,
        route: usize,
    ) -> Result<(), usize> {
        let mut node = match host {
            Some(host) => self.by_host.entry(host.into()).or_default(),
            None => &mut self.any_host,
        };
        let mut rest = None;
        for segment in path[1..].split('/') {
            match segment {
                "**" => rest = Some(()),
                "*" => node = node.one.get_or_insert_default(),
                literal => node = node.literal_mut(literal),
            }
        }
        let endpoint = match rest {
            Some(()) => node.rest.get_or_insert_default(),
            None => node.here.get_or_insert_default(),
        };
        if let Some((other, _)) = endpoint.routes.iter().find(|(_, m)| m.overlap(&methods)) {
            return Err(*other);
        }
        endpoint.add(route, methods);
        Ok(())
    }

    /// Finds the route of a request. `path` is canonical.
    pub(super) fn find(&self, host: &str, path: &str, method: &str) -> Match<'_> {
        let segments = path.strip_prefix('/');
        let endpoint =
            self.of_host(host).and_then(|node| node.find(segments)).or_else(|| self.any_host.find(segments));
        match endpoint {
            None => Match::Nothing,
            Some(endpoint) => match endpoint.routes.iter().find(|(_, methods)| methods.take(method)) {
                Some((route, _)) => Match::Route(*route),
                None => Match::OtherMethods(&endpoint.allow),
            },
        }
    }

    fn of_host(&self, host: &str) -> Option<&Node> {
        if self.by_host.is_empty() {
            return None;
        }
        let host = without_port(host);
        // Names are shorter (RFC 1035 §2.3.4); a longer one is no host we know.
        let mut buffer = [0; 256];
        let lower = buffer.get_mut(..host.len())?;
        lower.copy_from_slice(host.as_bytes());
        lower.make_ascii_lowercase();
        self.by_host.get(std::str::from_utf8(lower).ok()?)
    }
}

/// Returns a host without its port and without the dot of the root zone.
pub(super) fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

impl Node {
    fn literal_mut(&mut self, segment: &str) -> &mut Self {
        let at = match self.literals.binary_search_by(|(s, _)| s.as_ref().cmp(segment)) {
            Ok(at) => at,
            Err(at) => {
                self.literals.insert(at, (segment.into(), Self::default()));
                at
            }
        };
        &mut self.literals[at].1
    }

    /// Finds the best endpoint for `segments`, `None` being the end of the path.
    ///
    /// Every node stands for one pattern's beginning and is visited at most once, so this ends after
    /// as many steps as the configuration has segments, whatever the request.
    fn find(&self, segments: Option<&str>) -> Option<&Endpoint> {
        let Some(segments) = segments else { return self.here.as_ref().or(self.rest.as_ref()) };
        if self.literals.is_empty() && self.one.is_none() {
            return self.rest.as_ref();
        }
        // Segments are short: a plain loop beats a search made for long texts.
        let (segment, after) = match segments.bytes().position(|byte| byte == b'/') {
            Some(at) => (&segments[..at], Some(&segments[at + 1..])),
            None => (segments, None),
        };
        self.literal(segment)
            .and_then(|node| node.find(after))
            .or_else(|| self.one.as_ref().filter(|_| !segment.is_empty()).and_then(|node| node.find(after)))
            .or(self.rest.as_ref())
    }

    fn literal(&self, segment: &str) -> Option<&Self> {
        if let [(only, node)] = &*self.literals {
            return (**only == *segment).then_some(node);
        }
        let at = self.literals.binary_search_by(|(s, _)| s.as_ref().cmp(segment)).ok()?;
        Some(&self.literals[at].1)
    }
}

impl Endpoint {
    fn add(&mut self, route: usize, methods: Methods) {
        let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map(str::to_owned);
        let names = match &methods {
            Methods::All => all.as_slice(),
            Methods::These(list) => list,
        };
        for name in names {
            if !self.allow.is_empty() {
                self.allow.push_str(", ");
            }
            self.allow.push_str(name);
        }
        self.routes.push((route, methods));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[(Option<&str>, &str, &[&str])]) -> Routes {
        let mut routes = Routes::default();
        for (i, (host, path, methods)) in list.iter().enumerate() {
            let methods = match methods {
                [] => Methods::All,
                list => Methods::These(list.iter().map(|m| (*m).to_owned()).collect()),
            };
            routes.add(*host, path, methods, i).unwrap();
        }
        routes
    }

    #[test]
    fn literal_before_star_before_double_star_from_the_left() {
        let routes = routes(&[
            (None, "/**", &[]),
            (None, "/v1/**", &[]),
            (None, "/v1/*", &[]),
            (None, "/v1/products", &[]),
            (None, "/*/products/list", &[]),
            (None, "/v1/*/list", &[]),
            (None, "/v1/products/**", &[]),
            (None, "/", &[]),
            (None, "/a/", &[]),
        ]);
        for (path, route) in [
            ("/", 7),
            ("/x", 0),
            ("/v1", 1),
            ("/v1/", 1),
            ("/v1/x", 2),
            ("/v1/x/", 1),
            ("/v1/products", 3),
            ("/v1/products/", 6),
            ("/v1/products/list", 6),
            ("/v1/other/list", 5),
            ("/v2/products/list", 4),
            ("/v2/products/list/", 0),
            ("/v1/a/b/c", 1),
            ("/V1/products", 0),
            ("/a", 0),
            ("/a/", 8),
        ] {
            assert_eq!(routes.find("h", path, "GET"), Match::Route(route), "{path}");
        }
    }

    #[test]
    fn hosts_are_told_apart_as_names_are() {
        let routes = routes(&[
            (Some("api.example.com"), "/a/**", &[]),
            (None, "/**", &[]),
            (Some("[::1]"), "/a", &[]),
        ]);
        for (host, path, route) in [
            ("api.example.com", "/a", 0),
            ("API.Example.COM", "/a", 0),
            ("api.example.com.", "/a", 0),
            ("api.example.com:8080", "/a", 0),
            ("api.example.com.:8080", "/a", 0),
            ("api.example.com", "/b", 1),
            ("xapi.example.com", "/a", 1),
            ("api.example.com..", "/a", 1),
            ("", "/a", 1),
            ("[::1]:80", "/a", 2),
            ("[::1]", "/a", 2),
        ] {
            assert_eq!(routes.find(host, path, "GET"), Match::Route(route), "{host}{path}");
        }
        assert_eq!(routes.find(&"a".repeat(10_000), "/a", "GET"), Match::Route(1));
    }

    #[test]
    fn a_missing_method_never_falls_through() {
        let routes = routes(&[
            (None, "/a", &["GET"]),
            (None, "/a", &["POST", "PUT"]),
            (None, "/**", &[]),
            (Some("h"), "/b", &["DELETE"]),
        ]);
        assert_eq!(routes.find("", "/a", "GET"), Match::Route(0));
        assert_eq!(routes.find("", "/a", "PUT"), Match::Route(1));
        for method in ["HEAD", "get", "DELETE", "", "TRACE"] {
            assert_eq!(routes.find("", "/a", method), Match::OtherMethods("GET, POST, PUT"), "{method}");
        }
        assert_eq!(routes.find("h", "/b", "GET"), Match::OtherMethods("DELETE"));
        assert!(matches!(routes.find("", "/x", "TRACE"), Match::OtherMethods(_)));
        assert!(matches!(routes.find("", "/x", "CONNECT"), Match::OtherMethods(_)));
    }

    #[test]
    fn nothing_matches_nothing() {
        let routes = routes(&[(None, "/a", &[]), (Some("h"), "/b/*", &[])]);
        for (host, path) in [("", "/"), ("", "/b/x"), ("h", "/b/"), ("h", "/b"), ("", "/a/"), ("", "/a/b")] {
            assert_eq!(routes.find(host, path, "GET"), Match::Nothing, "{host}{path}");
        }
    }

    #[test]
    fn overlapping_routes_are_found() {
        let mut routes = Routes::default();
        let these = |m: &str| Methods::These(vec![m.to_owned()]);
        assert_eq!(routes.add(None, "/a/*", these("GET"), 0), Ok(()));
        assert_eq!(routes.add(None, "/a/*", these("POST"), 1), Ok(()));
        assert_eq!(routes.add(None, "/a/*", these("GET"), 2), Err(0));
        assert_eq!(routes.add(None, "/a/*", Methods::All, 3), Err(0));
        assert_eq!(routes.add(Some("h"), "/a/*", Methods::All, 4), Ok(()));
    }
}
