//! The HTTP/1.1 data path, byte for byte: a scripted worker behind the real binary.

mod affinity;
mod baseline;
mod bodies;
mod clients;
mod concurrency;
mod framing;
mod half_closed;
mod heads;
mod limits;
pub(crate) mod origin;
mod overload;
mod parking;
mod per_client;
pub(crate) mod proxy;
mod proxy_protocol;
mod replay;
mod routes;
mod shutdown;
mod smuggling;
mod upstream;
mod vtc;
mod websocket;
pub(crate) mod wire;
