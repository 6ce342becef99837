//! The HTTP/1.1 data path, byte for byte: a scripted worker behind the real binary.

mod bodies;
mod clients;
mod framing;
mod heads;
mod limits;
mod origin;
mod parking;
mod proxy;
mod replay;
mod shutdown;
mod upstream;
mod wire;
