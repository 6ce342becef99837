//! HTTP/2 in front: clients that know it beforehand, a scripted worker behind the real binary.

mod client;
mod ends;
mod frames;
mod grpc;
mod heads;
mod streams;
mod upstream;
mod websocket;
mod worker;
