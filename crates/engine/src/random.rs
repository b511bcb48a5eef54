//! Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011).
//!
//! A draw depends on its key and counter alone, so it is the same whichever thread, batch or device makes it.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox on one counter.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut k0, mut k1], mut c) = (key, counter);
    for _ in 0..10 {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k1, p0 as u32];
        (k0, k1) = (k0.wrapping_add(WEYL[0]), k1.wrapping_add(WEYL[1]));
    }
    c
}

/// A stream of draws, addressed by sequence and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the sequence, unique in the run.
    pub sequence: u64,
}

impl Stream {
    /// The uniform draw in [0, 1) of a position.
    pub fn uniform(self, position: u32) -> f32 {
        unit(self.words(position)[0])
    }

    /// The standard normal draw of a position (Box and Muller 1958).
    pub fn normal(self, position: u32) -> f32 {
        let [a, b, ..] = self.words(position);
        let radius = (-2.0 * (1.0 - unit(a)).ln()).sqrt();
        radius * (std::f32::consts::TAU * unit(b)).cos()
    }

    fn words(self, position: u32) -> [u32; 4] {
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        philox(key, [position, 0, self.sequence as u32, (self.sequence >> 32) as u32])
    }
}

fn unit(word: u32) -> f32 {
    (word >> 8) as f32 / (1u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_draws_have_mean_zero_and_deviation_one() {
        let stream = Stream { seed: 5, sequence: 9 };
        let draws: Vec<f64> = (0..100_000).map(|i| f64::from(stream.normal(i))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    /// The known answers of the authors' distribution (Random123, `kat_vectors`).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox([0xa409_3822, 0x299f_31d0], pi), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }
}
