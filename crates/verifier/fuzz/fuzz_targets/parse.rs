//! Any text as a gold answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use surefoot_verifier::{Options, read_gold};

fuzz_target!(|text: &str| {
    let _ = read_gold(text, &Options { deadline: None, ..Options::default() });
});
