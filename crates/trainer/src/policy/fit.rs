//! Whether a run fits into a GPU's memory, and what would make it fit.
use super::at_once::{AtOnce, settled};
use super::learned::Learning;
use crate::config::{
    Config, Purpose, Size,
    choice::{Precision, Recompute},
};
use std::fmt::Write;
use surefoot_engine::config::ModelConfig;
use surefoot_engine::cuda::LOGIT_BYTES;
use surefoot_engine::device::{Bytes, DeviceError};
use surefoot_engine::memory::{Demand, Sampling, Training};

/// Fewest tokens of a micro-batch, and fewest sequences at once, that are proposed.
const FEWEST_ROWS: usize = 1024;
const FEWEST_SEQUENCES: usize = 8;
/// Rank of adapters that are proposed.
const ADAPTER_RANK: usize = 32;

/// What a run of `config` takes, for sequences of up to `positions` tokens.
pub(super) fn demand(config: &Config, structure: &ModelConfig, positions: usize) -> Demand {
    let samples = match config.purpose {
        Purpose::Sft => false,
        // An evaluation samples here even where a server samples for the updates.
        Purpose::Train => !config.remote() || !config.eval.data.is_empty(),
        Purpose::Eval => true,
    };
    let sampling = samples.then(|| {
        let all =
            if config.eval.data.is_empty() { config.rollout.prompts * config.rollout.samples } else { usize::MAX };
        Sampling { sequences: config.rollout.batch.or(AtOnce::GPU.sequences).min(all.max(1)), tokens: positions }
    });
    let training = Training {
        elements: Learning::elements(config, structure),
        half_moments: config.optimizer.state == Precision::Bf16,
        rows: config.update.tokens_per_micro_batch.or(AtOnce::GPU.tokens).max(positions),
        // `auto` computes again unless there is room, which `plan` looks for.
        recompute: config.update.recompute != Recompute::Never,
        logit_bytes: LOGIT_BYTES,
    };
    if config.purpose == Purpose::Eval {
        return Demand { sampling, ..Demand::default() };
    }
    let ahead = samples && config.rollout.staleness > 0;
    Demand { training: Some(training), sampling, copies: usize::from(config.needs_reference()) + usize::from(ahead) }
}

/// A setting that takes less.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Recompute,
    Rows(usize),
    Sequences(usize),
    HalfMoments,
    Adapters,
}

impl Change {
    /// As a user writes it.
    fn set(self) -> String {
        match self {
            Self::Recompute => "update.recompute=always".to_string(),
            Self::Rows(rows) => format!("update.tokens_per_micro_batch={rows}"),
            Self::Sequences(sequences) => format!("rollout.batch={sequences}"),
            Self::HalfMoments => "optimizer.state=bf16".to_string(),
            Self::Adapters => format!("lora.rank={ADAPTER_RANK}"),
        }
    }

    fn apply(self, config: &mut Config) {
        match self {
            Self::Recompute => config.update.recompute = Recompute::Always,
            Self::Rows(rows) => config.update.tokens_per_micro_batch = Size::Of(rows),
            Self::Sequences(sequences) => config.rollout.batch = Size::Of(sequences),
            Self::HalfMoments => config.optimizer.state = Precision::Bf16,
            Self::Adapters => config.lora.rank = ADAPTER_RANK,
        }
    }
}

/// Settings of `config` that could take less, the mildest first.
fn changes(config: &Config, structure: &ModelConfig, positions: usize) -> Vec<Change> {
    let halves = |from: usize, least: usize| {
        std::iter::successors(Some(from / 2), |n| Some(n / 2)).take_while(move |n| *n >= least.max(1))
    };
    let mut found = Vec::new();
    if config.update.recompute == Recompute::Never {
        found.push(Change::Recompute);
    }
    found.extend(halves(config.update.tokens_per_micro_batch.or(0), FEWEST_ROWS.max(positions)).map(Change::Rows));
    if demand(config, structure, positions).sampling.is_some() {
        found.extend(halves(config.rollout.batch.or(0), FEWEST_SEQUENCES).map(Change::Sequences));
    }
    if config.optimizer.state != Precision::Bf16 {
        found.push(Change::HalfMoments);
    }
    if config.lora.rank == 0 {
        found.push(Change::Adapters);
    }
    found
}

/// Changes that bring the demand down to `free` bytes, and what it is then: one if one is enough, else as many of the mildest as it
/// takes, without those that are not needed.
fn enough(config: &Config, structure: &ModelConfig, positions: usize, free: usize) -> Option<(Vec<Change>, usize)> {
    let total = |changes: &[Change]| {
        let mut changed = config.clone();
        changes.iter().for_each(|change| change.apply(&mut changed));
        demand(&changed, structure, positions).total(structure)
    };
    let all = changes(config, structure, positions);
    let fits = |changes: &[Change]| total(changes) <= free;
    // Adapters are another way to learn: the last resort.
    let settings: Vec<Change> = all.iter().copied().filter(|change| *change != Change::Adapters).collect();
    let one_of = |changes: &[Change]| changes.iter().map(|&change| vec![change]).find(|changes| fits(changes));
    let alone = || one_of(&settings);
    let together = || (1..=settings.len()).map(|count| settings[..count].to_vec()).find(|changes| fits(changes));
    let mut chosen = alone().or_else(together).or_else(|| one_of(&all)).or_else(|| fits(&all).then(|| all.clone()))?;
    for change in chosen.clone() {
        let without: Vec<Change> = chosen.iter().copied().filter(|kept| *kept != change).collect();
        if fits(&without) {
            chosen = without;
        }
    }
    let total = total(&chosen);
    Some((chosen, total))
}

/// What a run takes and how much it computes at once.
#[derive(Debug)]
pub(super) struct Planned {
    /// The memory.
    pub demand: Demand,
    /// Tokens and sequences.
    pub at_once: AtOnce,
}

/// What the run takes of the `free` of `total` bytes of `device`: what it needs, and what makes it faster where there is room.
///
/// # Errors
/// [`DeviceError::OutOfMemory`] with what takes how much, and what would make it fit.
pub(super) fn plan(
    config: &Config,
    structure: &ModelConfig,
    positions: usize,
    device: &str,
    (free, total): (usize, usize),
) -> Result<Planned, DeviceError> {
    let config = &settled(config, structure, positions, (free, total));
    let demand = demand(config, structure, positions);
    let wanted = demand.total(structure);
    if wanted <= free {
        let demand = demand.faster(structure, free, config.update.recompute == Recompute::Auto);
        let (tokens, sequences) = (config.update.tokens_per_micro_batch, config.rollout.batch);
        let at_once = AtOnce { tokens: tokens.or(AtOnce::GPU.tokens), sequences: sequences.or(AtOnce::GPU.sequences) };
        return Ok(Planned { demand, at_once });
    }
    let parts: Vec<String> =
        demand.parts(structure).iter().map(|part| format!("{} {}", part.name, Bytes(part.bytes))).collect();
    let mut hint = format!("of that {}. ", parts.join(", "));
    let told = match enough(config, structure, positions, free) {
        Some((changes, total)) => {
            let sets: Vec<String> = changes.iter().map(|change| format!("--set {}", change.set())).collect();
            write!(hint, "It would fit ({}) with {}", Bytes(total), sets.join(" "))
        }
        None => write!(hint, "No setting of one GPU makes it fit: take a smaller model, a larger GPU, or --device cpu"),
    };
    // Writing into a text does not fail.
    let _infallible = told;
    Err(DeviceError::OutOfMemory { device: device.to_string(), wanted, free, total, hint })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use super::*;
    use surefoot_engine::config::ModelConfig;

    pub const GIB: usize = 1 << 30;

    /// Qwen2.5's published sizes.
    pub fn qwen(
        hidden: usize,
        layers: usize,
        heads: (usize, usize),
        ffn: usize,
        vocabulary: usize,
        tied: bool,
    ) -> ModelConfig {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/models/qwen2");
        let mut config = ModelConfig::from_folder(&folder).unwrap();
        config.hidden_size = hidden;
        config.num_hidden_layers = layers;
        (config.num_attention_heads, config.num_key_value_heads) = heads;
        config.head_dim = hidden / heads.0;
        config.intermediate_size = ffn;
        config.vocab_size = vocabulary;
        config.tie_word_embeddings = tied;
        config
    }

    fn run() -> Config {
        let mut config = Config::defaults(Purpose::Train);
        (config.rollout.batch, config.rollout.prompts, config.rollout.samples) = (Size::Of(256), 128, 8);
        config.update.tokens_per_micro_batch = Size::Of(16_384);
        config
    }

    #[test]
    fn a_small_model_fits_and_what_is_said_of_a_large_one_makes_it_fit() {
        let h200 = (139 * GIB, 140 * GIB);
        let small = qwen(896, 24, (14, 2), 4864, 151_936, true);
        assert_eq!(small.parameter_count(), 494_032_768);
        plan(&run(), &small, 2048, "a GPU", h200).unwrap();
        let large = qwen(3584, 28, (28, 4), 18_944, 152_064, false);
        assert_eq!(large.parameter_count(), 7_615_616_512);
        let said = plan(&run(), &large, 2048, "a GPU", h200).unwrap_err().to_string();
        assert!(said.contains("weights 42.6 GiB, gradient 28.4 GiB, moments 56.7 GiB"), "{said}");
        assert!(said.contains("It would fit ("), "{said}");
        // What it says is taken at its word.
        let (changes, total) = enough(&run(), &large, 2048, h200.0).unwrap();
        let sets: Vec<String> = changes.iter().map(|change| change.set()).collect();
        let file = "[model]\npath = \"m\"\n[data]\ntrain = \"task:addition\"\n[rollout]\nbatch = 256\nprompts = 128\n\
                    samples = 8\n[update]\ntokens_per_micro_batch = 16384\n";
        let changed = Config::from_text("run.toml".as_ref(), file, &sets, Purpose::Train).unwrap();
        assert_eq!(demand(&changed, &large, 2048).total(&large), total);
        plan(&changed, &large, 2048, "a GPU", h200).unwrap();
        assert!(!changes.contains(&Change::Adapters), "{changes:?}: adapters are the last resort");
        // With less memory it takes several, and all of them.
        let less = 110 * GIB;
        let (changes, total) = enough(&run(), &large, 2048, less).unwrap();
        assert!(total <= less);
        for left_out in &changes {
            let mut config = run();
            changes.iter().filter(|change| *change != left_out).for_each(|change| change.apply(&mut config));
            assert!(demand(&config, &large, 2048).total(&large) > less, "{left_out:?} of {changes:?} is not needed");
        }
    }

    #[test]
    fn room_is_taken_for_speed_and_no_more_than_there_is() {
        let small = qwen(896, 24, (14, 2), 4864, 151_936, true);
        let needed = demand(&run(), &small, 2048).total(&small);
        let found = |config: &Config, free: usize| {
            let demand = plan(config, &small, 2048, "a GPU", (free, free)).unwrap().demand;
            assert!(demand.total(&small) <= free);
            let training = demand.training.unwrap();
            (training.recompute, training.logit_bytes)
        };
        let whole = 4 * 151_936 * 16_384;
        assert_eq!(found(&run(), 139 * GIB), (false, whole));
        assert_eq!(found(&run(), needed), (true, LOGIT_BYTES));
        // Activations come first: they save more.
        let kept = demand(&run(), &small, 2048).faster(&small, usize::MAX, true);
        let logits = kept.total(&small) - (whole - LOGIT_BYTES);
        assert_eq!(found(&run(), logits * 16 / 15 + GIB), (false, LOGIT_BYTES));
        let mut always = run();
        always.update.recompute = Recompute::Always;
        assert_eq!(found(&always, 139 * GIB), (true, whole));
        let mut never = run();
        never.update.recompute = Recompute::Never;
        assert_eq!(found(&never, 139 * GIB), (false, whole));
    }

    #[test]
    fn adapters_are_proposed_where_nothing_else_helps() {
        let large = qwen(3584, 28, (28, 4), 18_944, 152_064, false);
        let said = plan(&run(), &large, 2048, "a GPU", (79 * GIB, 80 * GIB)).unwrap_err().to_string();
        assert!(said.contains("--set lora.rank=32"), "{said}");
    }

    #[test]
    fn what_fits_in_no_way_is_said_to() {
        let large = qwen(3584, 28, (28, 4), 18_944, 152_064, false);
        let said = plan(&run(), &large, 2048, "a GPU", (8 * GIB, 8 * GIB)).unwrap_err().to_string();
        assert!(said.contains("No setting of one GPU makes it fit"), "{said}");
    }

    #[test]
    fn moments_recomputation_and_adapters_take_less() {
        let large = qwen(3584, 28, (28, 4), 18_944, 152_064, false);
        let of = |change: &dyn Fn(&mut Config)| {
            let mut config = run();
            change(&mut config);
            demand(&config, &large, 2048).total(&large)
        };
        let plain = of(&|_| {});
        assert!(of(&|c| c.update.recompute = Recompute::Never) > plain + 8 * GIB);
        assert_eq!(plain - of(&|c| c.optimizer.state = Precision::Bf16), 4 * large.parameter_count());
        assert!(of(&|c| c.lora.rank = 16) < plain - 80 * GIB);
        assert_eq!(of(&|c| c.rollout.staleness = 1), plain + 2 * large.parameter_count());
    }
}
