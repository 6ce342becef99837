//! argv to library to exit code.

use std::{
    io::{stderr, stdout},
    process,
};

use autoheal::cli;
use clap::Parser;

fn main() {
    let arguments = cli::Arguments::parse();
    let mut io = cli::ask::Io {
        out: &mut stdout().lock(),
        err: &mut stderr().lock(),
    };
    process::exit(cli::run(&arguments, &mut io));
}
