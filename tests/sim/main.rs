//! The engine in a simulated world, on virtual time: behaviours one by one, and a thousand seeds
//! of everything at once.

mod crashes;
mod operators;
mod recycles;
mod rig;
mod rules;
mod seeds;
mod worker;
mod world;
