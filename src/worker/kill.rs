//! Kills a process that was seen, but never another that got its number since.

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal},
};

use crate::os::procfs::{Identity, Proc};

/// Kills it, if it is still there.
pub(super) fn kill(proc: &Proc, who: Identity) {
    let Some(pid) = i32::try_from(who.pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) if proc.is(who) => {
            let _ = pidfd_send_signal(&fd, Signal::KILL);
        }
        // A sandbox without pidfds, or no descriptor left.
        Err(error) if error != Errno::SRCH && proc.is(who) => {
            let _ = kill_process(pid, Signal::KILL);
        }
        Ok(_) | Err(_) => {}
    }
}
