//! A data thread: its runtime, its steward, and the stack that serves each connection.

use std::{
    io,
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::{Notify, mpsc, watch};
use tower::{Layer, service_fn};

use crate::{
    accept::{
        connection::{self, Deadlines, Limits},
        deal::Dealer,
        listener::{Arrival, Dealt, Listening, Tables, accept, take_dealt},
    },
    admit::{clients::Clients, lot::Lot, mailbox::Letter, occupancy::Occupancy, roster::Roster},
    observe::{access::Sink, ledger::Ledger, suspects::Suspects, tally::Registry},
    proxy::{
        self, Thread,
        panics::CatchPanicLayer,
        steward::{self, Config, Inputs},
    },
};

/// What clients may do.
pub(super) type ClientRules = (Deadlines, Limits);

/// At the end, so long is waited for clients to take what has been written for them.
const LINGER: Duration = Duration::from_millis(500);
/// Between two looks at whether they have.
const LOOK: Duration = Duration::from_millis(5);

/// What a data thread is made of.
pub(super) struct Parts {
    pub(super) index: usize,
    pub(super) listeners: Vec<Listening>,
    pub(super) roster: watch::Receiver<Arc<Roster>>,
    pub(super) config: watch::Receiver<Config>,
    pub(super) clients: watch::Receiver<ClientRules>,
    pub(super) suspects: watch::Receiver<Arc<Suspects>>,
    pub(super) letters: mpsc::Receiver<Letter>,
    pub(super) dealt: mpsc::Receiver<Dealt>,
    pub(super) tables: Tables,
    pub(super) dealer: Dealer,
    pub(super) registry: Arc<Registry>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) occupancy: Arc<Occupancy>,
    pub(super) connected: Arc<Clients>,
    pub(super) bell: Arc<Notify>,
    pub(super) access: Option<Sink>,
}

/// Starts a data thread. It ends when the control thread has.
pub(super) fn spawn(parts: Parts) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(format!("data {}", parts.index))
        .spawn(move || run(parts))
}

fn run(parts: Parts) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default());
    match runtime {
        Ok(runtime) => runtime.block_on(serve(parts)),
        Err(error) => tracing::error!(%error, "cannot start a data thread"),
    }
}

async fn serve(parts: Parts) {
    let Parts {
        index,
        roster,
        config,
        suspects,
        letters,
        registry,
        ..
    } = parts;
    let mut inputs = Inputs {
        roster,
        config,
        suspects,
        letters,
        registry,
        habits: Rc::default(),
        occupancy: parts.occupancy.clone(),
    };
    let view = inputs.first_view(index);
    let lot = Lot::new(index, parts.occupancy);
    let mut thread = Thread::new(index, parts.ledger, lot, parts.bell, view);
    thread.access = parts.access;
    thread.clients = parts.connected;
    let thread = Rc::new(thread);
    let (clients, for_connections) = (parts.clients, thread.clone());
    let serve = move |arrival: Arrival| {
        let (rules, thread) = (*clients.borrow(), for_connections.clone());
        tokio::task::spawn_local(connection::serve(
            arrival,
            thread.clone(),
            rules,
            move |client| stack(thread.clone(), client),
        ));
    };
    let serve = Rc::new(serve);
    for listener in parts.listeners {
        let (tables, serve) = (parts.tables.clone(), serve.clone());
        tokio::task::spawn_local(async move {
            let accepting = accept(listener, index, tables, |arrival| serve(arrival));
            if let Err(error) = accepting.await {
                tracing::error!(%error, "cannot listen");
            }
        });
    }
    tokio::task::spawn_local(take_dealt(parts.dealt, move |arrival| serve(arrival)));
    steward::run(thread, inputs).await;
    let flushed = async {
        while parts
            .dealer
            .counts()
            .get(index)
            .is_some_and(|count| *count > 0)
        {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Who does not take the last answer in time has left.
    drop(tokio::time::timeout(LINGER, flushed).await);
}

/// What stands around the data path, outermost first.
fn stack(
    thread: Rc<Thread>,
    client: Rc<proxy::Client>,
) -> impl tower::Service<
    http::Request<hyper::body::Incoming>,
    Response = http::Response<proxy::Download>,
    Error = std::convert::Infallible,
> + Clone
+ 'static {
    let catch_panic = CatchPanicLayer(thread.clone());
    catch_panic.layer(service_fn(move |request| {
        proxy::serve(thread.clone(), client.clone(), request)
    }))
}
