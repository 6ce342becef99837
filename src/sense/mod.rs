//! The control side of observing: one probe, and the sampler of a worker's memory.

pub mod memory;
mod pace;
pub mod probe;
