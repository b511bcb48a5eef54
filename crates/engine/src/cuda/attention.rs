//! Attention over packed sequences, forward and backward, and of new tokens over their pages.
use super::Cuda;
use super::buffer::Buffer;
use super::machine::{Address, Parameter};
use super::pages::Cache;
use super::plan::{self, KEY_TILE};
use crate::batch::Packed;
use crate::device::Heads;

/// Rows of a tile of queries in decoding.
const DECODE_ROWS: usize = 16;
/// Head sizes that the kernels are compiled for: up to 64 and up to 128.
pub(super) const WIDEST_HEAD: usize = 128;

/// The kernel for a size of heads, with its shared memory.
fn by_width<T>(heads: Heads, narrow: T, wide: T) -> T {
    if heads.dim <= 64 { narrow } else { wide }
}

/// A table of rows as one list.
fn flat<const N: usize>(rows: &[[i32; N]]) -> &[i32] {
    rows.as_flattened()
}

impl Cuda {
    pub(super) fn do_attention(&self, batch: &Packed, heads: Heads, qkv: &Buffer, out: &mut Buffer, lse: &mut Buffer) {
        let tiles = plan::query_tiles(batch);
        let parameters = [
            self.halves(qkv, batch.len() * heads.stride()).into(),
            self.halves_mut(out).into(),
            self.floats_mut(lse).into(),
            self.table(flat(&tiles)).into(),
            heads.queries.into(),
            heads.keys.into(),
            heads.dim.into(),
            heads.scale().into(),
        ];
        let (kernel, shared) = by_width(heads, ("attention_forward_64", 40_960), ("attention_forward_128", 81_920));
        self.launch(kernel, [tiles.len(), heads.queries, 1], 128, shared, &parameters);
    }

    pub(super) fn do_attention_backward(
        &self,
        batch: &Packed,
        heads: Heads,
        qkv: &Buffer,
        out: &Buffer,
        lse: &Buffer,
        dout: &Buffer,
        dqkv: &mut Buffer,
    ) {
        let (rows, Heads { queries, keys, dim }) = (batch.len(), heads);
        let (tiles, items) = (plan::query_tiles(batch), plan::key_items(batch));
        let qkv = self.halves(qkv, rows * heads.stride());
        let (out, dout) = (self.halves(out, rows * heads.width()), self.halves(dout, rows * heads.width()));
        let (lse, dqkv) = (self.floats(lse), self.halves_mut(dqkv));
        let delta_bytes = (4 * rows * queries).next_multiple_of(256);
        let delta = self.room(delta_bytes + 4 * items.slots * keys * 2 * KEY_TILE * dim);
        let partial = delta + delta_bytes as u64;
        let sizes: [Parameter; 3] = [queries.into(), keys.into(), dim.into()];
        let parameters = [out.into(), dout.into(), delta.into(), queries.into(), dim.into()];
        self.launch("attention_delta", [rows, 1, 1], 128, 0, &parameters);

        let inputs: [Parameter; 5] = [qkv.into(), dout.into(), lse.into(), delta.into(), dqkv.into()];
        let (kernel, shared) =
            by_width(heads, ("attention_backward_query_64", 49_152), ("attention_backward_query_128", 98_304));
        let table = self.table(flat(&tiles));
        let parameters = [&inputs[..], &[table.into()], &sizes, &[heads.scale().into()]].concat();
        self.launch(kernel, [tiles.len(), queries, 1], 128, shared, &parameters);

        let (kernel, shared) =
            by_width(heads, ("attention_backward_keys_64", 33_280), ("attention_backward_keys_128", 66_048));
        let tables: [Parameter; 2] = [self.table(flat(&items.items)).into(), self.table(flat(&items.ranges)).into()];
        let parameters = [&inputs[..], &[partial.into()], &tables, &sizes, &[heads.scale().into()]].concat();
        self.launch(kernel, [items.items.len(), keys, 1], 128, shared, &parameters);
        if !items.folds.is_empty() {
            let folds = self.table(flat(&items.folds));
            let parameters = [&[partial.into(), dqkv.into(), folds.into()], &sizes[..]].concat();
            self.launch("attention_fold_keys", [items.folds.len(), keys, 1], 256, 0, &parameters);
        }
    }

    pub(super) fn do_decode_attention(
        &self,
        caches: &[&Cache],
        layer: usize,
        heads: Heads,
        qkv: &Buffer,
        out: &mut Buffer,
    ) {
        let Some(first) = caches.first() else { return };
        let pools = first.pools(layer);
        if let Some(now) = self.now() {
            let tables = (now.page_table, now.lengths);
            return self.decode_attention_over(now.rows, now.max_pages, tables, pools, heads, qkv, out);
        }
        // The last layer's call of `append` has counted the new token.
        let pending = u32::from(layer + 1 < first.layers());
        let lengths: Vec<u32> = caches.iter().map(|cache| cache.tokens() as u32 + pending).collect();
        let max_pages = caches.iter().map(|cache| cache.pages().len()).max().unwrap_or(0);
        let mut table = vec![0u32; caches.len() * max_pages];
        for (cache, row) in caches.iter().zip(table.chunks_exact_mut(max_pages.max(1))) {
            row[..cache.pages().len()].copy_from_slice(cache.pages());
        }
        let tables = (self.table(&table), self.table(&lengths));
        self.decode_attention_over(caches.len(), max_pages, tables, pools, heads, qkv, out);
    }

    fn decode_attention_over(
        &self,
        rows: usize,
        max_pages: usize,
        (page_table, lengths): (Address, Address),
        (key_pool, value_pool): (Address, Address),
        heads: Heads,
        qkv: &Buffer,
        out: &mut Buffer,
    ) {
        let parameters = [
            self.halves(qkv, rows * heads.stride()).into(),
            key_pool.into(),
            value_pool.into(),
            page_table.into(),
            lengths.into(),
            self.halves_mut(out).into(),
            heads.queries.into(),
            heads.keys.into(),
            heads.dim.into(),
            max_pages.into(),
            heads.scale().into(),
        ];
        let (kernel, shared) = by_width(heads, ("decode_attention_64", 38_912), ("decode_attention_128", 57_344));
        let grid = [heads.keys, rows, heads.group().div_ceil(DECODE_ROWS)];
        self.launch(kernel, grid, 128, shared, &parameters);
    }
}
