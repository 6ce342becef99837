//! Workers behind real keepers: processes start, end, misbehave, and none is left.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on says so by panicking"
)]

mod given;
mod lifecycle;
mod memory;
mod orphans;
mod output;
mod ready;
mod support;
mod survivors;
