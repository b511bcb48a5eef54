//! Any two texts against each other, within the budget of steps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use surefoot_verifier::{Options, Verdict, verify};

fuzz_target!(|texts: (&str, &str)| {
    let options = Options { deadline: None, ..Options::default() };
    let report = verify(texts.0, texts.1, &options);
    // A step is charged before it is taken: what goes over the limit is not done, and decides nothing.
    let decided = matches!(report.verdict, Verdict::Wrong);
    assert!(report.steps <= options.max_steps || !decided, "{report}");
});
