//! Logits, log-probabilities, gradients, sampling and training of the golden models.
use super::{distance, golden, machines};
use crate::batch::{Packed, Target};
use crate::config::ModelConfig;
use crate::cpu::{Cpu, parallel::Threading};
use crate::cuda::{Cuda, Forward};
use crate::decoder::{Activations, Decoder, Tape, infer::Scratch};
use crate::device::{Device, Sampling, Step, Weights};
use crate::generate::{Request, Sample, Settings, generate};
use crate::model::Model;
use safetensors::SafeTensors;

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];
/// bfloat16 has eight bits; activations go through some dozens of roundings.
const LOGP_DISTANCE: f64 = 0.01;
const GRADIENT_DISTANCE: f64 = 0.06;

struct Reference(Vec<u8>);

impl Reference {
    fn open(family: &str) -> Self {
        Self(std::fs::read(golden(family).join("reference.safetensors")).unwrap())
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let data = file.tensor(name).unwrap().data().to_vec();
        data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
    }

    fn integers(&self, name: &str) -> Vec<u32> {
        self.floats(name).into_iter().map(f32::to_bits).collect()
    }

    fn sequences(&self) -> Vec<Vec<u32>> {
        let (ids, offsets) = (self.integers("input_ids"), self.integers("offsets"));
        offsets.windows(2).map(|w| ids[w[0] as usize..w[1] as usize].to_vec()).collect()
    }
}

fn load(family: &str) -> (Model, Reference) {
    let folder = golden(family);
    let (model, _) = Model::load(&folder, ModelConfig::from_folder(&folder).unwrap()).unwrap();
    (model, Reference::open(family))
}

/// The model with the weights that a GPU has: rounded to bfloat16.
fn rounded(model: &Model) -> Model {
    let weights = model.weights.iter().map(|&w| half::bf16::from_f32(w).to_f32()).collect();
    Model { config: model.config.clone(), weights }
}

fn whole(sequences: &[Vec<u32>]) -> (Packed, Vec<Target>) {
    let (mut batch, mut targets) = (Packed::default(), Vec::new());
    for tokens in sequences {
        let start = batch.len();
        batch.push(tokens, None);
        targets.extend((1..tokens.len()).map(|i| Target { row: (start + i - 1) as u32, token: tokens[i] }));
    }
    (batch, targets)
}

/// Log-probabilities, entropies and gradient of a pass.
fn pass<D: Device>(
    decoder: &Decoder<D>,
    arena: &D::Buffer,
    batch: &Packed,
    targets: &[Target],
    grad_logp: &[f32],
    keep: Activations,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let d = decoder.device();
    let w = Weights { arena, packed: None };
    let mut tape = Tape::new(decoder, batch.len(), keep);
    let found = decoder.forward(w, batch, targets, 1.0, &mut tape);
    let mut grads = d.zeros(decoder.layout().len);
    decoder.backward(w, batch, grad_logp, &mut tape, &mut grads);
    d.status().unwrap();
    (found.logp, found.entropy, d.host(&grads).into_owned())
}

/// Against `transformers`, and much closer to the CPU with the same rounded weights.
#[test]
fn log_probabilities_and_gradients_match() {
    for cuda in machines() {
        for family in FAMILIES {
            let (model, reference) = load(family);
            let (batch, targets) = whole(&reference.sequences());
            let at_targets = |v: &[f32]| -> Vec<f32> { targets.iter().map(|t| v[t.row as usize]).collect() };
            let (want, weight) = (at_targets(&reference.floats("logp")), at_targets(&reference.floats("token_weight")));
            let decoder = Decoder::new(cuda.clone(), &model.config, 64);
            let arena = cuda.parameters(model.weights.clone());
            let (logp, _, grads) = pass(&decoder, &arena, &batch, &targets, &weight, Activations::Keep);
            let off = distance(&logp, &want);
            assert!(off < LOGP_DISTANCE, "{family} on {}: logp {off}", cuda.describe());

            let near = rounded(&model);
            let cpu = Decoder::new(Cpu::new(Threading::Pool), &near.config, 64);
            let (cpu_logp, _, cpu_grads) = pass(&cpu, &near.weights, &batch, &targets, &weight, Activations::Keep);
            let logp_off = distance(&logp, &cpu_logp);
            let mut worst = (0f64, String::new());
            for (parameter, range) in decoder.layout().parameters() {
                let reference = distance(&grads[range.clone()], &reference.floats(&format!("grad.{}", parameter.name)));
                assert!(reference < GRADIENT_DISTANCE, "{family}: gradient of {}: {reference}", parameter.name);
                let off = distance(&grads[range.clone()], &cpu_grads[range]);
                if off > worst.0 {
                    worst = (off, parameter.name.clone());
                }
            }
            let said = format!(
                "{family} on {}: logp {logp_off:.1e} from the CPU's, gradient at most {:.1e} ({})",
                cuda.describe(),
                worst.0,
                worst.1
            );
            eprintln!("{said}");
            assert!(logp_off < LOGP_DISTANCE && worst.0 < GRADIENT_DISTANCE, "{said}");
        }
    }
}

#[test]
fn recomputed_activations_shared_prompts_and_the_library_change_little_or_nothing() {
    for cuda in machines() {
        let (model, reference) = load("qwen3");
        let sequences = reference.sequences();
        let (batch, targets) = whole(&sequences);
        let weight = vec![0.5; targets.len()];
        let decoder = Decoder::new(cuda.clone(), &model.config, 128);
        let arena = cuda.parameters(model.weights.clone());
        let kept = pass(&decoder, &arena, &batch, &targets, &weight, Activations::Keep);
        assert_eq!(pass(&decoder, &arena, &batch, &targets, &weight, Activations::Recompute), kept);

        for forward in [Forward::Library, Forward::Hopper] {
            if forward == Forward::Hopper && !cuda.has_hopper_kernels() {
                continue;
            }
            let other = Decoder::new(cuda.with_forward(forward), &model.config, 128);
            let (logp, entropy, grads) = pass(&other, &arena, &batch, &targets, &weight, Activations::Keep);
            assert!(distance(&logp, &kept.0) < LOGP_DISTANCE && distance(&entropy, &kept.1) < LOGP_DISTANCE);
            assert!(distance(&grads, &kept.2) < GRADIENT_DISTANCE);
        }

        // One prompt for the others: the bits of the forward pass stay.
        let (prompt, completions) = (&sequences[0], &sequences[1..]);
        let (mut separate, mut first) = (Packed::default(), Vec::new());
        let (mut shared, mut second) = (Packed::default(), Vec::new());
        let prefix = shared.push(prompt, None);
        for completion in completions {
            let start = separate.len() + prompt.len();
            separate.push(&prompt.iter().chain(completion).copied().collect::<Vec<_>>(), None);
            let own = shared.len();
            shared.push(completion, Some(prefix));
            for (i, &token) in completion.iter().enumerate() {
                first.push(Target { row: (start + i - 1) as u32, token });
                let row = if i == 0 { prompt.len() - 1 } else { own + i - 1 };
                second.push(Target { row: row as u32, token });
            }
        }
        let weight: Vec<f32> = (0..first.len()).map(|i| (i % 7) as f32 - 3.0).collect();
        let a = pass(&decoder, &arena, &separate, &first, &weight, Activations::Keep);
        let b = pass(&decoder, &arena, &shared, &second, &weight, Activations::Keep);
        assert_eq!((a.0, a.1), (b.0, b.1));
        assert!(distance(&b.2, &a.2) < GRADIENT_DISTANCE);
    }
}

#[test]
fn logits_match_in_prefill_and_in_decoding() {
    for cuda in machines() {
        for family in FAMILIES {
            let (model, reference) = load(family);
            let decoder = Decoder::new(cuda.clone(), &model.config, 64);
            let arena = cuda.constants(model.weights.clone());
            let w = Weights { arena: &arena, packed: None };
            let (logits, vocabulary) = (reference.floats("logits"), decoder.vocabulary());
            let mut scratch = Scratch::new(&decoder, 64, 8);
            let (mut first, mut got, mut want) = (0, Vec::new(), Vec::new());
            for tokens in reference.sequences() {
                // A few tokens are decoded: the emulation is slow.
                let split = tokens.len().saturating_sub(3).max(1);
                let mut batch = Packed::default();
                batch.push(&tokens[..split], None);
                let mut caches = vec![decoder.cache(None)];
                let mut row = vec![0.0; vocabulary];
                let found = decoder.prefill(w, &batch, &mut caches, &mut scratch);
                cuda.download(found, 0..vocabulary, &mut row);
                got.extend_from_slice(&row);
                want.extend_from_slice(&logits[(first + split - 1) * vocabulary..][..vocabulary]);
                for (i, &token) in tokens.iter().enumerate().skip(split) {
                    let found = decoder.decode(w, &[token], &mut [&mut caches[0]], &mut scratch);
                    cuda.download(found, 0..vocabulary, &mut row);
                    got.extend_from_slice(&row);
                    want.extend_from_slice(&logits[(first + i) * vocabulary..][..vocabulary]);
                }
                first += tokens.len();
            }
            cuda.status().unwrap();
            let off = distance(&got, &want);
            assert!(off < 2.0 * LOGP_DISTANCE, "{family} on {}: {off}", cuda.describe());
        }
    }
}

#[test]
fn records_are_not_played_over_a_pool_of_another_size_in_the_same_place() {
    for cuda in machines() {
        let (model, _) = load("llama");
        let decoder = Decoder::new(cuda.clone(), &model.config, 64);
        let arena = cuda.constants(model.weights.clone());
        let w = Weights { arena: &arena, packed: None };
        let decode = |sequences: usize, prompt: &[u32], scratch: &mut Scratch<Cuda>| {
            cuda.expect(sequences, 16);
            let (mut batch, mut caches) = (Packed::default(), vec![decoder.cache(None)]);
            batch.push(prompt, None);
            decoder.prefill(w, &batch, &mut caches, scratch);
            let mut row = vec![0.0; decoder.vocabulary()];
            for token in [35, 89, 79] {
                let found = decoder.decode(w, &[token], &mut [&mut caches[0]], scratch);
                cuda.download(found, 0..row.len(), &mut row);
            }
            row
        };
        let mut scratch = Scratch::new(&decoder, 16, 1);
        decode(300, &[32, 38, 46, 26], &mut scratch);
        let known = decode(40, &[3, 14, 15, 92], &mut scratch);
        let fresh = decode(40, &[3, 14, 15, 92], &mut Scratch::new(&decoder, 16, 1));
        cuda.status().unwrap();
        assert_eq!(known, fresh, "on {}", cuda.describe());
    }
}

/// The second one ends at the end of a page, the last one within its second page.
const PROMPTS: [&[u32]; 3] =
    [&[3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26, 43, 38, 32, 79, 50], &[71; 64], &[28; 70]];

fn sample(cuda: &Cuda, model: &Model, batch: usize) -> Vec<Vec<Sample>> {
    let decoder = Decoder::new(cuda.clone(), &model.config, 128);
    let arena = cuda.constants(model.weights.clone());
    let requests: Vec<Request> = PROMPTS
        .iter()
        .enumerate()
        .map(|(i, &prompt)| Request { prompt, samples: 3, first_sequence: 3 * i as u64 })
        .collect();
    let settings = Settings {
        sampling: Sampling { temperature: 0.8, top_p: 1.0, top_k: 0, min_p: 0.0 },
        seed: 17,
        max_new_tokens: 9,
        batch,
        workers: 1,
        stop: &|tokens| tokens.last() == Some(&5),
        progress: &|_| {},
        cancelled: &|| false,
    };
    let found = generate(&decoder, Weights { arena: &arena, packed: None }, &requests, &settings);
    cuda.status().unwrap();
    found
}

/// The sampler's log-probabilities against those of the training pass; to the bit, as products are those of `linear.cu`.
#[test]
fn sampler_and_trainer_agree_whatever_the_batch() {
    for cuda in machines() {
        FAMILIES.iter().for_each(|family| agree(&cuda, family));
        if cuda.has_hopper_kernels() {
            agree(&cuda.with_forward(Forward::Hopper), "qwen2");
        }
    }
}

/// The sampler's log-probabilities and entropies are the trainer's to the bit.
fn agree(cuda: &Cuda, family: &str) {
    let (model, _) = load(family);
    let groups = sample(cuda, &model, 9);
    if family == "qwen3" {
        assert_eq!(sample(cuda, &model, 2), groups, "{family}: the batch changes the samples");
    }
    let (mut batch, mut targets, mut sampled, mut entropy) = (Packed::default(), Vec::new(), Vec::new(), Vec::new());
    for (prompt, group) in PROMPTS.iter().zip(&groups) {
        let prefix = batch.push(prompt, None);
        let last = batch.len() - 1;
        for sample in group {
            let own = batch.len();
            batch.push(&sample.tokens, Some(prefix));
            for (i, &token) in sample.tokens.iter().enumerate() {
                targets.push(Target { row: if i == 0 { last } else { own + i - 1 } as u32, token });
            }
            sampled.extend_from_slice(&sample.logp);
            entropy.extend_from_slice(&sample.entropy);
        }
    }
    let decoder = Decoder::new(cuda.clone(), &model.config, 128);
    let arena = cuda.constants(model.weights.clone());
    let mut tape = Tape::new(&decoder, batch.len(), Activations::Keep);
    let w = Weights { arena: &arena, packed: None };
    let trained = decoder.forward(w, &batch, &targets, 1.0 / 0.8, &mut tape);
    let gap = sampled.iter().zip(&trained.logp).map(|(s, t)| (s - t).abs()).fold(0f32, f32::max);
    eprintln!("{family} on {}: sampler against trainer: {gap:.1e}", cuda.describe());
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&sampled), bits(&trained.logp), "{family}");
    assert_eq!(bits(&entropy), bits(&trained.entropy), "{family}");
    // The samples are those of the model, not just alike: the CPU thinks as well of them.
    let near = rounded(&model);
    let cpu = Decoder::new(Cpu::new(Threading::Pool), &near.config, 128);
    let mut tape = Tape::new(&cpu, batch.len(), Activations::Keep);
    let w = Weights { arena: &near.weights, packed: None };
    let found = cpu.forward(w, &batch, &targets, 1.0 / 0.8, &mut tape);
    assert!(distance(&trained.logp, &found.logp) < LOGP_DISTANCE);
}

/// Some steps of AdamW on one batch: the loss falls as on the CPU, with moments of either format, and what is downloaded can be resumed from.
#[test]
fn training_goes_as_on_the_cpu() {
    for cuda in machines() {
        let (model, reference) = load("qwen2");
        let (batch, targets) = whole(&reference.sequences());
        for half in [false, true] {
            let on_gpu = train(cuda.clone(), &model, &batch, &targets, half);
            let on_cpu = train(Cpu::new(Threading::Pool), &model, &batch, &targets, half);
            let losses = |run: &(Vec<f64>, Vec<f32>)| run.0.clone();
            let (got, want) = (losses(&on_gpu), losses(&on_cpu));
            assert!(want[want.len() - 1] < want[0] - 0.1, "{want:?}");
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 0.02, "half {half}: {got} against {want}");
            }
            assert!(distance(&on_gpu.1, &on_cpu.1) < 0.02);
        }
    }
}

/// Mean negative log-likelihood before each of some steps, and the weights after them.
fn train<D: Device>(device: D, model: &Model, batch: &Packed, targets: &[Target], half: bool) -> (Vec<f64>, Vec<f32>) {
    let decoder = Decoder::new(device, &model.config, 64);
    let d = decoder.device();
    let mut arena = d.parameters(model.weights.clone());
    let mut moments = d.moments(decoder.layout().len, half);
    let mut grads = d.zeros(decoder.layout().len);
    let mut tape = Tape::new(&decoder, batch.len(), Activations::Keep);
    let weight = vec![-1.0 / targets.len() as f32; targets.len()];
    let mut losses = Vec::new();
    for update in 1..=4 {
        d.clear(&mut grads);
        let w = Weights { arena: &arena, packed: None };
        let found = decoder.forward(w, batch, targets, 1.0, &mut tape);
        losses.push(-found.logp.iter().map(|&l| f64::from(l)).sum::<f64>() / targets.len() as f64);
        decoder.backward(w, batch, &weight, &mut tape, &mut grads);
        let norm = d.norm_of(&grads);
        assert!(norm.is_finite() && norm > 0.0);
        let step = Step {
            learning_rate: 5e-3,
            betas: (0.9, 0.99),
            eps: 1e-8,
            weight_decay: 0.01,
            gradient_scale: (1.0 / norm).min(1.0) as f32,
            update,
        };
        d.adamw(step, &decoder.layout().decayed(), &mut arena, &grads, &mut moments);
        if update == 2 {
            // A checkpoint and a resume.
            let (first, second) = d.read_moments(&moments);
            let saved = (first.into_owned(), second.into_owned());
            moments = d.moments(decoder.layout().len, half);
            d.write_moments(&mut moments, saved);
            arena = d.parameters(d.host(&arena).into_owned());
        }
    }
    d.status().unwrap();
    let weights = d.host(&arena).into_owned();
    (losses, weights)
}
