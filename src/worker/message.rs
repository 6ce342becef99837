//! What we and a keeper say to each other: one line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::spec::StopTo;

/// The first line to a keeper: what to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) argv: Vec<String>,
    pub(super) dir: PathBuf,
    /// Become this user and group.
    pub(super) user: Option<(u32, u32)>,
    /// The soft limit on open files that the worker gets.
    pub(super) open_files: Option<u64>,
}

/// Every later line to a keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Pass a signal on.
    Signal { number: i32, to: StopTo },
    /// Pass a signal on, and kill everything if the worker's main process is still there then.
    Stop {
        signal: i32,
        to: StopTo,
        kill_after_ms: u64,
    },
    /// Kill everything now.
    Kill,
}

/// What a keeper says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The command runs.
    Started { pid: u32 },
    /// The command could not be run; nothing was started.
    Failed { why: String },
    /// The main process ended.
    Exited { end: End, left_children: bool },
    /// No process is left.
    Gone,
}

/// How the main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
    /// With a core dump.
    Core(i32),
}

/// The longest line that either side takes: argument lists may be long, but not endless.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Takes the first whole line out of what was received.
pub(super) fn take_line(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = received.iter().position(|byte| *byte == b'\n')?;
    let rest = received.split_off(end + 1);
    let mut line = std::mem::replace(received, rest);
    line.pop();
    Some(line)
}

/// One line for the other side.
pub(super) fn line(message: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_one_by_one_and_a_part_of_one_waits() {
        let mut received = line(&Report::Gone).unwrap();
        received.extend(b"\"Go");
        let first = take_line(&mut received).unwrap();
        assert_eq!(
            serde_json::from_slice::<Report>(&first).unwrap(),
            Report::Gone
        );
        assert_eq!(take_line(&mut received), None);
        received.extend(b"ne\"\n");
        assert_eq!(take_line(&mut received).unwrap(), b"\"Gone\"");
        assert!(received.is_empty());
    }
}
