//! Runs workers, each behind its keeper, so that none of a worker's processes outlives us.
//!
//! Invariant: nothing here decides. A worker is started, told signals, listened to and cleaned up;
//! when and why is the engine's. A worker that something else started is attached to: it is
//! watched, restarted as its operator said, and survives us. Which of the two it is makes a
//! difference in [`process`] and nowhere above it.

pub mod attached;
pub mod attachment;
pub mod child;
mod ending;
pub mod find;
pub mod keeper;
mod kill;
pub mod lines;
mod message;
mod oom;
pub mod orphans;
pub mod output;
pub mod pass;
pub mod port;
pub mod process;
pub mod ready;
pub mod ring;
pub mod spec;
pub mod user;
pub mod warmup;
