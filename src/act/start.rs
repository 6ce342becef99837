//! Starting a worker: where it listens, its keeper, and the wait until it answers.

use std::{cell::OnceCell, net::Ipv4Addr, rc::Rc, sync::Arc};

use super::{Hands, Port, Printed, Running, report};
use crate::{
    admit::roster::Endpoint,
    decide::observation::{Observation, StartFailure, WarmUp},
    os::procfs::Proc,
    sense::probe::{Address, Failure},
    time,
    words::Generation,
    worker::{
        child::{Child, Event},
        output::Output,
        port::{SocketFolder, prove_free},
        ready::until_ready,
        spec::{Listen, Spec},
        user::User,
    },
};

/// The variable by which a process knows which one of several it is.
const INSTANCE_VARIABLE: &str = "AUTOHEAL_INSTANCE";
/// The output of so many generations of each instance is kept.
const OUTPUTS_MAX: usize = 2;

impl Hands {
    pub(super) fn start(&mut self, generation: Generation, instance: u32) {
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
        let (child, mut events) =
            Child::spawn(&spec, settings.passing.clone(), settings.lines.clone())
                .map_err(cannot)?;
        let endpoint = Rc::new(OnceCell::new());
        let waiting = self.await_ready(generation, &listen, &child, endpoint.clone());
        let observations = self.observations.clone();
        tokio::task::spawn_local(async move {
            while let Some(event) = events.recv().await {
                report(&observations, observation(generation, event)).await;
            }
        });
        let running = Running {
            instance,
            child,
            listen,
            endpoint,
            manner: settings.manner.clone(),
            member: None,
            pid: None,
            waiting: Some(waiting),
        };
        self.keep_output(generation, instance, running.child.output().clone());
        self.running.insert(generation, running);
        Ok(())
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
        listen: &Listen,
        child: &Child,
        endpoint: Rc<OnceCell<Endpoint>>,
    ) -> tokio::task::AbortHandle {
        let (address, expected) = match listen {
            Listen::Port(port) => (Address::Tcp((Ipv4Addr::LOCALHOST, *port).into()), *port),
            Listen::Socket(path) => (Address::Unix(path.clone()), 0),
        };
        let (test, tree) = (self.settings.ready.clone(), child.tree());
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
        task.abort_handle()
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

fn observation(generation: Generation, event: Event) -> Observation {
    match event {
        Event::Started { pid } => Observation::Started { generation, pid },
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
