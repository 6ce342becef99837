//! Says what happens: one line an event, on stderr.

pub mod access;
pub mod log;
mod output;
