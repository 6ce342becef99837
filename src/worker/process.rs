//! The process that serves the app, had in one of two ways: we started it, or it was there and we
//! attached to it. Nothing above knows the difference.

use std::time::Duration;

use super::{attached::Attached, child::Child, output::Output, spec::StopTo};
use crate::os::tree::Root;

/// A worker's process, with all that descends from it.
#[derive(Debug)]
pub enum Process {
    /// We started it, behind a keeper. Dropping it kills the whole tree.
    Spawned(Child),
    /// Something else started it. Dropping it lets it run on.
    Attached(Attached),
}

impl Process {
    /// Where its tree begins; `None`: it has not been found yet.
    #[must_use]
    pub fn tree(&self) -> Option<Root> {
        match self {
            Self::Spawned(child) => Some(child.tree()),
            Self::Attached(attached) => attached.tree(),
        }
    }

    /// Our own child that someone waits for, if there is one.
    #[must_use]
    pub fn keeper(&self) -> Option<u32> {
        match self {
            Self::Spawned(child) => Some(child.tree().pid()),
            Self::Attached(_) => None,
        }
    }

    /// What it prints, if that comes to us.
    #[must_use]
    pub fn output(&self) -> Option<&Output> {
        match self {
            Self::Spawned(child) => Some(child.output()),
            Self::Attached(_) => None,
        }
    }

    /// Passes a signal on to the main process.
    pub fn signal(&mut self, number: i32) {
        match self {
            Self::Spawned(child) => child.signal(number, StopTo::Leader),
            Self::Attached(attached) => attached.signal(number),
        }
    }

    /// Ends it, politely, and then, after this long, in any case. What we attached to is restarted
    /// in its own way instead; `stop` is how our own is asked to stop.
    pub fn stop(&mut self, (signal, to): (i32, StopTo), kill_after: Duration) {
        match self {
            Self::Spawned(child) => child.stop(signal, to, kill_after),
            Self::Attached(attached) => attached.restart(kill_after),
        }
    }

    /// The same, at once.
    pub fn kill(&mut self) {
        match self {
            Self::Spawned(child) => child.kill(),
            Self::Attached(attached) => attached.kill(),
        }
    }

    /// Has no more to do with it. One that we started does not outlive that.
    pub fn let_go(&mut self) {
        match self {
            Self::Spawned(child) => child.kill(),
            Self::Attached(attached) => attached.let_go(),
        }
    }
}
