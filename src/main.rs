//! argv to library to exit code.

use std::{
    io::{stderr, stdout},
    process,
};

use autoheal::cli;
use clap::Parser;

fn main() {
    let arguments = cli::Arguments::try_parse().unwrap_or_else(|error| {
        let code = if error.use_stderr() {
            cli::exit::USAGE
        } else {
            cli::exit::DONE
        };
        // When stdout and stderr are gone, the exit code has to do.
        error.print().ok();
        process::exit(code)
    });
    let mut io = cli::ask::Io {
        out: &mut stdout().lock(),
        err: &mut stderr().lock(),
    };
    process::exit(cli::run(&arguments, &mut io));
}
