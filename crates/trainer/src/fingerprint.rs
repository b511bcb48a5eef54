//! Numbers that tell data and weights apart. They are saved, so they must depend on no library's version and on no thread count.
use rayon::prelude::*;

/// Weights that are mixed one after the other; pieces of so many are mixed side by side.
const PIECE: usize = 1 << 16;

/// FNV-1a of 64 bits, for texts and files.
pub(crate) struct Fnv(pub u64);

impl Fnv {
    /// Of nothing yet.
    pub const EMPTY: Fnv = Fnv(0xcbf2_9ce4_8422_2325);

    /// Adds a text and its end.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.bytes().chain([0xff]));
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Of one text.
pub(crate) fn of_text(text: &str) -> u64 {
    let mut hash = Fnv::EMPTY;
    hash.text(text);
    hash.0
}

/// A number that changes when any weight does. Weights of a model are too many for a hash of bytes.
pub(crate) fn of_weights(weights: &[f32]) -> u64 {
    let mix = |hash: u64, value: u64| (hash.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    let piece = |weights: &[f32]| {
        weights.iter().fold(weights.len() as u64, |hash, weight| mix(hash, u64::from(weight.to_bits())))
    };
    let pieces: Vec<u64> = weights.par_chunks(PIECE).map(piece).collect();
    pieces.into_iter().fold(weights.len() as u64, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_counts_and_its_place() {
        let weights: Vec<f32> = (0..PIECE + 100).map(|i| (i as f32).sin()).collect();
        let whole = of_weights(&weights);
        assert_eq!(whole, of_weights(&weights.clone()));
        for at in [0, 1, PIECE - 1, PIECE, PIECE + 99] {
            let mut other = weights.clone();
            other[at] = -other[at];
            assert_ne!(of_weights(&other), whole, "weight {at}");
        }
        let mut swapped = weights.clone();
        swapped.swap(PIECE - 1, PIECE);
        assert_ne!(of_weights(&swapped), whole);
        assert_ne!(of_weights(&weights[..PIECE]), of_weights(&weights[..PIECE - 1]));
        assert_ne!(of_weights(&[0.0; 2]), of_weights(&[0.0; 3]));
    }
}
