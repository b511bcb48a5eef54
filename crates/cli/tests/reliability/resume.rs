//! What must not change the bits of a run: threads, and the format of the weights that a resume does not read.

use std::fs;
use std::time::Duration;

use surefoot_trainer::run_folder::rollouts;

use crate::tiny::{Finished, Tiny, done, surefoot};
use crate::weights::copy_model;

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

/// Chat templates as Llama 3's ask for the date; this one asks for seconds.
#[test]
fn a_template_that_asks_for_the_time_is_told_that_of_the_beginning() {
    let tiny = Tiny::new();
    let model = tiny.path("clock");
    copy_model(&model);
    fs::write(model.join("chat_template.jinja"), "{{ strftime_now('%H%M%S') }}+{{ messages[0].content }}").unwrap();
    let model = model.to_str().unwrap();
    let sets = [&format!("model.path={model:?}"), "prompt.chat=auto", "prompt.max_tokens=40", "train.steps=2"];
    tiny.finish("run", &sets);
    let pause = || std::thread::sleep(Duration::from_millis(1100));
    pause();
    done(&tiny.go_on("run").args(["--set", "train.steps=4"]).output().unwrap());
    let times = |step: u64| {
        let samples = rollouts::read(&tiny.path("run").join(format!("rollouts/step-{step:06}.parquet"))).unwrap();
        samples.into_iter().map(|sample| sample.prompt.split_once('+').unwrap().0.to_string())
    };
    let first = times(1).next().unwrap();
    assert!((1..=4).flat_map(times).all(|time| time == first), "{first}");
    assert!(fs::read_to_string(tiny.path("run").join("config.toml")).unwrap().contains("\ndate = \"20"));
    assert!(
        !tiny.path("run").join("changes.jsonl").exists() || {
            let changes = fs::read_to_string(tiny.path("run").join("changes.jsonl")).unwrap();
            !changes.contains("prompt.date")
        }
    );
    let evaluate = || {
        let mut command =
            surefoot(["eval", "--data", "task:addition,rows=20,style=plain", "--samples", "1", "--model"]);
        command.arg(model).arg("--out").arg(tiny.path("out"));
        command.args(["--set", "eval.max_new_tokens=3", "--set", "reward.name=exact"]).output().unwrap()
    };
    done(&evaluate());
    pause();
    done(&evaluate());
    // Where no template asks, there is no date.
    tiny.finish("plain", &["train.steps=1"]);
    assert!(fs::read_to_string(tiny.path("plain").join("config.toml")).unwrap().contains("\ndate = \"\"\n"));
}
