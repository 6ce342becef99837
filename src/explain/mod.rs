//! Explains what happened: codes with their causes and cures.

pub mod code;
