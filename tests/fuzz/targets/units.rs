//! Sizes, durations, shares, statuses, paths and networks.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| autoheal_fuzz::quantity(text));
