//! The control thread.

pub mod order;
