//! `[attach]` as it is written.

use std::path::Path;

use super::{
    super::attach::{Attach, Reach, RestartBy},
    section::Section,
    value::{Inline, command, path, quoted},
};
use crate::words::signal_name;

/// The section; nothing of it has a default.
pub(super) fn section(attach: &Attach, home: &Path) -> Section {
    let Attach {
        address,
        pid_file,
        restart,
    } = attach;
    let mut to = Section::new("attach");
    to.lines.push((
        "address",
        match address {
            Reach::Tcp(address) => quoted(&address.to_string()),
            Reach::Unix(socket) => quoted(&format!("unix:{}", path(socket, home))),
        },
    ));
    to.maybe(
        "pid_file",
        pid_file.as_ref().map(|file| quoted(&path(file, home))),
    );
    to.lines.push((
        "restart",
        match restart {
            RestartBy::Command(argv) => command(argv, home),
            RestartBy::Signal(signal) => Inline::default()
                .with("signal", quoted(signal_name(*signal).unwrap_or("TERM")))
                .written(),
            RestartBy::Supervisor => quoted("supervisor"),
            RestartBy::Probe => quoted("probe"),
            RestartBy::Exit(code) => Inline::default().with("exit", code.to_string()).written(),
            RestartBy::Nobody => quoted("none"),
        },
    ));
    to
}
