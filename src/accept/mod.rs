//! Client connections: listened for, dealt to the data threads, and each served with deadlines.

pub mod connection;
pub mod deal;
pub mod io;
pub mod listener;
mod phased;
pub mod proxy_protocol;
mod streams;
mod tls;
