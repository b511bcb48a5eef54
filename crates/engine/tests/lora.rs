//! Adapters against `peft` and autograd (golden/README.md says where the numbers come from), and frozen parameters.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use surefoot_engine::batch::{Packed, Target};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::cpu::{Cpu, parallel::Threading};
use surefoot_engine::decoder::{Activations, Decoder, Frozen, Tape, Trained};
use surefoot_engine::device::Weights;
use surefoot_engine::lora::{Adapters, Base, Lora, MODULES};
use surefoot_engine::model::Model;

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];

fn golden(kind: &str, family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(kind).join(family)
}

fn bytes(kind: &str, family: &str) -> Vec<u8> {
    std::fs::read(golden(kind, family).join("reference.safetensors")).unwrap()
}

fn words<T>(file: &[u8], name: &str, word: impl Fn([u8; 4]) -> T) -> Vec<T> {
    let file = SafeTensors::deserialize(file).unwrap();
    file.tensor(name).unwrap().data().chunks_exact(4).map(|b| word(b.try_into().unwrap())).collect()
}

fn close(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0f32, |m, v| m.max(v.abs())).max(1e-12);
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() / scale < 1e-4, "{what}[{i}]: {g} against {w}");
    }
}

/// A model with the sequences of its reference, and the weight of every target's log-probability in the loss.
struct Case {
    model: Model,
    decoder: Decoder<Cpu>,
    batch: Packed,
    targets: Vec<Target>,
    grad_logp: Vec<f32>,
}

impl Case {
    fn load(family: &str) -> Self {
        let folder = golden("models", family);
        let (model, _) = Model::load(&folder, ModelConfig::from_folder(&folder).unwrap()).unwrap();
        let decoder = Decoder::new(Cpu::new(Threading::Pool), &model.config, 64);
        let file = bytes("models", family);
        let ids = words(&file, "input_ids", |b| i32::from_le_bytes(b) as u32);
        let offsets = words(&file, "offsets", |b| i32::from_le_bytes(b) as usize);
        let weight = words(&file, "token_weight", f32::from_le_bytes);
        let (mut batch, mut targets) = (Packed::default(), Vec::new());
        for at in offsets.windows(2) {
            batch.push(&ids[at[0]..at[1]], None);
            targets.extend((at[0] + 1..at[1]).map(|i| Target { row: i as u32 - 1, token: ids[i] }));
        }
        let grad_logp = targets.iter().map(|t| weight[t.row as usize]).collect();
        Self { model, decoder, batch, targets, grad_logp }
    }

    /// Log-probabilities, and the gradient that `trained` makes of them.
    fn run(&self, trained: Trained<Cpu>) -> Vec<f32> {
        let w = Weights { arena: &self.model.weights, packed: None };
        let mut tape = Tape::new(&self.decoder, self.batch.len(), Activations::Keep);
        let found = self.decoder.forward(w, &self.batch, &self.targets, 1.0, &mut tape);
        self.decoder.backward_to(w, &self.batch, self.grad_logp.as_slice().into(), &mut tape, trained);
        found.logp
    }
}

#[test]
fn adapters_of_peft_give_its_log_probabilities_and_gradients() {
    for family in FAMILIES {
        let mut case = Case::load(family);
        let (adapters, values) = Adapters::load(case.decoder.layout(), &golden("lora", family)).unwrap();
        let base = Base::of(&adapters, &case.model.weights);
        assert_eq!(matches!(base, Base::Bf16(_)), family == "qwen2", "{family}: the stored type");
        base.merge(case.decoder.device(), &adapters, &values, &mut case.model.weights);

        let mut grads = vec![0.0; adapters.len()];
        let mut scratch = adapters.scratch(case.decoder.device(), case.batch.len());
        let (adapters, weights) = (&adapters, &values);
        let logp = case.run(Trained::Adapters { adapters, weights, grads: &mut grads, scratch: &mut scratch });
        adapters.finish_gradient(&mut grads);

        let reference = bytes("lora", family);
        let want = words(&reference, "logp", f32::from_le_bytes);
        let want: Vec<f32> = case.targets.iter().map(|t| want[t.row as usize]).collect();
        close(&format!("{family} logp"), &logp, &want);

        // Written in peft's format, the gradient has the names of its tensors.
        let folder = tempfile::tempdir().unwrap();
        adapters.save(&grads, "base", folder.path()).unwrap();
        let saved = std::fs::read(folder.path().join("adapter_model.safetensors")).unwrap();
        let names = |file: &[u8]| -> Vec<String> {
            let mut names: Vec<String> =
                SafeTensors::deserialize(file).unwrap().names().into_iter().map(str::to_string).collect();
            names.sort();
            names
        };
        let of_peft = std::fs::read(golden("lora", family).join("adapter_model.safetensors")).unwrap();
        assert_eq!(names(&saved), names(&of_peft), "{family}");
        for name in names(&saved) {
            let want = words(&reference, &format!("grad.{name}"), f32::from_le_bytes);
            close(&format!("{family} {name}"), &words(&saved, &name, f32::from_le_bytes), &want);
        }
    }
}

#[test]
fn saved_adapters_are_read_to_the_same_bits() {
    for family in FAMILIES {
        let case = Case::load(family);
        let (adapters, values) = Adapters::load(case.decoder.layout(), &golden("lora", family)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        adapters.save(&values, "base", folder.path()).unwrap();
        let (again, same) = Adapters::load(case.decoder.layout(), folder.path()).unwrap();
        assert_eq!((again.parameters(), same), (adapters.parameters(), values), "{family}");
    }
}

#[test]
fn fresh_adapters_change_no_weight() {
    let mut case = Case::load("llama");
    let lora = Lora { rank: 4, alpha: 8.0, targets: MODULES.map(String::from).to_vec() };
    let adapters = Adapters::new(case.decoder.layout(), &lora);
    let values = adapters.initialise(7);
    let before = case.model.weights.clone();
    Base::of(&adapters, &before).merge(case.decoder.device(), &adapters, &values, &mut case.model.weights);
    assert_eq!(case.model.weights, before);
    assert!(values.iter().any(|value| *value != 0.0));
}

/// What is frozen gets no gradient, and the gradient of the rest keeps its bits.
#[test]
fn freezing_changes_no_other_gradient() {
    let rules: [fn(&str) -> bool; 5] = [
        |name| name.contains("embed_tokens"),
        |name| name.contains("norm"),
        |name| name.contains("q_proj") || name.contains("layers.1.mlp"),
        |name| name.contains("embed_tokens") || name.contains("layers.0."),
        |name| !name.contains("bias"),
    ];
    for family in FAMILIES {
        let case = Case::load(family);
        let layout = case.decoder.layout();
        let gradient = |frozen: &Frozen| {
            let mut grads = vec![0.0; layout.len];
            case.run(Trained::Parameters { grads: &mut grads, frozen });
            frozen.clear(&mut grads);
            grads
        };
        let full = gradient(&Frozen::default());
        for (number, rule) in rules.iter().enumerate() {
            let found = gradient(&Frozen::new(layout, rule));
            for (parameter, at) in layout.parameters() {
                let name = &parameter.name;
                if rule(name) {
                    assert!(found[at].iter().all(|g| *g == 0.0), "{family} {number} {name}");
                } else {
                    assert_eq!(found[at.clone()], full[at], "{family} {number} {name}");
                }
            }
        }
    }
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let layout = Case::load("llama").decoder.layout().clone();
    let folder = tempfile::tempdir().unwrap();
    let from = golden("lora", "llama");
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let config = folder.path().join("adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    for (from, to, want) in [
        ("\"r\": 3", "\"r\": 4", "has shape [3, 32], and [4, 32] fits the model"),
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora is true"),
        ("\"up_proj\"", "\"lm_head\"", "\"lm_head\"; supported are q_proj"),
        ("\"LORA\"", "\"IA3\"", "expected \"LORA\""),
        ("\"r\": 3", "\"r\": 0", "r must be 1 or more"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&config, text.replace(from, to)).unwrap();
        let message = Adapters::load(&layout, folder.path()).unwrap_err().to_string();
        assert!(message.contains(want), "{message}");
    }
    std::fs::write(&config, text.replace("\"up_proj\"", "\"q_proj\"")).unwrap();
    let message = Adapters::load(&layout, folder.path()).unwrap_err().to_string();
    assert!(message.contains("belongs to no matrix"), "{message}");
}
