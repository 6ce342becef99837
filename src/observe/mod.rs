//! The data side of observing: counts what workers answer, and notices what they don't.
//!
//! Each data thread writes its own counters; the control thread only reads them. Nothing here
//! waits, locks or queues on the request path.

pub mod access;
pub mod delay;
pub mod in_flight;
pub mod ledger;
mod paths;
pub mod route;
pub mod suspects;
pub mod tally;
