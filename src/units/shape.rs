//! What requests of one kind have in common: the method, and the path with ids left out.

use std::fmt::{self, Write};

/// A part that is longer is taken for an id.
const PART_MOST: usize = 40;
/// From this length on, a part with a digit in which every letter is hexadecimal is an id.
const HEX_LEAST: usize = 8;
/// Parts of a path that tell requests apart.
const PARTS: usize = 8;
/// A method that is longer is nobody's.
const METHOD_MOST: usize = 16;

/// The first parts of a path, ids as `*`: `/users/*/...`.
#[derive(Clone, Copy, Debug)]
pub struct PathShape<'a> {
    path: &'a str,
    parts: usize,
}

impl<'a> PathShape<'a> {
    /// The shape of a path without its query, to so many parts.
    #[must_use]
    pub fn new(path: &'a str, parts: usize) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        Self { path, parts }
    }

    /// A number that equal shapes have in common, and others as good as never; not 0.
    #[must_use]
    pub fn digest(self) -> u64 {
        let start = fnv(OFFSET, &[u8::from(self.goes_on())]);
        let parts = self.parts();
        let whole = parts.fold(start, |sum, part| fnv(fnv(sum, b"/"), part.as_bytes()));
        (whole ^ (whole >> 32)).max(1)
    }

    fn parts(self) -> impl Iterator<Item = &'a str> {
        let parts = self.path.split('/').take(self.parts);
        parts.map(|part| if is_id(part) { "*" } else { part })
    }

    fn goes_on(self) -> bool {
        self.path.split('/').nth(self.parts).is_some()
    }
}

impl fmt::Display for PathShape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.parts() {
            write!(f, "/{part}")?;
        }
        f.write_str(if self.goes_on() { "/..." } else { "" })
    }
}

/// A method and the shape of a path: `POST /orders/*/lines`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestShape {
    digest: u64,
    text: String,
}

impl RequestShape {
    /// The shape of a request for a path without its query.
    #[must_use]
    pub fn of(method: &str, path: &str) -> Self {
        let text = Whole::of(method, path).to_string();
        let digest = Self::digest(method, path);
        Self { digest, text }
    }

    /// A number that requests of the same shape have in common, and others as good as never.
    #[must_use]
    pub fn digest(method: &str, path: &str) -> u64 {
        let Whole { method, path } = Whole::of(method, path);
        fnv(path.digest(), method.as_bytes())
    }

    /// Whether a request with this digest is of this shape.
    #[must_use]
    pub fn matches(&self, digest: u64, method: &str, path: &str) -> bool {
        let mut rest = Rest(&self.text);
        let whole = Whole::of(method, path);
        self.digest == digest && write!(rest, "{whole}").is_ok() && rest.0.is_empty()
    }
}

impl fmt::Display for RequestShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All that tells requests apart.
struct Whole<'a> {
    method: &'a str,
    path: PathShape<'a>,
}

impl<'a> Whole<'a> {
    fn of(method: &'a str, path: &'a str) -> Self {
        Self {
            method: if method.len() > METHOD_MOST {
                "*"
            } else {
                method
            },
            path: PathShape::new(path, PARTS),
        }
    }
}

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A text from which that is taken off which is written.
struct Rest<'a>(&'a str);

impl Write for Rest<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

fn is_id(part: &str) -> bool {
    let (mut digits, mut hex, mut plain) = (0, true, true);
    for byte in part.bytes() {
        digits += usize::from(byte.is_ascii_digit());
        hex &= byte.is_ascii_hexdigit() || byte == b'-';
        plain &= byte.is_ascii_graphic();
    }
    let number = digits > 0 && digits == part.len();
    number || !plain || part.len() > PART_MOST || (hex && digits > 0 && part.len() >= HEX_LEAST)
}

/// FNV-1a.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(sum, add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_left_out_of_a_path_and_what_follows_is_not_told_apart() {
        for (path, shape) in [
            ("/", "/"),
            ("/cart", "/cart"),
            ("/users/4711", "/users/*"),
            ("/users/4712/orders/9", "/users/*/..."),
            ("/api/v2/items", "/api/v2/..."),
            ("/f/0b5e2f66-3c1d-4e5f-8a9b-001122334455", "/f/*"),
            ("/facade/decade", "/facade/decade"),
            ("/feedface/deadbeef", "/feedface/deadbeef"),
            ("/a\u{e4}/x", "/*/x"),
        ] {
            let digest = |path| PathShape::new(path, 2).digest();
            assert_eq!(PathShape::new(path, 2).to_string(), shape);
            assert_eq!(digest(path), digest(&path.replace("4711", "42")));
        }
        assert_ne!(
            PathShape::new("/a/b", 2).digest(),
            PathShape::new("/a/b/c", 2).digest()
        );
    }

    fn is_of(shape: &RequestShape, method: &str, path: &str) -> bool {
        shape.matches(RequestShape::digest(method, path), method, path)
    }

    #[test]
    fn a_request_is_of_its_own_shape_and_of_no_other() {
        let order = RequestShape::of("POST", "/orders/1");
        assert_eq!(order.to_string(), "POST /orders/*");
        assert!(is_of(&order, "POST", "/orders/22"));
        for (method, path) in [
            ("GET", "/orders/1"),
            ("POST", "/orders"),
            ("POST", "/orders/"),
            ("POST", "/orders/1/"),
            ("POST", "/orders/new"),
            ("POST", "/order/1"),
        ] {
            assert!(!is_of(&order, method, path), "{method} {path}");
            let digest = RequestShape::digest("POST", "/orders/1");
            assert!(!order.matches(digest, method, path), "a false digest");
        }
    }

    #[test]
    fn what_a_client_may_make_as_long_as_it_likes_is_short() {
        let part = "x".repeat(PART_MOST);
        let shape = |path: &str| PathShape::new(path, 2).to_string();
        assert_eq!(shape(&format!("/{part}")), format!("/{part}"));
        assert_eq!(shape(&format!("/{part}x")), "/*");
        let path = format!("/{}", "long-and-longer-x/".repeat(1_000));
        let shape = RequestShape::of(&"M".repeat(1_000), &path);
        let text = shape.to_string();
        assert!(text.starts_with("* /long-and") && text.ends_with("/..."));
        assert!(
            text.len() < METHOD_MOST + PARTS * (PART_MOST + 1) + 5,
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn every_request_is_of_its_own_shape(path in "(/[a-z0-9é-]{0,50}){0,12}") {
            let shape = RequestShape::of("GET", &path);
            prop_assert!(is_of(&shape, "GET", &path));
            let same = RequestShape::of("GET", &shape.to_string()["GET ".len()..]);
            prop_assert_eq!(same.text, shape.text, "a shape is its own shape");
        }
    }
}
