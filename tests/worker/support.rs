//! A worker under test, and ways to wait for what becomes of it.

use std::{sync::mpsc, time::Duration};

use autoheal::{
    os::procfs::{Identity, Proc},
    words::Generation,
    worker::{
        child::{Child, Event},
        lines::Patterns,
        output::Passing,
        spec::{Listen, Spec},
    },
};
use tokio::{
    sync::mpsc::Receiver,
    time::{sleep, timeout},
};

/// Longer than anything takes here; reached only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn spec(argv: &[&str]) -> Spec {
    Spec {
        generation: Generation(1),
        command: argv.iter().map(|a| (*a).to_owned()).collect(),
        env: Vec::new(),
        dir: "/".into(),
        user: None,
        listen: Listen::Port(5999),
        open_files: None,
        keeper_exe: env!("CARGO_BIN_EXE_autoheal").into(),
    }
}

pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) events: Receiver<Event>,
}

impl Worker {
    pub(crate) fn start(spec: &Spec) -> Self {
        let (child, events) = Child::spawn(spec, Passing::Off, Patterns::default()).unwrap();
        Self { child, events }
    }

    pub(crate) fn shell(script: &str) -> Self {
        Self::start(&spec(&["/bin/sh", "-c", script]))
    }

    pub(crate) async fn next(&mut self) -> Option<Event> {
        timeout(PATIENCE, self.events.recv()).await.unwrap()
    }

    pub(crate) async fn started(&mut self) -> u32 {
        match self.next().await {
            Some(Event::Started { pid }) => pid,
            other => panic!("not started: {other:?}"),
        }
    }

    /// The lines printed, as soon as there are so many.
    pub(crate) async fn lines(&self, count: usize) -> Vec<String> {
        let seen = async {
            loop {
                let lines = self.child.output().tail(1000);
                if lines.len() >= count {
                    return lines.into_iter().map(|line| line.text).collect();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, seen).await.unwrap()
    }

    /// The processes whose numbers the worker printed, one a line.
    pub(crate) async fn printed_processes(&self, count: usize) -> Vec<Identity> {
        let lines = self.lines(count).await;
        lines
            .iter()
            .map(|line| identity(line.trim().parse().unwrap()))
            .collect()
    }
}

pub(crate) fn identity(pid: u32) -> Identity {
    Proc::default().identity(pid).unwrap()
}

pub(crate) fn is_alive(who: Identity) -> bool {
    let proc = Proc::default();
    proc.is(who) && proc.stat(who.pid).is_ok_and(|stat| !stat.is_zombie())
}

/// Waits until these are gone, not even zombies left.
pub(crate) fn wait_until_gone(processes: &[Identity]) {
    let proc = Proc::default();
    wait_until("these are gone", || {
        processes.iter().all(|who| !proc.is(*who))
    });
}

/// Waits until something holds that gives no event of its own.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let (_never, pause) = mpsc::channel::<()>();
    let most = PATIENCE.as_millis() / 5;
    for _ in 0..most {
        if holds() {
            return;
        }
        let _ = pause.recv_timeout(Duration::from_millis(5));
    }
    panic!("waited in vain: {what}");
}
