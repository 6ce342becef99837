//! The reader of `autoheal.toml`.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // A file that begins so is read as XML, whatever its name.
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Corpus::Reject;
    }
    autoheal_fuzz::config("autoheal.toml", bytes);
    Corpus::Keep
});
