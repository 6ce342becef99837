//! Our side of a keeper: starts it, hears what becomes of the worker, passes signals on.

use std::{
    io::{self, Write},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as StdStream, process::CommandExt},
    },
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    net::UnixStream,
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    keeper::ARGUMENT,
    lines::Patterns,
    message::{End, MAX_LINE_BYTES, Orders, Report, Request, line, take_line},
    oom::OomKills,
    output::{Ends, Output, Passing},
    spec::{GENERATION_VARIABLE, INCIDENT_VARIABLE, Spec, StopTo, is_ours},
};
use crate::{
    os::{
        procfs::{Identity, Proc},
        tree::{Census, Root},
    },
    words::Exit,
};

/// A worker that was started, behind its keeper. Dropping it kills the worker's whole tree.
#[derive(Debug)]
pub struct Child {
    /// `None`: closed, so that the keeper kills everything.
    link: Option<Link>,
    keeper: u32,
    output: Output,
}

/// What becomes of a worker, in this order: `Started`, `Exited`, `Gone`; or `Failed` alone. Of one
/// that something else starts also what is in the way, and `Gone` alone when it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The command runs, as this process.
    Started {
        /// Its main process.
        pid: u32,
    },
    /// It is looked for and is not there: why, as a fragment for people.
    Absent {
        /// `nobody on this machine listens on 127.0.0.1:5000`.
        why: String,
    },
    /// It was to be restarted and could not be; it runs on: why, as a fragment for people.
    NotRestarted {
        /// `` `systemctl restart shop` ended with exit code 1 ``.
        why: String,
    },
    /// The command could not be run: why, and the cure, as a fragment for people.
    Failed {
        /// `no such file: gunicorn (looked in PATH ...)`.
        why: String,
    },
    /// The main process ended. What is left of its tree is being killed.
    Exited {
        /// How.
        exit: Exit,
        /// Some process of the tree was killed for want of memory since it was started.
        oom_killed: bool,
        /// Its last output says that the address is in use.
        address_in_use: bool,
        /// It ended by itself while others of its tree were still alive.
        left_children: bool,
    },
    /// No process of the tree is left.
    Gone,
}

/// A worker has at most three events.
const EVENTS: usize = 4;
/// A command line and all else that a keeper is told must fit the socket's buffer.
const MAX_ORDERS_BYTES: usize = 128 * 1024;
/// The last words are waited for so long, while something else floods the pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);

impl Child {
    /// Starts a keeper that starts the worker; its events follow. Must be called on a tokio
    /// runtime; waits for nothing but the fork.
    ///
    /// # Errors
    /// When not even the keeper can be started, or the specification can't be met: as a fragment
    /// for people, with the cure.
    pub fn spawn(
        spec: &Spec,
        passing: Passing,
        patterns: Patterns,
    ) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        let argv = spec.expanded_command();
        let Some(program) = argv.first().cloned() else {
            return Err(invalid("the command is empty; set worker.command".into()));
        };
        let orders = line(&Orders {
            argv,
            dir: spec.dir.clone(),
            user: spec.resolved_user()?.map(|user| (user.uid, user.gid)),
            open_files: spec.open_files,
        })?;
        if orders.len() > MAX_ORDERS_BYTES {
            let why = format!("the command line of {program} is longer than 128 KiB; shorten it");
            return Err(invalid(why));
        }
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let (output, ends) = Output::start(spec.generation, passing, patterns)?;
        let command = keeper_command(spec, theirs, ends);
        let mut process = tokio::process::Command::from(command)
            .spawn()
            .map_err(|error| {
                let exe = spec.keeper_exe.display();
                io::Error::new(
                    error.kind(),
                    format!("can't start the keeper {exe}: {error}"),
                )
            })?;
        let keeper = process.id().unwrap_or_default();
        let link = Link(ours.try_clone()?);
        let heard = UnixStream::from_std(ours)?;
        let mut child = Self {
            link: Some(link),
            keeper,
            output: output.clone(),
        };
        child.write(&orders);
        let (events, receiver) = mpsc::channel(EVENTS);
        let ear = Ear {
            generation: spec.generation.to_string(),
            output,
            main: None,
            events,
        };
        tokio::spawn(async move {
            ear.listen(heard).await;
            // Its end was heard on the socket; this only reaps it.
            drop(process.wait().await);
        });
        Ok((child, receiver))
    }

    /// The keeper's process: the worker's tree is all [`Root::Under`] it.
    #[must_use]
    pub fn tree(&self) -> Root {
        Root::Under(self.keeper)
    }

    /// What the worker prints.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Passes a signal on.
    pub fn signal(&mut self, number: i32, to: StopTo) {
        self.send(&Request::Signal { number, to });
    }

    /// Passes the stop signal on, and kills the whole tree if the main process still lives after
    /// this long. The keeper watches the clock, so that it happens even if we stand still.
    pub fn stop(&mut self, signal: i32, to: StopTo, kill_after: Duration) {
        self.send(&Request::Stop {
            signal,
            to,
            kill_after_ms: u64::try_from(kill_after.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// Kills the whole tree now.
    pub fn kill(&mut self) {
        self.send(&Request::Kill);
    }

    fn send(&mut self, request: &Request) {
        match line(request) {
            Ok(line) => self.write(&line),
            Err(_) => self.link = None,
        }
    }

    /// A keeper that does not take our word is spoken to by closing its socket.
    fn write(&mut self, line: &[u8]) {
        if let Some(Link(link)) = &mut self.link
            && !link.write(line).is_ok_and(|written| written == line.len())
        {
            self.link = None;
        }
    }
}

/// Our end of the socket, to write to. tokio's would refuse to until its driver has looked at it.
#[derive(Debug)]
struct Link(StdStream);

impl Drop for Link {
    /// Closing is not enough: the other handle goes on listening.
    fn drop(&mut self) {
        drop(self.0.shutdown(Shutdown::Write));
    }
}

fn keeper_command(spec: &Spec, link: StdStream, ends: Ends) -> Command {
    let mut command = Command::new(&spec.keeper_exe);
    command
        .arg0("autoheal")
        .args([ARGUMENT, &spec.generation.to_string()])
        .stdin(Stdio::from(OwnedFd::from(link)))
        .stdout(Stdio::from(ends.out))
        .stderr(Stdio::from(ends.err))
        // A signal to our whole process group, SIGKILL too, must leave it to clean up.
        .process_group(0);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    command.envs(spec.environment());
    command
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// Hears a keeper.
struct Ear {
    generation: String,
    output: Output,
    /// The worker's main process, from its start to its end.
    main: Option<Identity>,
    events: mpsc::Sender<Event>,
}

impl Ear {
    async fn listen(mut self, link: UnixStream) {
        let proc = Proc::default();
        let mut kills = OomKills::of(&proc, std::process::id());
        let mut received = Vec::new();
        while let Some(report) = kills.watch(next_report(&link, &mut received)).await {
            let (event, last) = match report {
                Report::Started { pid } => {
                    self.main = proc.identity(pid).ok();
                    kills = OomKills::of(&proc, pid);
                    (Event::Started { pid }, false)
                }
                Report::Failed { why } => (Event::Failed { why }, true),
                Report::Exited { end, left_children } => {
                    self.main = None;
                    let exit = match end {
                        End::Code(code) => Exit::Code(code),
                        End::Signal(signal) => Exit::Signal(signal),
                        End::Core(signal) => Exit::Core(signal),
                    };
                    let killed = kills.lately();
                    (self.exited(exit, killed, left_children).await, false)
                }
                Report::Gone => (Event::Gone, true),
            };
            // The receiver may be gone; the keeper is listened to all the same, to its end.
            drop(self.events.send(event).await);
            if last {
                return;
            }
        }
        let killed = kills.lately();
        self.stand_in(killed).await;
    }

    async fn exited(&self, exit: Exit, oom_killed: bool, left_children: bool) -> Event {
        drop(timeout(LAST_WORDS, self.output.caught_up()).await);
        Event::Exited {
            exit,
            oom_killed,
            address_in_use: self.output.says_address_in_use(),
            left_children,
        }
    }

    /// The keeper was killed. We do what it would have, as far as we can see: kill all below the
    /// worker's main process, and all that came to us as an orphan with this generation's mark.
    async fn stand_in(mut self, oom_killed: bool) {
        let proc = Proc::default();
        let mut pause = Duration::from_millis(2);
        loop {
            let left = self.left(&proc);
            if left.is_empty() {
                break;
            }
            for who in left {
                if let Some(pid) = i32::try_from(who.pid).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
        if self.main.take().is_some() {
            let event = self.exited(Exit::Signal(9), oom_killed, false).await;
            drop(self.events.send(event).await);
        }
        drop(self.events.send(Event::Gone).await);
    }

    /// What a killed keeper left alive.
    fn left(&self, proc: &Proc) -> Vec<Identity> {
        let census = Census::take(proc).unwrap_or_default();
        let main = self.main.filter(|main| proc.is(*main));
        let below = main.map(|main| census.tree(Root::From(main.pid)));
        let adopted = census.tree(Root::Under(std::process::id()));
        let marked = adopted.into_iter().filter(|member| {
            let variable = |name| proc.variable(member.who.pid, name);
            // A custom action is told the generation too, but it is not of the worker's tree.
            variable(GENERATION_VARIABLE).as_deref() == Some(&self.generation)
                && variable(INCIDENT_VARIABLE).is_none()
        });
        let all = below.into_iter().flatten().chain(marked);
        all.filter(|member| !member.zombie)
            .map(|member| member.who)
            .filter(|who| proc.is(*who))
            .collect()
    }
}

async fn next_report(link: &UnixStream, received: &mut Vec<u8>) -> Option<Report> {
    loop {
        if let Some(line) = take_line(received) {
            return serde_json::from_slice(&line).ok();
        }
        link.readable().await.ok()?;
        let mut bytes = [0; 4096];
        match link.try_read(&mut bytes) {
            Ok(read) if read > 0 && received.len() < MAX_LINE_BYTES => {
                received.extend_from_slice(&bytes[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return None,
        }
    }
}
