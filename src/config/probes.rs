//! Reads where probes are answered.

use std::{fmt, net::SocketAddr, path::PathBuf};

use super::{
    address::{socket_address, unix_path},
    attach::Reach,
    diagnostic::Report,
    document::Node,
    keys,
    model::{Address, Settings},
    reader::{Fields, unwanted},
};

/// Where probes of autoheal and of the worker are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probes {
    /// Nowhere but on the admin socket.
    Off,
    /// On an address and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads one place, or none.
pub(super) fn probes(report: &mut Report, name: &str, node: &Node) -> Option<Probes> {
    const WORDS: &str = "\"off\", \"0.0.0.0:9181\" or \"unix:PATH\"";
    let Some(text) = node.as_text() else {
        return unwanted(report, name, node, WORDS, format!("write {WORDS}"));
    };
    let text = text.trim();
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(report, node, path).map(Probes::Unix);
    }
    match socket_address(text) {
        _ if text == "off" => Some(Probes::Off),
        Ok(address) => Some(Probes::Tcp(address)),
        Err((what, cure)) => {
            let cure = match keys::nearest(text, &["off"]) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if text.contains(':') => cure,
                None => format!("write {WORDS}"),
            };
            report.error(node.span, what, cure);
            None
        }
    }
}

/// Whether the place is its own, once all is read.
pub(super) fn check(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let (Some(node), Probes::Tcp(own)) = (top.get("probes"), &settings.probes) else {
        return;
    };
    let meets = |other: &SocketAddr| {
        let everywhere = own.ip().is_unspecified() || other.ip().is_unspecified();
        own.port() != 0 && own.port() == other.port() && (everywhere || own.ip() == other.ip())
    };
    let clients = settings.listen.iter().any(|listen| match &listen.address {
        Address::Tcp(other) => meets(other),
        Address::Unix(_) | Address::Systemd => false,
    });
    let app = settings
        .attach
        .as_ref()
        .is_some_and(|app| match &app.address {
            Reach::Tcp(other) => meets(other),
            Reach::Unix(_) => false,
        });
    let who = match (clients, app) {
        (true, _) => "clients connect to",
        (_, true) => "the app has",
        (false, false) => return,
    };
    report.error(
        node.span,
        format!(
            "probes can't be answered on port {}, which {who}",
            own.port()
        ),
        "give probes a port of their own, like \"0.0.0.0:9181\"",
    );
}
