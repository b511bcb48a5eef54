//! Statistics of an evaluation: sums, counts, extremes and histograms, so that micro-batches merge exactly.

mod collect;
mod histogram;
mod metrics;
mod words;

pub(crate) use collect::{Collector, Observed, sum};
pub use histogram::Histogram;

/// The sums behind the statistics of trained tokens; [`Stats::metrics`] turns them into named numbers.
///
/// Merging is exact: counts and extremes to the bit, sums to rounding in `f64`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Trained tokens.
    pub tokens: u64,
    /// Sequences with a trained token.
    pub sequences: u64,
    /// `Σ r`, with `r` at most `exp(88)`.
    pub ratio_sum: f64,
    /// `Σ r²`.
    pub ratio_square_sum: f64,
    /// `Σ ℓ`.
    pub log_ratio_sum: f64,
    /// `Σ ℓ²`.
    pub log_ratio_square_sum: f64,
    /// `Σ (r − 1 − ℓ)`.
    pub k3_sum: f64,
    /// `ℓ` by bin.
    pub log_ratio: Histogram,
    /// `Σ F`.
    pub multiplier_sum: f64,
    /// `F` by bin.
    pub multiplier: Histogram,
    /// `sup F` of the objective, `None` where it is unbounded.
    pub multiplier_bound: Option<f64>,
    /// Tokens whose coefficient is 0 although their advantage is not.
    pub zeroed: u64,
    /// Tokens in LN, HP, LP, HN, M (in the order of [`crate::Region::ALL`]).
    pub regions: [u64; 5],
    /// Tokens on which the objective's bounds act, `None` for objectives without bounds.
    pub clipped: Option<Clipped>,
    /// MHPO's modulator and penalty.
    pub hazard: Option<HazardStats>,
    /// Estimators of `KL(π‖ref)`, when the batch has `logp_ref`.
    pub reference: Option<ReferenceStats>,
    /// Behaviour corrections, when the batch has `token_weights`.
    pub weights: Option<WeightStats>,
    /// The off-policy sequence mask, where it is on.
    pub off_policy: Option<OffPolicyStats>,
}

/// Tokens on which an objective's bounds act: their gradient is dropped, or differs from that of `r·A`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clipped {
    /// At the lower bound.
    pub low: u64,
    /// At the upper bound.
    pub high: u64,
    /// At `dual_clip`.
    pub dual: u64,
}

/// Sums over MHPO's ψ, ζ and survival weight `exp(−ζ)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HazardStats {
    /// `Σ ψ`.
    pub psi_sum: f64,
    /// `max |ψ|`.
    pub psi_max: f64,
    /// `Σ ζ`.
    pub zeta_sum: f64,
    /// `max ζ`.
    pub zeta_max: f64,
    /// `Σ exp(−ζ)`.
    pub survival_sum: f64,
    /// `min exp(−ζ)`.
    pub survival_min: f64,
}

/// Sums of the three estimators of `KL(π‖ref)`, `d = log π − log π_ref`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReferenceStats {
    /// `Σ d`.
    pub k1_sum: f64,
    /// `Σ d²/2`.
    pub k2_sum: f64,
    /// `Σ (e^(−d) − 1 + d)`.
    pub k3_sum: f64,
}

/// Behaviour-correction weights.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WeightStats {
    /// `Σ w`.
    pub sum: f64,
    /// `Σ w²`.
    pub square_sum: f64,
    /// `max w`.
    pub max: f64,
    /// Tokens with weight 0.
    pub zeros: u64,
}

/// What the off-policy sequence mask did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OffPolicyStats {
    /// Sequences with a trained token.
    pub sequences: u64,
    /// Those of them that it masked.
    pub masked: u64,
}

impl Stats {
    /// Of no token.
    pub fn empty() -> Self {
        Self {
            tokens: 0,
            sequences: 0,
            ratio_sum: 0.0,
            ratio_square_sum: 0.0,
            log_ratio_sum: 0.0,
            log_ratio_square_sum: 0.0,
            k3_sum: 0.0,
            log_ratio: Histogram::signed(),
            multiplier_sum: 0.0,
            multiplier: Histogram::positive(),
            multiplier_bound: None,
            zeroed: 0,
            regions: [0; 5],
            clipped: None,
            hazard: None,
            reference: None,
            weights: None,
            off_policy: None,
        }
    }

    /// Adds the statistics of other tokens, as of the next micro-batch.
    pub fn merge(&mut self, other: &Self) {
        if self.tokens == 0 {
            *self = other.clone();
            return;
        }
        if other.tokens == 0 {
            return;
        }
        self.tokens += other.tokens;
        self.sequences += other.sequences;
        self.ratio_sum += other.ratio_sum;
        self.ratio_square_sum += other.ratio_square_sum;
        self.log_ratio_sum += other.log_ratio_sum;
        self.log_ratio_square_sum += other.log_ratio_square_sum;
        self.k3_sum += other.k3_sum;
        self.log_ratio.merge(&other.log_ratio);
        self.multiplier_sum += other.multiplier_sum;
        self.multiplier.merge(&other.multiplier);
        self.multiplier_bound = self.multiplier_bound.zip(other.multiplier_bound).map(|(a, b)| a.max(b));
        self.zeroed += other.zeroed;
        for (sum, count) in self.regions.iter_mut().zip(other.regions) {
            *sum += count;
        }
        self.clipped = merged(self.clipped, other.clipped, |a, b| Clipped {
            low: a.low + b.low,
            high: a.high + b.high,
            dual: a.dual + b.dual,
        });
        self.hazard = merged(self.hazard, other.hazard, |a, b| HazardStats {
            psi_sum: a.psi_sum + b.psi_sum,
            psi_max: a.psi_max.max(b.psi_max),
            zeta_sum: a.zeta_sum + b.zeta_sum,
            zeta_max: a.zeta_max.max(b.zeta_max),
            survival_sum: a.survival_sum + b.survival_sum,
            survival_min: a.survival_min.min(b.survival_min),
        });
        self.reference = merged(self.reference, other.reference, |a, b| ReferenceStats {
            k1_sum: a.k1_sum + b.k1_sum,
            k2_sum: a.k2_sum + b.k2_sum,
            k3_sum: a.k3_sum + b.k3_sum,
        });
        self.weights = merged(self.weights, other.weights, |a, b| WeightStats {
            sum: a.sum + b.sum,
            square_sum: a.square_sum + b.square_sum,
            max: a.max.max(b.max),
            zeros: a.zeros + b.zeros,
        });
        self.off_policy = merged(self.off_policy, other.off_policy, |a, b| OffPolicyStats {
            sequences: a.sequences + b.sequences,
            masked: a.masked + b.masked,
        });
    }
}

fn merged<T>(a: Option<T>, b: Option<T>, add: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(add(a, b)),
        (a, b) => a.or(b),
    }
}
