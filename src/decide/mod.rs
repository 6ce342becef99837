//! Decides when to heal. Facts in, steps out: a pure state machine that is given `now`.
//!
//! Invariant: nothing here does I/O, reads a clock, starts a thread or draws randomness that was
//! not injected. The same observations at the same times give the same steps.

pub mod event;
pub mod observation;
pub mod policy;
pub mod step;
pub mod trigger;
