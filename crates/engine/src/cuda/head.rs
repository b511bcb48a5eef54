//! The vocabulary head over blocks of rows, and the choice of next tokens.
use super::Cuda;
use super::buffer::{Buffer, Memory};
use super::machine::{Address, Number};
use crate::batch::Target;
use crate::device::{Choice, Sampling, TargetGradients, TargetStatistics};
use crate::layout::Matrix;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Bytes of a block of f32 logits, which is all of them that exists at once unless there is room for more ([`Cuda::keep_logits`]).
pub const LOGIT_BYTES: usize = 2 << 30;
/// Fewest rows of a block.
const MIN_ROWS: usize = 64;
/// Floats of a row's statistics.
const STATISTICS: usize = 4;
/// Tokens whose probabilities the sampler sums at once.
const SAMPLE_BLOCK: usize = 256;

/// What the head's forward pass leaves for its backward pass.
pub struct HeadState {
    logits: Option<Memory>,
    statistics: Option<Memory>,
    /// Whether the logits of all rows are there.
    whole: bool,
    /// Bytes of a block of logits.
    block: usize,
}

impl Default for HeadState {
    fn default() -> Self {
        Self { logits: None, statistics: None, whole: false, block: LOGIT_BYTES }
    }
}

impl HeadState {
    /// With smaller blocks: tests have no gigabytes of logits.
    #[cfg(test)]
    pub(super) fn in_blocks(bytes: usize) -> Self {
        Self { block: bytes, ..Self::default() }
    }

    /// Where the block of logits lies that begins with row `first`.
    fn block(&self, logits: Address, first: usize, vocabulary: usize) -> Address {
        logits + if self.whole { 4 * first * vocabulary } else { 0 } as u64
    }
}

/// Rows of a block of so many bytes of logits.
fn block_rows(bytes: usize, vocabulary: usize) -> usize {
    (bytes / 4 / vocabulary).max(MIN_ROWS)
}

/// Bytes of logits that exist at once for `rows` rows where no more than `kept` may be.
pub(crate) fn logit_bytes(rows: usize, vocabulary: usize, kept: usize) -> usize {
    let row = 4 * vocabulary;
    if row * rows <= kept { row * rows } else { row * rows.min(block_rows(LOGIT_BYTES, vocabulary)) }
}

/// Targets of the rows `first..first + count`; targets are in order of their row.
fn targets_of(targets: &[Target], first: usize, count: usize) -> Range<usize> {
    let start = targets.partition_point(|t| (t.row as usize) < first);
    start..targets.partition_point(|t| (t.row as usize) < first + count)
}

/// At least so many bytes in `memory`.
fn grow(cuda: &Cuda, memory: &mut Option<Memory>, bytes: usize) -> Address {
    if memory.as_ref().is_none_or(|memory| memory.bytes() < bytes) {
        *memory = None;
        *memory = Some(cuda.allocate(bytes));
    }
    memory.as_ref().map_or(0, Memory::address)
}

impl Cuda {
    /// Lets so many bytes of f32 logits exist at once. A batch whose logits fit keeps them from the forward to the backward pass, which
    /// saves one of the vocabulary's four products. Blocks, and so the bits, stay what they are.
    pub fn keep_logits(&self, bytes: usize) {
        self.shared.logit_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn do_head(
        &self,
        rows: usize,
        hidden: &Buffer,
        arena: &Buffer,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        state: &mut HeadState,
    ) -> TargetStatistics {
        if targets.iter().any(|target| target.token as usize >= m.outputs || target.row as usize >= rows) {
            self.wrong("the head", "a target outside of the vocabulary or the batch".to_string());
            return TargetStatistics { logp: vec![0.0; targets.len()], entropy: vec![0.0; targets.len()] };
        }
        let (vocabulary, block) = (m.outputs, block_rows(state.block, m.outputs));
        state.whole = rows <= block || 4 * rows * vocabulary <= self.shared.logit_bytes.load(Ordering::Relaxed);
        let existing = if state.whole { rows } else { block };
        let logits = grow(self, &mut state.logits, 4 * existing * vocabulary);
        let statistics = grow(self, &mut state.statistics, 4 * STATISTICS * rows);
        let hidden = self.halves(hidden, rows * m.inputs);
        let found = self.allocate(8 * targets.len());
        let (logp, entropy) = (found.address(), found.address() + 4 * targets.len() as u64);
        for first in (0..rows).step_by(block) {
            let count = block.min(rows - first);
            let own = statistics + (4 * STATISTICS * first) as u64;
            let logits = state.block(logits, first, vocabulary);
            self.logits(first, count, hidden, arena, m, logits);
            let parameters = [logits.into(), vocabulary.into(), scale.into(), own.into()];
            self.launch("row_statistics", [count, 1, 1], 512, 0, &parameters);
            let range = targets_of(targets, first, count);
            let of_rows: Vec<u32> = targets[range.clone()].iter().map(|t| t.row - first as u32).collect();
            let tokens: Vec<u32> = targets[range.clone()].iter().map(|t| t.token).collect();
            if !range.is_empty() {
                let parameters = [
                    logits.into(),
                    own.into(),
                    self.table(&of_rows).into(),
                    self.table(&tokens).into(),
                    range.len().into(),
                    vocabulary.into(),
                    scale.into(),
                    (logp + 4 * range.start as u64).into(),
                    (entropy + 4 * range.start as u64).into(),
                ];
                self.launch("target_statistics", [range.len().div_ceil(128), 1, 1], 128, 0, &parameters);
            }
        }
        let both = self.download_floats(found.address(), 2 * targets.len());
        let (logp, entropy) = both.split_at(targets.len());
        TargetStatistics { logp: logp.to_vec(), entropy: entropy.to_vec() }
    }

    /// Logits of `count` rows from `first` on.
    fn logits(&self, first: usize, count: usize, hidden: Address, arena: &Buffer, m: &Matrix, to: Address) {
        let hidden = hidden + 2 * (first * m.inputs) as u64;
        self.forward_product(count, hidden, arena, m, Number::F32, to);
    }

    pub(super) fn do_head_backward(
        &self,
        rows: usize,
        hidden: &Buffer,
        arena: &Buffer,
        m: &Matrix,
        scale: f32,
        targets: &[Target],
        wanted: TargetGradients,
        state: &mut HeadState,
        dhidden: &mut Buffer,
        grads: Option<&mut Buffer>,
    ) {
        let (vocabulary, block) = (m.outputs, block_rows(state.block, m.outputs));
        let logits = state.logits.as_ref().map_or(0, Memory::address);
        let statistics = state.statistics.as_ref().map_or(0, Memory::address);
        let (hidden, dhidden) = (self.halves(hidden, rows * m.inputs), self.halves_mut(dhidden));
        let grads = grads.map(|grads| self.floats_mut(grads));
        for first in (0..rows).step_by(block) {
            let count = block.min(rows - first);
            let logits = state.block(logits, first, vocabulary);
            if !state.whole {
                self.logits(first, count, hidden, arena, m, logits);
            }
            let range = targets_of(targets, first, count);
            let mut offsets = vec![0u32; count + 1];
            targets[range.clone()].iter().for_each(|t| offsets[t.row as usize - first + 1] += 1);
            (0..count).for_each(|row| offsets[row + 1] += offsets[row]);
            let tokens: Vec<u32> = targets[range.clone()].iter().map(|t| t.token).collect();
            // In place: a row of f32 logits is two of bfloat16.
            let stride = 2 * vocabulary;
            let parameters = [
                logits.into(),
                logits.into(),
                stride.into(),
                (statistics + (4 * STATISTICS * first) as u64).into(),
                self.table(&offsets).into(),
                self.table(&tokens).into(),
                self.table(&wanted.logp[range.clone()]).into(),
                wanted.entropy.get(range).map_or(0, |entropy| self.table(entropy)).into(),
                vocabulary.into(),
                scale.into(),
            ];
            self.launch("head_gradient", [count, 1, 1], 512, 0, &parameters);
            let to = dhidden + 2 * (first * m.inputs) as u64;
            self.input_product(count, logits, stride, arena, m, to);
            if let Some(grads) = grads {
                let from = hidden + 2 * (first * m.inputs) as u64;
                self.weight_product(count, logits, stride, from, m, grads);
            }
        }
        // They are gradients now.
        state.whole = false;
    }

    pub(super) fn do_sample(
        &self,
        logits: &Buffer,
        first: usize,
        vocabulary: usize,
        rule: &Sampling,
        uniforms: &[f32],
    ) -> Vec<Choice> {
        let count = uniforms.len();
        if count == 0 {
            return Vec::new();
        }
        let room = self.room(5 * 4 * count);
        let part = |i: usize| room + (4 * count * i) as u64;
        self.upload_bytes(part(0), &super::bytes(uniforms));
        let parameters = [
            (self.floats(logits) + 4 * (first * vocabulary) as u64).into(),
            vocabulary.into(),
            rule.temperature.into(),
            rule.top_p.into(),
            rule.top_k.into(),
            rule.min_p.into(),
            part(0).into(),
            part(1).into(),
            part(2).into(),
            part(3).into(),
            part(4).into(),
        ];
        self.launch("sample", [count, 1, 1], 512, 8 * vocabulary.div_ceil(SAMPLE_BLOCK), &parameters);
        let words = self.download_bytes(part(1), 4 * 4 * count);
        let words: Vec<u32> = words.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
        let float = |part: usize, row: usize| f32::from_bits(words[part * count + row]);
        (0..count)
            .map(|row| Choice {
                token: words[row],
                logp: float(1, row),
                logp_behavior: float(2, row),
                entropy: float(3, row),
            })
            .collect()
    }
}
