//! Client connections: listened for, dealt to the data threads, and each served with deadlines.

mod backlog;
mod client_io;
pub mod connection;
pub mod deal;
pub mod io;
mod leave;
pub mod listener;
mod peer;
mod phased;
pub mod proxy_protocol;
mod refusal;
mod rest;
mod streams;
mod switched;
mod tls;
