//! The fields of a request, as the engine reads them.

use http::header::HeaderMap;

use crate::policy::Fields;

impl Fields for HeaderMap {
    fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        for value in self.get_all(name) {
            visit(value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_value_is_seen_in_order() {
        let mut headers = HeaderMap::new();
        headers.append("x-api-key", HeaderValue::from_static("a"));
        headers.append("x-other", HeaderValue::from_static("b"));
        headers.append("X-Api-Key", HeaderValue::from_bytes(b"\xff").unwrap());
        let mut seen = Vec::new();
        headers.each_value("x-api-key", &mut |value| seen.push(value));
        assert_eq!(seen, [&b"a"[..], b"\xff"]);
        headers.each_value("no such name", &mut |_| panic!("not a name"));
    }
}
