//! Reads `tls`: pairs of certificate and key, and whether clients show certificates; and
//! `worker.tls`: how the worker's certificate is verified, and what it is shown. The files are
//! looked at, so that what can't be used is said before anything is served.

use std::{net::IpAddr, path::PathBuf};

use super::{
    Surroundings,
    diagnostic::Report,
    document::{Node, Value},
    reader::{Fields, flag, one_or_more, text, unwanted, word},
    resolve::path,
};
use crate::tls::spec::{About, Asked, Behind, Clients, Files, Flaw, Told};

/// More pairs than one process serves.
const MOST_PAIRS: usize = 1000;

/// TLS of one place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// At least one; the first serves clients that ask for no known name.
    pub pairs: Vec<Files>,
    /// Whether clients show certificates of their own; `None`: they are not asked.
    pub client: Option<Clients>,
}

/// Reads pairs, or that there is no TLS.
pub(super) fn tls(
    around: &Surroundings<'_>,
) -> impl Fn(&mut Report, &str, &Node) -> Option<Option<Tls>> {
    move |report, name, node| match &node.value {
        Value::Text(text) if text == "off" => Some(None),
        Value::Table(_) | Value::List(_) => {
            let read = one_or_more(|report, name, node| pair(report, name, node, around));
            let read = read(report, name, node)?;
            let mut clients = read.iter().filter_map(|(_, client)| client.clone());
            let client = clients.next();
            if clients.next().is_some() {
                report.error(
                    node.span,
                    "client stands in two of the pairs",
                    "keep one of them: it holds for all pairs of the list",
                );
                return None;
            }
            if read.len() > MOST_PAIRS {
                report.error(
                    node.span,
                    format!("{name} has more than {MOST_PAIRS} pairs"),
                    "use certificates with several names, or with wildcards",
                );
                return None;
            }
            let pairs = read.into_iter().map(|(files, _)| files).collect();
            Some(Some(Tls { pairs, client }))
        }
        _ => {
            let cure =
                "write { certificate = \"site.pem\", key = \"site.key\" }, or a list of such";
            unwanted(
                report,
                name,
                node,
                "a table, a list of tables or \"off\"",
                cure,
            )
        }
    }
}

fn pair(
    report: &mut Report,
    _: &str,
    node: &Node,
    around: &Surroundings<'_>,
) -> Option<(Files, Option<Clients>)> {
    let fields = Fields::of(node, "tls", report)?;
    let certificate = fields.need(report, "certificate", "\"site.pem\"", path);
    let key = fields.need(report, "key", "\"site.key\"", path);
    let mut client = Ok(None);
    if let Some(node) = fields.get("client") {
        client = clients(report, node, around).map(Some).ok_or(());
    }
    let files = Files {
        certificate: certificate?,
        key: key?,
    };
    let flaws = (around.flaws)(Asked::Pair(&files));
    tell(report, &fields, flaws)?;
    Some((files, client.ok()?))
}

fn clients(report: &mut Report, node: &Node, around: &Surroundings<'_>) -> Option<Clients> {
    let fields = Fields::of(node, "tls.client", report)?;
    let mut required = true;
    fields.read(report, "required", &mut required, flag);
    let mut tell = vec![Told::Certificate];
    fields.read(report, "tell", &mut tell, told);
    let roots = roots(report, &fields, around, "\"ca.pem\"")?;
    Some(Clients {
        roots,
        required,
        tell,
    })
}

/// Reads names of fields, or that there are none.
fn told(report: &mut Report, name: &str, node: &Node) -> Option<Vec<Told>> {
    match node.as_text() {
        Some("none") => Some(Vec::new()),
        _ => {
            let names = Told::ALL.map(|told| (told.name(), told));
            one_or_more(word(names))(report, name, node)
        }
    }
}

/// Reads TLS with the worker.
pub(super) fn behind(
    around: &Surroundings<'_>,
) -> impl Fn(&mut Report, &str, &Node) -> Option<Behind> {
    move |report, name, node| {
        let Value::Table(_) = &node.value else {
            let cure = "write { roots = \"ca.pem\", name = \"shop.local\" }";
            return unwanted(report, name, node, "a table", cure);
        };
        let fields = Fields::of(node, "worker.tls", report)?;
        let mut to = Behind::default();
        fields.read(report, "name", &mut to.name, host);
        fields.read(report, "verify", &mut to.verify, flag);
        if let Some(span) = fields.get("verify").map(|node| node.span)
            && !to.verify
        {
            report.warning(
                span,
                "the worker's certificate is not verified: whoever can listen at its address is \
                 taken for it, and sees what clients send",
                "remove verify = false and trust its authority, or its certificate itself: roots = \
                 \"ca.pem\"",
            );
        }
        if fields.get("roots").is_some() {
            to.roots = Some(roots(report, &fields, around, "\"ca.pem\"")?);
        }
        if fields.get("certificate").is_some() || fields.get("key").is_some() {
            let certificate = fields.need(report, "certificate", "\"client.pem\"", path);
            let key = fields.need(report, "key", "\"client.key\"", path);
            let own = Files {
                certificate: certificate?,
                key: key?,
            };
            tell(report, &fields, (around.flaws)(Asked::Pair(&own)))?;
            to.own = Some(own);
        }
        Some(to)
    }
}

/// What there is to trust when no file is named must be there.
pub(super) fn need_machine_roots(
    report: &mut Report,
    fields: &Fields<'_>,
    around: &Surroundings<'_>,
) {
    tell(report, fields, (around.flaws)(Asked::MachineRoots));
}

/// Reads a DNS name, or an IP address.
fn host(report: &mut Report, name: &str, node: &Node) -> Option<String> {
    let read = text(report, name, node)?;
    let is_label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len())
            && label.bytes().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = read.len() <= 253 && read.split('.').all(is_label);
    if !is_name && read.parse::<IpAddr>().is_err() {
        report.error(
            node.span,
            format!("{name} can't be \"{}\"", read.escape_debug()),
            "write a DNS name like \"shop.local\", or an IP address, without scheme and port",
        );
        return None;
    }
    Some(read)
}

/// Reads the file of certificates that others are verified by, which must be named.
fn roots(
    report: &mut Report,
    fields: &Fields<'_>,
    around: &Surroundings<'_>,
    example: &str,
) -> Option<PathBuf> {
    let roots = fields.need(report, "roots", example, path)?;
    tell(report, fields, (around.flaws)(Asked::Roots(&roots)))?;
    Some(roots)
}

/// Tells flaws where the file is named. `None`: one of them is fatal.
fn tell(report: &mut Report, fields: &Fields<'_>, flaws: Vec<Flaw>) -> Option<()> {
    let mut usable = Some(());
    for flaw in flaws {
        let key = match flaw.about {
            About::Certificate => "certificate",
            About::Key => "key",
            About::Roots => "roots",
        };
        let span = fields.get(key).map_or(fields.span, |node| node.span);
        if flaw.fatal {
            report.error(span, flaw.what, flaw.cure);
            usable = None;
        } else {
            report.warning(span, flaw.what, flaw.cure);
        }
    }
    usable
}
