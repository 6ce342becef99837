//! argv to library to exit code.

fn main() {}
