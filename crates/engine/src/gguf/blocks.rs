//! The number formats of GGUF tensors and their values as f32.
//!
//! Block layouts after ggml's `ggml-common.h`; d is a block's scale, m its minimum, q the small integers:
//!
//! | format | numbers, bytes | value |
//! |---|---|---|
//! | Q4_0, Q5_0 | 32, 18 and 22 | d·(q − 8), d·(q − 16) |
//! | Q4_1, Q5_1 | 32, 20 and 24 | d·q + m |
//! | Q8_0 | 32, 34 | d·q, q signed |
//! | Q4_K, Q5_K | 256, 144 and 176 | (d·s)·q − (m·t), s and t of 6 bits for each 32 numbers |
//! | Q6_K | 256, 210 | (d·s)·(q − 32), s signed for each 16 numbers |

use half::f16;

use crate::folder::Dtype;

/// A number format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl Format {
    pub const ALL: [Format; 11] = [
        Format::F32,
        Format::F16,
        Format::BF16,
        Format::Q4_0,
        Format::Q4_1,
        Format::Q5_0,
        Format::Q5_1,
        Format::Q8_0,
        Format::Q4K,
        Format::Q5K,
        Format::Q6K,
    ];

    /// ggml's number, name, numbers in a block, bytes of a block.
    fn facts(self) -> (u32, &'static str, usize, usize) {
        match self {
            Format::F32 => (0, "F32", 1, 4),
            Format::F16 => (1, "F16", 1, 2),
            Format::Q4_0 => (2, "Q4_0", 32, 18),
            Format::Q4_1 => (3, "Q4_1", 32, 20),
            Format::Q5_0 => (6, "Q5_0", 32, 22),
            Format::Q5_1 => (7, "Q5_1", 32, 24),
            Format::Q8_0 => (8, "Q8_0", 32, 34),
            Format::Q4K => (12, "Q4_K", 256, 144),
            Format::Q5K => (13, "Q5_K", 256, 176),
            Format::Q6K => (14, "Q6_K", 256, 210),
            Format::BF16 => (30, "BF16", 1, 2),
        }
    }

    pub fn from_number(number: u32) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.facts().0 == number)
    }

    pub fn name(self) -> &'static str {
        self.facts().1
    }

    pub fn block_len(self) -> usize {
        self.facts().2
    }

    pub fn block_bytes(self) -> usize {
        self.facts().3
    }

    /// Values of whole blocks. `bytes` holds exactly the blocks that fill `out`.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        let block: fn(&[u8], &mut [f32]) = match self {
            Format::F32 => return Dtype::F32.decode(bytes, out),
            Format::F16 => return Dtype::F16.decode(bytes, out),
            Format::BF16 => return Dtype::BF16.decode(bytes, out),
            Format::Q4_0 => q4_0,
            Format::Q4_1 => q4_1,
            Format::Q5_0 => q5_0,
            Format::Q5_1 => q5_1,
            Format::Q8_0 => q8_0,
            Format::Q4K => q4_k,
            Format::Q5K => q5_k,
            Format::Q6K => q6_k,
        };
        let blocks = bytes.chunks_exact(self.block_bytes());
        for (bytes, out) in blocks.zip(out.chunks_exact_mut(self.block_len())) {
            block(bytes, out);
        }
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The low nibbles are the first half of a block, the high ones the second.
fn nibbles(bytes: &[u8], out: &mut [f32], value: impl Fn(usize, u8) -> f32) {
    let half = bytes.len();
    for (j, &byte) in bytes.iter().enumerate() {
        out[j] = value(j, byte & 15);
        out[j + half] = value(j + half, byte >> 4);
    }
}

fn q4_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    nibbles(&block[2..], out, |_, q| d * (f32::from(q) - 8.0));
}

fn q4_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    nibbles(&block[4..], out, |_, q| d * f32::from(q) + m);
}

/// The fifth bit of number j, as 16 or 0.
fn fifth_bit(block: &[u8], at: usize) -> impl Fn(usize) -> u8 {
    let bits = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    move |j| (((bits >> j) & 1) as u8) << 4
}

fn q5_0(block: &[u8], out: &mut [f32]) {
    let (d, high) = (half_at(block, 0), fifth_bit(block, 2));
    nibbles(&block[6..], out, |j, q| d * (f32::from(q | high(j)) - 16.0));
}

fn q5_1(block: &[u8], out: &mut [f32]) {
    let (d, m, high) = (half_at(block, 0), half_at(block, 2), fifth_bit(block, 4));
    nibbles(&block[8..], out, |j, q| d * f32::from(q | high(j)) + m);
}

fn q8_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (out, &q) in out.iter_mut().zip(&block[2..]) {
        *out = d * f32::from(q as i8);
    }
}

/// Scale and minimum of the j-th 32 numbers, 6 bits each, packed into 12 bytes.
fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}

fn q4_k(block: &[u8], out: &mut [f32]) {
    k_blocks(block, &block[16..], |_, _| 0, out);
}

fn q5_k(block: &[u8], out: &mut [f32]) {
    let high = &block[16..48];
    k_blocks(block, &block[48..], |part, l| (high[l] >> part & 1) << 4, out);
}

/// What Q4_K and Q5_K share: d, m, scales, and 32 bytes of nibbles for each 64 numbers.
fn k_blocks(block: &[u8], low: &[u8], high: impl Fn(usize, usize) -> u8, out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (part, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(&block[4..16], part);
        let (scale, minimum) = (d * scale, m * minimum);
        let low = &low[part / 2 * 32..][..32];
        for (l, (out, &byte)) in out.iter_mut().zip(low).enumerate() {
            let nibble = if part % 2 == 0 { byte & 15 } else { byte >> 4 };
            *out = scale * f32::from(nibble | high(part, l)) - minimum;
        }
    }
}

fn q6_k(block: &[u8], out: &mut [f32]) {
    let (low, high, scales, d) = (&block[..128], &block[128..192], &block[192..208], half_at(block, 208));
    for (part, out) in out.chunks_exact_mut(32).enumerate() {
        // 128 numbers share 64 bytes of nibbles and 32 bytes of upper bits; they come in four runs of 32.
        let (group, run) = (part / 4, part % 4);
        let low = &low[group * 64 + run % 2 * 32..][..32];
        let high = &high[group * 32..][..32];
        for (l, out) in out.iter_mut().enumerate() {
            let nibble = if run < 2 { low[l] & 15 } else { low[l] >> 4 };
            let q = nibble | (high[l] >> (2 * run) & 3) << 4;
            let scale = d * f32::from(scales[part * 2 + l / 16] as i8);
            *out = scale * (f32::from(q) - 32.0);
        }
    }
}
