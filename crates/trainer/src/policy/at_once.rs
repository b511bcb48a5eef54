//! How much a run computes at once, where its configuration leaves that to the device.
use super::fit;
use crate::config::{Config, Size, choice::Recompute};
use surefoot_engine::config::ModelConfig;
use surefoot_engine::device::Chosen;
use surefoot_engine::memory::spare;

/// Tokens of a micro-batch on a GPU, the most first. From [`ENOUGH_TOKENS`] on products are as fast as with more.
const TOKENS: [usize; 5] = [16_384, 8192, 4096, 2048, 1024];
const ENOUGH_TOKENS: usize = 4096;
/// Sequences decoded together on a GPU, the most first.
const SEQUENCES: [usize; 6] = [256, 128, 64, 32, 16, 8];

/// Tokens in one forward and backward pass, and sequences that are decoded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AtOnce {
    /// Tokens of a micro-batch.
    pub tokens: usize,
    /// Sequences.
    pub sequences: usize,
}

impl AtOnce {
    /// Of the CPU, where more are no faster.
    pub const CPU: Self = Self { tokens: 1024, sequences: 64 };
    /// Of a GPU, as far as memory does not matter.
    pub const GPU: Self = Self { tokens: TOKENS[0], sequences: SEQUENCES[0] };

    /// Of a device, as far as memory does not matter.
    pub const fn on(place: &Chosen) -> Self {
        match place {
            Chosen::Cpu(_) => Self::CPU,
            Chosen::Cuda(..) => Self::GPU,
        }
    }
}

/// `config` with a number for each [`Size::Auto`], for a GPU of `total` bytes of which `free` are free.
///
/// Tokens of a micro-batch change results by rounding, so their number follows from the whole memory, which is the same when a run is
/// resumed; that of sequences, which changes nothing, from what is free.
pub(super) fn settled(
    config: &Config,
    structure: &ModelConfig,
    positions: usize,
    (free, total): (usize, usize),
) -> Config {
    let with = |tokens: usize, sequences: usize| {
        let mut settled = config.clone();
        (settled.update.tokens_per_micro_batch, settled.rollout.batch) = (Size::Of(tokens), Size::Of(sequences));
        settled
    };
    let takes = |config: &Config| fit::demand(config, structure, positions).total(structure);
    let room = spare(total);
    let choices = |size: Size, all: &[usize]| match size {
        Size::Auto => all.to_vec(),
        Size::Of(number) => vec![number],
    };
    let all_tokens = choices(config.update.tokens_per_micro_batch, &TOKENS);
    let all_sequences = choices(config.rollout.batch, &SEQUENCES);
    let first = |of: &[usize], fits: &dyn Fn(usize) -> bool| of.iter().copied().find(|&n| fits(n));
    let least = |of: &[usize]| of.last().copied().unwrap_or(1);

    // Decoding gains most from more sequences, so micro-batches need not be larger than enough beside them.
    let enough = first(&all_tokens, &|tokens| tokens <= ENOUGH_TOKENS).unwrap_or(least(&all_tokens));
    let together = first(&all_sequences, &|n| takes(&with(enough, n)) <= room)
        .or_else(|| first(&all_sequences, &|n| takes(&with(least(&all_tokens), n)) <= room))
        .unwrap_or(least(&all_sequences));
    // Activations that are kept save more than longer micro-batches do.
    let kept = |tokens: usize| {
        let mut kept = with(tokens, together);
        kept.update.recompute = Recompute::Never;
        config.update.recompute == Recompute::Auto && tokens >= ENOUGH_TOKENS && takes(&kept) <= room
    };
    let tokens = first(&all_tokens, &kept)
        .or_else(|| first(&all_tokens, &|tokens| takes(&with(tokens, together)) <= room))
        .unwrap_or(least(&all_tokens));
    let sequences = first(&all_sequences, &|n| n <= together && takes(&with(tokens, n)) <= free);
    with(tokens, sequences.unwrap_or(least(&all_sequences)))
}

#[cfg(test)]
mod tests {
    use super::super::fit::tests::{GIB, qwen};
    use super::*;
    use crate::config::Purpose;

    const H200: (usize, usize) = (139 * GIB, 140 * GIB);

    fn found(config: &Config, structure: &ModelConfig, memory: (usize, usize)) -> (usize, usize) {
        let settled = settled(config, structure, 2048, memory);
        (settled.update.tokens_per_micro_batch.or(0), settled.rollout.batch.or(0))
    }

    #[test]
    fn a_gpu_with_room_computes_much_at_once_and_one_without_less() {
        let auto = Config::defaults(Purpose::Train);
        let small = qwen(896, 24, (14, 2), 4864, 151_936, true);
        let large = qwen(3584, 28, (28, 4), 18_944, 152_064, false);
        assert_eq!(found(&auto, &small, H200), (16_384, 256));
        // 7B, all of it: 128 GiB before the first token.
        assert_eq!(found(&auto, &large, H200), (1024, 8));
        let mut half = auto.clone();
        half.optimizer.state = crate::config::choice::Precision::Bf16;
        let (tokens, sequences) = found(&half, &large, H200);
        assert!(tokens >= ENOUGH_TOKENS && sequences >= 64, "{tokens} {sequences}");
        assert!(fit::plan(&half, &large, 2048, "a GPU", H200).is_ok());
        // 24 GiB hold a 0.5B model with little beside it.
        let little = (23 * GIB, 24 * GIB);
        let (tokens, sequences) = found(&auto, &small, little);
        assert!(tokens < 16_384 && sequences >= 8, "{tokens} {sequences}");
        assert!(fit::plan(&auto, &small, 2048, "a GPU", little).is_ok());
    }

    #[test]
    fn a_number_that_is_set_stays_and_a_resumed_run_has_the_same_micro_batches() {
        let small = qwen(896, 24, (14, 2), 4864, 151_936, true);
        let mut config = Config::defaults(Purpose::Train);
        config.update.tokens_per_micro_batch = Size::Of(3000);
        assert_eq!(found(&config, &small, H200), (3000, 256));
        config.rollout.batch = Size::Of(7);
        config.update.tokens_per_micro_batch = Size::Auto;
        assert_eq!(found(&config, &small, H200), (16_384, 7));
        config.rollout.batch = Size::Auto;
        let busy = (18 * GIB, H200.1);
        assert_eq!(found(&config, &small, busy).0, 16_384);
        assert!(found(&config, &small, busy).1 < 256);
    }
}
