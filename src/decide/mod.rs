//! Decides when to heal. Facts in, steps out: a pure state machine that is given `now`.
//!
//! Invariant: nothing here does I/O, reads a clock, starts a thread or draws randomness that was
//! not injected. The same observations at the same times give the same steps.
//!
//! In reading order: [`observation`] (in), [`step`] (out), [`engine`] (between them); the slot's
//! life (`slot`, `drain`, `life`, `restart`, `retry`, `attached`); rules (`healing`, `firing`,
//! `readiness`, `rule`, `condition`, `window`, `guard`, `overload`); the replacement of a worker
//! (`recycle`, `recycling`, `replacing`, `handover`, `growth`); whether that helped (`verdict`,
//! `efficacy`, over all instances `streak`, `no_help`); what is to come (`foresight`, `forecast`,
//! `traffic`, `thinned`), and whose fault it is (`attribution`); what ends its workers (`poison`,
//! `suspecting`); the probe (`health`); what the app depends on (`dependency`, `depending`); what
//! operators say (`operator`, `shutdown`); the page of `maintenance`; which incidents are not over
//! ([`open`]); and who looks on ([`snapshot`]).
//! All of that is one worker slot; [`group`] has as many of them as there are instances, and
//! `peers` is what each knows of the others.

pub mod engine;
pub mod event;
pub mod group;
pub mod observation;
pub mod open;
pub mod policy;
pub mod snapshot;
pub mod step;
pub mod trigger;

mod attached;
mod attribution;
mod condition;
mod deaf;
mod dependency;
mod depending;
mod drain;
mod efficacy;
mod exiting;
mod firing;
mod forecast;
mod foresight;
mod growth;
mod guard;
mod handover;
mod healing;
mod health;
mod life;
mod maintenance;
mod no_help;
mod operator;
mod overload;
mod peers;
mod poison;
mod readiness;
mod recycle;
mod recycling;
mod replacing;
mod restart;
mod retry;
mod rng;
mod rule;
mod say;
mod shutdown;
mod slot;
mod streak;
mod suspecting;
mod thinned;
mod traffic;
mod verdict;
mod view;
mod window;
