//! Sends a request to a worker and its answer back: the rules of RFC 9110 and 9112 for an
//! intermediary, the connections to the worker, and when a request may be sent once more.

mod affinity;
pub mod answer;
pub mod attempt;
pub mod body;
mod choice;
mod extended;
pub mod failure;
mod frames;
pub mod grpc;
pub mod h1;
pub mod habits;
mod identity;
pub mod lines;
pub mod noted;
pub mod pool;
mod pump;
pub mod replay;
pub mod request;
pub mod response;
pub mod settings;
mod socket;
pub mod thread;
mod trailing;
pub mod tunnel;
pub mod upload;
