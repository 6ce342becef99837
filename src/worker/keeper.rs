//! The keeper: our own binary as a tiny process between us and a worker.
//!
//! It spawns the worker, adopts and reaps its orphans, passes signals on, reports the end, and
//! kills every process of the tree when the worker's main process is gone or we are: that is when
//! its socket closes, which even SIGKILL can't prevent. PDEATHSIG can't do this: it ends with the
//! spawning thread, is cleared by setuid, and doesn't reach grandchildren.
//!
//! Invariant: one thread, no runtime. It ends only when no process of the tree is left.

use std::{
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Command, ExitCode, Stdio},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getrlimit, kill_process,
        kill_process_group, set_child_subreaper, setrlimit, wait,
    },
};

use super::{
    kill::kill,
    message::{End, MAX_LINE_BYTES, Orders, Report, Request, line, take_line},
    spec::{StopTo, why_not_started},
};
use crate::{
    os::{
        procfs::{Identity, Proc},
        tree::{Member, Root, members},
    },
    time::{MonoTime, now},
    words::signal_number,
};

/// The argument that makes our binary a keeper. It comes first; what follows is for `ps`.
pub const ARGUMENT: &str = "__keeper";

/// Runs a keeper on the socket that is our standard input, to its end.
#[must_use]
pub fn main() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        // There is no one left to tell: our side reads the end of the socket.
        Err(_) => ExitCode::from(111),
    }
}

fn keep() -> io::Result<()> {
    take_over_signals()?;
    set_child_subreaper(Some(getpid()))?;
    let (mut awake, wake) = UnixStream::pair()?;
    awake.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(number("CHLD"), wake)?;
    let mut link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut received = Vec::new();
    let Some(orders) = read_orders(&mut link, &mut received)? else {
        return Ok(());
    };
    link.set_nonblocking(true)?;
    let main = match start(&orders) {
        Ok(pid) => pid,
        Err(error) => {
            let why = why_not_started(&orders.argv[0], &orders.dir, orders.user, &error);
            return link.write_all(&line(&Report::Failed { why })?);
        }
    };
    prefer_others_for_oom();
    let mut keeper = Keeper {
        link: Some(link),
        received,
        proc: Proc::default(),
        group: main,
        main: Some(main),
        kill_at: MonoTime::NEVER,
        killing: false,
        next_sweep: MonoTime::ZERO,
        pause: FIRST_PAUSE,
        met: Vec::new(),
    };
    keeper.report(&Report::Started {
        pid: main.as_raw_nonzero().get().unsigned_abs(),
    });
    keeper.run(&mut awake)
}

struct Keeper {
    /// `None`: our side is gone.
    link: Option<UnixStream>,
    received: Vec<u8>,
    proc: Proc,
    /// The worker's process group.
    group: Pid,
    /// The worker's main process until it is reaped, so that its number can't be another's.
    main: Option<Pid>,
    kill_at: MonoTime,
    /// Everything is being killed; there is no way back.
    killing: bool,
    next_sweep: MonoTime,
    pause: Duration,
    /// Who was there at the last round of killing.
    met: Vec<Identity>,
}

/// The flag of wait(2)'s status beside the signal; what WCOREDUMP asks for.
const CORE_DUMPED: i32 = 0x80;
/// Between two rounds of killing: what forked away from the first round meets the second.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// A process in an uninterruptible wait can't be killed yet; it must not cost CPU meanwhile.
const LAST_PAUSE: Duration = Duration::from_millis(250);

impl Keeper {
    fn run(&mut self, awake: &mut UnixStream) -> io::Result<()> {
        // What came in one piece with the orders would not wake us.
        self.listen();
        loop {
            if !self.reap() {
                self.report(&Report::Gone);
                return Ok(());
            }
            let now = now();
            if now >= self.kill_at {
                self.kill_at = MonoTime::NEVER;
                self.killing = true;
            }
            if self.killing && now >= self.next_sweep {
                self.sweep();
                self.next_sweep = now + self.pause;
            }
            self.wait(awake)?;
        }
    }

    /// Waits for a word, an end of a child, or a deadline; hears the words.
    fn wait(&mut self, awake: &mut UnixStream) -> io::Result<()> {
        let until = if self.killing {
            self.next_sweep
        } else {
            self.kill_at
        };
        let timeout = (until != MonoTime::NEVER)
            .then(|| Timespec::try_from(until.since(now())).ok())
            .flatten();
        let mut fds = vec![PollFd::new(&*awake, PollFlags::IN)];
        if let Some(link) = &self.link {
            fds.push(PollFd::new(link, PollFlags::IN));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 256];
        while matches!(awake.read(&mut bytes), Ok(read) if read > 0) {}
        self.listen();
        Ok(())
    }

    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        while let Some(link) = &mut self.link {
            match link.read(&mut bytes) {
                Ok(read) if read > 0 && self.received.len() < MAX_LINE_BYTES => {
                    self.received.extend_from_slice(&bytes[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Our side is gone, or talks nonsense: its worker must not stay.
                Ok(_) | Err(_) => {
                    self.link = None;
                    self.killing = true;
                }
            }
        }
        while let Some(line) = take_line(&mut self.received) {
            match serde_json::from_slice(&line) {
                Ok(request) => self.obey(&request),
                Err(_) => self.killing = true,
            }
        }
    }

    fn obey(&mut self, request: &Request) {
        match *request {
            Request::Signal { number, to } => self.signal(number, to),
            Request::Stop {
                signal,
                to,
                kill_after_ms,
            } => {
                self.signal(signal, to);
                // A stopped process would not hear it.
                self.signal(number("CONT"), to);
                let at = now() + Duration::from_millis(kill_after_ms);
                self.kill_at = self.kill_at.min(at);
            }
            Request::Kill => self.killing = true,
        }
    }

    fn signal(&self, number: i32, to: StopTo) {
        let (Some(main), Some(signal)) = (self.main, Signal::from_named_raw(number)) else {
            return;
        };
        // Only a process that has ended can't be signalled, and its end is reported anyway.
        let _ = match to {
            StopTo::Group => kill_process_group(self.group, signal),
            StopTo::Leader => kill_process(main, signal),
        };
    }

    /// Reaps all that has ended, and reports the end of the main process. Whether any process is
    /// left: every descendant is below a child of ours, or becomes one when its parent ends.
    fn reap(&mut self) -> bool {
        let mut ended = None;
        let is_any_left = loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid) == self.main => {
                    self.main = None;
                    ended = Some(match status.terminating_signal() {
                        Some(signal) if status.as_raw() & CORE_DUMPED != 0 => End::Core(signal),
                        Some(signal) => End::Signal(signal),
                        None => End::Code(status.exit_status().unwrap_or_default()),
                    });
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        if let Some(end) = ended {
            let left_children = is_any_left && !self.killing;
            self.report(&Report::Exited { end, left_children });
            self.killing = true;
        }
        is_any_left
    }

    /// One round of killing. What is born meanwhile is met by the next one.
    fn sweep(&mut self) {
        if self.main.is_some() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        let mut met = Vec::new();
        for member in self.alive() {
            kill(&self.proc, member.who);
            met.push(member.who);
        }
        // Who flees by forking is chased at full speed; who just can't die yet is waited for.
        let is_chase = met.iter().any(|who| !self.met.contains(who));
        self.pause = if is_chase {
            FIRST_PAUSE
        } else {
            (self.pause * 2).min(LAST_PAUSE)
        };
        self.met = met;
    }

    fn alive(&self) -> impl Iterator<Item = Member> + use<> {
        let me = Root::Under(std::process::id());
        let found = members(&self.proc, me).unwrap_or_default();
        found.into_iter().filter(|member| !member.zombie)
    }

    fn report(&mut self, report: &Report) {
        let Some(link) = &mut self.link else { return };
        if !line(report).is_ok_and(|line| link.write_all(&line).is_ok()) {
            self.link = None;
            self.killing = true;
        }
    }
}

/// Reads the first line. `None`: our side ended before it came.
fn read_orders(link: &mut UnixStream, received: &mut Vec<u8>) -> io::Result<Option<Orders>> {
    let mut bytes = [0; 4096];
    loop {
        if let Some(line) = take_line(received) {
            return Ok(Some(serde_json::from_slice(&line)?));
        }
        let read = link.read(&mut bytes)?;
        if read == 0 || received.len() > MAX_LINE_BYTES {
            return Ok(None);
        }
        received.extend_from_slice(&bytes[..read]);
    }
}

fn start(orders: &Orders) -> io::Result<Pid> {
    let [program, arguments @ ..] = &orders.argv[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if let Some(soft) = orders.open_files {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(maximum.map_or(soft, |most| soft.min(most))),
                maximum,
            },
        )?;
    }
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&orders.dir)
        .stdin(Stdio::null())
        .process_group(0);
    if let Some((user, group)) = orders.user {
        command.uid(user).gid(group);
    }
    let own = offer_for_oom();
    let spawned = command.spawn();
    if let Some(own) = own {
        set_oom_score(own);
    }
    Ok(Pid::from_child(&spawned?))
}

/// Handles every signal that would end or stop us, and every one that was ignored when we were
/// started. A handled signal is back at its default in what we run, an ignored one would stay.
fn take_over_signals() -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = crate::os::procfs::field(&status, "SigIgn:")
        .and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .unwrap_or_default();
    let heard = Arc::new(AtomicBool::new(false));
    for signal in 1..=31 {
        let ends_us = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "TSTP"]
            .iter()
            .any(|name| number(name) == signal);
        // SIGPIPE is ignored by the standard library, which also puts it back for children.
        let inherited = ignored & (1 << (signal - 1)) != 0 && signal != number("PIPE");
        if ends_us || inherited {
            // Faults can't be taken over; ignoring them has no effect on what we run either.
            let forbidden = ["ILL", "FPE", "SEGV", "KILL", "STOP"];
            if !forbidden.iter().any(|name| number(name) == signal) {
                signal_hook::flag::register(signal, Arc::clone(&heard))?;
            }
        }
    }
    Ok(())
}

fn number(name: &str) -> i32 {
    signal_number(name).unwrap_or_default()
}

/// Where memory runs out in the group that autoheal shares with its worker, a process of the worker
/// is to be killed, for which there is a cure, even if autoheal is larger. What is started now
/// inherits the score, which everybody may raise, and take back. Returns what it was.
fn offer_for_oom() -> Option<i32> {
    let own = std::fs::read_to_string(OOM_SCORE).ok()?;
    let own: i32 = own.trim().parse().ok()?;
    set_oom_score(own.saturating_add(WORKER_FIRST).min(OOM_SCORE_MAX));
    Some(own)
}

/// A keeper that is killed for want of memory can't clean up. Needs a capability that we often
/// don't have, and must come after the worker is started, which would inherit it.
fn prefer_others_for_oom() {
    set_oom_score(-900);
}

/// Where it can't be had it stays as it is.
fn set_oom_score(score: i32) {
    drop(std::fs::write(OOM_SCORE, score.to_string()));
}

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// The highest that the kernel takes.
const OOM_SCORE_MAX: i32 = 1_000;
/// By so many thousandths of the limit a worker's process counts as larger than it is.
const WORKER_FIRST: i32 = 100;
