//! Says what happens: one line an event, on stderr.

pub mod log;
mod output;
