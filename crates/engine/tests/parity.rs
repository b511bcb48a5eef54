//! The decoder against `transformers`: logits, log-probabilities and every parameter's gradient of three tiny models
//! (golden/README.md says where the numbers come from).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use safetensors::SafeTensors;
use std::path::{Path, PathBuf};
use surefoot_engine::batch::{Packed, Target};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::cpu::Cpu;
use surefoot_engine::cpu::parallel::Threading;
use surefoot_engine::decoder::{Activations, Decoder, Tape, infer::Scratch};
use surefoot_engine::device::Weights;
use surefoot_engine::model::Model;

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];
/// Largest relative error, measured against the largest element of the tensor.
const TOLERANCE: f64 = 1e-4;

struct Reference {
    bytes: Vec<u8>,
}

impl Reference {
    fn open(folder: &Path) -> Self {
        Self { bytes: std::fs::read(folder.join("reference.safetensors")).unwrap() }
    }

    fn words<T>(&self, name: &str, word: impl Fn([u8; 4]) -> T) -> Vec<T> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = file.tensor(name).unwrap();
        tensor.data().chunks_exact(4).map(|b| word(b.try_into().unwrap())).collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name, f32::from_le_bytes)
    }

    fn integers(&self, name: &str) -> Vec<i32> {
        self.words(name, i32::from_le_bytes)
    }

    /// The sequences as tokens.
    fn sequences(&self) -> Vec<Vec<u32>> {
        let ids: Vec<u32> = self.integers("input_ids").into_iter().map(|t| t as u32).collect();
        let offsets = self.integers("offsets");
        offsets.windows(2).map(|w| ids[w[0] as usize..w[1] as usize].to_vec()).collect()
    }
}

fn golden(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models").join(family)
}

fn load(family: &str) -> (Model, Decoder<Cpu>, Reference) {
    let folder = golden(family);
    let (model, extra) = Model::load(&folder, ModelConfig::from_folder(&folder).unwrap()).unwrap();
    assert!(extra.is_empty(), "{extra:?}");
    let decoder = Decoder::new(Cpu::new(Threading::Pool), &model.config, 64);
    (model, decoder, Reference::open(&folder))
}

fn close(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0f64, |m, &v| m.max(f64::from(v).abs())).max(1e-12);
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(g) - f64::from(w)).abs() / scale;
        assert!(error < TOLERANCE, "{what}[{i}]: {g} against {w}, relative error {error:e}");
    }
}

/// Every sequence as one segment, with a target for every token that has a next one.
fn whole(sequences: &[Vec<u32>]) -> (Packed, Vec<Target>) {
    let (mut batch, mut targets) = (Packed::default(), Vec::new());
    for tokens in sequences {
        let start = batch.len();
        batch.push(tokens, None);
        targets.extend((1..tokens.len()).map(|i| Target { row: (start + i - 1) as u32, token: tokens[i] }));
    }
    (batch, targets)
}

#[test]
fn log_probabilities_and_all_gradients_match() {
    for family in FAMILIES {
        let (model, decoder, reference) = load(family);
        let sequences = reference.sequences();
        let (batch, targets) = whole(&sequences);
        let w = Weights { arena: &model.weights, packed: None };
        let mut tape = Tape::new(&decoder, batch.len(), Activations::Keep);
        let found = decoder.forward(w, &batch, &targets, 1.0, &mut tape);
        let (logp, weight) = (reference.floats("logp"), reference.floats("token_weight"));
        let at_targets = |values: &[f32]| -> Vec<f32> { targets.iter().map(|t| values[t.row as usize]).collect() };
        close(&format!("{family} logp"), &found.logp, &at_targets(&logp));

        let mut grads = vec![0.0; decoder.layout().len];
        decoder.backward(w, &batch, &at_targets(&weight), &mut tape, &mut grads);
        for (parameter, range) in decoder.layout().parameters() {
            let want = reference.floats(&format!("grad.{}", parameter.name));
            close(&format!("{family} gradient of {}", parameter.name), &grads[range], &want);
        }
    }
}

#[test]
fn logits_match_in_prefill_and_in_decoding() {
    for family in FAMILIES {
        let (model, decoder, reference) = load(family);
        let logits = reference.floats("logits");
        let vocabulary = decoder.vocabulary();
        let packed = decoder.pack(&model.weights);
        let w = Weights { arena: &model.weights, packed: Some(&packed) };
        let mut scratch = Scratch::new(&decoder, 64, 8);
        let mut first = 0;
        for tokens in reference.sequences() {
            let split = tokens.len().div_ceil(2);
            let mut batch = Packed::default();
            batch.push(&tokens[..split], None);
            let mut caches = vec![decoder.cache(None)];
            let got = decoder.prefill(w, &batch, &mut caches, &mut scratch)[..vocabulary].to_vec();
            close(&format!("{family} prefill"), &got, &logits[(first + split - 1) * vocabulary..][..vocabulary]);
            for (i, &token) in tokens.iter().enumerate().skip(split) {
                let got = decoder.decode(w, &[token], &mut [&mut caches[0]], &mut scratch);
                close(
                    &format!("{family} decode"),
                    &got[..vocabulary],
                    &logits[(first + i) * vocabulary..][..vocabulary],
                );
            }
            first += tokens.len();
        }
    }
}

/// A shared prompt is forwarded once; the log-probabilities have the bits of separate sequences, and the gradient is
/// the same sum in another order.
#[test]
fn a_shared_prefix_changes_no_bit_of_the_forward_pass() {
    for family in FAMILIES {
        let (model, decoder, reference) = load(family);
        let sequences = reference.sequences();
        let (prompt, completions) = (&sequences[0], &sequences[1..]);
        let w = Weights { arena: &model.weights, packed: None };
        let (mut separate, mut separate_targets) = (Packed::default(), Vec::new());
        let (mut shared, mut shared_targets) = (Packed::default(), Vec::new());
        let prefix = shared.push(prompt, None);
        for completion in completions {
            let whole: Vec<u32> = prompt.iter().chain(completion).copied().collect();
            let start = separate.len() + prompt.len();
            separate.push(&whole, None);
            let own = shared.len();
            shared.push(completion, Some(prefix));
            for (i, &token) in completion.iter().enumerate() {
                separate_targets.push(Target { row: (start + i - 1) as u32, token });
                let row = if i == 0 { prompt.len() - 1 } else { own + i - 1 };
                shared_targets.push(Target { row: row as u32, token });
            }
        }
        let gradient: Vec<f32> = (0..shared_targets.len()).map(|i| (i % 7) as f32 - 3.0).collect();
        let run = |batch: &Packed, targets: &[Target]| {
            let mut tape = Tape::new(&decoder, batch.len(), Activations::Keep);
            let found = decoder.forward(w, batch, targets, 0.8, &mut tape);
            let mut grads = vec![0.0; decoder.layout().len];
            decoder.backward(w, batch, &gradient, &mut tape, &mut grads);
            (found, grads)
        };
        let (a, grads_a) = run(&separate, &separate_targets);
        let (b, grads_b) = run(&shared, &shared_targets);
        assert_eq!(a.logp, b.logp, "{family}");
        assert_eq!(a.entropy, b.entropy, "{family}");
        close(&format!("{family} gradient"), &grads_b, &grads_a);
    }
}

/// Micro-batches continue every chain of the weight gradient, so cutting a batch between sequences changes no bit of
/// a matrix's gradient.
#[test]
fn threads_and_micro_batches_change_no_bit() {
    let (model, decoder, reference) = load("qwen3");
    let sequences = reference.sequences();
    let w = Weights { arena: &model.weights, packed: None };
    let run = |parts: &[&[Vec<u32>]]| {
        let mut grads = vec![0.0; decoder.layout().len];
        let mut logp = Vec::new();
        for part in parts {
            let (batch, targets) = whole(part);
            let mut tape = Tape::new(&decoder, 64, Activations::Keep);
            let found = decoder.forward(w, &batch, &targets, 1.0, &mut tape);
            decoder.backward(w, &batch, &vec![0.5; targets.len()], &mut tape, &mut grads);
            logp.extend(found.logp);
        }
        (logp, grads)
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let one = pool(1).install(|| run(&[&sequences]));
    let recomputed = {
        let (batch, targets) = whole(&sequences);
        let mut tape = Tape::new(&decoder, 64, Activations::Recompute);
        let found = decoder.forward(w, &batch, &targets, 1.0, &mut tape);
        let mut grads = vec![0.0; decoder.layout().len];
        decoder.backward(w, &batch, &vec![0.5; targets.len()], &mut tape, &mut grads);
        (found.logp, grads)
    };
    assert_eq!(recomputed, one);
    for threads in [2, 3, 8] {
        assert_eq!(pool(threads).install(|| run(&[&sequences])), one, "{threads} threads");
    }
    let split = run(&[&sequences[..1], &sequences[1..3], &sequences[3..]]);
    assert_eq!(split.0, one.0);
    for (parameter, range) in decoder.layout().parameters() {
        // The tied head adds to the embedding's gradient between the micro-batches' embedding sums.
        if parameter.name != "model.embed_tokens.weight" {
            assert_eq!(split.1[range.clone()], one.1[range], "{}", parameter.name);
        }
    }
    close("micro-batches", &split.1, &one.1);
}
