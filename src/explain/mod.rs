//! Explains what happened: codes with their causes and cures, incidents with their stories.

pub mod code;
pub mod incident;
