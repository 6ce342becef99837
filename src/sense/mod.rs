//! The control side of observing: probes of the worker and of what it depends on, the sampler of
//! what a worker uses, the CPU that is left for it, and files whose content is watched.

pub mod dependency;
pub mod files;
mod levels;
pub mod maintenance;
pub mod memory;
mod pace;
pub mod probe;
mod serving;
pub mod strain;
mod wish;
