//! Corrections for rollouts that another engine sampled: its probabilities `π_b` (`logp_behavior`) are not those of
//! `π_old`, even with equal weights.
//!
//! A correction yields weights for the tokens' terms and a mask of rejected tokens, both kept apart from the ratio
//! `π_θ/π_old` that the objective controls, and both off by default. Names and meanings are those of verl's
//! `rollout_is` and `rollout_rs`; `b = log π_old − log π_b` below.

mod apply;

use crate::keyed::keyed_enum;
use crate::nearest::nearest;
use crate::option::{OptionError, Setting, Value};

pub use apply::{Corrected, CorrectionStats};

/// `|b|` of a token, and the sum that a sequence's weight is formed of, count at most this much, as in verl: no weight exceeds e²⁰.
pub const LOG_WEIGHT_LIMIT: f64 = 20.0;

keyed_enum! {
    /// What an importance weight is formed over.
    pub enum WeightLevel {
        /// `exp(b_t)` for each token.
        Token => "token",
        /// `exp(Σ_t b_t)` for all tokens of the sequence.
        Sequence => "sequence",
    }
}

/// What is done with large (and small) importance weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truncation {
    /// Truncated importance sampling: `min(w, cap)`.
    Cap(f64),
    /// IcePop: 0 outside of `[low, high]`, `w` within.
    Band {
        /// The lowest weight that is kept.
        low: f64,
        /// The highest weight that is kept.
        high: f64,
    },
}

/// Importance weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Importance {
    /// By token or by sequence.
    pub level: WeightLevel,
    /// Their bounds, a cap of 2 by default.
    pub truncation: Truncation,
    /// Whether they are divided by their mean over the batch's trained tokens (or its sequences); off by default.
    pub normalize: bool,
}

keyed_enum! {
    /// What a rejection looks at. `k1 = −b`, bounded on either side by ratios `π_b/π_old`; `k2 = b²/2` and `k3 = e^b − 1 − b`, bounded
    /// above.
    pub enum Criterion {
        /// `e^(k1) = π_b/π_old` of each token: a token outside is rejected.
        TokenK1 => "token_k1",
        /// `k2` of each token.
        TokenK2 => "token_k2",
        /// `k3` of each token.
        TokenK3 => "token_k3",
        /// `e^(Σk1)`, the sequence's ratio: a sequence outside is rejected whole.
        SequenceSumK1 => "seq_sum_k1",
        /// `Σk2` of the sequence.
        SequenceSumK2 => "seq_sum_k2",
        /// `Σk3` of the sequence.
        SequenceSumK3 => "seq_sum_k3",
        /// `e^(mean k1)`, the geometric mean of the sequence's ratios.
        SequenceMeanK1 => "seq_mean_k1",
        /// `mean k2` of the sequence.
        SequenceMeanK2 => "seq_mean_k2",
        /// `mean k3` of the sequence.
        SequenceMeanK3 => "seq_mean_k3",
        /// The sequence's greatest `k2`.
        SequenceMaxK2 => "seq_max_k2",
        /// The sequence's greatest `k3`.
        SequenceMaxK3 => "seq_max_k3",
    }
}

impl Criterion {
    /// Whether it bounds a ratio on either side.
    pub fn is_ratio(self) -> bool {
        matches!(self, Self::TokenK1 | Self::SequenceSumK1 | Self::SequenceMeanK1)
    }
}

/// Rejects tokens or sequences outside of bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rejection {
    /// What is looked at.
    pub criterion: Criterion,
    /// The lower bound of a ratio; not read for k2 and k3.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// A correction with its options; by default it does nothing.
///
/// ```
/// use surefoot_objectives::correction::Correction;
/// let mut correction = Correction::default();
/// correction.set("rollout_is", "token")?; // truncated at 2
/// correction.set("rollout_rs", "seq_mean_k1")?;
/// correction.set("rollout_rs_threshold", "0.999_1.001")?;
/// let (logp_old, logp_behavior) = ([-1.0, -1.0, -2.0], [-2.0, -1.0, -2.0]);
/// let corrected = correction.apply(&logp_old, &logp_behavior, &[0, 2, 3], None)?;
/// assert_eq!(corrected.token_weights, Some(vec![2.0, 1.0, 1.0])); // e¹ truncated
/// assert_eq!(corrected.mask, Some(vec![false, false, true])); // the first sequence's mean ratio is e^−½
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Correction {
    /// Importance weights, if any.
    pub importance: Option<Importance>,
    /// Rejections, all of which a token must pass.
    pub rejections: Vec<Rejection>,
}

const KEYS: &[&str] =
    &["rollout_is", "rollout_is_threshold", "rollout_is_batch_normalize", "rollout_rs", "rollout_rs_threshold"];
const TAKES_LEVEL: &str = "\"none\", \"token\" or \"sequence\"";
const TAKES_THRESHOLD: &str = "a cap above 0, or \"low_high\"";
const TAKES_TRUTH: &str = "\"true\" or \"false\"";

impl Correction {
    /// Sets an option by key: `rollout_is` = `"none"`, `"token"` or `"sequence"`, then `rollout_is_threshold` = `2.0` (a
    /// cap) or `"0.5_5.0"` (a band: IcePop) and `rollout_is_batch_normalize` = `"true"` or `"false"`; `rollout_rs` =
    /// `"none"` or criteria separated by commas, then `rollout_rs_threshold` with as many bounds: `2.0` (for a ratio
    /// `[1/2, 2]`) or `"0.5_2.0"`.
    ///
    /// # Errors
    /// An unknown key (with the nearest one), a value out of range, a threshold for what is off.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), OptionError> {
        let text = match value.into() {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text,
        };
        let bad =
            |expected: String| Err(OptionError::BadValue { key: key.to_owned(), expected, got: format!("\"{text}\"") });
        match key {
            "rollout_is" if text == "none" => self.importance = None,
            "rollout_is" => match WeightLevel::parse(&text) {
                Some(level) => {
                    self.importance = Some(Importance { level, truncation: Truncation::Cap(2.0), normalize: false });
                }
                None => return bad(TAKES_LEVEL.to_owned()),
            },
            "rollout_is_threshold" | "rollout_is_batch_normalize" => {
                let Some(importance) = &mut self.importance else {
                    return Err(OptionError::Conflict(format!(
                        "{key} needs rollout_is = \"token\" or \"sequence\" first"
                    )));
                };
                match (key, bounds(&text), text.as_str()) {
                    ("rollout_is_threshold", Some((None, cap)), _) => importance.truncation = Truncation::Cap(cap),
                    ("rollout_is_threshold", Some((Some(low), high)), _) => {
                        importance.truncation = Truncation::Band { low, high };
                    }
                    ("rollout_is_batch_normalize", _, "true") => importance.normalize = true,
                    ("rollout_is_batch_normalize", _, "false") => importance.normalize = false,
                    ("rollout_is_threshold", ..) => return bad(TAKES_THRESHOLD.to_owned()),
                    _ => return bad(TAKES_TRUTH.to_owned()),
                }
            }
            "rollout_rs" if text == "none" => self.rejections.clear(),
            "rollout_rs" => {
                let mut rejections = Vec::new();
                for name in text.split(',').map(str::trim) {
                    let Some(criterion) = Criterion::parse(name) else {
                        return Err(OptionError::UnknownName {
                            what: "rejection criterion",
                            name: name.to_owned(),
                            nearest: nearest(name, Criterion::KEYS.iter().copied()),
                            known: Criterion::KEYS.to_vec(),
                        });
                    };
                    rejections.push(Rejection { criterion, low: 0.5, high: 2.0 });
                }
                self.rejections = rejections;
            }
            "rollout_rs_threshold" => {
                let parts: Vec<Option<(Option<f64>, f64)>> = text.split(',').map(|part| bounds(part.trim())).collect();
                if parts.len() != self.rejections.len() {
                    return bad(format!(
                        "one threshold for each of the {} criteria of rollout_rs",
                        self.rejections.len()
                    ));
                }
                let mut rejections = self.rejections.clone();
                for (rejection, part) in rejections.iter_mut().zip(parts) {
                    match part {
                        Some((low, high)) if rejection.criterion.is_ratio() => {
                            (rejection.low, rejection.high) = (low.unwrap_or(1.0 / high), high);
                        }
                        Some((None, high)) => rejection.high = high,
                        _ if rejection.criterion.is_ratio() => {
                            return bad("an upper bound above 0, or \"low_high\"".to_owned());
                        }
                        _ => return bad(format!("an upper bound above 0 for {}", rejection.criterion)),
                    }
                }
                self.rejections = rejections;
            }
            _ => {
                return Err(OptionError::UnknownKey {
                    owner: "the correction".to_owned(),
                    key: key.to_owned(),
                    nearest: nearest(key, KEYS.iter().copied()),
                    known: KEYS.to_vec(),
                });
            }
        }
        Ok(())
    }

    /// Every option with its present value.
    pub fn settings(&self) -> Vec<Setting> {
        let join = |parts: Vec<String>| if parts.is_empty() { "none".to_owned() } else { parts.join(",") };
        let mut settings = vec![
            Setting {
                key: KEYS[0],
                value: Value::Text(self.importance.map_or("none", |importance| importance.level.key()).to_owned()),
                takes: TAKES_LEVEL.to_owned(),
                about: "importance weights for another engine's rollouts, by token or sequence",
            },
            Setting {
                key: KEYS[3],
                value: Value::Text(join(self.rejections.iter().map(|r| r.criterion.key().to_owned()).collect())),
                takes: format!("\"none\" or some of {}, separated by commas", Criterion::KEYS.join(", ")),
                about: "what tokens or sequences are rejected by",
            },
        ];
        if let Some(importance) = self.importance {
            let value = match importance.truncation {
                Truncation::Cap(cap) => Value::Number(cap),
                Truncation::Band { low, high } => Value::Text(format!("{low}_{high}")),
            };
            settings.push(Setting {
                key: KEYS[1],
                value,
                takes: TAKES_THRESHOLD.to_owned(),
                about: "a cap of the weights, or a band outside of which they are 0",
            });
            let value = Value::Text(importance.normalize.to_string());
            settings.push(Setting {
                key: KEYS[2],
                value,
                takes: TAKES_TRUTH.to_owned(),
                about: "whether weights are divided by their mean over the batch",
            });
        }
        if !self.rejections.is_empty() {
            let bound = |r: &Rejection| {
                if r.criterion.is_ratio() { format!("{}_{}", r.low, r.high) } else { r.high.to_string() }
            };
            let value = Value::Text(join(self.rejections.iter().map(bound).collect()));
            let takes = "a bound for each criterion: 2.0 or \"0.5_2.0\"".to_owned();
            settings.push(Setting { key: KEYS[4], value, takes, about: "the bounds of each rejection" });
        }
        settings
    }
}

/// `"high"` or `"low_high"`, positive and in order.
fn bounds(text: &str) -> Option<(Option<f64>, f64)> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite() && *x > 0.0);
    match text.split_once('_') {
        None => Some((None, number(text)?)),
        Some((low, high)) => {
            let (low, high) = (number(low)?, number(high)?);
            (low <= high).then_some((Some(low), high))
        }
    }
}
