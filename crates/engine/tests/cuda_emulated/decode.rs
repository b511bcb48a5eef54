//! The paged cache, and decoding over it with the bits of the forward pass.
use crate::attention::{forward, scale};
use crate::machine::{Memory, launch, machine};
use crate::{halves, rounded};
use surefoot_engine::batch::Packed;
use surefoot_engine::cpu::attention::Heads;

const PAGE: usize = 64;
const PAGES: usize = 20;
/// Pages a sequence can have.
const MOST: usize = 4;

#[test]
fn decoding_has_the_bits_of_the_forward_pass() {
    let Some(m) = machine() else { return };
    let cases = [(3, 1, 64), (40, 2, 16), (2, 2, 128), (3, 1, 5), (1, 1, 96)];
    for (queries, keys, dim) in cases {
        let heads = Heads { queries, keys, dim };
        let (suffix, shared) = if dim <= 64 { ("64", 38912) } else { ("128", 57344) };
        let lengths = [2usize, 64, 65, 250];
        let mut batch = Packed::default();
        for len in lengths {
            batch.push(&vec![0; len], None);
        }
        let stride = heads.stride();
        let x = rounded(batch.len() * stride, 1);
        let (out, _) = forward(m, &batch, heads, &mut halves(&x));

        // Pages in no order; a step of decoding appends the last token, the others were there before.
        let table: Vec<u32> = (0..5 * MOST).map(|i| (i as u32 * 7 + 3) % PAGES as u32).collect();
        let (mut key_pool, mut value_pool) =
            (Memory::unset::<u16>(PAGES * keys * PAGE * dim), Memory::unset::<u16>(PAGES * keys * PAGE * dim));
        let slot = |b: usize, p: usize| table[b * MOST + p / PAGE] * PAGE as u32 + (p % PAGE) as u32;
        let (mut before, mut slots, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for (b, segment) in batch.segments().iter().enumerate() {
            let rows = &x[segment.start * stride..][..segment.len * stride];
            let (early, late) = rows.split_at((segment.len - 1) * stride);
            before.extend_from_slice(early);
            last.extend_from_slice(late);
            slots.extend((0..segment.len - 1).map(|p| slot(b, p)));
        }
        launch!(m, "cache_append", [slots.len(), 1, 1], 128, 0; &mut halves(&before), &mut key_pool, &mut value_pool,
            &mut Memory::new(&slots), queries, keys, dim);
        // The fifth row only fills the batch up.
        let new_slots: Vec<u32> =
            lengths.iter().enumerate().map(|(b, len)| slot(b, len - 1)).chain([slot(4, 0)]).collect();
        let counts: Vec<u32> = lengths.iter().map(|&len| len as u32).chain([0]).collect();
        last.resize(5 * stride, 0.5);
        let (mut table_memory, mut counts_memory) = (Memory::new(&table), Memory::new(&counts));
        let mut new_slots = Memory::new(&new_slots);
        let mut qkv = halves(&last);
        launch!(m, "cache_append", [5, 1, 1], 128, 0;
            &mut qkv, &mut key_pool, &mut value_pool, &mut new_slots, queries, keys, dim);
        let mut decoded = Memory::unset::<u16>(5 * heads.width());
        launch!(m, &format!("decode_attention_{suffix}"), [keys, 5, (queries / keys).div_ceil(16)], 128, shared;
            &mut qkv, &mut key_pool, &mut value_pool, &mut table_memory, &mut counts_memory, &mut decoded, queries, keys, dim,
            MOST, scale(heads));
        assert!(decoded.read::<u16>()[4 * heads.width()..].iter().all(|&bits| bits == 0));
        let (out, decoded) = (out.read::<u16>(), decoded.read::<u16>());
        for (b, segment) in batch.segments().iter().enumerate() {
            let row = (segment.start + segment.len - 1) * heads.width();
            assert!(
                decoded[b * heads.width()..][..heads.width()] == out[row..][..heads.width()],
                "{heads:?}: the token at position {}",
                segment.len - 1
            );
        }
    }
}
