//! What the papers say of objectives whose ratio is a sequence's.

#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test] functions

use surefoot_objectives::{Advantages, Objective, TokenBatch};

fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} against {expected}");
}

/// A sequence of equal tokens is its own geometric mean; one token cannot carry the others beyond its bound, and the mean of its
/// ratios is never above the arithmetic one (arXiv 2507.20673).
#[test]
fn gmpo_is_the_geometric_mean() {
    let gmpo = Objective::named("gmpo").unwrap();
    let evaluate = |logp: &[f32], advantage: f32| {
        let old = vec![-1.0_f32; logp.len()];
        let (offsets, advantages) = ([0, logp.len()], [advantage]);
        let batch = TokenBatch::new(logp, &old, Advantages::PerSequence(&advantages), &offsets, &[0]).unwrap();
        let denominators = gmpo.denominators(&offsets, None, &[0]).unwrap();
        let result = gmpo.evaluate_detailed(&batch, &denominators).unwrap();
        (result.loss, result.detail.unwrap().coefficient)
    };
    let (loss, g) = evaluate(&[-0.75, -1.5, -1.125], 1.0);
    let s = ((0.25 - 0.5 - 0.125) / 3.0_f64).exp();
    near(-loss, s, 1e-6);
    g.iter().for_each(|g| near(f64::from(*g), s, 1e-6));
    let arithmetic = [0.25_f64, -0.5, -0.125].map(f64::exp).iter().sum::<f64>() / 3.0;
    assert!(s < arithmetic);
    // one token far out: it stops learning, and adds at most its bound to the others
    let (loss, g) = evaluate(&[29.0, -1.0], 1.0);
    near(-loss, 0.2_f64.exp(), 1e-6);
    assert_eq!(g[0], 0.0);
    near(f64::from(g[1]), 0.2_f64.exp(), 1e-6);
    // ... and on the way back it is not bounded
    let (loss, g) = evaluate(&[1.0, -1.0], -1.0);
    near(loss, 1.0_f64.exp(), 1e-5);
    assert!(g.iter().all(|g| (f64::from(*g) + 1.0_f64.exp()).abs() < 1e-5), "{g:?}");
}
