//! What operators take and give, on any device.
use super::Device;
use std::ops::Deref;

/// Sizes of an attention layer; a row of `qkv` holds all query heads, then all key heads, then all value heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub queries: usize,
    /// Key and value heads.
    pub keys: usize,
    /// Elements of a head.
    pub dim: usize,
}

impl Heads {
    /// Elements of a row of `qkv`.
    pub fn stride(self) -> usize {
        (self.queries + 2 * self.keys) * self.dim
    }

    /// Elements of a row of the attention's output.
    pub fn width(self) -> usize {
        self.queries * self.dim
    }

    pub(crate) fn group(self) -> usize {
        self.queries / self.keys
    }

    pub(crate) fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }
}

/// Which way rotary position embedding turns: forward, or back (the gradient).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Rotate by the position's angle.
    Forward,
    /// Rotate by its negative: the transpose, hence the gradient.
    Backward,
}

/// All parameters in one arena ([`crate::layout::Layout`]), and a copy in the device's fastest form if there is one.
pub struct Weights<'a, D: Device + ?Sized> {
    /// Every parameter.
    pub arena: &'a D::Buffer,
    /// [`Device::pack`] of them, made when the same weights are used many times (decoding).
    pub packed: Option<&'a D::PackedWeights>,
}

impl<D: Device + ?Sized> Clone for Weights<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Device + ?Sized> Copy for Weights<'_, D> {}

/// How a next token is drawn from `softmax(logits / temperature)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the most probable token.
    pub temperature: f32,
    /// Keep the smallest set of tokens with at least this probability; 1 keeps all.
    pub top_p: f32,
    /// Keep this many tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the tokens with at least so many times the probability of the most probable one; 0 keeps all. Below 1. Applied after
    /// `top_k` and `top_p`, as `transformers` does.
    pub min_p: f32,
}

impl Sampling {
    /// Whether tokens are left out, so that the sampler's distribution is not the policy's.
    pub fn truncates(&self) -> bool {
        self.top_p < 1.0 || self.top_k > 0 || self.min_p > 0.0
    }
}

/// A token that was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Choice {
    /// The token.
    pub token: u32,
    /// Its log-probability under the tempered distribution, before top-k, top-p and min-p (what training compares with).
    pub logp: f32,
    /// Its log-probability under the distribution that it was drawn from.
    pub logp_behavior: f32,
    /// Entropy of the tempered distribution, in nats.
    pub entropy: f32,
}

/// A buffer that is read: the caller's own memory where the device can read it, else a copy.
pub enum Lent<'a, B> {
    /// The caller's.
    Borrowed(&'a B),
    /// A copy on the device.
    Owned(B),
}

impl<B> Deref for Lent<'_, B> {
    type Target = B;

    fn deref(&self) -> &B {
        match self {
            Self::Borrowed(buffer) => buffer,
            Self::Owned(buffer) => buffer,
        }
    }
}

/// What a loss asks of the targets: `sum_i logp[i] log p(target_i) + entropy[i] H_i` is what is differentiated.
#[derive(Clone, Copy, Debug)]
pub struct TargetGradients<'a> {
    /// `dL/dlogp` of each target.
    pub logp: &'a [f32],
    /// `dL/dH` of the distribution that each target was drawn from, as an entropy bonus has it; empty for none.
    pub entropy: &'a [f32],
}

impl<'a> From<&'a [f32]> for TargetGradients<'a> {
    fn from(logp: &'a [f32]) -> Self {
        Self { logp, entropy: &[] }
    }
}

/// Log-probabilities and entropies of the targets of a batch.
#[derive(Clone, Debug, Default)]
pub struct TargetStatistics {
    /// Log-probability of each target's token.
    pub logp: Vec<f32>,
    /// Entropy of the distribution that each target was drawn from, in nats.
    pub entropy: Vec<f32>,
}

/// Constants of one step of AdamW.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay rates of the moments.
    pub betas: (f32, f32),
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, per unit of learning rate.
    pub weight_decay: f32,
    /// Factor on every gradient (clipping by the global norm).
    pub gradient_scale: f32,
    /// 1-based number of the update, for the bias correction.
    pub update: u64,
}
