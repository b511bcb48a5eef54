//! Any two texts against each other, within the budget of steps and time.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rustix::time::{ClockId, clock_gettime};
use surefoot_verifier::{Options, Verdict, verify};

/// What one comparison may take beyond its deadline: the steps between two looks at the clock, slowed down by the
/// fuzzer's instrumentation.
const SLACK: Duration = Duration::from_millis(50);

/// Time that this thread has computed: other processes do not count.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fuzz_target!(|texts: (&str, &str)| {
    let options = Options::default();
    let start = computed();
    let report = verify(texts.0, texts.1, &options);
    let taken = computed() - start;
    assert!(taken <= options.deadline.unwrap_or_default() + SLACK, "{taken:?}: {report}");
    // A step is charged before it is taken: what goes over the limit is not done, and decides nothing.
    let decided = matches!(report.verdict, Verdict::Wrong);
    assert!(report.steps <= options.max_steps || !decided, "{report}");
});
