//! Starting a worker: where it listens, its keeper, and the wait until it answers.

use std::{cell::OnceCell, net::Ipv4Addr, rc::Rc, sync::Arc};

use tokio::sync::mpsc;

use super::{Hands, Port, Printed, Running, Waiting, report};
use crate::{
    admit::roster::Endpoint,
    decide::observation::{Observation, StartFailure, Trouble, WarmUp},
    os::{listener::Place, procfs::Proc, tree::Root},
    sense::probe::{Address, Failure},
    time,
    words::{Generation, LastWords},
    worker::{
        attached::Attached,
        attachment::Attachment,
        child::{Child, Event},
        output::Output,
        port::{SocketFolder, prove_free},
        process::Process,
        ready::until_ready,
        ring::Line,
        spec::{Listen, Spec},
        user::User,
    },
};

/// The variable by which a process knows which one of several it is.
const INSTANCE_VARIABLE: &str = "AUTOHEAL_INSTANCE";
/// The output of so many generations of each instance is kept.
const OUTPUTS_MAX: usize = 2;
/// Last words are among so many lines, and not older than this, in milliseconds.
const LAST_LINES: usize = 60;
const LAST_MS: u64 = 5_000;

impl Hands {
    pub(super) fn start(&mut self, generation: Generation, instance: u32) {
        if let Some(attachment) = self.attachment.clone() {
            return self.attach(&attachment, generation, instance);
        }
        if let Err(why) = self.try_start(generation, instance) {
            let failed = Observation::StartFailed { generation, why };
            let observations = self.observations.clone();
            tokio::task::spawn_local(async move { report(&observations, failed).await });
        }
    }

    fn try_start(&mut self, generation: Generation, instance: u32) -> Result<(), StartFailure> {
        let cannot = |error: std::io::Error| StartFailure::Spawn(error.to_string());
        let listen = self.listen(generation)?;
        let settings = &self.settings;
        let spec = Spec {
            generation,
            command: settings.command.clone(),
            env: [(INSTANCE_VARIABLE.to_owned(), instance.to_string())]
                .into_iter()
                .chain(settings.env.clone())
                .collect(),
            dir: settings.dir.clone(),
            user: settings.user.clone(),
            listen: listen.clone(),
            open_files: settings.open_files,
            keeper_exe: Spec::OWN_EXE.into(),
        };
        let (child, events) = Child::spawn(&spec, settings.passing.clone(), settings.lines.clone())
            .map_err(cannot)?;
        let endpoint = Rc::new(OnceCell::new());
        let address = match &listen {
            Listen::Port(port) => Address::Tcp((Ipv4Addr::LOCALHOST, *port).into()),
            Listen::Socket(path) => Address::Unix(path.clone()),
        };
        let waiting = self.await_ready(generation, &address, child.tree(), endpoint.clone());
        self.hear(generation, events, Some(child.output().clone()));
        self.keep_output(generation, instance, child.output().clone());
        let running = Running {
            instance,
            process: Process::Spawned(child),
            address,
            is_own_socket: matches!(listen, Listen::Socket(_)),
            endpoint,
            manner: self.settings.manner.clone(),
            member: None,
            pid: None,
            waiting: Some(waiting),
        };
        self.running.insert(generation, running);
        Ok(())
    }

    /// Looks for the worker that something else starts.
    fn attach(&mut self, attachment: &Attachment, generation: Generation, instance: u32) {
        let (attached, events) = Attached::attach(attachment, generation);
        self.hear(generation, events, None);
        let running = Running {
            instance,
            process: Process::Attached(attached),
            address: match attachment.place() {
                Place::Tcp(address) => Address::Tcp(address),
                Place::Unix(path) => Address::Unix(path),
            },
            is_own_socket: false,
            endpoint: Rc::default(),
            manner: self.settings.manner.clone(),
            member: None,
            pid: None,
            waiting: None,
        };
        self.running.insert(generation, running);
    }

    /// One that was looked for has been found: it is waited for from now on.
    pub(super) fn await_found(&mut self, generation: Generation) {
        let Some(running) = self.running.get(&generation) else {
            return;
        };
        if let (None, Some(tree)) = (&running.waiting, running.process.tree()) {
            let endpoint = running.endpoint.clone();
            let waiting = self.await_ready(generation, &running.address, tree, endpoint);
            self.with(generation, |running| running.waiting = Some(waiting));
        }
    }

    /// Tells what becomes of a worker.
    fn hear(
        &self,
        generation: Generation,
        mut events: mpsc::Receiver<Event>,
        output: Option<Output>,
    ) {
        let observations = self.observations.clone();
        tokio::task::spawn_local(async move {
            while let Some(event) = events.recv().await {
                if let (Event::Exited { .. }, Some(output)) = (&event, &output) {
                    let words = last_words(output);
                    report(&observations, Observation::LastWords { generation, words }).await;
                }
                report(&observations, observation(generation, event)).await;
            }
        });
    }

    fn keep_output(&mut self, generation: Generation, instance: u32, output: Output) {
        let same = |one: &Printed| one.instance == instance;
        if self.outputs.iter().filter(|one| same(one)).count() >= OUTPUTS_MAX
            && let Some(oldest) = self.outputs.iter().position(same)
        {
            self.outputs.remove(oldest);
        }
        self.outputs.push_back(Printed {
            generation,
            instance,
            output,
        });
    }

    fn listen(&mut self, generation: Generation) -> Result<Listen, StartFailure> {
        let cannot = |error: std::io::Error| StartFailure::Spawn(error.to_string());
        match self.settings.port {
            Port::Auto => self
                .ports
                .fresh(time::now())
                .map(Listen::Port)
                .map_err(cannot),
            Port::Fixed(port) => match prove_free(&Proc::default(), port) {
                Ok(()) => Ok(Listen::Port(port)),
                Err(taken) => Err(StartFailure::PortInUse {
                    port: taken.port,
                    owner: taken.owner,
                }),
            },
            Port::Unix => {
                if self.sockets.is_none() {
                    let user = self.settings.user.as_deref().map(User::find);
                    let user = user.transpose().map_err(cannot)?;
                    let folder = SocketFolder::open(&self.settings.sockets, user);
                    self.sockets = Some(folder.map_err(cannot)?);
                }
                let folder = self.sockets.as_ref();
                let socket = folder.map(|folder| folder.socket(generation)).transpose();
                let none = || StartFailure::Spawn("no folder for the worker's socket".to_owned());
                socket.map_err(cannot)?.map(Listen::Socket).ok_or_else(none)
            }
        }
    }

    /// Probes the worker until it is ready, and says so.
    fn await_ready(
        &self,
        generation: Generation,
        address: &Address,
        tree: Root,
        endpoint: Rc<OnceCell<Endpoint>>,
    ) -> Waiting {
        let address = address.clone();
        let expected = match &address {
            Address::Tcp(address) => address.port(),
            Address::Unix(_) => 0,
        };
        let test = self.settings.ready.clone();
        let manner = self.settings.manner.clone();
        let (warmup, started) = (self.settings.warmup.clone(), time::now());
        let observations = self.observations.clone();
        let task = tokio::task::spawn_local(async move {
            let elsewhere = |found| {
                let seen = Observation::ListensElsewhere {
                    generation,
                    expected,
                    found,
                };
                // Good to know, but nothing hangs on it.
                drop(observations.try_send(seen));
            };
            let mut told = None;
            let failed = |failure| {
                if let Failure::Tls(failed) = failure
                    && told.as_ref() != Some(&failed.fault)
                {
                    told = Some(failed.fault);
                    let seen = Observation::TlsFailed {
                        generation,
                        code: failed.fault.code(),
                        why: failed.why,
                    };
                    drop(observations.try_send(seen));
                }
            };
            let at = (address, manner.clone());
            let ready = until_ready(at, test, tree, elsewhere, failed).await;
            if !warmup.paths.is_empty() {
                let warmed = warmup.of(&ready.at, &manner, started).await;
                let seen = Observation::WarmedUp(WarmUp {
                    generation,
                    asked: warmed.asked,
                    failed: warmed.failed,
                    took: warmed.took,
                });
                report(&observations, seen).await;
            }
            endpoint.get_or_init(|| match ready.at {
                Address::Tcp(address) => Endpoint::Tcp(address),
                Address::Unix(path) => Endpoint::Unix(Arc::from(path)),
            });
            report(&observations, Observation::Ready { generation }).await;
        });
        Waiting(task.abort_handle())
    }

    pub(super) fn admit(&mut self, generation: Generation, beside: Option<Generation>) {
        let slow_start = self.settings.slow_start;
        if let Some(running) = self.running.get_mut(&generation)
            && let Some(endpoint) = running.endpoint.get().cloned()
        {
            let at = (endpoint, running.manner.clone());
            let who = (generation, running.instance);
            running.member = Some(self.stage.admit(who, at, beside, slow_start));
        }
    }
}

/// What a worker that has just ended printed right before that.
fn last_words(output: &Output) -> LastWords {
    let now = time::wall();
    let lines = output.tail(LAST_LINES);
    let recent = |line: &&Line| now.0.saturating_sub(line.at.0) <= LAST_MS;
    LastWords::of(lines.iter().filter(recent).map(|line| line.text.as_str()))
}

fn observation(generation: Generation, event: Event) -> Observation {
    match event {
        Event::Started { pid } => Observation::Started { generation, pid },
        Event::Absent { why } => Observation::Attaching {
            generation,
            trouble: Trouble::Absent(why),
        },
        Event::NotRestarted { why } => Observation::Attaching {
            generation,
            trouble: Trouble::NotRestarted(why),
        },
        Event::Failed { why } => Observation::StartFailed {
            generation,
            why: StartFailure::Spawn(why),
        },
        Event::Exited {
            exit,
            oom_killed,
            address_in_use,
            left_children,
        } => Observation::Exited {
            generation,
            exit,
            oom_killed,
            address_in_use,
            left_children,
        },
        Event::Gone => Observation::Gone { generation },
    }
}
