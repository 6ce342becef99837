//! The control side of observing: one probe, the sampler of a worker's memory, and files whose
//! content is watched.

pub mod files;
pub mod memory;
mod pace;
pub mod probe;
