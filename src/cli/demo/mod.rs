//! `autoheal demo`: a worker that misbehaves in every way, and the story of its healing.

pub mod worker;
