//! The acts: each makes the worker go wrong in one way and waits for another worker to answer.

use std::{io, net::SocketAddr, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::ask::{Answer, ask};
use crate::{
    cli::load::{Plan, drive},
    time::{self, MonoTime},
};

/// An act that is not over by then has failed.
const ACT_TIME_MAX: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One way of going wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Leak,
    Hang,
    Crash,
    Storm,
}

/// How an act went.
pub(super) struct Played {
    pub(super) act: Act,
    pub(super) from: MonoTime,
    pub(super) to: MonoTime,
    /// Who answered after it; nobody new when it was not healed.
    pub(super) healed_by: Option<Answer>,
    /// Requests of its own that were not answered as they had to be.
    pub(super) failed: u64,
}

impl Act {
    pub(super) const ALL: [Self; 4] = [Self::Leak, Self::Hang, Self::Crash, Self::Storm];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Hang => "hang",
            Self::Crash => "crash",
            Self::Storm => "5xx storm",
        }
    }

    pub(super) const fn story(self) -> &'static str {
        match self {
            Self::Leak => {
                "The worker keeps 256 KiB of every request. The rule: no more than 96 MiB."
            }
            Self::Hang => "The worker stops answering. The rule: 3 requests slower than 1 s.",
            Self::Crash => "The worker is killed with SIGKILL in the middle of its requests.",
            Self::Storm => "The worker answers 500 to /bad. The rule: 10 of them within 10 s.",
        }
    }

    pub(super) const fn cure(self) -> &'static str {
        match self {
            Self::Leak => "rule \"too big\"",
            Self::Hang => "rule \"stuck\"",
            Self::Crash => "restart",
            Self::Storm => "rule \"failing\"",
        }
    }

    /// Makes the worker go wrong, and waits until another one answers.
    pub(super) fn play(self, address: SocketAddr) -> io::Result<Played> {
        let before = ask(address, "/")?;
        let from = time::now();
        let failed = self.trigger(address, &before)?;
        let until = from + ACT_TIME_MAX;
        let mut healed_by = None;
        while healed_by.is_none() && time::now() < until {
            healed_by = ask(address, "/")
                .ok()
                .filter(|answer| answer.status == 200 && answer.pid != before.pid);
            thread::park_timeout(LOOK_AGAIN);
        }
        Ok(Played {
            act: self,
            from,
            to: time::now(),
            healed_by,
            failed,
        })
    }

    fn trigger(self, address: SocketAddr, before: &Answer) -> io::Result<u64> {
        match self {
            Self::Leak => ask(address, "/misbehave?leak=262144").map(|_| 0),
            Self::Hang => ask(address, "/misbehave?hang=1").map(|_| 0),
            Self::Crash => {
                let pid = before.pid.and_then(Pid::from_raw);
                let pid = pid.ok_or_else(|| io::Error::other("the worker did not tell its pid"))?;
                kill_process(pid, Signal::KILL)?;
                Ok(0)
            }
            Self::Storm => storm(address),
        }
    }
}

/// Just enough bad answers for the rule, from a client for which they are the right ones.
fn storm(address: SocketAddr) -> io::Result<u64> {
    let plan = Plan::to(&format!("http://{address}/bad")).map_err(io::Error::other)?;
    let report = drive(Plan {
        expect: Some(500),
        rate_per_s: 20,
        requests_max: Some(12),
        connections: 2,
        timeout: ACT_TIME_MAX,
        ..plan
    });
    Ok(report.map_err(io::Error::other)?.failed)
}
