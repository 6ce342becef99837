//! The processes that a sidecar and its workers are, found by a variable that they all inherit.

use autoheal::os::procfs::{Identity, Proc};
use rustix::process::{Pid, Signal, kill_process};

/// The variable; its value is the folder of the test.
pub(crate) const MARK: &str = "AUTOHEAL_IT";

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) who: Identity,
    pub(crate) command: String,
    pub(crate) parent: u32,
}

impl Process {
    /// A process that is gone already is as well as signalled.
    pub(crate) fn signal(&self, signal: Signal) {
        if Proc::default().is(self.who)
            && let Some(pid) = Pid::from_raw(self.who.pid.cast_signed())
        {
            let _told = kill_process(pid, signal);
        }
    }
}

/// Every living process with this mark.
pub(crate) fn processes_marked(mark: &str) -> Vec<Process> {
    let proc = Proc::default();
    let process = |pid| {
        let (stat, who) = (proc.stat(pid).ok()?, proc.identity(pid).ok()?);
        let marked = proc.variable(pid, MARK).is_some_and(|value| value == mark);
        (marked && !stat.is_zombie()).then(|| Process {
            who,
            command: proc.command_line(pid).unwrap_or_default(),
            parent: stat.parent,
        })
    };
    proc.pids().unwrap().filter_map(process).collect()
}

/// Processes that ended and that their parent, one of these, has not collected.
pub(crate) fn zombies_of(parents: &[Process]) -> Vec<u32> {
    let proc = Proc::default();
    let zombie = |pid: &u32| {
        proc.stat(*pid).is_ok_and(|stat| {
            stat.is_zombie() && parents.iter().any(|parent| parent.who.pid == stat.parent)
        })
    };
    proc.pids().unwrap().filter(zombie).collect()
}
