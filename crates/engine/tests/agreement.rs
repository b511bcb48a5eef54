//! Sampler and trainer agree to the bit: a sampled token's log-probability is the training forward pass's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use surefoot_engine::batch::{Packed, Target};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::cpu::{Cpu, parallel::Threading};
use surefoot_engine::decoder::{Activations, Decoder, Tape};
use surefoot_engine::device::{Sampling, Weights};
use surefoot_engine::generate::{Request, Sample, Settings, generate};
use surefoot_engine::model::Model;

fn golden(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models").join(family)
}

const PROMPTS: [&[u32]; 5] =
    [&[3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26, 43, 38, 32, 79, 50], &[2], &[71, 82, 81, 8], &[28; 33], &[9, 1]];
const SAMPLING: Sampling = Sampling { temperature: 0.8, top_p: 1.0, top_k: 0, min_p: 0.0 };

fn sample(model: &Model, threading: Threading, batch: usize, workers: usize, sampling: Sampling) -> Vec<Vec<Sample>> {
    let decoder = Decoder::new(Cpu::new(threading), &model.config, 128);
    let packed = decoder.pack(&model.weights);
    let w = Weights { arena: &model.weights, packed: Some(&packed) };
    let requests: Vec<Request> = PROMPTS
        .iter()
        .enumerate()
        .map(|(i, &prompt)| Request { prompt, samples: 4, first_sequence: 4 * i as u64 })
        .collect();
    let stop = |tokens: &[u32]| tokens.last() == Some(&5);
    let settings = Settings {
        sampling,
        seed: 17,
        max_new_tokens: 70,
        batch,
        workers,
        stop: &stop,
        progress: &|_| {},
        cancelled: &|| false,
    };
    generate(&decoder, w, &requests, &settings)
}

#[test]
fn sampled_log_probabilities_have_the_bits_of_the_training_forward_pass() {
    for family in ["llama", "qwen2", "qwen3"] {
        let folder = golden(family);
        let (model, _) = Model::load(&folder, ModelConfig::from_folder(&folder).unwrap()).unwrap();
        let groups = sample(&model, Threading::Pool, 7, 1, SAMPLING);
        let decoder = Decoder::new(Cpu::new(Threading::Pool), &model.config, 128);
        let (mut batch, mut targets, mut sampled, mut entropy) =
            (Packed::default(), Vec::new(), Vec::new(), Vec::new());
        for (prompt, group) in PROMPTS.iter().zip(&groups) {
            let prefix = batch.push(prompt, None);
            let last = batch.len() - 1;
            for sample in group {
                assert_eq!(sample.finished, sample.tokens.last() == Some(&5));
                assert!(sample.finished || sample.tokens.len() == 70);
                let own = batch.len();
                batch.push(&sample.tokens, Some(prefix));
                for (i, &token) in sample.tokens.iter().enumerate() {
                    targets.push(Target { row: if i == 0 { last } else { own + i - 1 } as u32, token });
                }
                sampled.extend(&sample.logp);
                entropy.extend(&sample.entropy);
            }
        }
        let mut tape = Tape::new(&decoder, batch.len(), Activations::Keep);
        let w = Weights { arena: &model.weights, packed: None };
        let trained = decoder.forward(w, &batch, &targets, 1.0 / SAMPLING.temperature, &mut tape);
        assert!(sampled.len() > 300, "{family}: {} tokens", sampled.len());
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&sampled), bits(&trained.logp), "{family}");
        assert_eq!(bits(&entropy), bits(&trained.entropy), "{family}");
    }
}

#[test]
fn samples_do_not_depend_on_batch_workers_or_threads() {
    let folder = golden("qwen3");
    let (model, _) = Model::load(&folder, ModelConfig::from_folder(&folder).unwrap()).unwrap();
    let one = sample(&model, Threading::Serial, 1, 1, SAMPLING);
    assert!(one.iter().flatten().any(|s| s.finished) && one.iter().flatten().any(|s| !s.finished));
    for (threading, batch, workers) in [(Threading::Pool, 64, 1), (Threading::Serial, 3, 4), (Threading::Pool, 5, 2)] {
        assert_eq!(sample(&model, threading, batch, workers, SAMPLING), one);
    }
    let truncated = sample(&model, Threading::Pool, 8, 1, Sampling { top_p: 0.9, top_k: 20, min_p: 0.01, ..SAMPLING });
    assert!(truncated.iter().flatten().all(|s| s.logp.iter().zip(&s.logp_behavior).all(|(l, b)| b >= l)));
}
