//! Runs that train adapters or a part of the model.

use surefoot_trainer::engine::config::ModelConfig;
use surefoot_trainer::engine::cpu::{Cpu, parallel::Threading};
use surefoot_trainer::engine::layout::Layout;
use surefoot_trainer::engine::lora::{Adapters, Base};
use surefoot_trainer::engine::model::Model;

use crate::ahead::assert_stops_change_nothing;
use crate::tiny::{Tiny, demo_model, done, ended, latest};

const LORA: &[&str] = &["lora.rank=4", "lora.targets=[\"q_proj\", \"v_proj\", \"down_proj\"]"];

fn load(folder: &std::path::Path) -> Model {
    Model::load(folder, ModelConfig::from_folder(folder).unwrap()).unwrap().0
}

#[test]
fn a_run_of_adapters_goes_on_to_the_same_bits() {
    let tiny = Tiny::new();
    let whole = tiny.finish("whole", LORA);
    tiny.finish("halves", &[LORA, &["train.steps=3"]].concat());
    let resumed = tiny.go_on("halves").args(["--set", "train.steps=8"]).output().unwrap();
    done(&resumed);
    crate::tiny::Finished::read(&tiny.path("halves")).assert_equals(&whole);
    let notes = ended(&resumed).1;
    assert!(notes.contains("parameters learn, beside"), "{notes}");
}

/// Samples come from sums of base and adapters that no present adapter gives any more: checkpoints hold them beside it.
#[test]
fn stops_change_no_bit_of_adapters_that_sample_ahead() {
    for dtype in ["f32", "bf16"] {
        let dtype = format!("checkpoint.dtype={dtype}");
        assert_stops_change_nothing(&[LORA, &["rollout.staleness=2", &dtype]].concat());
    }
}

#[test]
fn a_checkpoint_holds_the_adapters_and_the_sum() {
    let tiny = Tiny::new();
    tiny.finish("run", LORA);
    let checkpoint = latest(&tiny.path("run")).unwrap();
    let (mut base, sum) = (load(&demo_model()), load(&checkpoint));
    assert_ne!(base.weights, sum.weights, "nothing was learned");
    let layout = Layout::new(&base.config);
    let (adapters, values) = Adapters::load(&layout, &checkpoint.join("adapter")).unwrap();
    let kept = Base::of(&adapters, &base.weights);
    kept.merge(&Cpu::new(Threading::Serial), &adapters, &values, &mut base.weights);
    assert_eq!(base.weights, sum.weights);
}

#[test]
fn frozen_parameters_keep_their_bits() {
    let tiny = Tiny::new();
    tiny.finish("run", &["model.frozen=[\"embed_tokens\", \"layers.0.\", \"k_proj\"]"]);
    let (before, after) = (load(&demo_model()), load(&latest(&tiny.path("run")).unwrap()));
    let layout = Layout::new(&before.config);
    for (parameter, at) in layout.parameters() {
        let frozen = ["embed_tokens", "layers.0.", "k_proj"].iter().any(|text| parameter.name.contains(text));
        assert_eq!(before.weights[at.clone()] == after.weights[at], frozen, "{}", parameter.name);
    }
}

#[test]
fn settings_without_meaning_are_named() {
    let tiny = Tiny::new();
    for (sets, wanted) in [
        (&["lora.rank=2", "lora.targets=[\"q_prj\"]"][..], "did you mean q_proj?"),
        (&["lora.rank=2", "model.frozen=[\"norm\"]"], "has no meaning with lora.rank"),
        (&["model.frozen=[\"embed_tokns\"]"], "is in no parameter's name"),
        (&["model.frozen=[\"model\", \"lm_head\"]"], "lm_head"),
        (&["model.frozen=[\"model\"]"], "every parameter is frozen"),
    ] {
        let (code, stderr) = ended(&tiny.train("refused", sets).output().unwrap());
        assert!(code != Some(0) && stderr.contains(wanted), "{sets:?}: {stderr}");
        assert!(!tiny.path("refused").exists());
    }
}
