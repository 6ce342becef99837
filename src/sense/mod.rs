//! The control side of observing: probes.
