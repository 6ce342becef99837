//! The reader of `site.json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| autoheal_fuzz::config("site.json", bytes));
