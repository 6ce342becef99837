//! A worker whose every byte is said by the test.
//!
//! The worker process is this test binary once more: it listens where autoheal tells it, hands the
//! listening socket to the test over a Unix socket, and waits. So the test accepts the connections
//! itself, while autoheal has a process to start, stop and kill.

use std::{
    env,
    io::{IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use rustix::{
    cmsg_space,
    event::{PollFd, PollFlags, poll},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use tempfile::TempDir;

use super::{
    proxy::wait_until,
    wire::{PATIENCE, Wire},
};

/// Where the worker process finds the test.
pub(crate) const SOCKET: &str = "SCRIPTED_ORIGIN";

/// The scripted worker, in all its generations.
pub(crate) struct Origin {
    folder: TempDir,
    connections: Receiver<Wire>,
    listeners: Arc<Mutex<Vec<(u32, TcpListener)>>>,
}

impl Origin {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let meeting = UnixListener::bind(folder.path().join("origin")).unwrap();
        let (sender, connections) = channel();
        let listeners: Arc<Mutex<Vec<_>>> = Arc::default();
        let known = listeners.clone();
        // Ends with the test binary: nothing tells it that no worker will come any more.
        thread::spawn(move || {
            for worker in meeting.incoming() {
                let (worker, sender) = (worker.unwrap(), sender.clone());
                let Some((generation, listener)) = receive(&worker) else {
                    continue;
                };
                known
                    .lock()
                    .unwrap()
                    .push((generation, listener.try_clone().unwrap()));
                let known = known.clone();
                thread::spawn(move || {
                    accept_while_alive(&listener, &worker, generation, &sender);
                    known
                        .lock()
                        .unwrap()
                        .retain(|(other, _)| *other != generation);
                });
            }
        });
        Self {
            folder,
            connections,
            listeners,
        }
    }

    /// Where the worker process finds this test.
    pub(crate) fn socket(&self) -> String {
        self.folder.path().join("origin").display().to_string()
    }

    /// The next connection on which something is said.
    pub(crate) fn accept(&self) -> Wire {
        loop {
            let wire = self.connections.recv_timeout(PATIENCE).unwrap();
            if says_something(&wire) {
                return wire;
            }
        }
    }

    /// A connection on which something is said: this one that is known, or a new one.
    pub(crate) fn accept_or(&self, known: Wire) -> Wire {
        for _ in 0..PATIENCE.as_millis() / 10 {
            known
                .stream()
                .set_read_timeout(Some(Duration::from_millis(5)))
                .unwrap();
            if says_something(&known) {
                known.stream().set_read_timeout(Some(PATIENCE)).unwrap();
                return known;
            }
            let new = self.connections.recv_timeout(Duration::from_millis(5));
            if let Some(wire) = new.ok().filter(says_something) {
                return wire;
            }
        }
        panic!("nothing was said");
    }

    /// That no connection on which something is said comes within this time.
    pub(crate) fn hears_nothing(&self, within: Duration) {
        while let Ok(wire) = self.connections.recv_timeout(within) {
            assert!(!says_something(&wire), "a connection came");
        }
    }

    /// Refuses connections from now on, although the worker lives.
    pub(crate) fn refuse(&self) {
        // Its port answers before its socket is handed over.
        wait_until("the worker's socket is here", || {
            !self.listeners.lock().unwrap().is_empty()
        });
        for (_, listener) in self.listeners.lock().unwrap().iter() {
            rustix::net::shutdown(listener, rustix::net::Shutdown::Both).unwrap();
        }
    }

    /// Serves every connection by itself from now on.
    pub(crate) fn serve(self, script: impl Fn(&mut Wire) + Clone + Send + 'static) -> TempDir {
        let Self {
            folder,
            connections,
            ..
        } = self;
        thread::spawn(move || {
            for mut wire in connections {
                let script = script.clone();
                thread::spawn(move || script(&mut wire));
            }
        });
        folder
    }
}

/// A probe connects and leaves.
fn says_something(wire: &Wire) -> bool {
    wire.stream().peek(&mut [0]).is_ok_and(|count| count > 0)
}

fn accept_while_alive(
    listener: &TcpListener,
    worker: &UnixStream,
    generation: u32,
    connections: &Sender<Wire>,
) {
    listener.set_nonblocking(true).unwrap();
    loop {
        let mut ready = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(worker, PollFlags::IN),
        ];
        poll(&mut ready, None).unwrap();
        let died = !ready[1].revents().is_empty();
        let refuses = loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    if connections.send(Wire::new(stream, generation)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    break error.kind() != std::io::ErrorKind::WouldBlock;
                }
            }
        };
        if died {
            return;
        }
        if refuses {
            // Only the worker's end is news now.
            poll(&mut [PollFd::new(worker, PollFlags::IN)], None).unwrap();
            return;
        }
    }
}

fn receive(worker: &UnixStream) -> Option<(u32, TcpListener)> {
    let mut generation = [0; 4];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut words = [IoSliceMut::new(&mut generation)];
    recvmsg(worker, &mut words, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let listener: OwnedFd = descriptors.next()?.next()?;
    Some((u32::from_le_bytes(generation), listener.into()))
}

/// The worker process. In a test run by hand there is nobody to serve.
#[test]
fn is_a_worker() {
    let Ok(path) = env::var(SOCKET) else { return };
    let port: u16 = env::var("PORT").unwrap().parse().unwrap();
    let generation: u32 = env::var("AUTOHEAL_GENERATION").unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut test = UnixStream::connect(path).unwrap();
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let words = generation.to_le_bytes();
    sendmsg(
        &test,
        &[IoSlice::new(&words)],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();
    drop(listener);
    // Until the test ends or somebody stops us.
    let ended = test.read(&mut [0]);
    assert!(matches!(ended, Ok(0) | Err(_)));
}
