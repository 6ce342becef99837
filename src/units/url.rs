//! Where a webhook is: `http://hooks.example:8080/alert?key=1`.

use std::{fmt, str::FromStr};

use super::UnitError;

/// Where something on the web is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebUrl {
    text: String,
    tls: bool,
    host: String,
    port: u16,
    target: String,
}

impl WebUrl {
    /// Whether it is spoken to by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// A name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port, given or not.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What a Host field says.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
    }

    /// Scheme and authority, for people: the rest may be a secret.
    #[must_use]
    pub fn place(&self) -> &str {
        let end = self.text.find("://").map_or(0, |at| at + 3) + self.authority().len();
        &self.text[..end]
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for WebUrl {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        // The text itself may be a secret: no error repeats it.
        let error = |what: &str| {
            UnitError::new(
                what,
                "write it like \"http://alerts.internal:8080/autoheal\"",
            )
        };
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(error("a URL begins with http:// or https://")),
        };
        if !rest.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(error("a URL has neither blanks nor letters beyond ASCII"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(error("a user and password in a URL are not sent"));
        }
        if target.contains('#') {
            return Err(error("what follows # in a URL is never sent"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest
                    .split_once(']')
                    .ok_or_else(|| error("a [ in a URL's host has no ]"))?;
                (host, port.strip_prefix(':').filter(|_| !port.is_empty()))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let good = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(good) {
            return Err(error("a URL has a host"));
        }
        let usual = if tls { 443 } else { 80 };
        let port = port.map_or(Ok(usual), str::parse);
        let port = port.ok().filter(|port| *port > 0);
        Ok(Self {
            text: text.to_owned(),
            tls,
            host: host.to_owned(),
            port: port.ok_or_else(|| error("a URL's port is from 1 to 65535"))?,
            target: match target.starts_with('/') {
                true => target.to_owned(),
                false => format!("/{target}"),
            },
        })
    }
}

impl fmt::Debug for WebUrl {
    /// Without what may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = |text: &str| text.parse::<WebUrl>().unwrap();
        let parts = |text: &str| {
            let url = url(text);
            let (host, target) = (url.host().to_owned(), url.target().to_owned());
            (url.is_tls(), host, url.port(), target)
        };
        let own =
            |tls, host: &str, port, target: &str| (tls, host.to_owned(), port, target.to_owned());
        assert_eq!(parts("http://a"), own(false, "a", 80, "/"));
        assert_eq!(parts("https://a.b/c?d=e"), own(true, "a.b", 443, "/c?d=e"));
        assert_eq!(parts("http://[::1]:81?x"), own(false, "::1", 81, "/?x"));
        let secret = url("https://hooks.example:8443/T0/SECRET");
        assert_eq!(secret.place(), "https://hooks.example:8443");
        assert_eq!(secret.authority(), "hooks.example:8443");
        assert!(!format!("{secret:?}").contains("SECRET"));
    }

    #[test]
    fn what_is_no_url_or_would_not_be_sent_is_refused() {
        for wrong in [
            "",
            "a",
            "ftp://a",
            "http://",
            "http:///a",
            "http://a:0",
            "http://a:b",
            "http://u:p@a",
            "http://a/#b",
            "http://a b",
            "http://[::1",
            "http://\u{e9}",
        ] {
            assert!(wrong.parse::<WebUrl>().is_err(), "{wrong}");
        }
    }
}
