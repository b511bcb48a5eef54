//! Any text through every mode of extraction.
#![no_main]

use libfuzzer_sys::fuzz_target;
use surefoot_verifier::{Format, Mode, extract};

fuzz_target!(|text: &str| {
    let strict = [Format::Boxed, Format::ThinkAnswer, Format::Answer, Format::Hashes];
    for mode in strict.map(Mode::Strict).into_iter().chain([Mode::Lenient]) {
        if let Ok(found) = extract(text, mode) {
            assert!(!found.answers.is_empty());
        }
    }
});
