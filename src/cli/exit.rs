//! Exit codes: an interface for scripts.

/// Done.
pub const DONE: i32 = 0;
/// The answer is no.
pub const NO: i32 = 1;
/// Wrong usage.
pub const USAGE: i32 = 64;
/// The running autoheal can't be reached.
pub const UNREACHABLE: i32 = 69;
/// The configuration has an error.
pub const CONFIG: i32 = 78;
/// A defect of ours.
pub const DEFECT: i32 = 101;
/// A system call failed.
pub const SYSTEM: i32 = 111;
