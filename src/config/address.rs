//! Reads addresses: where clients and operators connect, and whom to trust.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    Surroundings,
    diagnostic::Report,
    document::{Node, Value},
    keys,
    model::{Address, Admin, Listen},
    reader::{Fields, flag, one_or_more, unit, unwanted},
    tls::{self, Tls},
};
use crate::units::Networks;

/// Reads one place to listen at: an address, or a table of an address and its own settings. `tls`
/// is what holds where an entry says nothing of it.
pub(super) fn listen(
    report: &mut Report,
    name: &str,
    node: &Node,
    tls: Option<&Tls>,
    around: &Surroundings<'_>,
) -> Option<Listen> {
    let usual = |address: Address| Listen {
        tls: tls
            .filter(|_| !matches!(address, Address::Unix(_)))
            .cloned(),
        ..Listen::at(address)
    };
    if !matches!(node.value, Value::Table(_)) {
        return address(report, name, node).map(usual);
    }
    let fields = Fields::of(node, "listen", report)?;
    let at = fields.need(report, "address", "\"0.0.0.0:8080\"", address);
    let mut proxy_protocol = false;
    fields.read(report, "proxy_protocol", &mut proxy_protocol, flag);
    let own = fields.find(report, "tls", tls::tls(around));
    let listen = Listen {
        proxy_protocol,
        ..usual(at?)
    };
    match (own, &listen.address, fields.get("tls")) {
        (Some(Some(_)), Address::Unix(_), Some(node)) => {
            report.error(
                node.span,
                "a Unix socket does not speak TLS",
                "remove tls: who may use the socket is a matter of its folder's permissions",
            );
            None
        }
        (Some(own), ..) => Some(Listen { tls: own, ..listen }),
        (None, ..) => Some(listen),
    }
}

fn address(report: &mut Report, name: &str, node: &Node) -> Option<Address> {
    let text = match &node.value {
        Value::Text(text) => text.trim(),
        Value::Integer(port) => {
            let cure = format!("write \":{port}\"");
            return unwanted(report, name, node, "an address", cure);
        }
        _ => return unwanted(report, name, node, "an address", "write \"0.0.0.0:8080\""),
    };
    if text == "systemd" {
        return Some(Address::Systemd);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(report, node, path).map(Address::Unix);
    }
    match socket_address(text) {
        Ok(address) => Some(Address::Tcp(address)),
        Err((what, cure)) => {
            report.error(node.span, what, cure);
            None
        }
    }
}

pub(super) fn unix_path(
    report: &mut Report,
    node: &Node,
    path: &str,
) -> Option<std::path::PathBuf> {
    // sun_path holds 108 bytes with its final NUL.
    const LONGEST: usize = 107;
    let full = report.dir(node.span).join(path);
    if path.is_empty() || path.contains('\0') {
        report.error(
            node.span,
            "the socket has no path",
            "write it like \"unix:/run/shop.sock\"",
        );
        return None;
    }
    if full.as_os_str().len() > LONGEST {
        report.error(
            node.span,
            format!(
                "the socket's path {} is longer than {LONGEST} bytes",
                full.display()
            ),
            "choose a shorter path, like \"unix:/run/shop.sock\"",
        );
        return None;
    }
    Some(full)
}

/// Reads `host:port` with an IP address, `localhost` or nothing as host.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, (String, String)> {
    let example = "write \"ADDRESS:PORT\", like \"0.0.0.0:8080\", \":8080\" or \"[::]:8080\"";
    if let Ok(port) = text.parse::<u16>() {
        return Err((
            format!("\"{text}\" is not an address"),
            format!("write \":{port}\" to listen on port {port} of every interface"),
        ));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.trim_end_matches('/');
        return Err((
            format!("\"{text}\" is a URL, not an address"),
            format!("leave {scheme}:// out: \"{rest}\""),
        ));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        let what = format!("\"{text}\" has no port");
        let cure = match text.is_empty() {
            true => example.to_owned(),
            false => format!("write \"{text}:8080\""),
        };
        return Err((what, cure));
    };
    let Ok(port) = port.parse::<u16>() else {
        return Err((
            format!("\"{port}\" is not a port"),
            "write a port from 1 to 65535 (0: any free one)".to_owned(),
        ));
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let ip = match (host, bare) {
        ("" | "*", _) => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        ("localhost", _) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        (_, Some(six)) => six.parse().ok().map(IpAddr::V6),
        (four, None) => match four.parse() {
            Ok(IpAddr::V6(six)) => {
                return Err((
                    format!("\"{text}\" could be an address without a port"),
                    format!("put brackets around the address: \"[{six}]:{port}\""),
                ));
            }
            four => four.ok(),
        },
    };
    match ip {
        Some(ip) => Ok(SocketAddr::new(ip, port)),
        None => Err((
            format!("\"{host}\" is not an IP address"),
            example.to_owned(),
        )),
    }
}

/// Reads where operators connect.
pub(super) fn admin(report: &mut Report, name: &str, node: &Node) -> Option<Admin> {
    const WORDS: &str = "\"auto\", \"unix:PATH\" or \"off\"";
    let Some(text) = node.as_text() else {
        return unwanted(report, name, node, WORDS, format!("write {WORDS}"));
    };
    match text.trim() {
        "auto" => Some(Admin::Auto),
        "off" => Some(Admin::Off),
        other => match other.strip_prefix("unix:") {
            Some(path) => unix_path(report, node, path).map(Admin::Unix),
            None if socket_address(other).is_ok() => {
                report.error(
                    node.span,
                    "a TCP address for admin is not supported by this version of autoheal",
                    "write \"auto\", or \"unix:PATH\" for a socket of your own",
                );
                None
            }
            None => {
                let cure = match keys::nearest(other, &["auto", "off"]) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None if other.starts_with('/') => format!("write \"unix:{other}\""),
                    None => format!("write {WORDS}"),
                };
                report.error(node.span, format!("{name} can't be \"{other}\""), cure);
                None
            }
        },
    }
}

/// Reads whom to trust.
pub(super) fn trust(report: &mut Report, name: &str, node: &Node) -> Option<Networks> {
    match node.as_text() {
        Some("private") => return Some(Networks::private()),
        Some("none") => return Some(Networks::none()),
        _ => {}
    }
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        return Some(Networks::none());
    }
    let networks = one_or_more(|report: &mut Report, name: &str, node: &Node| {
        let cure = "write \"private\", \"none\", or a list like [\"10.0.0.0/8\"]";
        match node.as_text() {
            Some(text) => unit(report, node, text.parse()),
            None => unwanted(report, name, node, "networks", cure),
        }
    });
    networks(report, name, node).map(Networks::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_its_host_out() {
        let read = |text| socket_address(text).map(|a| a.to_string());
        assert_eq!(read(":8080"), Ok("0.0.0.0:8080".to_owned()));
        assert_eq!(read("localhost:80"), Ok("127.0.0.1:80".to_owned()));
        assert_eq!(read("[::1]:0"), Ok("[::1]:0".to_owned()));
    }

    #[test]
    fn what_is_no_address_is_told_how_to_become_one() {
        let cure = |text| socket_address(text).unwrap_err().1;
        assert!(cure("8080").contains("\":8080\""));
        assert!(cure("http://0.0.0.0:80/").contains("\"0.0.0.0:80\""));
        assert!(cure("::1:80").contains("brackets"));
        assert!(cure("10.0.0.1").contains("\"10.0.0.1:8080\""));
        assert!(cure("shop:80").contains("0.0.0.0:8080"));
        assert!(cure(":99999").contains("65535"));
    }
}
