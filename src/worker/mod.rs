//! Runs workers, each behind its keeper, so that none of a worker's processes outlives us.
//!
//! Invariant: nothing here decides. A worker is started, told signals, listened to and cleaned up;
//! when and why is the engine's.

pub mod child;
pub mod keeper;
pub mod lines;
mod message;
pub mod orphans;
pub mod output;
pub mod pass;
pub mod port;
pub mod ready;
pub mod ring;
pub mod spec;
pub mod user;
pub mod warmup;
