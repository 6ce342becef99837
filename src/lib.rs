//! autoheal: a reverse proxy that stands before one app, sees every request to it, and heals it.
//!
//! # Two stories
//! **A request** (data threads, [`proxy`]): accept, admit (or park), forward (or replay), observe.
//! It never waits for the healing loop, takes no lock that another thread holds, and costs four
//! socket calls.
//!
//! **A healing** (control thread, [`control`]): observe, decide, act, verify. Facts go in, steps
//! come out: the engine is a pure state machine that is given `now`; only [`act`] touches the
//! world.
//!
//! # Modules in reading order
//! The words: [`words`], [`time`] (the only clock), [`units`].
//!
//! Story one: [`accept`] (listening sockets, connections and their deadlines), [`tls`]
//! (certificates and handshakes; nothing else names a rustls type), [`proxy`] (the story and the
//! stewards), [`admit`] (the one step, who waits), [`forward`] (heads, bodies, connections to the
//! worker, replay), [`observe`] (counters, what is in flight, the ledger).
//!
//! Story two: [`control`] (the loop), [`decide`] (the engine, pure), [`act`] (its hands),
//! [`worker`] (keepers and their workers), [`sense`] (memory, probes), [`os`] (files of /proc and
//! /sys).
//!
//! Around them: [`config`], [`journal`], [`explain`], [`telemetry`], [`admin`], [`cli`], and
//! [`app`], which puts all of it together.
//!
//! # Invariants
//! 1. `decide` is a function of its inputs: the same observations give the same steps
//!    (`tests/sim`).
//! 2. Admission is one step: there is no moment between "may I" and "I am counted"
//!    ([`admit::roster`]).
//! 3. Nothing is unbounded: each queue, count, age, buffer and file has a limit.
//! 4. The data path never waits for the healing loop.
//! 5. A rule in observe mode and a live one differ only in who performs the steps (`tests/sim`).
//! 6. The ledger balances on each data thread: accepted = completed + refused + client aborted +
//!    failed + in flight ([`observe::ledger`]).
//! 7. A request that is not idempotent reaches a worker at most once after its first byte left
//!    ([`forward::replay`]).
//! 8. No process of a worker's tree survives autoheal, SIGKILL included; none is left behind by a
//!    recycle; no zombie lives a second (`tests/worker`).
//! 9. There is no unsafe code.

pub mod accept;
pub mod act;
pub mod admin;
pub mod admit;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod decide;
pub mod explain;
pub mod forward;
pub mod journal;
pub mod observe;
pub mod os;
pub mod proxy;
pub mod sense;
pub mod telemetry;
pub mod time;
pub mod tls;
pub mod units;
pub mod words;
pub mod worker;
