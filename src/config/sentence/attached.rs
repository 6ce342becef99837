//! Says what autoheal stands in front of without having started it, and how it is restarted.

use super::command_line;
use crate::{
    config::attach::{Attach, RestartBy},
    decide::policy::Policy,
    units::format_duration,
    words::signal_name,
};

/// `ready`: when it is.
pub(super) fn attached(attach: &Attach, ready: &str, policy: &Policy) -> String {
    let found = match &attach.pid_file {
        Some(file) => format!("the process that {} names", file.display()),
        None => "who listens there".to_owned(),
    };
    format!(
        "The worker is {found}, on {}, and was started by something else; {}. It is ready when \
         {ready}.",
        attach.address,
        restarted(&attach.restart, policy)
    )
}

fn restarted(by: &RestartBy, policy: &Policy) -> String {
    match by {
        RestartBy::Command(argv) => format!("it is restarted by `{}`", command_line(argv)),
        RestartBy::Signal(signal) => {
            let signal = signal_name(*signal).unwrap_or("TERM");
            format!("it is restarted by SIG{signal}")
        }
        RestartBy::Supervisor => {
            "it is restarted by being stopped: its supervisor starts it again".to_owned()
        }
        RestartBy::Probe => format!(
            "it is restarted by whoever asks /workerz, which fails once requests are parked and \
             what was in flight has been answered, until a new one answers: a livenessProbe acts \
             periodSeconds x failureThreshold later; if nobody does within {} of the parking, the \
             old one serves again",
            format_duration(policy.restarted_within())
        ),
        RestartBy::Exit(code) => format!(
            "it is restarted by autoheal's own end with exit code {code}: whoever supervises \
             autoheal must restart the app with it, and nobody is parked meanwhile; that comes no \
             more than once a minute and within the budget"
        ),
        RestartBy::Nobody => "it is never restarted by autoheal: rules say when whoever runs it \
                              should, and requests are parked while it is away"
            .to_owned(),
    }
}
