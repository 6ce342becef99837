//! `worker.affinity`: whether a client stays at one of several workers, and by which cookie.

use super::{
    diagnostic::Report,
    document::{Node, Value},
    reader::{Fields, unwanted},
};

/// The cookie, unless it is named.
pub(super) const COOKIE: &str = "autoheal-affinity";
/// A name that is longer costs more than it says.
const LONGEST: usize = 64;

/// Reads a yes, a no or a table; the cookie's name, if there is one.
pub(super) fn affinity(report: &mut Report, name: &str, node: &Node) -> Option<Option<String>> {
    match &node.value {
        Value::Flag(true) => Some(Some(COOKIE.to_owned())),
        Value::Flag(false) => Some(None),
        Value::Table(_) => {
            let fields = Fields::of(node, "worker.affinity", report)?;
            let mut named = COOKIE.to_owned();
            fields.read(report, "cookie", &mut named, cookie);
            Some(Some(named))
        }
        _ => {
            let cure = "write affinity = true, or affinity = { cookie = \"shop-worker\" }";
            unwanted(report, name, node, "true, false or a table", cure)
        }
    }
}

/// RFC 6265 section 4.1.1: a token. Browsers take names that begin with two underscores by rules of
/// their own.
fn cookie(report: &mut Report, name: &str, node: &Node) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match node.as_text() {
        Some(text)
            if (1..=LONGEST).contains(&text.len())
                && text.bytes().all(plain)
                && !text.starts_with("__") =>
        {
            Some(text.to_owned())
        }
        _ => {
            let cure = "write up to 64 letters, digits, - and _, like \"shop-worker\", that do not \
                        begin with two _";
            unwanted(report, name, node, "a cookie's name", cure)
        }
    }
}
