//! The statistics under the names that `docs/statistics.md` defines.

use super::Stats;
use crate::exponential::LOG_LIMIT;
use crate::region::Region;

/// `region/NAME` for each region, in the order of [`Region::ALL`].
const REGION_NAMES: [&str; 5] = ["region/ln", "region/hp", "region/lp", "region/hn", "region/m"];

impl Stats {
    /// Every statistic that is defined for these tokens, by name; empty without tokens. Shares and means are over
    /// trained tokens. `docs/statistics.md` defines each name.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        if self.tokens == 0 {
            return Vec::new();
        }
        let n = self.tokens as f64;
        // as ratios saturate, so do their extremes
        let ratio = |log_ratio: f64| log_ratio.min(f64::from(LOG_LIMIT)).exp();
        let ratio_quantile = |share| ratio(self.log_ratio.quantile(share).unwrap_or(0.0));
        let multiplier_quantile = |share| self.multiplier.quantile(share).unwrap_or(0.0);
        let mut metrics = vec![
            ("ratio/mean", self.ratio_sum / n),
            ("ratio/max", ratio(self.log_ratio.max())),
            ("ratio/min", ratio(self.log_ratio.min())),
            ("ratio/p01", ratio_quantile(0.01)),
            ("ratio/p05", ratio_quantile(0.05)),
            ("ratio/p50", ratio_quantile(0.5)),
            ("ratio/p95", ratio_quantile(0.95)),
            ("ratio/p99", ratio_quantile(0.99)),
            ("ratio/ess", effective_share(n, self.ratio_sum, self.ratio_square_sum)),
            ("kl/k1", -self.log_ratio_sum / n),
            ("kl/k2", 0.5 * self.log_ratio_square_sum / n),
            ("kl/k3", self.k3_sum / n),
        ];
        for (region, name) in Region::ALL.iter().zip(REGION_NAMES) {
            metrics.push((name, self.regions[*region as usize] as f64 / n));
        }
        if let Some(clipped) = self.clipped {
            metrics.extend([
                ("clip/low", clipped.low as f64 / n),
                ("clip/high", clipped.high as f64 / n),
                ("clip/dual", clipped.dual as f64 / n),
            ]);
        }
        metrics.extend([
            ("gradient/zeroed", self.zeroed as f64 / n),
            ("multiplier/mean", self.multiplier_sum / n),
            ("multiplier/max", self.multiplier.max()),
            ("multiplier/p05", multiplier_quantile(0.05)),
            ("multiplier/p50", multiplier_quantile(0.5)),
            ("multiplier/p95", multiplier_quantile(0.95)),
        ]);
        if let Some(bound) = self.multiplier_bound {
            metrics.extend([("multiplier/bound", bound), ("multiplier/headroom", bound - self.multiplier.max())]);
        }
        if let Some(hazard) = self.hazard {
            metrics.extend([
                ("mhpo/psi_mean", hazard.psi_sum / n),
                ("mhpo/psi_max", hazard.psi_max),
                ("mhpo/zeta_mean", hazard.zeta_sum / n),
                ("mhpo/zeta_max", hazard.zeta_max),
                ("mhpo/survival_mean", hazard.survival_sum / n),
                ("mhpo/survival_min", hazard.survival_min),
            ]);
        }
        if let Some(reference) = self.reference {
            metrics.extend([
                ("kl_ref/k1", reference.k1_sum / n),
                ("kl_ref/k2", reference.k2_sum / n),
                ("kl_ref/k3", reference.k3_sum / n),
            ]);
        }
        if let Some(weights) = self.weights {
            metrics.extend([
                ("weight/mean", weights.sum / n),
                ("weight/max", weights.max),
                ("weight/zero", weights.zeros as f64 / n),
                ("weight/ess", effective_share(n, weights.sum, weights.square_sum)),
            ]);
        }
        if let Some(off_policy) = self.off_policy {
            metrics.push(("off_policy/masked", off_policy.masked as f64 / off_policy.sequences.max(1) as f64));
        }
        metrics
    }
}

/// `(Σw)²/(n·Σw²)`, the share of tokens that weights are worth; 0 when all are 0.
fn effective_share(n: f64, sum: f64, square_sum: f64) -> f64 {
    if square_sum > 0.0 { sum * sum / (n * square_sum) } else { 0.0 }
}
