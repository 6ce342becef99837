//! Reads `[attach]`: what autoheal stands in front of and does not start, how it is found, and how
//! it is restarted.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    defaults::secs,
    diagnostic::{Report, Span},
    document::{Node, Value},
    model::{Address, Admin, Listen, Settings, StrategyChoice},
    probes::Probes,
    reader::{Fields, count, text, unwanted},
    resolve::path,
    worker,
};
use crate::{
    decide::{
        policy::{Action, Comes, Strategy},
        trigger::Trigger,
    },
    units::format_duration,
};

/// Something that autoheal stands in front of and does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// Where it listens.
    pub address: Reach,
    /// The file that its main process writes its number to; absolute. `None`: it is found by who
    /// listens.
    pub pid_file: Option<PathBuf>,
    /// How it is restarted.
    pub restart: RestartBy,
}

/// Where something listens that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On a TCP port of this machine.
    Tcp(SocketAddr),
    /// On a Unix socket; absolute.
    Unix(PathBuf),
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How something that autoheal did not start is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestartBy {
    /// By this program and its arguments; no shell. A program with a slash is absolute.
    Command(Vec<String>),
    /// By this signal to its main process.
    Signal(i32),
    /// It is stopped, and whoever supervises it starts it again.
    Supervisor,
    /// By whoever asks `/workerz`, which fails until a new one answers.
    Probe,
    /// By autoheal's own end, with this code: whoever supervises autoheal restarts both.
    Exit(u8),
    /// Not at all: rules only say that someone should.
    Nobody,
}

/// A livenessProbe of Kubernetes acts after this long: periodSeconds 10, failureThreshold 3.
const LIVENESS: Duration = secs(30);

/// The keys of `[worker]` that are about starting one.
const STARTS: [&str; 9] = [
    "command", "port", "env", "dir", "user", "output", "count", "restart", "stop_to",
];

/// Reads the section into the settings.
pub(super) fn read(top: &Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let Some(fields) = top.section("attach", report) else {
        return;
    };
    let address = fields.need(report, "address", "\"127.0.0.1:5000\"", reach);
    let pid_file = fields.find(report, "pid_file", path);
    let example = "[\"systemctl\", \"restart\", \"shop\"], { signal = \"HUP\" }, \
                   \"supervisor\", \"probe\", { exit = 88 } or \"none\"";
    let restart = fields.need(report, "restart", example, restart);
    let (Some(address), Some(restart)) = (address, restart) else {
        return;
    };
    settings.policy.attached = Some(match restart {
        RestartBy::Command(_) => Comes::ByCommand,
        RestartBy::Signal(_) | RestartBy::Supervisor => Comes::ByItself,
        RestartBy::Probe => Comes::ByProbe,
        RestartBy::Exit(code) => Comes::ByOurExit(i32::from(code)),
        RestartBy::Nobody => Comes::Unasked,
    });
    settings.attach = Some(Attach {
        address,
        pid_file,
        restart,
    });
}

fn reach(report: &mut Report, name: &str, node: &Node) -> Option<Reach> {
    let cure = "write it like \"127.0.0.1:5000\", or \"unix:PATH\"";
    let Value::Text(_) = &node.value else {
        return unwanted(report, name, node, "an address with a port", cure);
    };
    let read = text(report, name, node)?;
    if let Some(rest) = read.strip_prefix("unix:") {
        if rest.is_empty() {
            report.error(node.span, format!("{name} has no path"), cure);
            return None;
        }
        let joined = report.dir(node.span).join(rest);
        return Some(Reach::Unix(joined.components().collect()));
    }
    match read.parse::<SocketAddr>() {
        Ok(at) if at.port() == 0 => {
            report.error(
                node.span,
                format!("{name} has port 0"),
                "write the app's own port",
            );
            None
        }
        // Who listens on every interface is reached on the loopback.
        Ok(at) if at.ip().is_unspecified() => Some(Reach::Tcp(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            at.port(),
        ))),
        Ok(at) => Some(Reach::Tcp(at)),
        Err(_) => {
            let port = read
                .rsplit(':')
                .next()
                .filter(|port| port.parse::<u16>().is_ok());
            let cure = match port {
                Some(port) => format!("write \"127.0.0.1:{port}\": it is on this machine"),
                None => cure.to_owned(),
            };
            report.error(
                node.span,
                format!("{name} can't be \"{}\"", read.escape_debug()),
                cure,
            );
            None
        }
    }
}

fn restart(report: &mut Report, name: &str, node: &Node) -> Option<RestartBy> {
    let cure = "write [\"systemctl\", \"restart\", \"shop\"], { signal = \"HUP\" }, \
                \"supervisor\", \"probe\", { exit = 88 } or \"none\"";
    match &node.value {
        Value::Text(word) if word == "supervisor" => Some(RestartBy::Supervisor),
        Value::Text(word) if word == "probe" => Some(RestartBy::Probe),
        Value::Text(word) if word == "none" => Some(RestartBy::Nobody),
        Value::Text(line) if !line.contains(' ') => {
            let what = format!("{name} can't be \"{}\"", line.escape_debug());
            report.error(node.span, what, cure);
            None
        }
        Value::Table(_) => {
            let fields = Fields::of(node, "attach.restart", report)?;
            if fields.get("exit").is_none() {
                let signal = fields.need(report, "signal", "\"HUP\"", worker::signal);
                return signal.map(RestartBy::Signal);
            }
            if let Some(signal) = fields.get("signal") {
                report.error(
                    signal.span,
                    "it is restarted by a signal or by autoheal's exit, not by both",
                    "remove one of the two",
                );
                return None;
            }
            fields.find(report, "exit", exit).map(RestartBy::Exit)
        }
        Value::List(_) | Value::Text(_) => {
            let dir = report.dir(node.span).to_path_buf();
            worker::command(report, name, node, &dir).map(RestartBy::Command)
        }
        _ => unwanted(
            report,
            name,
            node,
            "a list of strings, a table or a word",
            cure,
        ),
    }
}

/// Exit codes that mean something else already, and what.
const TAKEN: [(u32, &str); 5] = [
    (64, "wrong usage"),
    (69, "that autoheal can't be reached"),
    (78, "an error in its configuration"),
    (101, "a defect of autoheal's own"),
    (111, "that the system refused something"),
];
/// Shells and container runtimes have a use of their own for exit codes from here on.
const SHELLS: u32 = 126;

fn exit(report: &mut Report, name: &str, node: &Node) -> Option<u8> {
    let code = count(2..=255)(report, name, node)?;
    if let Some((_, what)) = TAKEN.iter().find(|(taken, _)| *taken == code) {
        report.error(
            node.span,
            format!("exit code {code} is how autoheal tells {what}"),
            "choose another one, like 88",
        );
        return None;
    }
    if code >= SHELLS {
        report.warning(
            node.span,
            format!("exit code {code} looks like one of a shell's, or like an end by a signal"),
            format!("choose one below {SHELLS}, like 88"),
        );
    }
    u8::try_from(code).ok()
}

/// Whether what is said elsewhere can be had of something that we do not start, once all is read.
pub(super) fn check(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let (Some(attach), Some(fields)) = (&settings.attach, top.section_quietly("attach")) else {
        return;
    };
    if let Some(worker) = top.section_quietly("worker") {
        for key in STARTS {
            if let Some(node) = worker.get(key) {
                report.error(
                    node.span,
                    format!("worker.{key} is for a worker that autoheal starts, not for [attach]"),
                    format!("remove {key}, or remove [attach] and let autoheal start the app"),
                );
            }
        }
    }
    if settings.recycle.strategy == StrategyChoice::Overlap {
        let said = top.section_quietly("recycle");
        let said = said.and_then(|recycle| recycle.get("strategy").map(|node| node.span));
        no_overlap(said.unwrap_or(fields.span), report);
    }
    rules(top, settings, report);
    if let (RestartBy::Probe, Some(node)) = (&attach.restart, fields.get("restart")) {
        by_probe(node.span, settings, report);
    }
    if let (RestartBy::Exit(_), None, Some(node)) =
        (&attach.restart, &settings.state_dir, fields.get("restart"))
    {
        report.warning(
            node.span,
            "without state_dir autoheal forgets at each of its ends what it has spent of the \
             budget, and that it did not help",
            "set state_dir to a folder that outlives the container, as an emptyDir does",
        );
    }
    if let Reach::Tcp(at) = attach.address {
        let port = at.port();
        let same =
            |listen: &Listen| matches!(listen.address, Address::Tcp(own) if own.port() == port);
        if settings.listen.iter().any(same) {
            report.error(
                fields.get("address").map_or(fields.span, |node| node.span),
                format!("autoheal listens on port {} itself", at.port()),
                "give the app another port and let clients keep this one, or change listen",
            );
        }
    }
}

/// Whether whoever is to restart it can ask, and has the time to do it.
fn by_probe(span: Span, settings: &Settings, report: &mut Report) {
    let asks = "write probes = \"0.0.0.0:9181\", and give the app's container a livenessProbe of \
                /workerz on that port";
    match (&settings.probes, &settings.admin) {
        (Probes::Off, Admin::Off) => {
            report.error(
                span,
                "nobody can ask /workerz: probes and admin are off",
                asks,
            );
        }
        (Probes::Off, _) => {
            report.warning(
                span,
                "/workerz can be asked on the admin socket alone",
                asks,
            );
        }
        _ => {}
    }
    let within = settings.policy.restarted_within();
    if within <= LIVENESS {
        report.warning(
            span,
            format!(
                "who is to restart it has {} from the first request that is parked, and a \
                 livenessProbe at its defaults acts only after {}",
                format_duration(within),
                format_duration(LIVENESS)
            ),
            "raise parking.wait, or set periodSeconds: 1 and failureThreshold: 3 in the probe",
        );
    }
}

/// What rules ask for and can't be had.
fn rules(top: &Fields<'_>, settings: &Settings, report: &mut Report) {
    let nodes = match top.get("rule").map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes.as_slice(),
        _ => &[],
    };
    for rule in &settings.policy.rules {
        let of = |node: &&Node| match &node.value {
            Value::Table(table) => {
                table.get("name").and_then(Node::as_text) == Some(rule.name.as_str())
            }
            _ => false,
        };
        let Some(node) = nodes.iter().find(of) else {
            continue;
        };
        let at = |key: &str| match &node.value {
            Value::Table(table) => table.get(key).map_or(node.span, |node| node.span),
            _ => node.span,
        };
        let mut parts = rule.when.parts().iter();
        if parts.any(|when| matches!(when, Trigger::Output { .. })) {
            report.error(
                at("when"),
                "what an attached worker prints does not come to autoheal",
                "remove the rule, or remove [attach] and let autoheal start the app",
            );
        }
        let mut rungs = rule.actions.iter();
        if rungs.any(|rung| rung.action == Action::Recycle(Some(Strategy::Overlap))) {
            no_overlap(at("do"), report);
        }
    }
}

fn no_overlap(span: Span, report: &mut Report) {
    report.error(
        span,
        "an attached worker is restarted where it is: two can't overlap",
        "write \"in-place\" or leave it out, or remove [attach] and let autoheal start the app",
    );
}
