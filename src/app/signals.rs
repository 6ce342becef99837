//! Signals as orders for the control thread.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{control::Signal, words::signal_number};

/// Takes the signals over; the future passes them on until the control thread has ended.
///
/// # Errors
/// When a handler can't be installed.
pub(super) fn listen(to: mpsc::Sender<Signal>) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut user1 = signal(SignalKind::user_defined1())?;
    let mut user2 = signal(SignalKind::user_defined2())?;
    let mut window = signal(SignalKind::window_change())?;
    let pass = |name| Signal::Pass(signal_number(name).unwrap_or_default());
    Ok(async move {
        loop {
            let said = tokio::select! {
                Some(()) = terminate.recv() => Signal::End,
                Some(()) = interrupt.recv() => Signal::End,
                Some(()) = hangup.recv() => Signal::Reload,
                Some(()) = user1.recv() => pass("USR1"),
                Some(()) = user2.recv() => pass("USR2"),
                Some(()) = window.recv() => pass("WINCH"),
                else => return,
            };
            if to.send(said).await.is_err() {
                return;
            }
        }
    })
}
