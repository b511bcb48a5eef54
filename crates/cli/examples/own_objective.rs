//! A program of one's own: all of surefoot, and one objective more. `docs/objectives.md` goes through it.
//!
//! ```sh
//! cargo run --release -p surefoot --example own_objective -- objective check topr
//! ```

use std::process::ExitCode;

use surefoot::objectives::control::{Surrogate, Term, Token};
use surefoot::objectives::{Entry, Range, Recipe};

/// Tapered Off-Policy REINFORCE (Le Roux et al. 2025, arXiv 2503.14286), token by token: `J = sg[w]·A·log π` with `w = 1` for
/// `A > 0` and `w = min(r, cap)` else. What was bad and has become rare is pushed down no further.
///
/// The paper takes the ratio of the whole answer, and cap = 1.
#[derive(Clone)]
struct Topr {
    cap: f64,
}

impl Topr {
    fn weight(&self, token: Token) -> f64 {
        if token.advantage > 0.0 { 1.0 } else { token.ratio().min(self.cap) }
    }
}

impl Surrogate for Topr {
    fn term(&self, token: Token) -> Term {
        let coefficient = self.weight(token) * token.advantage;
        Term { surrogate: coefficient * token.logp, coefficient }
    }

    // from here on nothing is needed; what is there is checked, listed and reported

    fn surrogate(&self, token: Token, frozen: Token) -> f64 {
        self.weight(frozen) * token.advantage * token.logp
    }

    fn options(&mut self) -> Vec<Entry<'_>> {
        vec![Entry::number("cap", &mut self.cap, Range::Positive, "greatest weight of a token with A < 0")]
    }

    fn multiplier_bound(&self) -> Option<f64> {
        Some(self.cap.max(1.0))
    }
}

fn main() -> ExitCode {
    let topr = Recipe::own("topr", "weight that tapers off for negative advantages", Topr { cap: 1.0 });
    surefoot::main_with([Recipe { source: "arXiv 2503.14286, by token", ..topr }])
}
