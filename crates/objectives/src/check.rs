//! What an objective says of itself against what its formula does: the gradient check of a method developer.

use crate::control::{Control, Term, Token};
use crate::objective::Objective;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Holds,
    /// Worth knowing, and not wrong in itself.
    Note,
    /// Wrong: training with it would not follow its surrogate, or would break off.
    Fails,
}

/// One check of an objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was checked, in one or two words.
    pub check: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, with the place where it is worst.
    pub found: String,
}

/// Advantage and `log π_old` of the tokens that are tried at each log-ratio.
const TOKENS: [(f64, f64); 4] = [(1.3, -0.4), (-0.7, -2.0), (0.2, -7.0), (-2.5, -0.01)];
/// Log-ratios beyond the grid: training that has gone astray, and where `exp` of `f32` has long ended.
const TAILS: [f64; 4] = [-500.0, -50.0, 50.0, 500.0];
/// Step of the differences. They are of fourth order: truncation is far below rounding, which is about 3e-11 of `J`.
const STEP: f64 = 1e-5;
/// What `g` may differ from the slope, of `|g| + |J|`.
const TOLERANCE: f64 = 1e-7;
/// Distance from a point at which a corner that its difference straddles no longer shows.
const ASIDE: f64 = 8.0 * STEP;
/// With a greater multiplier within the grid, an objective is told to have no bound.
const UNBOUNDED: f64 = 1e3;

/// Checks the ratio control of an objective on a grid of log-ratios from -30 to 30 and at ±50 and ±500, for either sign of the
/// advantage and several places of a sequence: that terms are numbers, that `g` is the derivative of `J` with every stop-gradient
/// honoured ([`crate::control::Surrogate::surrogate`]), that the multiplier keeps its bound; and it says what happens at the bounds.
///
/// ```
/// use surefoot_objectives::{Objective, Verdict, check_surrogate};
/// let findings = check_surrogate(&Objective::named("mhpo")?);
/// assert!(findings.iter().all(|finding| finding.verdict != Verdict::Fails));
/// # Ok::<(), surefoot_objectives::OptionError>(())
/// ```
pub fn check_surrogate(objective: &Objective) -> Vec<Finding> {
    let control = &objective.control;
    let numbers = numbers(control);
    // differences of what is no number say nothing
    let broken = numbers.verdict == Verdict::Fails;
    let mut findings = vec![numbers, without_advantage(control)];
    if !broken {
        findings.extend([value(control), gradient(control)]);
        findings.extend(multiplier(control));
        findings.extend(at_bounds(control));
    }
    findings
}

/// The term as its author wrote it.
fn term(control: &Control, token: Token) -> Term {
    match control {
        Control::Own(own) => own.raw_term(token),
        built_in => built_in.term(token),
    }
}

/// `F`, without the policy drift, which is no multiple of the advantage.
fn weight(control: &Control, log_ratio: f64, advantage: f64) -> f64 {
    // adding 0 turns −0 into 0
    control.formula().term(Token::at(log_ratio, advantage)).coefficient / advantage + 0.0
}

/// From -30 to 30, on no round number: few differences straddle a bound.
fn grid() -> impl Iterator<Item = f64> {
    (-3000..=3000).map(|step| f64::from(step) * 0.01 + 0.001_37)
}

fn tokens(log_ratios: impl Iterator<Item = f64>) -> impl Iterator<Item = Token> {
    let of = |log_ratio: f64| {
        TOKENS.into_iter().zip([1.0, 0.25].into_iter().cycle()).map(move |((advantage, old), progress)| Token {
            logp: old + log_ratio,
            log_ratio,
            advantage,
            progress,
        })
    };
    log_ratios.flat_map(of)
}

fn place(token: Token) -> String {
    format!("at log-ratio {:.5}, advantage {}", token.log_ratio, token.advantage)
}

fn numbers(control: &Control) -> Finding {
    let bad = tokens(TAILS.into_iter().chain(grid())).find_map(|token| {
        let Term { surrogate, coefficient } = term(control, token);
        let finite = surrogate.is_finite() && coefficient.is_finite();
        (!finite).then(|| format!("J is {surrogate}, g {coefficient} {}", place(token)))
    });
    let holds = "J and g are finite up to log-ratios of 500".to_owned();
    Finding {
        check: "finite",
        verdict: if bad.is_some() { Verdict::Fails } else { Verdict::Holds },
        found: bad.unwrap_or(holds),
    }
}

fn without_advantage(control: &Control) -> Finding {
    let check = "advantage 0";
    if control.drift().is_some() {
        let found = "gives the policy drift alone".to_owned();
        return Finding { check, verdict: Verdict::Holds, found };
    }
    let wrong = tokens(grid()).map(|token| Token { advantage: 0.0, ..token }).find_map(|token| {
        let Term { surrogate, coefficient } = term(control, token);
        let none = surrogate == 0.0 && coefficient == 0.0;
        (!none).then(|| format!("J is {surrogate}, g {coefficient} {}; evaluation takes both as 0", place(token)))
    });
    match wrong {
        None => Finding { check, verdict: Verdict::Holds, found: "gives neither loss nor gradient".to_owned() },
        Some(found) => Finding { check, verdict: Verdict::Fails, found },
    }
}

/// The worst of some errors, each in units of what is allowed.
struct Worst {
    error: f64,
    told: String,
}

impl Worst {
    fn none() -> Self {
        Self { error: 0.0, told: String::new() }
    }

    fn see(&mut self, error: f64, told: impl FnOnce() -> String) {
        if error > self.error || error.is_nan() {
            *self = Self { error, told: told() };
        }
    }

    fn finding(self, check: &'static str, holds: impl FnOnce(f64) -> String) -> Finding {
        if self.error <= 1.0 {
            Finding { check, verdict: Verdict::Holds, found: holds(self.error) }
        } else {
            Finding { check, verdict: Verdict::Fails, found: self.told }
        }
    }
}

fn value(control: &Control) -> Finding {
    let mut worst = Worst::none();
    for token in tokens(grid()) {
        let (j, own) = (term(control, token).surrogate, control.surrogate(token, token));
        let allowed = 1e-12 * (j.abs() + token.logp.abs() + 1.0);
        worst.see((own - j).abs() / allowed, || format!("`term` gives J = {j}, `surrogate` {own} {}", place(token)));
    }
    worst.finding("value", |_| "`surrogate` is J where nothing moves".to_owned())
}

fn gradient(control: &Control) -> Finding {
    let (mut worst, mut corners) = (Worst::none(), 0);
    for token in tokens(grid()) {
        let here = error(control, token);
        if here.0 > 1.0 {
            let aside = [-ASIDE, ASIDE].map(|by| error(control, moved(token, by)).0);
            if aside.into_iter().all(|error| error <= 1.0) {
                corners += 1;
                continue;
            }
        }
        worst.see(here.0, || {
            let advice = "where the paper stops the gradient, `surrogate` must read `frozen`";
            format!("g is {:.6e}, the slope of J {:.6e} {}; {advice}", here.1, here.2, place(token))
        });
    }
    worst.finding("gradient", |error| {
        let corners = if corners > 0 { format!(" ({corners} corners passed over)") } else { String::new() };
        format!("g is the derivative of J to {:.0e}{corners}", (error * TOLERANCE).max(f64::EPSILON))
    })
}

/// The token with another `log π_θ`.
fn moved(token: Token, by: f64) -> Token {
    Token { logp: token.logp + by, log_ratio: token.log_ratio + by, ..token }
}

/// How far `g` is from the slope, in units of what is allowed; both of them.
fn error(control: &Control, token: Token) -> (f64, f64, f64) {
    let Term { surrogate, coefficient } = term(control, token);
    let j = |by: f64| control.surrogate(moved(token, by), token);
    let slope = (8.0 * (j(STEP) - j(-STEP)) - (j(2.0 * STEP) - j(-2.0 * STEP))) / (12.0 * STEP);
    let allowed = TOLERANCE * (coefficient.abs() + surrogate.abs()) + 1e-10;
    ((coefficient - slope).abs() / allowed, coefficient, slope)
}

fn multiplier(control: &Control) -> Vec<Finding> {
    let all = TAILS.into_iter().chain(grid()).flat_map(|x| [-1.0, 1.0].map(|a| (weight(control, x, a), x, a)));
    let (mut most, mut least) = ((f64::NEG_INFINITY, 0.0, 0.0), (f64::INFINITY, 0.0, 0.0));
    for seen in all {
        most = if seen.0 > most.0 { seen } else { most };
        least = if seen.0 < least.0 { seen } else { least };
    }
    let (peak, at, sign) = most;
    let here = format!("at log-ratio {at:.3}, {}", signed(sign));
    let (verdict, found) = match control.multiplier_bound() {
        Some(bound) if peak > bound * (1.0 + 1e-9) => {
            (Verdict::Fails, format!("F is {peak:.6} {here}, above its bound {bound:.6}"))
        }
        Some(bound) if peak < 0.99 * bound => {
            (Verdict::Note, format!("F is at most {peak:.6} here, {here}; its bound says {bound:.6}"))
        }
        Some(bound) => (Verdict::Holds, format!("F is at most {peak:.6}, {here}; its bound is {bound:.6}")),
        None if peak < UNBOUNDED => {
            (Verdict::Note, format!("F is at most {peak:.6}, {here}; `multiplier_bound` may say so"))
        }
        None => (Verdict::Note, format!("F grows without bound: {peak:.3e} {here}")),
    };
    let mut findings = vec![Finding { check: "multiplier", verdict, found }];
    if least.0 < 0.0 {
        let (least, at, sign) = least;
        let found = format!(
            "F is {least:.6} at log-ratio {at:.3}, {}: it pulls back; quantiles count magnitudes",
            signed(sign)
        );
        findings.push(Finding { check: "sign", verdict: Verdict::Note, found });
    }
    findings
}

fn signed(advantage: f64) -> &'static str {
    if advantage > 0.0 { "A > 0" } else { "A < 0" }
}

/// What happens at the bounds, for the sign that they are meant for.
fn at_bounds(control: &Control) -> Vec<Finding> {
    let Some(bounds) = control.bounds() else { return Vec::new() };
    let sides = [("lower bound", bounds.log_low(), -1.0), ("upper bound", bounds.log_high(), 1.0)];
    let of = |(check, bound, advantage): (&'static str, f64, f64)| {
        // out is further from a ratio of 1 than the bound
        let (inside, outside) = (bound - advantage * 1e-9, bound + advantage * 1e-9);
        let j = |x: f64| control.formula().term(Token::at(x, advantage)).surrogate / advantage + 0.0;
        let jump = |f: &dyn Fn(f64) -> f64| {
            let (from, to) = (f(inside), f(outside));
            ((from - to).abs() > 1e-6 * (1.0 + from.abs())).then(|| format!("jumps from {from:.4} to {to:.4}"))
        };
        let at = format!("at r = {:.4}, {}", bound.exp(), signed(advantage));
        let (f, j) = (jump(&|x| weight(control, x, advantage)), jump(&j));
        let verdict = if f.is_none() && j.is_none() { Verdict::Holds } else { Verdict::Note };
        let say = |jump: Option<String>| jump.unwrap_or_else(|| "is continuous".to_owned());
        Finding { check, verdict, found: format!("F {}, J/A {} {at}", say(f), say(j)) }
    };
    sides.into_iter().filter(|(_, bound, _)| bound.is_finite()).map(of).collect()
}
