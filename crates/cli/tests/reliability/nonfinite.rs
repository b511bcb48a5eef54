//! Numbers that are not finite: in a model they are refused, in a run they are skipped or end it, and the weights stay finite.

use crate::serving::Serving;
use crate::tiny::{Finished, Tiny, done, ended, latest, surefoot};
use crate::weights::{copy_model, edit_tensor, edit_tensor_of, numbers};
use std::fs;

/// NaN and infinity as bfloat16.
const NAN: [u8; 2] = 0x7FC0u16.to_le_bytes();
const INFINITY: [u8; 2] = 0x7F80u16.to_le_bytes();

#[test]
fn a_model_with_such_weights_is_refused_by_tensor() {
    let tiny = Tiny::new();
    for (name, bits, value) in [("nan", NAN, "NaN"), ("inf", INFINITY, "inf")] {
        let model = tiny.path(name);
        copy_model(&model);
        edit_tensor(&model, "model.layers.2.mlp.up_proj.weight", |bytes| bytes[10..12].copy_from_slice(&bits));
        let wanted = format!("model.safetensors: tensor `model.layers.2.mlp.up_proj.weight`: element 5 is {value}");
        let train = tiny.train("run", &[&format!("model.path={model:?}")]).output().unwrap();
        let generate = surefoot(["generate", "--prompt", "1+1=", "--model"]).arg(&model).output().unwrap();
        for output in [train, generate] {
            let (code, stderr) = ended(&output);
            assert!(code == Some(2) && stderr.contains(&wanted) && output.stdout.is_empty(), "{code:?} {stderr}");
        }
        assert!(!tiny.path("run").exists());
    }
}

/// The first update throws the weights so far that every later gradient overflows.
const THROWN: [&str; 3] = ["optimizer.learning_rate=1e30", "optimizer.weight_decay=0", "train.steps=2"];

#[test]
fn an_update_that_is_not_finite_is_skipped() {
    let tiny = Tiny::new();
    let output = tiny.train("run", &THROWN).output().unwrap();
    done(&output);
    let (_, stderr) = ended(&output);
    assert!(stderr.contains("warning: step 1: 1 updates skipped"), "{stderr}");
    assert!(stderr.contains("(first in step 1) because a gradient was not finite"), "{stderr}");
    let run = Finished::read(&tiny.path("run"));
    assert_eq!(run.metrics()[0]["update/skipped_steps"], 1.0);
    for file in ["checkpoint/model.safetensors", "checkpoint/optimizer.safetensors"] {
        let found = numbers(run.file(file)).find(|number| !number.is_finite());
        assert!(found.is_none(), "{file} holds {found:?}");
    }
}

#[test]
fn or_the_run_stops_and_names_the_step() {
    let tiny = Tiny::new();
    let sets = [&THROWN[..], &["update.on_nonfinite=stop"]].concat();
    let (code, stderr) = ended(&tiny.train("run", &sets).output().unwrap());
    assert_eq!(code, Some(2), "{stderr}");
    let error = stderr.lines().last().unwrap();
    assert!(error.starts_with("error: step 1: update 2 cannot be made, ") && error.contains(" not finite"), "{error}");
    assert!(latest(&tiny.path("run")).is_none());
}

/// A checkpoint that something else wrote, or a disk spoiled, does not become the run's weights.
#[test]
fn a_checkpoint_with_such_numbers_is_refused() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=2", "checkpoint.dtype=bf16"]);
    let checkpoint = tiny.path("run/checkpoints/step-2");
    let (state, optimizer) = (checkpoint.join("trainer_state.json"), checkpoint.join("optimizer.safetensors"));
    let (signed, whole) = (fs::read_to_string(&state).unwrap(), fs::read(&optimizer).unwrap());
    let mut unsigned: serde_json::Value = serde_json::from_str(&signed).unwrap();
    assert!(unsigned.as_object_mut().unwrap().remove("signatures").is_some());
    let resumed = || ended(&tiny.go_on("run").args(["--set", "train.steps=3"]).output().unwrap());
    for (tensor, value) in [("weights", f32::NAN), ("first_moment", f32::INFINITY), ("second_moment", -1.0)] {
        edit_tensor_of(&optimizer, tensor, |bytes| bytes[20..24].copy_from_slice(&value.to_le_bytes()));
        for (text, wanted) in [
            (signed.clone(), format!("`{tensor}` is not what was saved")),
            (unsigned.to_string(), format!("`{tensor}`: element 5 is {value}")),
        ] {
            fs::write(&state, text).unwrap();
            let (code, stderr) = resumed();
            assert!(code == Some(2) && stderr.contains(&wanted), "{code:?} {stderr}");
            assert!(stderr.contains("optimizer.safetensors") && stderr.contains("checkpoint is broken"), "{stderr}");
        }
        fs::write(&optimizer, &whole).unwrap();
    }
    // Checkpoints without signatures are taken as they are.
    done(&tiny.go_on("run").args(["--set", "train.steps=3"]).output().unwrap());
}

#[test]
fn logits_that_overflow_neither_hang_nor_panic() {
    let tiny = Tiny::new();
    let model = tiny.path("huge");
    copy_model(&model);
    // 3e38 in bfloat16, in the last norm: every logit is infinite or NaN.
    edit_tensor(&model, "model.norm.weight", |bytes| {
        bytes.chunks_exact_mut(2).for_each(|two| two.copy_from_slice(&0x7F61u16.to_le_bytes()));
    });
    for temperature in ["0", "1"] {
        for top_p in ["1", "0.5"] {
            let arguments = ["generate", "--prompt", "1+1=", "--max-new-tokens", "4", "--samples", "3"];
            let mut command = surefoot(arguments);
            command.args(["--temperature", temperature, "--top-p", top_p, "--model"]).arg(&model);
            let (code, stderr) = ended(&command.output().unwrap());
            assert!(code == Some(2) && stderr.contains("not finite"), "{code:?} {stderr}");
        }
    }
    let data = "task:addition,rows=3,digits=1,style=plain";
    let mut eval = surefoot(["eval", "--data", data, "--samples", "2", "--set", "eval.max_new_tokens=4", "--model"]);
    let (code, stderr) = ended(&eval.arg(&model).arg("--out").arg(tiny.path("eval")).output().unwrap());
    assert!(code == Some(2) && stderr.contains("not finite"), "{code:?} {stderr}");
    assert!(!tiny.path("eval/summary.json").exists());
    let serving = Serving::start(&model);
    let (status, answer) = serving.ask("POST", "/v1/completions", r#"{"prompt": "1+1=", "max_tokens": 3}"#);
    assert!(status == 500 && answer["error"]["message"].as_str().unwrap().contains("not finite"), "{answer}");
    let path = format!("model.path={model:?}");
    let (code, stderr) = ended(&tiny.train("skips", &[&path, "train.steps=2"]).output().unwrap());
    assert!(code == Some(0) && stderr.contains("warning: step 2: 2 updates skipped"), "{code:?} {stderr}");
    let (code, stderr) = ended(&tiny.train("stops", &[&path, "update.on_nonfinite=stop"]).output().unwrap());
    let wanted = "error: step 1: update 1 cannot be made, the sampled log-probabilities are not finite";
    assert!(code == Some(2) && stderr.contains(wanted), "{code:?} {stderr}");
}
