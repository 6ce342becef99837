//! Reads `[[dependency]]`: what the app can't serve without.

use std::{net::Ipv6Addr, time::Duration};

use super::{
    address::unix_path,
    defaults,
    defaults::secs,
    diagnostic::Report,
    document::{Node, Value},
    model::Settings,
    reader::{Fields, count, duration, text, unwanted},
    resolve::target,
};
use crate::decide::policy::{Dependency, DependencyAddress, MAX_DEPENDENCIES};

/// Reads every dependency.
pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let Some(list) = top.get("dependency") else {
        return;
    };
    let Value::List(nodes) = &list.value else {
        let cure = "write [[dependency]] with two brackets: there can be several";
        let _: Option<()> = unwanted(report, "dependency", list, "a list of tables", cure);
        return;
    };
    if nodes.len() > MAX_DEPENDENCIES {
        report.error(
            list.span,
            format!("there are more than {MAX_DEPENDENCIES} dependencies"),
            "keep those without which no request can be served",
        );
    }
    let mut all: Vec<Dependency> = Vec::new();
    for node in nodes.iter().take(MAX_DEPENDENCIES) {
        let Some(one) = dependency(node, report) else {
            continue;
        };
        if all.iter().any(|earlier| earlier.name == one.name) {
            report.error(
                node.span,
                format!("two dependencies are called \"{}\"", one.name),
                "give each a name of its own: status and events tell them apart by it",
            );
        }
        all.push(one);
    }
    settings.policy.dependencies = all;
}

fn dependency(node: &Node, report: &mut Report) -> Option<Dependency> {
    let fields = Fields::of(node, "dependency", report)?;
    let name = fields.need(report, "name", "\"db\"", text);
    let at = fields.need(report, "address", "\"db:5432\"", address);
    let mut one = defaults::dependency();
    one.path = fields.find(report, "path", target);
    fields.read(
        report,
        "interval",
        &mut one.interval,
        duration(secs(1)..=secs(3600)),
    );
    let bounds = Duration::from_millis(100)..=secs(60);
    fields.read(report, "timeout", &mut one.timeout, duration(bounds));
    fields.read(report, "failures", &mut one.failures, count(1..=1000));
    fields.read(report, "successes", &mut one.successes, count(1..=1000));
    (one.name, one.address) = (name?, at?);
    Some(one)
}

fn address(report: &mut Report, name: &str, node: &Node) -> Option<DependencyAddress> {
    const EXAMPLE: &str = "write \"HOST:PORT\", like \"db:5432\", or \"unix:PATH\"";
    let Some(text) = node.as_text().map(str::trim) else {
        return unwanted(report, name, node, "an address", EXAMPLE);
    };
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(report, node, path).map(DependencyAddress::Unix);
    }
    match host_and_port(text) {
        Ok((host, port)) => Some(DependencyAddress::Host(host, port)),
        Err((what, cure)) => {
            report.error(node.span, what, cure.unwrap_or_else(|| EXAMPLE.to_owned()));
            None
        }
    }
}

/// A host and a port; or what is wrong, with a cure where there is one of its own.
fn host_and_port(text: &str) -> Result<(String, u16), (String, Option<String>)> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.rsplit('@').next().unwrap_or(rest);
        let host = host.split('/').next().unwrap_or(host);
        let cure = format!("leave out {scheme}:// and all but host and port: \"{host}\"");
        return Err((format!("\"{text}\" is a URL, not an address"), Some(cure)));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err((format!("\"{text}\" has no port"), None));
    };
    let port = match port.parse() {
        Ok(0) | Err(_) => return Err((format!("\"{port}\" is not a port from 1 to 65535"), None)),
        Ok(port) => port,
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if let Some(six) = bare {
        return match six.parse::<Ipv6Addr>() {
            Ok(six) => Ok((six.to_string(), port)),
            Err(_) => Err((format!("\"{six}\" is not an IPv6 address"), None)),
        };
    }
    if host.parse::<Ipv6Addr>().is_ok() {
        let cure = format!("put brackets around the address: \"[{host}]:{port}\"");
        return Err((
            format!("\"{text}\" could be an address without a port"),
            Some(cure),
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    // A name in DNS has 253 characters at most.
    match !host.is_empty() && host.len() <= 253 && host.chars().all(plain) {
        true => Ok((host.to_owned(), port)),
        false => Err((
            format!("\"{host}\" is not the name or address of a host"),
            None,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port() {
        let read = |text| host_and_port(text).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(read("db:5432"), Ok("db 5432".to_owned()));
        assert_eq!(read("10.0.0.1:80"), Ok("10.0.0.1 80".to_owned()));
        assert_eq!(read("[::1]:80"), Ok("::1 80".to_owned()));
    }

    #[test]
    fn what_is_no_host_with_a_port_is_told_how_to_become_one() {
        let error = |text| {
            let (what, cure) = host_and_port(text).unwrap_err();
            format!("{what}; {}", cure.unwrap_or_default())
        };
        assert!(error("postgres://me:secret@db:5432/shop").contains(": \"db:5432\""));
        assert!(error("db").contains("has no port"));
        assert!(error("db:0").contains("is not a port"));
        assert!(error("::1:80").contains("brackets"));
        assert!(error("a b:80").contains("name or address"));
        assert!(error(":80").contains("name or address"));
        assert!(error("[db]:80").contains("IPv6"));
    }
}
