//! Decoding steps that are recorded once and played again (CUDA graphs): a step has some hundred kernels, and starting them one by one
//! takes longer than they run.
//!
//! Everything that differs from step to step is in one piece of memory, the inputs, which is written before the record is played.
use super::buffer::{Buffer, Memory};
use super::machine::{Address, Recorded};
use super::pages::Cache;
use super::tables::bytes;
use super::{Cuda, lock};
use std::collections::HashMap;

/// Rows of a step are a multiple of this, so that a batch from which sequences leave has few records.
const ROWS: usize = 16;
/// Places for pages a sequence are a multiple of this, likewise.
const PAGES: usize = 16;

/// The inputs of the step that is being made.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub rows: usize,
    pub max_pages: usize,
    pub tokens: Address,
    pub positions: Address,
    pub slots: Address,
    pub lengths: Address,
    pub page_table: Address,
}

/// What a record depends on beside the buffers of its scratch space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    rows: usize,
    max_pages: usize,
    inputs: Address,
    weights: Address,
    /// Where the pool begins and its pages, which say where its layers lie: a new pool may take the place of an old one.
    pool: (Address, usize),
}

/// Records of the steps with one scratch space.
#[derive(Default)]
pub struct Steps {
    inputs: Option<Memory>,
    /// `None` for a step that was made once without a record: libraries prepare themselves in it.
    records: HashMap<Key, Option<Box<dyn Recorded>>>,
}

impl Cuda {
    /// Rows that a step of `rows` sequences is made with.
    pub(super) fn padded_rows(rows: usize) -> usize {
        rows.next_multiple_of(ROWS)
    }

    /// The inputs of the step that is being made, if one is.
    pub(super) fn now(&self) -> Option<Now> {
        *lock(&self.shared.now)
    }

    /// Where these tokens lie.
    pub(super) fn tokens(&self, tokens: &[u32]) -> Address {
        self.now().map_or_else(|| self.table(tokens), |now| now.tokens)
    }

    /// Where these positions lie.
    pub(super) fn positions(&self, positions: &[u32]) -> Address {
        self.now().map_or_else(|| self.table(positions), |now| now.positions)
    }

    pub(super) fn do_step(
        &self,
        steps: &mut Steps,
        arena: &Buffer,
        tokens: &[u32],
        positions: &[u32],
        caches: &mut [&mut Cache],
        operators: &mut dyn FnMut(&mut [&mut Cache]),
    ) {
        let rows = tokens.len();
        caches.iter_mut().for_each(|cache| self.reserve(cache, 1));
        let Some(pool) = caches.first().map(|cache| cache.pool().clone()) else { return };
        let longest = caches.iter().map(|cache| cache.pages().len()).max().unwrap_or(0);
        let max_pages = longest.next_multiple_of(PAGES);
        // Rows beyond the sequences attend to one token of the page that nobody has.
        let (mut slots, mut lengths, mut page_table) =
            (vec![0u32; rows], vec![1u32; rows], vec![0u32; rows * max_pages]);
        for (b, cache) in caches.iter().enumerate() {
            slots[b] = cache.slot(cache.tokens());
            lengths[b] = cache.tokens() as u32 + 1;
            page_table[b * max_pages..][..cache.pages().len()].copy_from_slice(cache.pages());
        }
        let content = bytes(&[tokens, positions, &slots, &lengths, &page_table].concat());
        if steps.inputs.as_ref().is_none_or(|inputs| inputs.bytes() < content.len()) {
            steps.records.clear();
            steps.inputs = Some(self.allocate(content.len().next_power_of_two()));
        }
        let inputs = steps.inputs.as_ref().map_or(0, Memory::address);
        self.upload_bytes(inputs, &content);
        let part = |i: usize| inputs + (4 * rows * i) as u64;
        let now = Now {
            rows,
            max_pages,
            tokens: part(0),
            positions: part(1),
            slots: part(2),
            lengths: part(3),
            page_table: part(4),
        };
        // The weights' copy is made before the record, not in it.
        let weights = self.weight(arena, 0);
        let key = Key { rows, max_pages, inputs, weights, pool: pool.place() };
        *lock(&self.shared.now) = Some(now);
        match steps.records.get_mut(&key) {
            None => {
                operators(caches);
                steps.records.insert(key, None);
            }
            Some(record) => {
                if record.is_none() {
                    *record = self.attempt(|machine| machine.record(&mut || operators(caches)));
                }
                if let Some(record) = record {
                    self.attempt(|_| record.play());
                }
            }
        }
        *lock(&self.shared.now) = None;
        caches.iter_mut().for_each(|cache| cache.count(1));
    }
}
