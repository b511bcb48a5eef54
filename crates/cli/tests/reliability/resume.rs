//! What must not change the bits of a run: threads, and the format of the weights that a resume does not read.

use crate::tiny::{Finished, Tiny, done};

#[test]
fn threads_change_no_bit() {
    let tiny = Tiny::new();
    let reference = tiny.finish("reference", &["train.threads=1"]);
    for threads in [2, 3] {
        tiny.finish(&format!("threads-{threads}"), &[&format!("train.threads={threads}")]).assert_equals(&reference);
    }
}

#[test]
fn bf16_weights_resume_from_the_exact_ones() {
    let tiny = Tiny::new();
    let whole = tiny.finish("whole", &["checkpoint.dtype=bf16"]);
    tiny.finish("half", &["checkpoint.dtype=bf16", "train.steps=3"]);
    done(&tiny.go_on("half").args(["--set", "train.steps=8"]).output().unwrap());
    Finished::read(&tiny.path("half")).assert_equals(&whole);
}

/// The same tokens in other micro-batches are added in another order where a prompt is cut from its samples, and nowhere else:
/// the gradient of the first update differs by rounding of f32.
#[test]
fn micro_batches_change_the_gradient_by_rounding_only() {
    let tiny = Tiny::new();
    let norm = |run: Finished| {
        let value = |name: &str| run.metrics()[0][name].as_f64().unwrap();
        [value("update/grad_norm"), value("update/loss")]
    };
    let sets = |budget: &str| ["train.steps=1", "update.mini_batches=1", budget].map(String::from);
    let with = |budget: &str| {
        let sets = sets(&format!("update.tokens_per_micro_batch={budget}"));
        norm(tiny.finish(budget, &sets.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let whole = with("100000");
    // Sixteen samples of up to ten tokens: 2, 4, and one at a time.
    for budget in ["40", "20", "1"] {
        // The loss is a sum of terms of about 1 that cancel each other on-policy, so its error is absolute.
        for ((found, whole), size) in with(budget).into_iter().zip(whole).zip([whole[0], 1.0]) {
            assert!((found - whole).abs() <= 4.0 * f64::from(f32::EPSILON) * size, "{budget}: {found} and {whole}");
        }
    }
    assert!(whole[0] > 0.0);
}
