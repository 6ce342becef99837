//! The data plane: every data thread, and what they share with the control thread.

use std::{io, sync::Arc, thread::JoinHandle};

use tokio::sync::{Notify, watch};

use super::data::{self, ClientRules};
use crate::{
    accept::{
        deal::Dealer,
        listener::{Listening, Tables},
    },
    admit::{clients::Clients, mailbox::Mailboxes, occupancy::Occupancy, roster::Roster},
    observe::{access::Sink, ledger::Ledger, suspects::Suspects, tally::Registry},
    proxy::steward::Config,
    time,
    words::Door,
};

/// The data plane as the control thread holds it.
pub(super) struct Plane {
    pub(super) roster: watch::Sender<Arc<Roster>>,
    pub(super) config: watch::Sender<Config>,
    pub(super) clients: watch::Sender<ClientRules>,
    /// What was in flight when a worker crashed.
    pub(super) suspects: watch::Sender<Arc<Suspects>>,
    pub(super) mailboxes: Mailboxes,
    pub(super) dealer: Dealer,
    pub(super) occupancy: Arc<Occupancy>,
    pub(super) registry: Arc<Registry>,
    pub(super) ledgers: Vec<Arc<Ledger>>,
    /// Rings when a request became slow.
    pub(super) bell: Arc<Notify>,
    pub(super) running: Vec<JoinHandle<()>>,
}

impl Plane {
    /// Starts the data threads. They accept at once and park what comes.
    pub(super) fn spawn(
        bound: &[Listening],
        threads: usize,
        connections: u64,
        config: Config,
        clients: ClientRules,
        access: Option<&Sink>,
    ) -> io::Result<Self> {
        let (roster, roster_news) = watch::channel(Arc::new(nobody()));
        let (config, config_news) = watch::channel(config);
        let (clients, client_news) = watch::channel(clients);
        let (suspects, suspected) = watch::channel(Arc::default());
        let (mailboxes, letters) = Mailboxes::new(threads);
        let dealer = Dealer::new(threads, connections);
        let (tables, dealt) = Tables::new(dealer.clone(), threads);
        let connected = usize::try_from(connections).unwrap_or(usize::MAX);
        let connected = Arc::new(Clients::new(connected));
        let mut plane = Self {
            roster,
            config,
            clients,
            suspects,
            mailboxes,
            dealer,
            occupancy: Arc::new(Occupancy::new(threads)),
            registry: Arc::default(),
            ledgers: (0..threads).map(|_| Arc::default()).collect(),
            bell: Arc::default(),
            running: Vec::new(),
        };
        for (index, (letters, dealt)) in letters.into_iter().zip(dealt).enumerate() {
            let parts = data::Parts {
                index,
                listeners: bound
                    .iter()
                    .map(Listening::try_clone)
                    .collect::<Result<_, _>>()?,
                roster: roster_news.clone(),
                config: config_news.clone(),
                clients: client_news.clone(),
                suspects: suspected.clone(),
                letters,
                dealt,
                tables: tables.clone(),
                dealer: plane.dealer.clone(),
                registry: plane.registry.clone(),
                ledger: plane.ledgers[index].clone(),
                occupancy: plane.occupancy.clone(),
                connected: connected.clone(),
                bell: plane.bell.clone(),
                access: access.cloned(),
            };
            plane.running.push(data::spawn(parts)?);
        }
        Ok(plane)
    }
}

/// Before the first worker is ready.
fn nobody() -> Roster {
    let now = time::now();
    let door = Door::Park {
        down_since: now,
        next_start: now,
    };
    Roster {
        members: Vec::new(),
        door,
        hold: false,
        unready: false,
        page: None,
        leaving: None,
        closing: false,
    }
}
