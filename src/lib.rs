//! autoheal: a reverse proxy that stands before one app, sees every request to it, and heals it.
pub mod admin;
pub mod cli;
pub mod control;
pub mod decide;
pub mod explain;
pub mod journal;
pub mod telemetry;
pub mod time;
pub mod units;
pub mod words;
