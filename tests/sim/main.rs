//! The engine in a simulated world, on virtual time: behaviours one by one, and a thousand seeds
//! of everything at once.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod all;
mod attached;
mod checks;
mod crashes;
mod dependencies;
mod due;
mod exiting;
mod faults;
mod guards;
mod hands;
mod incidents;
mod instances;
mod judged;
mod ladder;
mod leak;
mod levels;
mod memory;
mod numbers;
mod offline;
mod operators;
mod overload;
mod poison;
mod quiet;
mod recycles;
mod rig;
mod rules;
mod seeds;
mod shares;
mod shop;
mod sickness;
mod three;
mod verdicts;
mod worker;
mod world;
