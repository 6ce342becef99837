//! `autoheal schema`: what an editor needs to complete and check an autoheal.toml.

use super::ask::Io;

/// Made and kept current by the tests of the configuration.
const SCHEMA: &str = include_str!("../../config/autoheal.schema.json");

/// Prints the JSON Schema; gives the exit code.
pub fn run(io: &mut Io<'_>) -> i32 {
    super::print(SCHEMA.as_bytes(), io)
}
