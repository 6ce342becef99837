//! What the client needs of the machine: an exact timer, descriptors, and what itself has cost.

use std::{io, time::Duration};

use rustix::{
    process::Resource,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver};

/// Waits exactly: the runtime's own timers are of whole milliseconds, which would show in every
/// latency.
pub(super) struct Timer(Receiver);

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // A timer is waited for and read as a pipe is.
        Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
    }

    pub(super) async fn wait(&mut self, time: Duration) -> io::Result<()> {
        let zero = Timespec::try_from(Duration::ZERO).unwrap_or_default();
        let once = Itimerspec {
            it_interval: zero,
            // 0 would mean never.
            it_value: Timespec::try_from(time.max(Duration::from_nanos(1))).unwrap_or(zero),
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        // More room than it fills: that tells the runtime that there is no more to read.
        let _expirations = self.0.read(&mut [0; 16]).await?;
        Ok(())
    }
}

/// Raises the soft limit of open files if it is below `needed`.
pub(in crate::cli) fn allow_descriptors(needed: u64) -> io::Result<()> {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    limit.current = Some(needed);
    if limit.maximum.is_some_and(|most| most < needed) {
        limit.maximum = Some(needed);
    }
    rustix::process::setrlimit(Resource::Nofile, limit)?;
    Ok(())
}
