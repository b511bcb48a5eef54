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
    /// What [`Lane::prepare`] gave.
    pub prepared: Prepared,
}

/// Numbers that a lane's stages hand on.
pub(crate) type Prepared = [f32; 3];

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
    /// Loops before the last one, at most two. One long chain of dependent operations leaves the processor waiting for
    /// results; of shorter ones it has several tokens in flight.
    const STAGES: usize = 0;

    /// A stage's part of the formula, by the log-ratio and what the stage before gave.
    #[inline(always)]
    fn prepare(&self, _stage: usize, _log_ratio: f32, _before: Prepared) -> Prepared {
        [0.0; 3]
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
        prepare(lane, log_ratio, [psi, zeta, survival]);
        for i in 0..n {
            let term = lane.term(LaneToken {
                logp: logp[i],
                log_ratio: log_ratio[i],
                ratio: ratio[i],
                advantage: advantage[i],
                progress: progress[i],
                prepared: [psi[i], zeta[i], survival[i]],
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

/// Runs a lane's stages over columns of equal length.
#[inline(always)]
pub(crate) fn prepare<L: Lane>(lane: &L, log_ratio: &[f32], [first, second, third]: [&mut [f32]; 3]) {
    let n = log_ratio.len();
    let (first, second, third) = (&mut first[..n], &mut second[..n], &mut third[..n]);
    if L::STAGES > 0 {
        for i in 0..n {
            [first[i], second[i], _] = lane.prepare(0, log_ratio[i], [0.0; 3]);
        }
    }
    if L::STAGES > 1 {
        for i in 0..n {
            [_, _, third[i]] = lane.prepare(1, log_ratio[i], [first[i], second[i], 0.0]);
        }
    }
}
