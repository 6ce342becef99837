//! Gives each request a worker, a place to wait or an answer, in one step that also counts it.
//!
//! Invariant: there is no moment between "may I?" and "I am counted" in which a drain could start.

pub mod clients;
pub mod gate;
pub mod limiter;
pub mod lot;
pub mod mailbox;
pub mod occupancy;
pub mod overload;
pub mod pace;
pub mod roster;
pub mod turns;
pub mod wish;
