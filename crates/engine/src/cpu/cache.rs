//! Keys and values of a sequence in pages, and the attention of new tokens over them.
use super::attention::divide;
use super::math::softmax_row;
use super::parallel::{Shared, Threading, with_scratch};
use super::simd::fetch;
use super::tile::{Ahead, LANES, Left, ROWS, Tile};
use crate::device::Heads;
use std::sync::Arc;

/// Tokens a page.
const PAGE: usize = 64;

/// One page of all layers.
struct Page {
    /// `[layer][kv head][block of 16 tokens][dim][16]`
    keys: Vec<f32>,
    /// `[layer][kv head][token][padded dim]`
    values: Vec<f32>,
}

/// Keys and values of one sequence after those of a prefix that it may share.
pub struct Cache {
    layers: usize,
    heads: Heads,
    prefix: Option<Arc<Cache>>,
    pages: Vec<Page>,
    len: usize,
}

impl Cache {
    /// An empty cache.
    ///
    /// # Panics
    /// If the prefix has a prefix itself.
    pub fn new(layers: usize, heads: Heads, prefix: Option<Arc<Cache>>) -> Self {
        assert!(prefix.as_ref().is_none_or(|p| p.prefix.is_none()), "a prefix has no prefix itself");
        Self { layers, heads, prefix, pages: Vec::new(), len: 0 }
    }

    /// Tokens held, those of the prefix included.
    pub fn tokens(&self) -> usize {
        self.prefix.as_ref().map_or(0, |p| p.len) + self.len
    }

    /// Appends the keys and values of `count` rows of `qkv`; the last layer's call counts them.
    pub fn append(&mut self, layer: usize, qkv: &[f32], first: usize, count: usize) {
        let Heads { queries, keys, dim } = self.heads;
        let (stride, padded) = (self.heads.stride(), self.heads.padded());
        for i in 0..count {
            let at = self.len + i;
            if at / PAGE == self.pages.len() {
                let heads = self.layers * keys * PAGE;
                self.pages.push(Page { keys: vec![0.0; heads * dim], values: vec![0.0; heads * padded] });
            }
            let page = &mut self.pages[at / PAGE];
            let (row, slot) = (&qkv[(first + i) * stride..][..stride], at % PAGE);
            for head in 0..keys {
                let place = (layer * keys + head) * PAGE;
                let key = &row[(queries + head) * dim..][..dim];
                let to = &mut page.keys[place * dim + slot / LANES * LANES * dim..][..LANES * dim];
                for (k, &v) in key.iter().enumerate() {
                    to[k * LANES + slot % LANES] = v;
                }
                let value = &row[(queries + keys + head) * dim..][..dim];
                page.values[(place + slot) * padded..][..dim].copy_from_slice(value);
            }
        }
        if layer + 1 == self.layers {
            self.len += count;
        }
    }

    /// Pages in order of position, each with its number of tokens; `pending` tokens are appended but not yet counted.
    fn spans(&self, pending: usize) -> impl Iterator<Item = (&Page, usize)> {
        fn of(cache: &Cache, len: usize) -> impl Iterator<Item = (&Page, usize)> {
            cache.pages.iter().enumerate().map(move |(i, page)| (page, PAGE.min(len - i * PAGE)))
        }
        let prefix = self.prefix.as_deref().into_iter().flat_map(|p| of(p, p.len));
        prefix.chain(of(self, self.len + pending))
    }

    /// Asks for one head's keys of a layer.
    fn fetch_keys(&self, layer: usize, head: usize, pending: usize) {
        let Heads { keys, dim, .. } = self.heads;
        for (page, live) in self.spans(pending) {
            fetch(&page.keys[(layer * keys + head) * PAGE * dim..][..live.next_multiple_of(LANES) * dim]);
        }
    }

    /// Asks for one head's values of a layer.
    fn fetch_values(&self, layer: usize, head: usize, pending: usize) {
        let (keys, padded) = (self.heads.keys, self.heads.padded());
        for (page, live) in self.spans(pending) {
            fetch(&page.values[(layer * keys + head) * PAGE * padded..][..live * padded]);
        }
    }

    /// Attention of one query row over all keys of one layer, the new token's included.
    /// `memory` has room for [`ROWS`] rows of scores and of heads. Meanwhile the memory of what comes next, in this sequence or the `next`, is asked for.
    fn attend(&self, layer: usize, qkv: &[f32], out: &mut [f32], memory: &mut [f32], next: Option<&Cache>) {
        let Heads { keys, dim, .. } = self.heads;
        let (group, padded) = (self.heads.group(), self.heads.padded());
        let pending = usize::from(layer + 1 < self.layers);
        let n = self.tokens() + pending;
        let ld = n + 2 * LANES;
        let (scores, mixed) = memory.split_at_mut(ROWS * ld);
        for head in 0..keys {
            let place = (layer * keys + head) * PAGE;
            self.fetch_values(layer, head, pending);
            for g in (0..group).step_by(ROWS) {
                let rows = ROWS.min(group - g);
                let query = head * group + g;
                let mut at = 0;
                for (page, live) in self.spans(pending) {
                    // SAFETY: a page covers its tokens, `scores` has 16 columns to spare.
                    unsafe {
                        let tile = Tile {
                            rows,
                            depth: dim,
                            left: Left::Rows,
                            a: qkv[query * dim..].as_ptr(),
                            lda: dim,
                            b: page.keys[place * dim..].as_ptr(),
                            ldb: LANES,
                            panels: live.div_ceil(LANES),
                            panel: dim * LANES,
                            c: scores.as_mut_ptr().add(at),
                            ldc: ld,
                            accumulate: false,
                            ahead: Ahead::NONE,
                        };
                        tile.run();
                    }
                    at += live;
                }
                match next {
                    _ if head + 1 < keys => self.fetch_keys(layer, head + 1, pending),
                    Some(next) => next.fetch_keys(layer, 0, pending),
                    None => {}
                }
                let mut sums = [0f32; ROWS];
                for (r, sum) in sums[..rows].iter_mut().enumerate() {
                    *sum = softmax_row(&mut scores[r * ld..][..n], n, self.heads.scale()).1;
                }
                let mut at = 0;
                for (page, live) in self.spans(pending) {
                    // SAFETY: as above; `mixed` has `rows` padded heads.
                    unsafe {
                        let tile = Tile {
                            rows,
                            depth: live,
                            left: Left::Rows,
                            a: scores.as_ptr().add(at),
                            lda: ld,
                            b: page.values[place * padded..].as_ptr(),
                            ldb: padded,
                            panels: padded / LANES,
                            panel: LANES,
                            c: mixed.as_mut_ptr(),
                            ldc: padded,
                            accumulate: at > 0,
                            ahead: Ahead::NONE,
                        };
                        tile.run();
                    }
                    at += live;
                }
                for (r, &sum) in sums[..rows].iter().enumerate() {
                    divide(&mixed[r * padded..][..dim], sum, &mut out[(query + r) * dim..][..dim]);
                }
            }
        }
    }
}

/// Attention of one new token a sequence.
pub fn decode_attention(
    threading: Threading,
    caches: &[&Cache],
    layer: usize,
    heads: Heads,
    qkv: &[f32],
    out: &mut [f32],
) {
    let (stride, width) = (heads.stride(), heads.width());
    let out = Shared::new(&mut out[..caches.len() * width]);
    threading.rows(caches.len(), 4, |first, count| {
        for b in first..first + count {
            // SAFETY: each task has its own rows.
            let out = unsafe { out.slice(b * width, width) };
            let next = if b + 1 < first + count { caches.get(b + 1).copied() } else { None };
            // The new token may not be counted yet.
            let scores = caches[b].tokens() + 1 + 2 * LANES;
            with_scratch(ROWS * (scores + heads.padded()), |memory| {
                caches[b].attend(layer, &qkv[b * stride..][..stride], out, memory, next);
            });
        }
    });
}
