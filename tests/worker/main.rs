//! Workers behind real keepers: processes start, end, misbehave, and none is left.

mod lifecycle;
mod support;
mod survivors;
