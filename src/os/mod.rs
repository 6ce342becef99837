//! What the system says about processes: read from the files of /proc and /sys, never changed.
//!
//! Invariant: nothing here makes a system call other than on files, or needs a runtime. The folder
//! that stands for /proc or /sys is given, so that tests can lay out a machine of their own.

pub mod cgroup;
pub mod cpus;
pub mod facts;
pub mod listener;
pub mod procfs;
pub mod sockets;
pub mod tree;
