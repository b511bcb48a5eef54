//! The paged cache, and decoding over it with the bits of the forward pass.
use crate::attention::{forward, scale};
use crate::machine::{Machine, Memory, launch, machine};
use crate::{halves, rounded, values};
use surefoot_engine::batch::Packed;
use surefoot_engine::device::Heads;

const PAGE: usize = 64;
const PAGES: usize = 20;
/// Pages a sequence can have.
const MOST: usize = 4;

/// Puts keys and values of all rows into the cache, turned by an angle of zero.
fn append(m: &Machine, qkv: &mut Memory, [key_pool, value_pool]: [&mut Memory; 2], slots: &[u32], heads: Heads) {
    let Heads { queries, keys, dim } = heads;
    let mut positions = Memory::new(&vec![0u32; slots.len()]);
    let (mut cosines, mut sines) = (Memory::new(&vec![1f32; dim / 2]), Memory::new(&vec![0f32; dim / 2]));
    launch!(m, "rope_append", [slots.len(), 1, 1], 128, 0; qkv, &mut positions, &mut cosines, &mut sines, key_pool, value_pool,
        &mut Memory::new(slots), queries, keys, dim);
}

#[test]
fn rows_are_turned_and_put_into_the_cache() {
    let Some(m) = machine() else { return };
    for (queries, keys, dim) in [(3, 1, 64), (2, 2, 6), (4, 2, 80)] {
        let stride = (queries + 2 * keys) * dim;
        let (positions, slots) = ([4u32, 0, 7], [2 * PAGE as u32 + 63, 5, 70]);
        let (mut cosines, mut sines) = (Memory::new(&values(8 * dim / 2, 3)), Memory::new(&values(8 * dim / 2, 4)));
        let (mut turned, mut qkv) = (halves(&rounded(3 * stride, 5)), halves(&rounded(3 * stride, 5)));
        launch!(m, "rope", [3, 1, 1], 128, 0;
            &mut turned, &mut Memory::new(&positions), &mut cosines, &mut sines, queries + keys, dim, stride, 1f32);
        let pool = 3 * keys * PAGE * dim;
        let (mut key_pool, mut value_pool) = (Memory::unset::<u16>(pool), Memory::unset::<u16>(pool));
        launch!(m, "rope_append", [3, 1, 1], 128, 0; &mut qkv, &mut Memory::new(&positions), &mut cosines, &mut sines,
            &mut key_pool, &mut value_pool, &mut Memory::new(&slots), queries, keys, dim);
        let turned = turned.read::<u16>();
        assert!(qkv.read::<u16>() == turned, "{dim}: another rotation");
        for (cached, first) in [(&key_pool, queries), (&value_pool, queries + keys)] {
            let mut want = vec![u16::MAX; pool];
            for (row, &slot) in slots.iter().enumerate() {
                for head in 0..keys {
                    let (page, offset) = (slot as usize / PAGE, slot as usize % PAGE);
                    let from = &turned[row * stride + (first + head) * dim..][..dim];
                    want[((page * keys + head) * PAGE + offset) * dim..][..dim].copy_from_slice(from);
                }
            }
            assert!(cached.read::<u16>() == want, "{dim}: heads from {first} on");
        }
    }
}

#[test]
fn decoding_has_the_bits_of_the_forward_pass() {
    let Some(m) = machine() else { return };
    let cases = [(3, 1, 64), (40, 2, 16), (2, 2, 128), (3, 1, 6), (1, 1, 96)];
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
        append(m, &mut halves(&before), [&mut key_pool, &mut value_pool], &slots, heads);
        // The fifth row only fills the batch up.
        let new_slots: Vec<u32> =
            lengths.iter().enumerate().map(|(b, len)| slot(b, len - 1)).chain([slot(4, 0)]).collect();
        let counts: Vec<u32> = lengths.iter().map(|&len| len as u32).chain([0]).collect();
        last.resize(5 * stride, 0.5);
        let (mut table_memory, mut counts_memory) = (Memory::new(&table), Memory::new(&counts));
        let mut qkv = halves(&last);
        append(m, &mut qkv, [&mut key_pool, &mut value_pool], &new_slots, heads);
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
