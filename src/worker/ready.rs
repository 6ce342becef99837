//! Waits until a worker answers. An open port is not enough: servers accept long before they
//! answer, and some die in between.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    os::{
        procfs::Proc,
        sockets,
        tree::{Root, members},
    },
    sense::probe::{Address, Failure, Question, ask, knock},
    tls::back::Manner,
};

/// How a worker shows that it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// By a complete and good answer.
    Answer(Box<Question>),
    /// By an open port, the weaker test.
    Port,
}

/// A worker that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it does: on `::1` if it is told a port of the loopback interface and listens only
    /// there.
    pub at: Address,
    /// The status of its answer, unless only the port was tested.
    pub status: Option<u16>,
}

/// Probes until the worker is ready; drop it to stop. `elsewhere` is called once if the worker's
/// tree listens on other ports and not on this one: with the port that it found. `failed` hears
/// why each attempt failed, for whoever gives up at last.
pub async fn until_ready(
    at: (Address, Manner),
    test: Test,
    tree: Root,
    elsewhere: impl FnOnce(u16),
    mut failed: impl FnMut(Failure),
) -> Ready {
    let (address, manner) = at;
    let answers = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match attempt(&address, &manner, &test).await {
                Ok(ready) => return ready,
                Err(failure) => failed(failure),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    };
    let searched = async {
        if let Address::Tcp(expected) = address
            && let Some(found) = listens_elsewhere(expected.port(), tree).await
        {
            elsewhere(found);
        }
        std::future::pending::<Ready>().await
    };
    tokio::select! {
        biased;
        ready = answers => ready,
        ready = searched => ready,
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(20);
/// Between two looks at what the worker's tree listens on.
const SEARCH: Duration = Duration::from_millis(500);
/// To see whether a port is open.
const KNOCK: Duration = Duration::from_secs(2);

async fn attempt(address: &Address, manner: &Manner, test: &Test) -> Result<Ready, Failure> {
    let first = attempt_at(address.clone(), manner, test).await;
    match (first, other_family(address)) {
        // Some servers take "localhost" to be ::1 only.
        (Err(Failure::Refused), Some(other)) => {
            let other = attempt_at(other, manner, test).await;
            other.map_err(|_| Failure::Refused)
        }
        (first, _) => first,
    }
}

async fn attempt_at(at: Address, manner: &Manner, test: &Test) -> Result<Ready, Failure> {
    let status = match test {
        Test::Answer(question) => Some(ask(&at, manner, question).await?),
        Test::Port => {
            knock(&at, manner, KNOCK).await?;
            None
        }
    };
    Ok(Ready { at, status })
}

fn other_family(address: &Address) -> Option<Address> {
    match address {
        Address::Tcp(SocketAddr::V4(four)) if four.ip().is_loopback() => Some(Address::Tcp(
            SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), four.port()),
        )),
        Address::Tcp(_) | Address::Unix(_) => None,
    }
}

/// The port that the tree listens on, once it listens and not where it should. Servers with
/// several ports open one after the other, so a first find is looked at again.
async fn listens_elsewhere(expected: u16, tree: Root) -> Option<u16> {
    let mut before = None;
    let mut next = Instant::from_std(crate::time::now().to_instant());
    loop {
        next += SEARCH;
        sleep_until(next).await;
        let looked = spawn_blocking(move || {
            let proc = Proc::default();
            let pids: Vec<u32> = members(&proc, tree)
                .unwrap_or_default()
                .iter()
                .map(|member| member.who.pid)
                .collect();
            sockets::listening(&proc, &pids)
        });
        let addresses = looked.await.ok()?;
        if addresses.iter().any(|address| address.port() == expected) {
            before = None;
            continue;
        }
        let found = addresses.first().map(SocketAddr::port);
        if found.is_some() && found == before {
            return found;
        }
        before = found;
    }
}
