//! What cannot work is refused before work starts: a message that names file, line or key, exit code 2, no run folder.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::tiny::{Tiny, demo_model, ended, surefoot};
use crate::weights::{copy_model, edit_config};

/// Asserts that a run with `sets` is refused with each part of `wanted` in the message.
fn refused(tiny: &Tiny, sets: &[&str], wanted: &[&str]) {
    let output = tiny.train("run", sets).output().unwrap();
    let (code, stderr) = ended(&output);
    assert!(code == Some(2) && output.stdout.is_empty(), "{code:?} {stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    assert!(stderr.matches("(os error").count() < 2, "said twice: {stderr}");
    wanted.iter().for_each(|part| assert!(stderr.contains(part), "expected `{part}` in\n{stderr}"));
    assert!(!tiny.path("run").exists(), "a run folder is left behind: {stderr}");
}

/// A copy of the demo's model, changed.
fn with_model(edit: impl FnOnce(&Path), wanted: &[&str]) {
    let tiny = Tiny::new();
    let model = tiny.path("model");
    copy_model(&model);
    edit(&model);
    refused(&tiny, &[&format!("model.path={model:?}")], wanted);
}

/// A data file with this text.
fn with_data(text: &str, wanted: &[&str]) {
    let tiny = Tiny::new();
    let file = tiny.path("rows.jsonl");
    fs::write(&file, text).unwrap();
    refused(&tiny, &[&format!("data.train={file:?}")], wanted);
}

#[test]
fn models() {
    with_model(
        |model| fs::remove_file(model.join("model.safetensors")).unwrap(),
        &["model: no weights: expected model.safetensors or model.safetensors.index.json"],
    );
    with_model(
        |model| {
            let file = fs::File::options().write(true).open(model.join("model.safetensors")).unwrap();
            file.set_len(1_000_000).unwrap();
        },
        &["model/model.safetensors: truncated: expected ", "found 1000000"],
    );
    with_model(
        |model| fs::write(model.join("model.safetensors"), b"<!doctype html>").unwrap(),
        &["model/model.safetensors: not a safetensors file"],
    );
    with_model(
        |model| edit_config(model, |config| config["intermediate_size"] = json!(400)),
        &["model/model.safetensors: tensor `model.layers.0.mlp.", "expected shape [", "400", "384"],
    );
    with_model(
        |model| edit_config(model, |config| config["num_hidden_layers"] = json!(5)),
        &["model.safetensors: tensor `model.layers.4.", "is missing, expected shape ["],
    );
    with_model(
        |model| {
            edit_config(model, |config| {
                config["architectures"] = json!(["MambaForCausalLM"]);
                config["model_type"] = json!("mamba");
            });
        },
        &["config.json", "MambaForCausalLM", "LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"],
    );
    with_model(
        |model| edit_config(model, |config| config["vocab_size"] = json!(40)),
        &["tokenizer.json: token ids go up to 50, but the model's embedding has 40 rows"],
    );
    with_model(|model| fs::write(model.join("config.json"), "{").unwrap(), &["model/config.json"]);
    with_model(|model| fs::remove_file(model.join("config.json")).unwrap(), &["model/config.json"]);
    with_model(|model| fs::remove_file(model.join("tokenizer.json")).unwrap(), &["model/tokenizer.json: cannot read"]);
    with_model(|model| fs::write(model.join("tokenizer.json"), "{}").unwrap(), &["model/tokenizer.json: "]);
    let tiny = Tiny::new();
    refused(&tiny, &["model.path=Org/Name-1B"], &["there is no folder Org/Name-1B; models are not downloaded"]);
    tiny.finish("done", &["train.steps=1"]);
    let run = tiny.path("done").display().to_string();
    let wanted = format!("{run} is a run; its newest checkpoint is {run}/checkpoints/step-1");
    refused(&tiny, &[&format!("model.path={run:?}")], &[&wanted]);
    let file = tiny.path("config.toml");
    refused(&tiny, &[&format!("model.path={file:?}")], &["config.toml is a file; a model is a folder", "model import"]);
    refused(&tiny, &["rollout.max_new_tokens=300"], &["306 tokens", "was made for 256", "rollout.max_new_tokens"]);
}

#[test]
fn data() {
    let row = "{\"problem\": \"1+1=\", \"answer\": \"2\"}\n";
    with_data(&format!("{row}\n{{\"problem\": \"1\n"), &["rows.jsonl:3: not JSON: "]);
    with_data(&format!("{row}[1]\n"), &["rows.jsonl:2: expected an object", "a list"]);
    with_data(&format!("{row}{{\"problem\": \"1+1=\"}}\n"), &["rows.jsonl:2: no answer: expected `answer`"]);
    with_data(&format!("{row}{{\"problem\": \"1+1=\", \"answer\": null}}\n"), &["rows.jsonl:2: no answer", "(null)"]);
    with_data(&format!("{row}{{\"answer\": \"2\"}}\n"), &["rows.jsonl:2: no problem"]);
    with_data("", &["rows.jsonl holds no row"]);
    with_data("\n \n", &["rows.jsonl holds no row"]);
    let long = format!("{{\"problem\": \"{}\", \"answer\": \"2\"}}\n", "1".repeat(40));
    with_data(&long, &["all 1 prompts are longer than prompt.max_tokens = 16"]);
    let tiny = Tiny::new();
    refused(&tiny, &["data.train=nowhere.jsonl"], &["cannot read nowhere.jsonl"]);
    refused(&tiny, &["data.train=task:additon"], &["additon", "did you mean `addition`?"]);
    let file = tiny.path("rows.parquet");
    fs::write(&file, row).unwrap();
    refused(&tiny, &[&format!("data.train={file:?}")], &["rows.parquet: not a readable parquet file"]);
}

#[test]
fn keys_and_values() {
    let tiny = Tiny::new();
    let config = tiny.path("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("samples = 4", "sampels = 4")).unwrap();
    refused(&tiny, &[], &["config.toml:13: ", "`rollout.sampels`", "`rollout.samples`"]);
    fs::write(&config, text.replace("samples = 4", "samples = 4 4")).unwrap();
    refused(&tiny, &[], &["config.toml:13: not valid TOML"]);
    fs::write(&config, &text).unwrap();
    for (set, wanted) in [
        ("rollout.sampels=4", "`rollout.samples`"),
        ("rollout.prompts=0", "`rollout.prompts` is 0; it must be at least 1"),
        ("rollout.samples=0", "`rollout.samples` is 0; it must be at least 1"),
        ("rollout.samples=1", "`rollout.samples` is 1, but advantage.estimator = \"grpo\" compares"),
        ("rollout.prompts=1000000000000", "at most 16777216 samples"),
        ("rollout.samples=9223372036854775807", "at most 16777216 samples"),
        // No divisor of the default's two mini-batches: its divisors are listed without counting up to it.
        ("rollout.prompts=99999999999", "at most 16777216 samples"),
        ("train.threads=1025", "`train.threads` is 1025; it must be at most 1024"),
        ("lora.rank=65", "is 65, more than the smallest side of k_proj"),
        ("lora.rank=9223372036854775807", "is 9223372036854775807, more than the smallest side of"),
        ("rollout.batch=0", "`rollout.batch` is 0; it must be at least 1"),
        ("rollout.prompts=-1", "`rollout.prompts`"),
        ("update.mini_batches=3", "`update.mini_batches` is 3, which does not divide the 4 groups"),
        ("update.mini_batches=8", "`update.mini_batches` is 8, which does not divide the 4 groups"),
        ("update.mini_batches=0", "`update.mini_batches` is 0; it must be at least 1"),
        ("update.tokens_per_micro_batch=0", "`update.tokens_per_micro_batch` is 0; it must be at least 1"),
        ("optimizer.learning_rate=0", "`optimizer.learning_rate` is 0"),
        ("optimizer.learning_rate=inf", "`optimizer.learning_rate`"),
        ("optimizer.weight_decay=2000", "exceeds 1"),
        ("optimizer.eps=1e-60", "`optimizer.eps`"),
        ("rollout.temperature=1e-40", "`rollout.temperature`"),
        ("objective.name=mhpoo", "mhpo"),
    ] {
        refused(&tiny, &[set], &[set.split('=').next().unwrap(), wanted]);
    }
}

#[test]
fn large_batches_are_cut_to_what_there_is() {
    let tiny = Tiny::new();
    let sets = ["train.steps=1", "rollout.batch=1000000000000", "update.tokens_per_micro_batch=1000000000000"];
    tiny.finish("run", &sets).assert_equals(&tiny.finish("plain", &["train.steps=1"]));
}

#[test]
fn generate_and_resume() {
    let tiny = Tiny::new();
    let model = tiny.path("model");
    copy_model(&model);
    let model = model.to_str().unwrap();
    for (arguments, wanted) in [
        (vec!["generate", "--prompt", "1+1=", "--model", "nowhere"], "there is no folder nowhere; models are not"),
        (vec!["serve", "--port", "0", "--model", "nowhere"], "there is no folder nowhere; models are not"),
        (vec!["eval", "--data", "task:addition", "--model", "nowhere"], "there is no folder nowhere; models are not"),
        (vec!["model", "info", "nowhere"], "there is no folder nowhere; models are not"),
        (vec!["model", "init", "nowhere", "to"], "there is no folder nowhere; models are not"),
        (vec!["model", "import", model, "to"], "model: expected a GGUF file, found a folder"),
        (vec!["generate", "--prompt", "", "--model", model], "is empty"),
        (vec!["generate", "--prompt", "1", "--model", model, "--max-new-tokens", "18446744073709551615"], "--max-new-"),
        (vec!["generate", "--prompt", "1", "--model", model, "--max-new-tokens", "256"], "257 tokens"),
        (vec!["generate", "--prompt", "1", "--model", model, "--samples", "0"], "--samples"),
        (vec!["generate", "--prompt", "1", "--model", model, "--samples", "1000000000000"], "--samples"),
        (vec!["generate", "--prompt", "1", "--model", model, "--temperature", "inf"], "--temperature"),
        (vec!["generate", "--prompt", "1", "--model", model, "--temperature", "1e-40"], "--temperature"),
        (
            vec!["generate", "--prompt", "1", "--model", model, "--temperature", "-1"],
            "--temperature is -1; it must be 0",
        ),
        (
            vec!["generate", "--prompt", "1", "--model", model, "--threads", "99999"],
            "threads are 99999; the most are 1024",
        ),
        (vec!["train", "--resume", model], "holds no run (no config.toml)"),
        (vec!["model", "init", model, model], "model holds a model already; name another folder"),
        (vec!["train", "--resume", "nowhere"], "nowhere holds no run (no config.toml)"),
        (vec!["train", "nowhere.toml"], "nowhere.toml"),
        (vec!["sft"], "sft needs a configuration"),
    ] {
        let (code, stderr) = ended(&surefoot(&arguments).output().unwrap());
        assert!(code == Some(2) && stderr.contains(wanted), "{arguments:?}: {code:?} {stderr}");
    }
}

/// Neither `init` nor `import` writes over something.
#[test]
fn a_model_is_not_written_over() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=1"]);
    let (sharded, model) = (tiny.path("sharded"), tiny.path("model"));
    copy_model(&model);
    fs::create_dir(&sharded).unwrap();
    fs::write(sharded.join("model-00001-of-00002.safetensors"), "").unwrap();
    let source = demo_model();
    for (to, wanted) in [
        (model, "holds a model already"),
        (sharded, "holds a model already"),
        (tiny.path("run"), "is the folder of a run"),
    ] {
        for command in [["model", "init"], ["model", "import"]] {
            let from = if command[1] == "init" { source.clone() } else { tiny.path("some.gguf") };
            let (code, stderr) = ended(&surefoot(command).arg(from).arg(&to).output().unwrap());
            let wanted = format!("error: {} {wanted}; name another folder", to.display());
            assert!(code == Some(2) && stderr.contains(&wanted), "{command:?} {code:?} {stderr}");
        }
    }
    // What an import left that did not finish is no model.
    let begun = tiny.path("begun");
    fs::create_dir(&begun).unwrap();
    fs::copy(source.join("config.json"), begun.join("config.json")).unwrap();
    let (code, stderr) = ended(&surefoot(["model", "init"]).arg(source).arg(begun).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
}

/// The prompts count as they are, and not as long as they may be.
#[test]
fn a_small_model_takes_short_prompts() {
    let tiny = Tiny::new();
    let model = tiny.path("model");
    copy_model(&model);
    edit_config(&model, |config| config["max_position_embeddings"] = json!(12));
    let path = format!("model.path={model:?}");
    let (code, stderr) =
        ended(&tiny.train("run", &[&path, "prompt.max_tokens=1024", "train.steps=1"]).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    let sets = [
        &path,
        "prompt.max_tokens=1024",
        "train.steps=1",
        "eval.every=1",
        "eval.max_new_tokens=40",
        "eval.data=task:addition",
    ];
    let (code, stderr) = ended(&tiny.train("longer", &sets).output().unwrap());
    assert!(
        code == Some(2) && stderr.contains("was made for 12") && stderr.contains("eval.max_new_tokens"),
        "{stderr}"
    );
}

#[test]
fn the_run_of_a_checkpoint_is_named() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=1"]);
    let (run, checkpoint) = (tiny.path("run"), tiny.path("run/checkpoints/step-1"));
    let (code, stderr) = ended(&surefoot(["train", "--resume"]).arg(&checkpoint).output().unwrap());
    let wanted = format!("it lies in the run {0}, which goes on with `--resume {0}`", run.display());
    assert!(code == Some(2) && stderr.contains(&wanted), "{stderr}");
    let mut within = surefoot(["train", "--resume", "checkpoints/step-1"]);
    let (code, stderr) = ended(&within.current_dir(&run).output().unwrap());
    assert!(code == Some(2) && stderr.contains("it lies in the run .,"), "{stderr}");
}

#[test]
fn what_the_summary_says_to_type_next_works() {
    let tiny = Tiny::new();
    let (_, stderr) = ended(&tiny.train("run", &["train.steps=1"]).output().unwrap());
    let next: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("  surefoot ")).collect();
    assert_eq!(next.len(), 3, "{stderr}");
    for command in next {
        let (code, stderr) = ended(&surefoot(command.replace("\"…\"", "12+34=").split(' ')).output().unwrap());
        assert_eq!(code, Some(0), "{command}: {stderr}");
    }
}

/// Folders with blanks and quotes, as a shell reads them.
#[cfg(unix)]
#[test]
fn what_is_said_to_type_next_can_be_pasted() {
    let tiny = Tiny::new();
    let run = "it's a $HOME run";
    let pasted = |command: &str, code: i32| {
        let path = Path::new(env!("CARGO_BIN_EXE_surefoot")).parent().unwrap().to_str().unwrap();
        let path = format!("{path}:{}", std::env::var("PATH").unwrap());
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", command]).env("PATH", path).env("CUDA_VISIBLE_DEVICES", "");
        let (found, stderr) = ended(&shell.output().unwrap());
        assert_eq!(found, Some(code), "{command}: {stderr}");
        stderr
    };
    let (code, stderr) = ended(&tiny.train(run, &["train.steps=1"]).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    let next: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("  surefoot ")).collect();
    assert_eq!(next.len(), 3, "{stderr}");
    for command in next {
        pasted(&format!("surefoot {command}"), 0);
    }
    // The same folder again: how to go on with what it holds.
    let (_, stderr) = ended(&tiny.train(run, &[]).output().unwrap());
    let resume = stderr.split('`').nth(1).unwrap();
    pasted(&format!("surefoot train {resume}"), 0);
}

#[test]
fn a_run_folder_is_not_written_over_and_other_data_are_not_resumed_on() {
    let tiny = Tiny::new();
    let first = tiny.finish("run", &["train.steps=1"]);
    let (code, stderr) = ended(&tiny.train("run", &[]).output().unwrap());
    assert!(code == Some(2) && stderr.contains("holds a run already; go on with `--resume "), "{stderr}");
    let other = "data.train=task:addition,rows=50,seed=8,digits=2,style=plain";
    let (code, stderr) = ended(&tiny.go_on("run").args(["--set", other]).output().unwrap());
    assert!(code == Some(2) && stderr.contains("data"), "{stderr}");
    crate::tiny::Finished::read(&tiny.path("run")).assert_equals(&first);
}

/// What is left out or not held out is no error, and is said.
#[test]
fn rows_that_are_left_out_are_counted() {
    let tiny = Tiny::new();
    let file = tiny.path("rows.jsonl");
    let row = |problem| format!("{{\"problem\": \"{problem}\", \"answer\": \"46\"}}\n");
    fs::write(&file, [row("12+34="), row("12+34="), row("13+33=")].concat()).unwrap();
    let data = format!("data.train={file:?}");
    let held_out = tiny.path("held-out.jsonl");
    fs::write(&held_out, [row("12+34="), row("14+32=")].concat()).unwrap();
    let benchmark = format!("eval.data={held_out:?}");
    let sets = [&data, "train.steps=1", &benchmark, "eval.every=1", "eval.samples=1"];
    let (code, stderr) = ended(&tiny.train("train", &sets).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    let left_out = "1 rows left out: equal to an earlier one (data.duplicates = \"keep\" keeps them)";
    for note in [left_out, "1 of 2 problems of held-out are also in data.train"] {
        assert!(stderr.contains(note), "expected `{note}` in\n{stderr}");
    }
    let kept = [&sets[..], &["data.duplicates=keep"]].concat();
    let (code, stderr) = ended(&tiny.train("kept", &kept).output().unwrap());
    assert!(code == Some(0) && !stderr.contains("rows left out"), "{stderr}");
    let config = tiny.path("sft.toml");
    let text = format!("[model]\npath = {:?}\n[data]\ntrain = {file:?}\n[train]\nsteps = 1\n", demo_model());
    fs::write(&config, text).unwrap();
    let mut sft = surefoot(["sft".as_ref(), config.as_os_str()]);
    let output = sft.arg("--set").arg(format!("log.run_dir={:?}", tiny.path("sft"))).output().unwrap();
    let (code, stderr) = ended(&output);
    assert!(code == Some(0) && stderr.contains(left_out), "{stderr}");
}

/// Whatever file of the newest checkpoint it is, the one before helps.
#[test]
fn a_broken_checkpoint_is_left_for_the_one_before() {
    let tiny = Tiny::new();
    let checkpoints = tiny.path("run/checkpoints");
    let (newest, before) = (checkpoints.join("step-2"), checkpoints.join("step-1"));
    tiny.finish("run", &["train.steps=2"]);
    let resumed = || ended(&tiny.go_on("run").args(["--set", "train.steps=3"]).output().unwrap());
    let advice = "the checkpoint is broken, remove its folder to resume from the one before";
    for name in ["config.json", "model.safetensors", "optimizer.safetensors", "trainer_state.json"] {
        let file = newest.join(name);
        let whole = fs::read(&file).unwrap();
        for broken in [None, Some(whole.len() / 2)] {
            match broken {
                None => fs::remove_file(&file).unwrap(),
                Some(length) => fs::write(&file, &whole[..length]).unwrap(),
            }
            let (code, stderr) = resumed();
            assert!(code == Some(2) && stderr.contains(advice), "{name}: {stderr}");
            assert!(stderr.contains(name) && !stderr.contains("download"), "{name}: {stderr}");
        }
        // Whole, and of another step.
        if name != "config.json" {
            fs::copy(before.join(name), &file).unwrap();
            let (code, stderr) = resumed();
            assert!(code == Some(2) && stderr.contains(advice), "{name}: {stderr}");
            let said = if name == "trainer_state.json" { "step 1, not of step 2" } else { "not what was saved with" };
            assert!(stderr.contains(said), "{name}: {stderr}");
        }
        fs::write(&file, whole).unwrap();
    }
    let stray = checkpoints.join("step-99");
    fs::create_dir(&stray).unwrap();
    let (code, stderr) = resumed();
    assert!(code == Some(2) && stderr.contains(advice) && stderr.contains("step-99"), "{stderr}");
    fs::remove_dir(&stray).unwrap();
    // Without another one, that is no help.
    fs::remove_dir_all(&before).unwrap();
    fs::remove_file(newest.join("optimizer.safetensors")).unwrap();
    let (code, stderr) = resumed();
    assert!(code == Some(2) && stderr.contains("there is none before it"), "{stderr}");
}

/// A relative path is one of the working directory.
#[test]
fn a_resume_from_another_folder_says_where_the_model_is_looked_for() {
    let tiny = Tiny::new();
    let run = tiny.path("run");
    copy_model(&tiny.path("here/model"));
    let started = tiny.train("run", &["model.path=model", "train.steps=1"]).current_dir(tiny.path("here")).output();
    assert_eq!(ended(&started.unwrap()).0, Some(0));
    let elsewhere = tiny.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let resume = |more: &[&str]| {
        let mut command = tiny.go_on("run");
        ended(&command.args(["--set", "train.steps=2"]).args(more).current_dir(&elsewhere).output().unwrap())
    };
    let (code, stderr) = resume(&[]);
    let checkpoint = run.join("checkpoints/step-1");
    let looked = format!("there is no folder model in {}", elsewhere.canonicalize().unwrap().display());
    for part in [&looked, "--set model.path=FOLDER", &format!("checkpoint will do: {}", checkpoint.display())] {
        assert!(code == Some(2) && stderr.contains(part), "{part}: {stderr}");
    }
    let (code, stderr) = resume(&["--set", &format!("model.path={checkpoint:?}")]);
    assert_eq!(code, Some(0), "{stderr}");
}

/// A line that somebody took out of the metrics.
#[test]
fn a_gap_in_the_metrics_is_said() {
    let tiny = Tiny::new();
    tiny.finish("run", &["train.steps=3"]);
    let file = tiny.path("run/metrics.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.lines().filter(|line| !line.contains("\"step\":2,")).map(|l| format!("{l}\n")).collect::<String>(),
    )
    .unwrap();
    let (code, stderr) = ended(&tiny.go_on("run").args(["--set", "train.steps=4"]).output().unwrap());
    assert!(code == Some(0) && stderr.contains("1 of 3 steps have no line, the first of them step 2"), "{stderr}");
}
