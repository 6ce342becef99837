//! autoheal: a reverse proxy that stands before one app, sees every request to it, and heals it.
pub mod accept;
pub mod admit;
pub mod decide;
pub mod explain;
pub mod forward;
pub mod observe;
pub mod proxy;
pub mod time;
pub mod units;
pub mod words;
pub mod cli;
pub mod config;
pub mod os;
pub mod sense;
pub mod worker;
