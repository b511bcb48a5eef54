//! The vector form of an objective: its formula for one token in `f32`, branch-free, for loops over many.
//!
//! Loops over a lane become vector code. So a lane holds its options as `f32`, decides by selection, and calls nothing.

use crate::exponential::exp;

/// One token, as a lane reads it. What a lane does not read costs nothing: the compiler leaves it out.
#[derive(Clone, Copy)]
pub(crate) struct LaneToken {
    pub logp: f32,
    /// `ℓ`; for GSPO the mean of it over the sequence.
    pub log_ratio: f32,
    /// `exp(ℓ)`.
    pub ratio: f32,
    pub advantage: f32,
    /// As [`super::Token::progress`].
    pub progress: f32,
    /// What [`Lane::first`] gave.
    pub first: [f32; 2],
    /// What [`Lane::second`] gave.
    pub second: f32,
}

/// What a lane makes of it: `g = multiplier·A` and `J = value·A`.
#[derive(Clone, Copy)]
pub(crate) struct LaneTerm {
    pub multiplier: f32,
    pub value: f32,
    /// MHPO's ψ.
    pub psi: f32,
    /// MHPO's ζ.
    pub zeta: f32,
}

impl LaneTerm {
    #[inline(always)]
    pub fn new(multiplier: f32, value: f32) -> Self {
        Self { multiplier, value, psi: 0.0, zeta: 0.0 }
    }
}

/// The formula for one token. Structs and not closures: `inline(always)` cannot be asked of a closure.
pub(crate) trait Lane {
    /// Whether ψ and ζ are set.
    const HAZARD: bool = false;
    /// Whether [`Lane::first`] and [`Lane::second`] run before, each in a loop of its own. One long chain of dependent
    /// operations leaves the processor waiting for results; of shorter ones it has several tokens in flight.
    const STAGED: bool = false;

    /// The formula's beginning, by the log-ratio and the advantage.
    #[inline(always)]
    fn first(&self, _log_ratio: f32, _advantage: f32) -> [f32; 2] {
        [0.0; 2]
    }

    /// The next part, by what the first gave.
    #[inline(always)]
    fn second(&self, _first: [f32; 2]) -> f32 {
        0.0
    }

    fn term(&self, token: LaneToken) -> LaneTerm;
}

/// A loop over tokens, which an objective hands its lane to.
pub(crate) trait Loop {
    fn over<L: Lane>(&mut self, lane: &L);
}

/// Columns of equal length that [`Columns`] reads.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'c> {
    pub logp: &'c [f32],
    pub log_ratio: &'c [f32],
    pub ratio: &'c [f32],
    pub advantage: &'c [f32],
    pub progress: &'c [f32],
}

/// The loop that keeps every result, for statistics.
pub(crate) struct Columns<'c> {
    pub inputs: Inputs<'c>,
    pub multiplier: &'c mut [f32],
    pub value: &'c mut [f32],
    /// MHPO's ψ, ζ and exp(−ζ).
    pub psi: &'c mut [f32],
    pub zeta: &'c mut [f32],
    pub survival: &'c mut [f32],
}

impl Loop for Columns<'_> {
    #[inline(always)]
    fn over<L: Lane>(&mut self, lane: &L) {
        let n = self.inputs.log_ratio.len();
        let (logp, log_ratio, ratio) = (&self.inputs.logp[..n], self.inputs.log_ratio, &self.inputs.ratio[..n]);
        let (advantage, progress) = (&self.inputs.advantage[..n], &self.inputs.progress[..n]);
        let (multiplier, value) = (&mut self.multiplier[..n], &mut self.value[..n]);
        let (psi, zeta, survival) = (&mut self.psi[..n], &mut self.zeta[..n], &mut self.survival[..n]);
        if L::STAGED {
            for i in 0..n {
                [psi[i], zeta[i]] = lane.first(log_ratio[i], advantage[i]);
            }
            for i in 0..n {
                survival[i] = lane.second([psi[i], zeta[i]]);
            }
        }
        for i in 0..n {
            let term = lane.term(LaneToken {
                logp: logp[i],
                log_ratio: log_ratio[i],
                ratio: ratio[i],
                advantage: advantage[i],
                progress: progress[i],
                first: [psi[i], zeta[i]],
                second: survival[i],
            });
            multiplier[i] = term.multiplier;
            value[i] = term.value;
            if L::HAZARD {
                psi[i] = term.psi;
                zeta[i] = term.zeta;
            }
        }
        if L::HAZARD {
            for i in 0..n {
                survival[i] = exp(-zeta[i]);
            }
        }
    }
}
