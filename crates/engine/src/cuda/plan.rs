//! Work tables of the kernels (`kernels/README.md`): which block computes what. Plain Rust, made on the host once a batch.
//!
//! Tables change no bit of a result, with one exception that is rounding: keys whose queries are cut into several items have gradients that
//! are summed in as many parts.
use crate::batch::{Packed, Segment, Target};

/// Queries a block of attention has.
pub const QUERY_TILE: usize = 64;
/// Keys a tile, tokens a page of the cache.
pub const KEY_TILE: usize = 64;
/// Queries after which an item of [`key_items`] is closed. A prompt's keys are seen by all its completions; one block for all of them would
/// still run when the others are done.
const ITEM_QUERIES: usize = 4096;

/// Tiles of queries for the forward pass and the queries' gradient, most keys first so that the longest do not start last: row, count, position
/// of the first query, row of its segment, row and length of its prefix, 0, 0.
///
/// ```
/// use surefoot_engine::{batch::Packed, cuda::plan::query_tiles};
/// let mut batch = Packed::default();
/// let prompt = batch.push(&[0; 70], None);
/// batch.push(&[0; 3], Some(prompt));
/// assert_eq!(query_tiles(&batch), [[70, 3, 70, 70, 0, 70, 0, 0], [64, 6, 64, 0, 0, 0, 0, 0], [0, 64, 0, 0, 0, 0, 0, 0]]);
/// ```
pub fn query_tiles(batch: &Packed) -> Vec<[i32; 8]> {
    let mut tiles = Vec::new();
    for (s, segment) in batch.segments().iter().enumerate() {
        let (prefix, prefix_row) = (batch.prefix_len(s), segment.prefix.map_or(0, |p| batch.segments()[p].start));
        for first in (0..segment.len).step_by(QUERY_TILE) {
            let count = QUERY_TILE.min(segment.len - first);
            tiles.push(
                [segment.start + first, count, prefix + first, segment.start, prefix_row, prefix, 0, 0]
                    .map(|v| v as i32),
            );
        }
    }
    tiles.sort_by_key(|t| std::cmp::Reverse(t[2] + t[1]));
    tiles
}

/// Work of the keys' gradient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyItems {
    /// Up to 64 keys of a segment and queries that see them: row, count and position of the keys, first of their ranges, number of
    /// ranges, slot of the partial sums or -1 (alone, writes the result), 0, 0. Most queries first.
    pub items: Vec<[i32; 8]>,
    /// Queries of one segment: row, count, position of the first, 0.
    pub ranges: Vec<[i32; 4]>,
    /// Keys with more than one item: row, count, first slot, slots.
    pub folds: Vec<[i32; 4]>,
    /// Slots of partial sums.
    pub slots: usize,
}

/// Items of the keys' gradient: each tile of keys with the queries of its own segment from its first key on, then those of the segments that
/// it is the prefix of.
///
/// ```
/// use surefoot_engine::{batch::Packed, cuda::plan::key_items};
/// let mut batch = Packed::default();
/// let prompt = batch.push(&[0; 5], None);
/// batch.push(&[0; 9], Some(prompt));
/// let plan = key_items(&batch);
/// assert_eq!(plan.items, [[0, 5, 0, 0, 2, -1, 0, 0], [5, 9, 5, 2, 1, -1, 0, 0]]);
/// assert_eq!(plan.ranges, [[0, 5, 0, 0], [5, 9, 5, 0], [5, 9, 5, 0]]);
/// assert!(plan.folds.is_empty());
/// ```
pub fn key_items(batch: &Packed) -> KeyItems {
    key_items_of(batch, ITEM_QUERIES)
}

/// [`key_items`] with items that close after `limit` queries.
pub fn key_items_of(batch: &Packed, limit: usize) -> KeyItems {
    let segments = batch.segments();
    let mut children: Vec<Vec<&Segment>> = vec![Vec::new(); segments.len()];
    for segment in segments {
        if let Some(p) = segment.prefix {
            children[p].push(segment);
        }
    }
    let mut plan = KeyItems::default();
    let mut work = Vec::new();
    for (s, segment) in segments.iter().enumerate() {
        for first in (0..segment.len).step_by(KEY_TILE) {
            let (row, count) = (segment.start + first, KEY_TILE.min(segment.len - first));
            let position = batch.prefix_len(s) + first;
            let own = [row, segment.len - first, position, 0];
            let ranges = std::iter::once(own).chain(children[s].iter().map(|c| [c.start, c.len, segment.len, 0]));
            let started = plan.items.len();
            let mut queries = limit;
            for range in ranges {
                if queries >= limit {
                    plan.items.push([row, count, position, plan.ranges.len(), 0, 0, 0, 0].map(|v| v as i32));
                    work.push(0);
                    queries = 0;
                }
                plan.ranges.push(range.map(|v| v as i32));
                queries += range[1];
                if let (Some(item), Some(work)) = (plan.items.last_mut(), work.last_mut()) {
                    item[4] += 1;
                    *work = queries;
                }
            }
            let parts = plan.items.len() - started;
            let alone = parts == 1;
            for (i, item) in plan.items[started..].iter_mut().enumerate() {
                item[5] = if alone { -1 } else { (plan.slots + i) as i32 };
            }
            if !alone {
                plan.folds.push([row, count, plan.slots, parts].map(|v| v as i32));
                plan.slots += parts;
            }
        }
    }
    let mut order: Vec<usize> = (0..plan.items.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(work[i]));
    plan.items = order.into_iter().map(|i| plan.items[i]).collect();
    plan
}

/// Rows of a batch by their token, for the embedding's gradient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRows {
    /// Tokens of the batch, each once, ascending.
    pub tokens: Vec<u32>,
    /// Rows of `tokens[u]` are `rows[offsets[u]..offsets[u + 1]]`.
    pub offsets: Vec<u32>,
    /// Rows, ascending within a token.
    pub rows: Vec<u32>,
}

impl TokenRows {
    /// The rows of each token.
    ///
    /// ```
    /// use surefoot_engine::cuda::plan::TokenRows;
    /// let rows = TokenRows::new(&[7, 3, 7]);
    /// assert_eq!((rows.tokens, rows.offsets, rows.rows), (vec![3, 7], vec![0, 1, 3], vec![1, 0, 2]));
    /// ```
    pub fn new(tokens: &[u32]) -> Self {
        let mut rows: Vec<u32> = (0..tokens.len() as u32).collect();
        rows.sort_by_key(|&r| tokens[r as usize]);
        let mut found = Self { rows, ..Self::default() };
        for (i, &r) in found.rows.iter().enumerate() {
            let token = tokens[r as usize];
            if found.tokens.last() != Some(&token) {
                found.tokens.push(token);
                found.offsets.push(i as u32);
            }
        }
        found.offsets.push(tokens.len() as u32);
        found
    }
}

/// Offsets of `head_gradient` for the rows `first..first + rows`: targets (in order of row) of row `first + r` are
/// `offsets[r]..offsets[r + 1]`.
pub fn target_offsets(targets: &[Target], first: usize, rows: usize) -> Vec<u32> {
    (first..=first + rows).map(|row| targets.partition_point(|t| (t.row as usize) < row) as u32).collect()
}
