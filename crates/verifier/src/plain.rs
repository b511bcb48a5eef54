//! Gold answers that are plain numbers: against these a comparison that did not end is the answer's doing.

use crate::budget::Budget;
use crate::expr::Arena;
use crate::extract;
use crate::form::Form;
use crate::options::Options;
use crate::parse::parse_within;

/// Whether a gold answer is a plain number: an integer, decimal, fraction, percentage, mixed number or amount of money, with or
/// without a unit.
///
/// A budget that ran out against such an answer was spent on what the model wrote. A reward should then be that of a wrong answer:
/// if it were left open, an expression that nobody can work out would be worth more than an honest mistake.
///
/// ```
/// use surefoot_verifier::{Options, is_plain_number};
/// let options = Options::default();
/// assert!(["72", "-0.5", "\\frac{3}{4}", "12\\%", "1\\frac12", "\\$5.40", "9\\text{ cm}"].iter().all(|n| is_plain_number(n, &options)));
/// assert!(!["\\pi", "x + 1", "(1, 2)", "9^{9^9}", "\\text{even}"].iter().any(|n| is_plain_number(n, &options)));
/// ```
pub fn is_plain_number(gold: &str, options: &Options) -> bool {
    let mut arena = Arena::default();
    let mut budget = Budget::new(options.max_steps, None);
    let forms = parse_within(extract::gold(gold), options.max_answer_bytes, &mut arena, &mut budget);
    let plain = |form: &Form| matches!(form, Form::Value(value) if arena.rational(value.id).is_some());
    forms.is_ok_and(|forms| forms.iter().any(plain))
}
