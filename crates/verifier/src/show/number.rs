//! Numbers, with as many digits as they were written with where that counts.

use std::fmt::Write;

use dashu_int::IBig;
use dashu_ratio::RBig;

use super::{MAX_SHOWN, Page};
use crate::form::Decimal;

/// Digits behind the point beyond which a power of ten is written.
const MAX_PLACES: i64 = 40;

/// A whole number or a fraction.
pub(super) fn number(value: &RBig, page: &mut Page<'_>) {
    let bits = crate::expr::bits(value);
    // Four bits and more a decimal digit.
    if bits > 4 * page.limit.max(MAX_SHOWN) {
        // Unreadable, not another number.
        page.whole = false;
        let _ = write!(page.out, "…[number of {bits} bits]");
    } else {
        let _ = write!(page.out, "{value}");
    }
}

/// A decimal with the digits that it was written with, which say how precise it is.
pub(super) fn decimal(value: &RBig, decimal: &Decimal, page: &mut Page<'_>) {
    let last = power_of_ten(&decimal.ulp);
    let units = value / &decimal.ulp;
    match last {
        Some(last) if units.is_int() => digits(units.numerator(), last, page),
        _ => {
            page.whole = false;
            number(value, page);
        }
    }
}

/// A number beside an operator: in brackets unless it is a natural one.
pub(super) fn operand(value: &RBig, page: &mut Page<'_>) {
    let natural = value.is_int() && *value >= RBig::ZERO;
    page.put(if natural { "" } else { "(" });
    number(value, page);
    page.put(if natural { "" } else { ")" });
}

/// A finite decimal as it is written, of a number that has one.
pub(super) fn finite(value: &RBig) -> Option<String> {
    let mut scaled = value.clone();
    for places in 1..=MAX_PLACES {
        scaled *= RBig::from(10);
        if scaled.is_int() {
            let arena = crate::expr::Arena::default();
            let mut page = Page::new(&arena, MAX_SHOWN);
            digits(scaled.numerator(), -places, &mut page);
            return page.whole.then_some(page.out);
        }
    }
    None
}

/// `units · 10^last`, its last digit in that place.
fn digits(units: &IBig, last: i64, page: &mut Page<'_>) {
    let places = if (-MAX_PLACES..0).contains(&last) { -last as usize } else { 1 };
    let power = last + places as i64;
    let text = units.to_string();
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |text| ("-", text));
    let text = format!("{text:0>width$}", width = places + 1);
    let (whole, fraction) = text.split_at(text.len() - places);
    let _ = write!(page.out, "{sign}{whole}.{fraction}");
    if power != 0 {
        let _ = write!(page.out, "e{power}");
    }
}

/// The n of `10^n`.
fn power_of_ten(value: &RBig) -> Option<i64> {
    let one = |text: &str| text.strip_prefix('1').is_some_and(|zeros| zeros.bytes().all(|digit| digit == b'0'));
    let (top, bottom) = (value.numerator().to_string(), value.denominator().to_string());
    (one(&top) && one(&bottom)).then_some(top.len() as i64 - bottom.len() as i64)
}
