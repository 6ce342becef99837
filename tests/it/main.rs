//! The real binary, end to end: a worker that misbehaves, load, and what clients see of it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on says so by panicking"
)]

mod access_log;
mod always_on;
mod apps;
mod arm;
mod attach;
mod beside;
mod clients;
mod clock;
mod crash;
mod dependencies;
mod due;
mod grpc;
mod h2;
mod held;
mod http;
mod incidents;
mod instances;
mod journal;
mod ladder;
mod leak;
mod levels;
mod listening;
mod maintenance;
mod memory;
mod oom;
mod operate;
mod poison;
mod probes;
mod recycle;
mod rules;
mod support;
mod syscalls;
mod timing;
mod tls;
mod triggers;
mod verdict;
mod warmup;
mod watch;
mod worker_faults;
