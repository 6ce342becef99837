//! argv to library to exit code.

fn main() {
    std::process::exit(autoheal::cli::main());
}
