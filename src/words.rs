//! The project's words as types: what every other module may say, and how text is said in one line.

use std::{borrow::Cow, fmt, fmt::Write};

use crate::units::GrpcStatus;
mod access;
mod door;
mod last;
mod wrapped;

pub use access::AccessField;
pub use door::Door;
pub use last::LastWords;
pub use wrapped::wrapped;

/// A worker's serial number: the third worker ever started is generation 3.
///
/// Every sample, permit and log line carries it, so that nothing acts on a worker other than the
/// one that was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How a worker's fault looks to the rules: what it answered, or how it failed to.
///
/// What autoheal decides by itself (parked too long, shed, bad request) is never one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The worker gave a complete response head with this status.
    Status(u16),
    /// The worker refused the connection. Counts as 502 with sub-status 3.
    Refused,
    /// The worker closed or reset the connection before a complete response head, or sent
    /// something that is not HTTP. Counts as 502 with sub-status 3.
    Reset,
    /// No response head in time. Counts as 504, and matches web.config's 502.3.
    TimedOut,
    /// A call of gRPC whose response head was good ended with this status.
    Grpc(GrpcStatus),
}

/// What is spoken with a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/2, known beforehand.
    H2c,
    /// HTTP/1.1 in TLS.
    Https,
    /// HTTP/2 in TLS.
    H2,
}

impl Protocol {
    /// Whether it is HTTP/2.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }

    /// Whether it is spoken in TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::H2c => "h2c",
            Self::Https => "https",
            Self::H2 => "h2",
        })
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It called exit with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// This signal killed it, and the system wrote a core dump.
    Core(i32),
    /// It was not our child: only its parent is told how it ended.
    Unknown,
}

impl Exit {
    /// The code a shell would show: the exit code, or 128 plus the signal's number; 1 where neither
    /// is known.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) | Self::Core(signal) => 128 + signal,
            Self::Unknown => 1,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Core(signal) => write!(f, "{} (core dumped)", Self::Signal(*signal)),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "killed by SIG{name}"),
                None => write!(f, "killed by signal {signal}"),
            },
            Self::Unknown => f.write_str("ended; its exit status belongs to its parent"),
        }
    }
}

/// The name of a Linux signal without `SIG`, as in signal(7). `None` for real-time signals.
#[must_use]
pub fn signal_name(number: i32) -> Option<&'static str> {
    SIGNALS
        .iter()
        .find(|(_, n)| *n == number)
        .map(|(name, _)| *name)
}

/// The number of a signal by its name, with or without `SIG`, in any case.
#[must_use]
pub fn signal_number(name: &str) -> Option<i32> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    SIGNALS
        .iter()
        .find(|(name, _)| *name == bare)
        .map(|(_, number)| *number)
}

/// signal(7), the numbers of x86 and ARM.
const SIGNALS: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// What autoheal does with what it decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Rules act.
    #[default]
    Heal,
    /// Rules only report; crash restart, parking and replay act.
    Observe,
    /// A bare proxy: nothing is restarted, parked or replayed.
    Relay,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heal => "heal",
            Self::Observe => "observe",
            Self::Relay => "relay",
        })
    }
}

/// The text as one line that does nothing to a terminal: control characters, line separators and
/// direction marks become escapes that are also JSON's.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_mark) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_mark(c) => {
                // Writing to a string has no way to fail.
                write!(line, "\\u{:04x}", u32::from(c)).ok();
            }
            c => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// Whether a character changes lines, colours or the direction of writing rather than being seen.
fn is_mark(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_says_what_a_person_would() {
        assert_eq!(Exit::Signal(9).to_string(), "killed by SIGKILL");
        assert_eq!(Exit::Signal(40).to_string(), "killed by signal 40");
        assert_eq!(
            Exit::Core(11).to_string(),
            "killed by SIGSEGV (core dumped)"
        );
        assert_eq!(Exit::Code(3).to_string(), "exit code 3");
        assert_eq!(Exit::Signal(15).shell_code(), 143);
    }

    #[test]
    fn a_signal_is_found_by_either_spelling() {
        assert_eq!(signal_number("sigterm"), Some(15));
        assert_eq!(signal_number("QUIT"), Some(3));
        assert_eq!(signal_number("TERMINATE"), None);
    }

    #[test]
    fn marks_become_escapes_that_json_reads_back() {
        assert_eq!(one_line("plain \"text\" é"), "plain \"text\" é");
        let nasty = "a\nb\r\t\u{1b}[31m\u{7f}\u{9b}\u{85}\u{2028}\u{202e}\u{2066}\0";
        let line = one_line(nasty);
        assert!(!line.contains(is_mark), "{line}");
        let read: String = serde_json::from_str(&format!("\"{line}\"")).unwrap();
        assert_eq!(read, nasty);
    }
}
