//! Identity 1: `g` is the derivative of `J` with every stop-gradient honoured, by central differences in `f64`.
//!
//! Each surrogate is written here as its paper has it, as a function of `log π` and of a frozen copy of it that stands
//! wherever the paper stops the gradient.

use surefoot_objectives::control::Token;
use surefoot_objectives::{Objective, RECIPES};

/// `J(log π, frozen log π, log π_old, A)` with the default options.
type Surrogate = fn(f64, f64, f64, f64) -> f64;

const LOW: f64 = 0.8;
const HIGH: f64 = 1.2;

fn clipped(ratio: f64, a: f64, low: f64, high: f64) -> f64 {
    (ratio * a).min(ratio.clamp(low, high) * a)
}

fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

fn mhpo(lp: f64, at: f64, old: f64, a: f64) -> f64 {
    let psi = |lp: f64| 1.5 * ((lp - old) / 1.5).tanh();
    let zeta = softplus(psi(at)).powf(1.5) + (softplus(-psi(at)) / 0.8).powi(2);
    (psi(lp) - zeta).exp() * a
}

fn dgpo(lp: f64, at: f64, old: f64, a: f64) -> f64 {
    let (pi, frozen, pi_old) = (lp.exp(), at.exp(), old.exp());
    let ratio = frozen / pi_old;
    let weight = if ratio < LOW && a < 0.0 {
        frozen / (LOW * pi_old * pi_old)
    } else if ratio > HIGH && a > 0.0 {
        (HIGH / (frozen * pi_old)).sqrt()
    } else {
        1.0 / pi_old
    };
    weight * a * pi
}

fn kept(lp: f64, at: f64, old: f64, a: f64, beta: f64) -> f64 {
    let (ratio, frozen) = ((lp - old).exp(), (at - old).exp());
    if frozen < LOW && a < 0.0 {
        beta * LOW * (ratio / frozen) * a
    } else if frozen > HIGH && a > 0.0 {
        HIGH * (ratio / frozen) * a
    } else {
        ratio * a
    }
}

fn aspo(lp: f64, at: f64, old: f64, a: f64) -> f64 {
    let (unit, ratio) = ((lp - at).exp(), (at - old).exp());
    if a < 0.0 {
        if ratio < LOW { LOW * a } else { unit * ratio.min(3.0) * a }
    } else if ratio > HIGH {
        a / HIGH
    } else {
        unit * (1.0 / ratio).min(3.0) * a
    }
}

fn drift(lp: f64, at: f64, old: f64) -> f64 {
    -0.01 * ((at - old).exp() - 1.0).min(2.0) * lp
}

fn gmpo(lp: f64, _: f64, old: f64, a: f64) -> f64 {
    let log_ratio = lp - old;
    (if a > 0.0 { log_ratio.min(0.4) } else { log_ratio.max(-0.4) }).exp() * a
}

fn dppo_tv(lp: f64, at: f64, old: f64, a: f64) -> f64 {
    let moved = at.min(0.0).exp() - old.exp();
    let masked = if a > 0.0 { moved > 0.15 } else { moved < -0.15 };
    if masked { 0.0 } else { (at - old).exp().min(20.0) * a * lp }
}

fn dppo_kl(lp: f64, at: f64, old: f64, a: f64) -> f64 {
    let (at_most, p_old) = (at.min(0.0), old.exp());
    let p = at_most.exp();
    let rest = (1.0 - p_old) * ((1.0 - p_old + 1e-8) / (1.0 - p + 1e-8)).ln();
    let masked = p_old * (old - at_most) + rest > 0.05 && (p - p_old) * a > 0.0;
    if masked { 0.0 } else { (at - old).exp().min(20.0) * a * lp }
}

fn clipped_log(lp: f64, old: f64, a: f64) -> f64 {
    clipped(lp - old, a, LOW.ln(), HIGH.ln())
}

fn surrogate(key: &str) -> Surrogate {
    match key {
        "pg" => |lp, _, old, a| (lp - old) * a,
        "is" => |lp, _, old, a| (lp - old).exp() * a,
        "grpo" | "dr_grpo" | "rloo" | "reinforce_plus_plus" => |lp, _, old, a| clipped((lp - old).exp(), a, LOW, HIGH),
        "dapo" => |lp, _, old, a| clipped((lp - old).exp(), a, LOW, 1.28),
        "gspo" => |lp, _, old, a| clipped((lp - old).exp(), a, 1.0 - 3e-4, 1.0 + 4e-4),
        "gmpo" => gmpo,
        "dppo_tv" => dppo_tv,
        "dppo_kl" => dppo_kl,
        "ppo_dual_clip" => |lp, _, old, a| {
            let j = clipped((lp - old).exp(), a, LOW, HIGH);
            if a < 0.0 { j.max(3.0 * a) } else { j }
        },
        "sapo" => |lp, _, old, a| {
            let tau = if a > 0.0 { 1.0 } else { 1.05 };
            4.0 / tau / (1.0 + (-tau * ((lp - old).exp() - 1.0)).exp()) * a
        },
        "cispo" => |lp, at, old, a| (at - old).exp().clamp(LOW, HIGH) * a * lp,
        "gppo" => |lp, at, old, a| kept(lp, at, old, a, 1.0),
        "ce_gppo" => |lp, at, old, a| kept(lp, at, old, a, 0.75),
        "aspo" => aspo,
        "mhpo" => mhpo,
        "dgpo" => dgpo,
        "cpgd" => |lp, at, old, a| clipped_log(lp, old, a) + drift(lp, at, old),
        "cpg" => |lp, _, old, a| clipped_log(lp, old, a),
        "pgd" => |lp, at, old, a| (lp - old) * a + drift(lp, at, old),
        _ => panic!("{key} has no surrogate here: write it as its paper has it"),
    }
}

#[test]
fn the_coefficient_is_the_derivative_of_the_surrogate() {
    for recipe in RECIPES {
        let objective = Objective::named(recipe.key).unwrap();
        let j = surrogate(recipe.key);
        for step in -3000..=3000 {
            // not on a multiple of the step, so that no difference straddles a bound
            let log_ratio = f64::from(step) * 0.01 + 0.001_37;
            for (a, old) in [(1.3, -0.4), (-0.7, -2.0), (0.2, -7.0), (-2.5, -0.01)] {
                let at = old + log_ratio;
                let h = 1e-5;
                let slope = (8.0 * (j(at + h, at, old, a) - j(at - h, at, old, a))
                    - (j(at + 2.0 * h, at, old, a) - j(at - 2.0 * h, at, old, a)))
                    / (12.0 * h);
                let term = objective.term(Token { logp: at, log_ratio, advantage: a, progress: 1.0 }, 0.0);
                let size = term.coefficient.abs() + term.surrogate.abs();
                let what = format!("{} at ℓ = {log_ratio}, A = {a}", recipe.key);
                assert!(
                    (term.coefficient - slope).abs() <= 1e-9 * size + 1e-12,
                    "{what}: g {:e}, slope {slope:e}",
                    term.coefficient
                );
                let value = j(at, at, old, a);
                assert!(
                    (term.surrogate - value).abs() <= 1e-12 * (size + at.abs()),
                    "{what}: J {}, {value}",
                    term.surrogate
                );
            }
        }
    }
}

#[test]
fn regularisers_are_the_derivatives_of_their_terms() {
    for estimator in ["k1", "k2", "k3"] {
        let mut objective = Objective::named("pg").unwrap();
        objective.regularizer.set("reference_coefficient", 0.3).unwrap();
        objective.regularizer.set("reference_estimator", estimator).unwrap();
        objective.regularizer.set("drift_coefficient", 0.2).unwrap();
        objective.regularizer.set("drift_bound", 0.5).unwrap();
        let (old, reference, a) = (-1.0, -1.7, 0.6);
        let j = |lp: f64, at: f64| {
            let d = lp - reference;
            let k = match estimator {
                "k1" => d,
                "k2" => d * d / 2.0,
                _ => (-d).exp() - 1.0 + d,
            };
            (lp - old) * a - 0.2 * ((at - old).exp() - 1.0).min(0.5) * lp - 0.3 * k
        };
        for step in -40..=40 {
            let at = old + f64::from(step) * 0.1 + 0.013;
            let h = 1e-5;
            let slope = (j(at + h, at) - j(at - h, at)) / (2.0 * h);
            let term = objective.term(Token { logp: at, log_ratio: at - old, advantage: a, progress: 1.0 }, reference);
            assert!(
                (term.coefficient - slope).abs() < 1e-7 * (1.0 + slope.abs()),
                "{estimator} at {at}: {term:?}, {slope}"
            );
            assert!((term.surrogate - j(at, at)).abs() < 1e-12 * (1.0 + term.surrogate.abs()));
        }
    }
}
