//! Keys that would have no effect beside the others are refused, each with what it waits for.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use surefoot_trainer::config::{Config, ConfigError, Purpose};

const LEAST: &str = "[model]\npath = \"model\"\n[data]\ntrain = \"rows.jsonl\"\n";

fn read(text: &str, sets: &[&str], purpose: Purpose) -> Result<Config, ConfigError> {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    Config::from_text(Path::new("run.toml"), text, &sets, purpose)
}

/// What is set, the key that it leaves without effect, why, and what gives the key its effect; the key is not set by the latter.
const TRAIN: &[(&[&str], &str, &[&str])] = &[
    (&["lora.alpha=32"], "lora.rank is 0", &["lora.rank=8"]),
    (&["lora.targets=[\"q_proj\"]"], "lora.rank is 0", &["lora.rank=8"]),
    (&["data.incomplete=drop", "reward.name=overlong"], "reads the answer", &["reward.name=math"]),
    (
        &["data.incomplete=drop", "reward.name=command", "reward.command=./judge"],
        "reads the answer",
        &["data.answer_key=gold"],
    ),
    (&["prompt.date=2026-11-28", "prompt.chat=never"], "no chat template", &["prompt.chat=auto"]),
    (&["server.model=m"], "server.url", &["server.url=http://h"]),
    (&["server.api_key_env=KEY"], "server.url", &["server.url=http://h"]),
    (&["server.prompt=text"], "server.url", &["server.url=http://h"]),
    (&["server.concurrency=8"], "server.url", &["server.url=http://h"]),
    (&["server.timeout_seconds=8"], "server.url", &["server.url=http://h"]),
    (&["server.retries=3"], "server.url", &["server.url=http://h"]),
    (&["server.backoff_seconds=3"], "server.url", &["server.url=http://h"]),
    (&["server.backoff_seconds=3", "server.url=http://h", "server.retries=0"], "retries is 0", &["server.retries=1"]),
    (&["server.reload=vllm"], "server.url", &["server.url=http://h"]),
    (&["server.reload_every=2", "server.url=http://h"], "server.reload is", &["server.reload=vllm"]),
    (&["server.weights_dir=w", "server.url=http://h"], "server.reload is", &["server.reload=vllm"]),
    (
        &["server.reload_method=PUT", "server.url=http://h", "server.reload=vllm"],
        "\"custom\"",
        &["server.reload=custom", "server.reload_path=/r"],
    ),
    (&["server.reload_path=/r", "server.url=http://h"], "\"custom\"", &["server.reload=custom"]),
    (
        &["server.reload_body={}", "server.url=http://h"],
        "\"custom\"",
        &["server.reload=custom", "server.reload_path=/r"],
    ),
    (&["correction.rollout_is=token"], "logp_old is what the sampler said", &["correction.mode=decoupled"]),
    (&["correction.rollout_rs=token_k1"], "logp_old is what the sampler said", &["rollout.top_k=8"]),
    (&["reward.command=./judge"], "`command`", &["reward.name=command"]),
    (&["reward.columns=tests"], "`command`", &["reward.name=command", "reward.command=./judge"]),
    (&["reward.workers=2"], "`command`", &["reward.name=command", "reward.command=./judge"]),
    (&["reward.timeout_seconds=2"], "`command`", &["reward.name=command", "reward.command=./judge"]),
    (&["reward.start_seconds=2"], "`command`", &["reward.name=command", "reward.command=./judge"]),
    (&["reward.max_error_share=0.2"], "`command`", &["reward.name=command", "reward.command=./judge"]),
    (&["reward.overlong_buffer=9"], "`overlong`", &["reward.name=overlong"]),
    (&["advantage.weight_bound=2", "advantage.estimator=dr_grpo"], "clip-filter", &["advantage.weight=clip-filter"]),
    // The estimator is the objective's.
    (&["advantage.std=population", "objective.name=dr_grpo"], "divides by no", &["advantage.weight=std"]),
    (&["advantage.std=population", "advantage.estimator=rloo"], "divides by no", &["advantage.estimator=grpo"]),
    (&["advantage.std=population", "advantage.estimator=raw"], "divides", &["advantage.estimator=rloo_normalized"]),
    (&["advantage.std=population", "advantage.estimator=opo"], "divides", &["advantage.estimator=gdpo"]),
    (&["advantage.std=population", "advantage.estimator=rloo"], "divides", &["advantage.estimator=grpo_passk"]),
    (&["advantage.kl_estimator=k3"], "advantage.kl_coefficient is 0", &["advantage.kl_coefficient=0.1"]),
    (&["objective.off_policy_mask=0.5", "update.mini_batches=1"], "has not moved", &["update.epochs=2"]),
    (
        &["objective.aggregation_length=8", "objective.name=grpo"],
        "seq-mean-token-sum-norm",
        &["objective.aggregation=seq-mean-token-sum-norm"],
    ),
    (&["objective.shape_positive=2", "objective.hazard=none"], "has no penalty", &["objective.hazard=weibull"]),
    (&["objective.scale_positive=2", "objective.hazard=none"], "has no penalty", &["objective.hazard=weibull"]),
    (&["objective.shape_negative=3", "objective.hazard=none"], "has no penalty", &["objective.hazard=weibull"]),
    (&["objective.scale_negative=3", "objective.hazard=none"], "has no penalty", &["objective.hazard=weibull"]),
    (&["objective.anchor=unit", "objective.hazard=none"], "has no penalty", &["objective.hazard=weibull"]),
    (
        &["objective.schedule_weight=0.2", "objective.name=cpgd"],
        "tight-to-loose",
        &["objective.clip_schedule=tight-to-loose"],
    ),
    (
        &["objective.drift_bound=1", "objective.name=cpgd", "objective.drift_coefficient=0"],
        "objective.drift_coefficient is 0",
        &["objective.drift_coefficient=0.1"],
    ),
    (&["regularizer.drift_bound=1"], "regularizer.drift_coefficient is 0", &["regularizer.drift_coefficient=0.1"]),
    (
        &["regularizer.reference_estimator=k1"],
        "regularizer.reference_coefficient is 0",
        &["regularizer.reference_coefficient=0.1"],
    ),
    (&["optimizer.min_ratio=0.1"], "optimizer.schedule is \"constant\"", &["optimizer.schedule=cosine"]),
    (&["eval.before=false"], "eval.every is 0", &["eval.every=5", "eval.data=d.jsonl"]),
    (&["eval.top_p=0.5", "eval.temperature=0", "eval.samples=1"], "the most probable token", &["eval.temperature=1"]),
    (&["eval.top_k=5", "eval.temperature=0", "eval.samples=1"], "the most probable token", &["eval.temperature=1"]),
    (&["stop.patience=5"], "no detector", &["stop.ratio_max=9"]),
    (&["stop.patience=5", "stop.idle_max=9"], "stop.idle_max is itself", &["stop.reward_drop=0.5"]),
    (&["stop.after=5"], "no detector", &["stop.idle_max=9"]),
];

/// As [`TRAIN`] for what fine-tuning does not read, but training does.
const SFT: &[(&str, &str)] = &[
    ("data.answer_key=gold", "sft.target_key"),
    ("prompt.max_tokens=9", "sft.max_tokens"),
    ("prompt.overlong=error", "sft.max_tokens"),
    ("update.mini_batches=2", "sft.batch"),
    ("update.epochs=2", "train.steps"),
    ("update.truncated=mask", "samples no completions"),
    ("log.rollouts_every=5", "samples no completions"),
];

fn key(set: &str) -> &str {
    set.split_once('=').unwrap().0
}

#[track_caller]
fn refused(text: &str, sets: &[&str], purpose: Purpose, why: &str) {
    let message = read(text, sets, purpose).expect_err(sets[0]).to_string();
    let expected = format!("--set {}: `{}` has no effect: ", sets[0], key(sets[0]));
    assert!(message.starts_with(&expected) && message.contains(why), "{sets:?}: {message}");
}

#[test]
fn a_key_that_nothing_reads_is_refused_until_what_it_waits_for_is_set() {
    for (sets, why, switch) in TRAIN {
        refused(LEAST, sets, Purpose::Train, why);
        let sets = [sets, *switch].concat();
        read(LEAST, &sets, Purpose::Train).unwrap_or_else(|error| panic!("{sets:?}: {error}"));
    }
    for (set, why) in SFT {
        refused(LEAST, &[set], Purpose::Sft, why);
        read(LEAST, &[set], Purpose::Train).unwrap_or_else(|error| panic!("{set}: {error}"));
    }
    // Fine-tuning has two detectors, and reads the text to learn as training reads the answer.
    read(LEAST, &["stop.patience=5", "stop.skipped_max=1", "data.incomplete=drop"], Purpose::Sft).unwrap();
}

/// A file may say what holds anyway, and a run's own file says all of it.
#[test]
fn defaults_and_the_files_of_runs_may_hold_every_key() {
    for purpose in [Purpose::Train, Purpose::Sft] {
        let config = read(LEAST, &[], purpose).unwrap();
        let (headline, rest) =
            { config.to_toml() }.split_once('\n').map(|(a, b)| (a.to_string(), b.to_string())).unwrap();
        assert_eq!(read(&rest, &[], purpose).unwrap(), config, "without {headline}");
    }
    read(LEAST, &["objective.anchor=printed", "objective.shape_positive=1.5", "objective.hazard=none"], Purpose::Train)
        .unwrap();
    // A run goes on without what its settings were for; what is set now is looked at.
    let sets = ["server.url=http://h", "server.retries=3", "objective.shape_positive=2"];
    let run = read(LEAST, &sets, Purpose::Train).unwrap().to_toml();
    let later = ["server.url=\"\"", "objective.hazard=none"];
    let config = read(&run, &later, Purpose::Train).unwrap();
    assert_eq!((config.server.retries, config.remote()), (3, false));
    assert_eq!(read(&config.to_toml(), &[], Purpose::Train).unwrap(), config);
    refused(&run, &["server.concurrency=2", "server.url=\"\""], Purpose::Train, "server.url");
}

/// `surefoot eval` reads a training configuration, of which it uses a part.
#[test]
fn an_evaluation_asks_only_for_what_it_reads() {
    let sets = ["eval.data=d.jsonl", "eval.temperature=0", "eval.samples=1", "eval.top_p=0.5", "server.retries=3"];
    read(LEAST, &sets, Purpose::Eval).unwrap();
    refused(LEAST, &["reward.workers=2", "eval.data=d.jsonl"], Purpose::Eval, "`command`");
}
