//! The control side of observing: one probe, the sampler of what a worker uses, and files
//! whose content is watched.

pub mod dependency;
pub mod files;
mod levels;
pub mod maintenance;
pub mod memory;
mod pace;
pub mod probe;
mod serving;
