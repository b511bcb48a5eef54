//! A small random generator whose numbers are fixed for ever: data order and built-in tasks must not change with a library.

/// SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", figure 14).
///
/// ```
/// use surefoot_trainer::random::Random;
///
/// let (mut one, mut same) = (Random::new(7, 0), Random::new(7, 0));
/// assert_eq!(one.below(1000), same.below(1000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of `seed` for one `stream`: different streams are independent.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Random { state: seed };
        random.state = random.bits() ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
        random.bits();
        random
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number below `bound`, each equally probable; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Products in the last, incomplete interval are drawn again, so that no number is favoured.
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg().checked_rem(bound).unwrap_or(0) {
                return (product >> 64) as u64;
            }
        }
    }

    /// A whole number between `low` and `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// Shuffles `items`, every order equally probable (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_are_fixed() {
        // Published test values of SplitMix64 from state 1234567.
        let mut random = Random { state: 1_234_567 };
        let bits: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(bits, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn draws_are_even_and_within_bounds() {
        let mut random = Random::new(1, 2);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        assert!((0..1000).map(|_| random.between(-3, 3)).all(|n| (-3..=3).contains(&n)));
        assert_eq!(random.below(0), 0);
        assert_ne!(Random::new(1, 2), Random::new(1, 3));
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::new(3, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
