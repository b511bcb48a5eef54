//! Integrals, series and limits of a function in double precision, refined until two refinements agree. What they differ by
//! stands for the error: evidence, not a bound.

use crate::budget::Outcome;

/// A value and what the last refinement changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refined {
    pub(super) value: f64,
    pub(super) change: f64,
}

/// The function at a place, with the rounding error it has there; nothing where it is undefined.
pub(super) type Sampled<'f> = dyn FnMut(f64) -> Outcome<Option<(f64, f64)>> + 'f;

/// Relative change that ends the refinement.
const ENOUGH: f64 = 1e-13;
/// Halvings of an integral's step, from 1/2.
const LEVELS: i32 = 7;
/// Beyond it the weights of the double exponential rule vanish in double precision.
const REACH: f64 = 6.5;
/// With an infinite end the places go to about 10^26, so that powers of them stay finite.
const REACH_OF_INFINITE: f64 = 4.3;
/// Beyond it a place is next to an end: within 10^-5 of a finite one.
const NEAR_END: f64 = 2.0;
/// Terms of a series that are extrapolated from.
const TERMS: usize = 48;
/// Terms that are added up at most.
const LONGEST: usize = 200;
/// Places towards a limit: each half as far from it as the one before.
const PLACES: usize = 14;

/// `∫ f` from `low` to `high`, either of which may be infinite, by the double exponential rule (Takahasi, Mori 1974): the
/// trapezoidal rule behind a substitution that makes every endpoint vanish twice exponentially.
pub(super) fn integral(low: f64, high: f64, f: &mut Sampled<'_>) -> Outcome<Option<Refined>> {
    if low > high {
        let turned = integral(high, low, f)?;
        return Ok(turned.map(|turned| Refined { value: -turned.value, ..turned }));
    }
    if low == high {
        return Ok(Some(Refined { value: 0.0, change: 0.0 }));
    }
    let (mut sum, mut previous, mut step) = (0.0, f64::NAN, 1.0);
    let reach = if low.is_finite() && high.is_finite() { REACH } else { REACH_OF_INFINITE };
    for level in 0..=LEVELS {
        step *= 0.5;
        // what the places next to the cut add on either side: more than nothing where the cut leaves something out
        let mut edge = [0.0_f64; 2];
        // each level adds the places between those of the one before
        let stride = if level == 0 { 1 } else { 2 };
        let mut k = if level == 0 { 0 } else { 1 };
        while k as f64 * step <= reach {
            for (side, sign) in if k == 0 { &[1.0][..] } else { &[1.0, -1.0] }.iter().enumerate() {
                let (place, weight) = substituted(low, high, sign * k as f64 * step);
                // so near to an end that the place is the end
                if weight == 0.0 || !place.is_finite() || place <= low || place >= high {
                    continue;
                }
                let term = f(place)?.map(|(value, _)| value * weight).filter(|term| term.is_finite());
                let Some(term) = term else {
                    // Next to an end the function may be out of the range of doubles; what is left out shows at the edge.
                    if k as f64 * step > NEAR_END {
                        continue;
                    }
                    return Ok(None);
                };
                sum += term;
                edge[side] = term.abs();
            }
            k += stride;
        }
        let value = sum * step;
        let change = (value - previous).abs().max(edge[0].max(edge[1]));
        if level >= 2 && change <= ENOUGH * value.abs() {
            return Ok(Some(Refined { value, change }));
        }
        if level == LEVELS {
            return Ok(Some(Refined { value, change }));
        }
        previous = value;
    }
    Ok(None)
}

/// The place `x(t)` and `dx/dt`.
fn substituted(low: f64, high: f64, t: f64) -> (f64, f64) {
    let turn = std::f64::consts::FRAC_PI_2;
    let (inner, slope) = (turn * t.sinh(), turn * t.cosh());
    match (low.is_finite(), high.is_finite()) {
        (true, true) => {
            // the distance to the nearer end, which does not cancel
            let share = 1.0 / (1.0 + (2.0 * inner.abs()).exp());
            let width = high - low;
            let place = if inner < 0.0 { low + width * share } else { high - width * share };
            (place, width * 2.0 * share * (1.0 - share) * slope)
        }
        (true, false) => (low + inner.exp(), inner.exp() * slope),
        (false, true) => (high - inner.exp(), inner.exp() * slope),
        (false, false) => (inner.sinh(), inner.cosh() * slope),
    }
}

/// `Σ f(k)` from `low` to infinity: as it is where the terms vanish fast, else by Levin's u-transform. A series whose terms do
/// not vanish has no sum.
pub(super) fn series(low: f64, f: &mut Sampled<'_>) -> Outcome<Option<Refined>> {
    let (mut total, mut partial, mut terms) = (0.0_f64, Vec::new(), Vec::new());
    for k in 0..LONGEST {
        let Some((term, _)) = f(low + k as f64)? else { break };
        total += term;
        terms.push(term);
        partial.push(total);
        let vanished = |term: &f64| term.abs() <= 1e-17 * total.abs();
        if k >= 8 && terms[k - 3..].iter().all(vanished) {
            return Ok(Some(Refined { value: total, change: term.abs() }));
        }
    }
    // Terms that vanish slowly must still do so.
    if terms.len() < LONGEST || terms[LONGEST - 1].abs() > 0.5 * terms[TERMS - 1].abs() {
        return Ok(None);
    }
    let distances: Vec<[f64; 3]> = [17, 24, 34, 48, 69, 98, 140, 200]
        .map(|terms: usize| [1.0 / (low + terms as f64 - 0.5), partial[terms - 1], 0.0])
        .into();
    // One is for alternating and geometric terms, the other for powers of 1/n.
    let found = [levin(low, &terms, &partial), to_zero(&distances)];
    let best = found.into_iter().flatten().min_by(|a, b| a.change.total_cmp(&b.change));
    Ok(best.filter(|found| {
        // A sum of terms of one sign lies beyond the partial ones.
        let rising = terms.iter().all(|term| *term > 0.0);
        !rising || found.value >= total
    }))
}

/// Levin's u-transform of the partial sums, at the order where it changes least.
fn levin(low: f64, terms: &[f64], partial: &[f64]) -> Option<Refined> {
    let shift = 1.0 - low.min(1.0);
    let mut best: Option<Refined> = None;
    let (mut previous, mut last_change) = (f64::NAN, f64::NAN);
    for order in 3..terms.len().min(TERMS / 2) {
        let (mut top, mut bottom, mut binomial) = (0.0, 0.0, 1.0);
        for k in 0..=order {
            let at = low + shift + k as f64;
            let power = (at / (low + shift + order as f64)).powi(order as i32 - 1);
            let weight = if k % 2 == 0 { 1.0 } else { -1.0 } * binomial * power / (at * terms[k]);
            top += weight * partial[k];
            bottom += weight;
            binomial *= (order - k) as f64 / (k + 1) as f64;
        }
        let value: f64 = top / bottom;
        let change = (value - previous).abs();
        // of two changes in a row the greater: one alone may be small by chance
        let both = 0.25 * (change + last_change);
        if value.is_finite() && both.is_finite() && best.is_none_or(|best| both < best.change) {
            best = Some(Refined { value, change: both });
        }
        (previous, last_change) = (value, change);
    }
    best
}

/// The limit of `f` at a place, which may be infinite, from the side of `sign`: values nearer and nearer, extrapolated to the
/// place by polynomials of the distance (Neville).
pub(super) fn limit(place: f64, sign: f64, f: &mut Sampled<'_>) -> Outcome<Option<Refined>> {
    let mut values = Vec::new();
    for k in 0..PLACES {
        let size = 2f64.powi(k as i32 + 2);
        let (distance, at) =
            if place.is_infinite() { (1.0 / size, size.copysign(place)) } else { (1.0 / size, place + sign / size) };
        let Some((value, error)) = f(at)? else { continue };
        values.push([distance, value, error]);
    }
    Ok(to_zero(&values))
}

/// Values with their errors at falling distances, extrapolated to the distance zero by polynomials (Neville), at the degree where that changes least.
fn to_zero(values: &[[f64; 3]]) -> Option<Refined> {
    let mut best: Option<Refined> = None;
    let mut noise = 0.0_f64;
    let mut column: Vec<f64> = Vec::new();
    for (at, &[distance, value, error]) in values.iter().enumerate() {
        noise = noise.max(error);
        // column[i] goes through the i + 1 latest values
        let mut next = vec![value];
        for (i, older) in column.iter().enumerate() {
            let ratio = values[at - 1 - i][0] / distance;
            next.push(next[i] + (next[i] - older) / (ratio - 1.0));
        }
        if let (Some(&value), Some(&before)) = (next.last(), column.last()) {
            let change = (value - before).abs().max(noise);
            if next.len() > 4 && best.is_none_or(|best| change < best.change) {
                best = Some(Refined { value, change });
            }
        }
        column = next;
    }
    best
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{E, LN_2, PI};

    use super::*;

    fn near(found: Outcome<Option<Refined>>, exact: f64) {
        let found = found.unwrap().unwrap();
        let error = (found.value - exact).abs();
        assert!(error <= 8.0 * found.change + 1e-13 * exact.abs(), "{} instead of {exact}: {found:?}", found.value);
        assert!(found.change < 1e-10, "{} known to {} only", found.value, found.change);
    }

    /// A function that is right but for its rounding.
    fn of(f: impl Fn(f64) -> f64) -> impl FnMut(f64) -> Outcome<Option<(f64, f64)>> {
        move |x| Ok(Some((f(x), f(x).abs() * 1e-15)))
    }

    #[test]
    fn integrals() {
        near(integral(0.0, 1.0, &mut of(|x| x * x)), 1.0 / 3.0);
        near(integral(1.0, 0.0, &mut of(|x| x * x)), -1.0 / 3.0);
        near(integral(0.0, PI, &mut of(f64::sin)), 2.0);
        near(integral(0.0, 1.0, &mut of(|x| x.powf(-0.5))), 2.0);
        near(integral(0.0, 1.0, &mut of(f64::ln)), -1.0);
        near(integral(0.0, f64::INFINITY, &mut of(|x| (-x * x).exp())), PI.sqrt() / 2.0);
        near(integral(f64::NEG_INFINITY, f64::INFINITY, &mut of(|x| 1.0 / (1.0 + x * x))), PI);
    }

    #[test]
    fn series_that_converge() {
        near(series(1.0, &mut of(|k| 1.0 / (k * k))), PI * PI / 6.0);
        near(series(0.0, &mut of(|k| 0.5f64.powf(k))), 2.0);
        near(series(1.0, &mut of(|k| 1.0 / (k * (k + 1.0)))), 1.0);
        near(series(0.0, &mut of(|k| (-1f64).powi(k as i32) / (2.0 * k + 1.0))), PI / 4.0);
        near(series(1.0, &mut of(|k| (-1f64).powi(k as i32 + 1) / k)), LN_2);
    }

    #[test]
    fn series_without_a_sum_have_no_value_that_is_trusted() {
        for f in [
            |k: f64| 1.0 / k,
            |k: f64| k,
            |_: f64| 1.0,
            |k: f64| (-2f64).powi(k as i32),
            |k: f64| 1.0 / (k * k.ln_1p()),
        ] {
            let found = series(1.0, &mut of(f)).unwrap();
            assert!(found.is_none_or(|found| found.change > 1e-9 * found.value.abs()), "{found:?}");
        }
    }

    #[test]
    fn limits() {
        near(limit(0.0, 1.0, &mut of(|x| x.sin() / x)), 1.0);
        near(limit(f64::INFINITY, 1.0, &mut of(|x| (x + 1.0) / (2.0 * x - 3.0))), 0.5);
        let found = limit(f64::INFINITY, 1.0, &mut of(|x| (x * (1.0 / x).ln_1p()).exp())).unwrap().unwrap();
        assert!((found.value - E).abs() < 1e-11, "{found:?}");
        assert!(limit(0.0, 1.0, &mut of(|x| (1.0 / x).sin())).unwrap().unwrap().change > 1e-3);
    }
}
