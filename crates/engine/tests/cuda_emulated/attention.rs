//! Attention and its gradient over packed segments with shared prefixes.
use crate::machine::{Machine, Memory, launch, machine};
use crate::{close, halves, rounded};
use surefoot_engine::batch::Packed;
use surefoot_engine::cpu::attention::{self, Workspace};
use surefoot_engine::cpu::parallel::Threading::Serial;
use surefoot_engine::cuda::plan::{key_items_of, query_tiles};
use surefoot_engine::device::Heads;

/// The kernels' suffix for a head's length, and bytes of shared memory of (forward, queries' gradient, keys' gradient).
fn variant(dim: usize) -> (&'static str, [usize; 3]) {
    if dim <= 64 { ("64", [40960, 49152, 33280]) } else { ("128", [81920, 98304, 66048]) }
}

pub fn scale(heads: Heads) -> f32 {
    1.0 / (heads.dim as f32).sqrt()
}

/// Output and lse.
pub fn forward(m: &Machine, batch: &Packed, heads: Heads, qkv: &mut Memory) -> (Memory, Memory) {
    let tiles = query_tiles(batch);
    let (suffix, shared) = variant(heads.dim);
    let mut out = Memory::unset::<u16>(batch.len() * heads.width());
    let mut lse = Memory::unset::<f32>(batch.len() * heads.queries);
    launch!(m, &format!("attention_forward_{suffix}"), [tiles.len(), heads.queries, 1], 128, shared[0];
        qkv, &mut out, &mut lse, &mut Memory::new(&tiles), heads.queries, heads.keys, heads.dim, scale(heads));
    (out, lse)
}

/// Gradient; items close after `limit` queries.
fn backward(
    m: &Machine,
    batch: &Packed,
    heads: Heads,
    limit: usize,
    qkv: &mut Memory,
    out: &mut Memory,
    lse: &mut Memory,
    dout: &mut Memory,
) -> Memory {
    let Heads { queries, keys, dim } = heads;
    let (suffix, shared) = variant(dim);
    let (tiles, plan) = (query_tiles(batch), key_items_of(batch, limit));
    let mut delta = Memory::unset::<f32>(batch.len() * queries);
    launch!(m, "attention_delta", [batch.len(), 1, 1], 128, 0; out, &mut *dout, &mut delta, queries, dim);
    let mut dqkv = Memory::unset::<u16>(batch.len() * heads.stride());
    launch!(m, &format!("attention_backward_query_{suffix}"), [tiles.len(), queries, 1], 128, shared[1];
        &mut *qkv, &mut *dout, &mut *lse, &mut delta, &mut dqkv, &mut Memory::new(&tiles), queries, keys, dim, scale(heads));
    let mut partial = Memory::unset::<f32>(plan.slots * keys * 2 * 64 * dim);
    launch!(m, &format!("attention_backward_keys_{suffix}"), [plan.items.len(), keys, 1], 128, shared[2];
        &mut *qkv, &mut *dout, &mut *lse, &mut delta, &mut dqkv, &mut partial, &mut Memory::new(&plan.items),
        &mut Memory::new(&plan.ranges), queries, keys, dim, scale(heads));
    if !plan.folds.is_empty() {
        launch!(m, "attention_fold_keys", [plan.folds.len(), keys, 1], 256, 0;
            &mut partial, &mut dqkv, &mut Memory::new(&plan.folds), queries, keys, dim);
    }
    dqkv
}

/// Segments by length, each with the index of its prefix.
fn packed(segments: &[(usize, Option<usize>)]) -> Packed {
    let mut batch = Packed::default();
    for &(len, prefix) in segments {
        batch.push(&vec![0; len], prefix);
    }
    batch
}

fn check(heads: Heads, segments: &[(usize, Option<usize>)], limit: usize) {
    let Some(m) = machine() else { return };
    let batch = packed(segments);
    let rows = batch.len();
    let (x, d) = (rounded(rows * heads.stride(), 1), rounded(rows * heads.width(), 2));
    let mut qkv = halves(&x.iter().map(|v| v * 2.0).collect::<Vec<_>>());
    let x = qkv.read_halves();
    let (mut out, mut lse) = forward(m, &batch, heads, &mut qkv);
    let mut space = Workspace::default();
    let (mut want, mut want_lse) = (vec![0.0; rows * heads.width()], vec![0.0; rows * heads.queries]);
    attention::forward(Serial, &batch, heads, &x, &mut space, &mut want, &mut want_lse);
    let what = format!("{heads:?} over {segments:?}");
    close(&what, &out.read_halves(), &want, 1.0 / 128.0);
    for (got, want) in lse.read::<f32>().iter().zip(&want_lse) {
        assert!((got - want).abs() < 1e-4, "{what}: lse {got} against {want}");
    }
    let got = backward(m, &batch, heads, limit, &mut qkv, &mut out, &mut lse, &mut halves(&d)).read_halves();
    let mut gradient = vec![0.0; x.len()];
    attention::backward(Serial, &batch, heads, &x, &want, &want_lse, &d, &mut space, &mut gradient);
    // Queries, keys and values apart: their gradients differ in size.
    let part = |all: &[f32], first: usize, count: usize| -> Vec<f32> {
        all.chunks(heads.stride()).flat_map(|row| row[first * heads.dim..][..count * heads.dim].to_vec()).collect()
    };
    let at = [(0, heads.queries), (heads.queries, heads.keys), (heads.queries + heads.keys, heads.keys)];
    for (name, (first, count)) in ["queries", "keys", "values"].into_iter().zip(at) {
        let what = format!("gradient of {name}, {what}");
        close(&what, &part(&got, first, count), &part(&gradient, first, count), 1.0 / 64.0);
    }
}

const FAMILY: [(usize, Option<usize>); 6] =
    [(5, None), (3, Some(0)), (1, None), (70, Some(0)), (2, Some(0)), (65, None)];

#[test]
fn small_heads_of_any_length() {
    for dim in [1, 6] {
        check(Heads { queries: 4, keys: 2, dim }, &FAMILY, 4096);
    }
    check(Heads { queries: 2, keys: 2, dim: 24 }, &[(150, None)], 4096);
}

#[test]
fn heads_of_64() {
    check(Heads { queries: 3, keys: 1, dim: 64 }, &[(129, None), (66, Some(0)), (64, Some(0)), (1, Some(0))], 4096);
}

#[test]
fn heads_of_128_and_of_80() {
    check(Heads { queries: 2, keys: 1, dim: 128 }, &FAMILY, 4096);
    check(Heads { queries: 2, keys: 2, dim: 80 }, &[(67, None), (40, Some(0))], 4096);
}

#[test]
fn gradients_of_keys_in_parts() {
    check(
        Heads { queries: 2, keys: 1, dim: 16 },
        &[(80, None), (40, Some(0)), (3, None), (50, Some(0)), (9, Some(0))],
        50,
    );
}

/// Rows of the attention's output and lse, as bits.
fn bits(m: &Machine, batch: &Packed, heads: Heads, x: &[f32]) -> (Vec<u16>, Vec<u32>) {
    let (out, lse) = forward(m, batch, heads, &mut halves(x));
    (out.read(), lse.read())
}

#[test]
fn a_cut_and_company_change_no_bit() {
    let Some(m) = machine() else { return };
    let heads = Heads { queries: 2, keys: 1, dim: 64 };
    let x = rounded(150 * heads.stride(), 5);
    let whole = bits(m, &packed(&[(150, None)]), heads, &x);
    for cut in [1, 63, 77, 149] {
        assert!(bits(m, &packed(&[(cut, None), (150 - cut, Some(0))]), heads, &x) == whole, "cut at {cut}");
    }
    let other = rounded(33 * heads.stride(), 6);
    let company = bits(m, &packed(&[(33, None), (150, None)]), heads, &[other, x].concat());
    assert!(company.0[33 * heads.width()..] == whole.0 && company.1[33 * heads.queries..] == whole.1);
}
