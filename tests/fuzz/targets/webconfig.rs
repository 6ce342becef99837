//! The reader of `web.config`.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // A file that begins so is read as JSON, whatever its name.
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Corpus::Reject;
    }
    autoheal_fuzz::config("web.config", bytes);
    Corpus::Keep
});
