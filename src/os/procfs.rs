//! Single processes, as /proc shows them.

use std::{fs, io, path::PathBuf};

use crate::units::ByteSize;

/// What all CPUs together did, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTimes {
    /// Nothing.
    pub idle: u64,
    /// Anything, nothing included.
    pub all: u64,
}

/// The folder that shows processes.
#[derive(Clone, Debug)]
pub struct Proc {
    root: PathBuf,
}

impl Default for Proc {
    fn default() -> Self {
        Self::at("/proc")
    }
}

impl Proc {
    /// The processes that this folder shows; tests give one of their own making.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A file of one process.
    pub(crate) fn file(&self, pid: u32, name: &str) -> PathBuf {
        self.root.join(format!("{pid}/{name}"))
    }

    /// The memory of the machine; `None` if the kernel doesn't say.
    #[must_use]
    pub fn memory_total(&self) -> Option<ByteSize> {
        let text = fs::read_to_string(self.root.join("meminfo")).ok()?;
        kib_field(&text, "MemTotal:")
    }

    /// What the machine's CPUs did since it was started; `None` if the kernel doesn't say.
    #[must_use]
    pub fn cpu_times(&self) -> Option<CpuTimes> {
        let text = fs::read_to_string(self.root.join("stat")).ok()?;
        let numbers = text.lines().next()?.strip_prefix("cpu ")?;
        // user nice system idle iowait irq softirq steal; guests are counted in the first two.
        let numbers = numbers.split_whitespace().take(8);
        let numbers: Vec<u64> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(CpuTimes {
            idle: numbers.get(3)?.saturating_add(*numbers.get(4)?),
            all: numbers.iter().sum(),
        })
    }

    /// The ids of all processes that can be seen.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn pids(&self) -> io::Result<impl Iterator<Item = u32> + use<>> {
        Ok(fs::read_dir(&self.root)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
    }

    /// What `stat` says of a process.
    ///
    /// # Errors
    /// When there is no such process (see [`is_gone`]), or it can't be read.
    pub fn stat(&self, pid: u32) -> io::Result<Stat> {
        let text = fs::read(self.file(pid, "stat"))?;
        Stat::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| unreadable(pid, "stat"))
    }

    /// What tells a process from a later one that was given the same number.
    ///
    /// # Errors
    /// As [`Proc::stat`].
    pub fn identity(&self, pid: u32) -> io::Result<Identity> {
        let stat = self.stat(pid)?;
        Ok(Identity {
            pid,
            start_ticks: stat.start_ticks,
        })
    }

    /// Whether this very process still exists, be it as a zombie.
    #[must_use]
    pub fn is(&self, who: Identity) -> bool {
        self.identity(who.pid).is_ok_and(|now| now == who)
    }

    /// What `status` says of a process.
    ///
    /// # Errors
    /// When there is no such process (see [`is_gone`]), or it can't be read.
    pub fn status(&self, pid: u32) -> io::Result<Status> {
        let text = fs::read(self.file(pid, "status"))?;
        Status::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| unreadable(pid, "status"))
    }

    /// The exact share of memory that is a process's own: anonymous pages and swap, each divided
    /// by the number of processes that map it. Costs the kernel a walk over its page tables.
    ///
    /// # Errors
    /// When there is no such process (see [`is_gone`]), it may not be read, or the kernel is too
    /// old to say it (before 5.9).
    pub fn private_bytes(&self, pid: u32) -> io::Result<ByteSize> {
        let text = fs::read(self.file(pid, "smaps_rollup"))?;
        parse_rollup(&String::from_utf8_lossy(&text)).ok_or_else(|| unreadable(pid, "smaps_rollup"))
    }

    /// How many descriptors a process has open, 64 Ki at most. `None`: it may not be looked into.
    #[must_use]
    pub fn descriptors(&self, pid: u32) -> Option<u64> {
        const MOST: usize = 64 * 1024;
        let entries = fs::read_dir(self.file(pid, "fd")).ok()?;
        Some(entries.take(MOST).count() as u64)
    }

    /// How many descriptors a process may have open. `None`: no limit, or it can't be read.
    #[must_use]
    pub fn descriptor_limit(&self, pid: u32) -> Option<u64> {
        let text = fs::read_to_string(self.file(pid, "limits")).ok()?;
        let limits = field(&text, "Max open files")?;
        limits.split_ascii_whitespace().next()?.parse().ok()
    }

    /// The name a person would know a process by.
    #[must_use]
    pub fn name(&self, pid: u32) -> Option<String> {
        Some(self.stat(pid).ok()?.comm)
    }

    /// What a process was given as an environment variable when it was started. `None`: nothing,
    /// or it may not be looked at.
    #[must_use]
    pub fn variable(&self, pid: u32, name: &str) -> Option<String> {
        let text = fs::read(self.file(pid, "environ")).ok()?;
        let value = text
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The command line, arguments joined by spaces; empty for zombies and kernel threads.
    ///
    /// # Errors
    /// When there is no such process, or it can't be read.
    pub fn command_line(&self, pid: u32) -> io::Result<String> {
        let text = fs::read(self.file(pid, "cmdline"))?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.trim_end_matches('\0').replace('\0', " "))
    }
}

/// Whether an error of this module means that the process has gone, rather than that it may not
/// be looked at.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    const ESRCH: i32 = 3;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

/// What tells a process from a later one that was given the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

/// What `stat` says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The name of its program, at most 15 bytes.
    pub comm: String,
    /// `R`, `S`, `D`, `Z`, `T`...
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// CPU time that it used by itself, in clock ticks.
    pub cpu_ticks: u64,
    /// Its threads.
    pub threads: u64,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

impl Stat {
    /// Whether it has ended and only waits for its parent to notice.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Reads the text of the file. The name stands in parentheses and may hold any byte, a closing
    /// parenthesis too: the last one ends it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (start, end) = (text.find('(')?, text.rfind(')')?);
        let comm = text.get(start + 1..end)?.to_owned();
        let mut fields = text[end + 1..].split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        // The group was field 5 of proc_pid_stat(5). These are 14 and 15, 20, and 22.
        let user: u64 = fields.nth(8)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let threads = fields.nth(4)?.parse().ok()?;
        let start_ticks = fields.nth(1)?.parse().ok()?;
        Some(Self {
            comm,
            state,
            parent,
            group,
            cpu_ticks: user.saturating_add(system),
            threads,
            start_ticks,
        })
    }
}

/// What `status` says of a process, as far as we use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its parent.
    pub parent: u32,
    /// Anonymous memory in RAM, shared pages counted whole.
    pub rss_anon: ByteSize,
    /// Anonymous memory in swap.
    pub swap: ByteSize,
}

impl Status {
    /// Reads the text of the file. A process without memory of its own (a zombie, a kernel
    /// thread) has zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parent = field(text, "PPid:")?.parse().ok()?;
        Some(Self {
            parent,
            rss_anon: kib_field(text, "RssAnon:").unwrap_or_default(),
            swap: kib_field(text, "VmSwap:").unwrap_or_default(),
        })
    }

    /// The cheap upper bound of a process's private memory.
    #[must_use]
    pub fn private_bound(&self) -> ByteSize {
        ByteSize(self.rss_anon.0.saturating_add(self.swap.0))
    }
}

fn parse_rollup(text: &str) -> Option<ByteSize> {
    let anon = kib_field(text, "Pss_Anon:")?;
    let swap = kib_field(text, "SwapPss:").unwrap_or_default();
    Some(ByteSize(anon.0.saturating_add(swap.0)))
}

/// The value of the line that begins with `name`.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn kib_field(text: &str, name: &str) -> Option<ByteSize> {
    let number = field(text, name)?.strip_suffix("kB")?.trim();
    Some(ByteSize::kib(number.parse().ok()?))
}

fn unreadable(pid: u32, file: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "/proc/{pid}/{file} does not have the expected lines; is the kernel older than 5.9?"
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let text = "812 (a) S 1 (b) R 7 812 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 10";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.comm, "a) S 1 (b");
        assert_eq!((stat.state, stat.parent, stat.group), ('R', 7, 812));
        assert_eq!(stat.start_ticks, 4242);
        assert_eq!((stat.cpu_ticks, stat.threads), (11, 1));
    }

    #[test]
    fn our_own_process_can_be_read() {
        let proc = Proc::default();
        let me = std::process::id();
        let identity = proc.identity(me).unwrap();
        assert!(proc.is(identity));
        assert!(!proc.is(Identity {
            start_ticks: identity.start_ticks + 1,
            ..identity
        }));
        assert!(proc.status(me).unwrap().rss_anon > ByteSize::kib(64));
        assert!(proc.private_bytes(me).unwrap() > ByteSize::kib(64));
        assert!(proc.pids().unwrap().any(|pid| pid == me));
        assert!(!proc.command_line(me).unwrap().contains('\0'));
    }

    #[test]
    fn the_machine_s_memory_is_read_where_the_kernel_says_it() {
        let dir = tempfile::tempdir().unwrap();
        let proc = Proc::at(dir.path());
        assert_eq!(proc.memory_total(), None);
        fs::write(
            dir.path().join("meminfo"),
            "MemTotal:  16 kB\nMemFree: 4 kB\n",
        )
        .unwrap();
        assert_eq!(proc.memory_total(), Some(ByteSize::kib(16)));
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("7")).unwrap();
        fs::write(dir.path().join("7/environ"), "PORTS=1\0XPORT=2\0PORT=a=b\0").unwrap();
        let proc = Proc::at(dir.path());
        assert_eq!(proc.variable(7, "PORT").as_deref(), Some("a=b"));
        assert_eq!(proc.variable(7, "POR"), None);
    }

    #[test]
    fn a_process_that_is_gone_is_told_from_one_that_may_not_be_read() {
        let error = Proc::default().stat(u32::MAX).unwrap_err();
        assert!(is_gone(&error));
        assert!(!is_gone(&io::ErrorKind::PermissionDenied.into()));
        assert!(is_gone(&io::Error::from_raw_os_error(3)));
    }

    #[test]
    fn a_zombie_has_no_memory() {
        let status = Status::parse("Name:\tx\nState:\tZ (zombie)\nPPid:\t4\n").unwrap();
        assert_eq!(status.private_bound(), ByteSize(0));
    }

    #[test]
    fn a_kernel_that_does_not_say_it_is_an_error_rather_than_zero() {
        assert_eq!(parse_rollup("Rss: 12 kB\nPss: 4 kB\n"), None);
        let text = "Pss:  9 kB\nPss_Anon:  5 kB\nSwap: 7 kB\nSwapPss:  2 kB\n";
        assert_eq!(parse_rollup(text), Some(ByteSize::kib(7)));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in "[ -~\n(){}é]{0,200}") {
            let _ = Stat::parse(&text).is_some();
            let _ = Status::parse(&text);
            let _ = parse_rollup(&text);
        }

        #[test]
        fn a_stat_with_any_name_reads_the_same(comm in ".{0,15}", parent: u32, ticks: u64) {
            let text = format!(
                "1 ({comm}) S {parent} 3 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 9"
            );
            let stat = Stat::parse(&text).unwrap();
            prop_assert_eq!((stat.comm, stat.parent, stat.start_ticks), (comm, parent, ticks));
        }
    }
}
