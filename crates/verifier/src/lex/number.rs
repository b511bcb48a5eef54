//! Numbers as they are written: separators of thousands, decimals, repeating decimals, powers of ten.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::token::Number;
use crate::budget::{Outcome, Stop};
use crate::verdict::Why;

/// Powers of ten beyond this are not written out.
const MAX_EXPONENT: i64 = 5_000;
/// Repetitions of a block of digits before "..." that make it a repeating decimal.
const MIN_REPEATS: usize = 3;

/// A number and how it was separated.
pub(super) struct Scanned {
    pub(super) number: Number,
    pub(super) end: usize,
    /// Commas were read as separators of thousands, and could also separate a list.
    pub(super) commas: bool,
}

/// Spaces that may separate thousands: `\,`, thin and narrow spaces, `{,}`, `,\!`.
const STRONG: [&str; 7] = ["{,}", ",\\!", "\\,", "\\;", "\u{2009}", "\u{202f}", "\u{a0}"];

/// Reads the number at byte `start`, where a digit or a point before a digit stands. `join_commas` reads `1,000` as one number,
/// `nested` says that the number stands within brackets.
pub(super) fn scan(text: &str, start: usize, join_commas: bool, nested: bool) -> Outcome<Scanned> {
    let bytes = text.as_bytes();
    let digits_from = |at: usize| at + bytes[at.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = digits_from(start);
    let mut whole = text[start..at].to_owned();
    let (mut plain, mut commas) = (true, false);
    if (1..=3).contains(&(at - start)) && bytes[start] != b'0' {
        let weak = join_commas && comma_run(bytes, start, nested);
        while let Some((from, to)) = group(text, at, weak, nested) {
            commas |= bytes[at] == b',' && bytes.get(at + 1) != Some(&b'\\');
            whole.push_str(&text[from..to]);
            plain = false;
            at = to;
        }
    }
    if let Some(end) = dotted_run(bytes, start) {
        whole = text[start..end].replace('.', "");
        plain = false;
        at = end;
    }
    let mut fraction = String::new();
    let mut repeating = String::new();
    let mut places = None;
    if bytes.get(at) == Some(&b'.') && bytes.get(at + 1) != Some(&b'.') {
        let end = digits_from(at + 1);
        fraction.push_str(&text[at + 1..end]);
        let (block, behind) = repeating_block(text, end).unwrap_or((String::new(), end));
        repeating = block;
        // "5." ends a sentence; "-1./3" and "1.\overline{3}" are numbers.
        if end > at + 1 || !repeating.is_empty() || bytes.get(end) == Some(&b'/') {
            plain = false;
            places = (!fraction.is_empty() || !repeating.is_empty()).then_some(fraction.len() as u32);
            at = behind;
        }
    }
    if repeating.is_empty()
        && let Some((fixed, block, behind)) = ellipsis(text, at, &fraction)
    {
        fraction.truncate(fixed);
        repeating = block;
        at = behind;
    }
    let digits = significant(&whole, &fraction);
    let mut value = decimal(&whole, &fraction);
    if !repeating.is_empty() {
        // 0.a(b) = (ab − a) / (10^|b| − 1) / 10^|a|
        let nines = natural(&"9".repeat(repeating.len()));
        let scale = nines * ten(fraction.len());
        value += RBig::from_parts(IBig::from(natural(&repeating)), scale);
        places = None;
    }
    let mut power = 0;
    if let Some((exponent, behind)) = exponent(bytes, at) {
        let exponent = exponent.filter(|e| e.abs() <= MAX_EXPONENT).ok_or(Stop::Budget)?;
        let scale = RBig::from(IBig::from(ten(exponent.unsigned_abs() as usize)));
        value = if exponent < 0 { value / scale } else { value * scale };
        plain = false;
        power = exponent as i32;
        at = behind;
    }
    let number = Number { value, places, exponent: power, digits, plain, vulgar: false };
    Ok(Scanned { number, end: at, commas })
}

/// Whether digits and commas from `start` on form a number with thousands: `12,345,678`.
fn comma_run(bytes: &[u8], start: usize, nested: bool) -> bool {
    let run = &bytes[start..start + bytes[start..].iter().take_while(|b| b.is_ascii_digit() || **b == b',').count()];
    let run = run.strip_suffix(b",").unwrap_or(run);
    let before = start.checked_sub(1).map(|at| bytes[at]);
    if before == Some(b',') || before == Some(b'.') {
        return false;
    }
    let mut groups = run.split(|&b| b == b',');
    let first = groups.next().is_some_and(|g| (1..=3).contains(&g.len()) && g[0] != b'0');
    let mut rest = groups.peekable();
    // Within brackets a comma separates entries, unless an entry would begin with a zero.
    let zeros = !nested || run.split(|&b| b == b',').skip(1).any(|g| g.first() == Some(&b'0'));
    first && rest.peek().is_some() && rest.all(|g| g.len() == 3) && zeros
}

/// Where `1.234.567` ends: two points or more can only separate thousands.
fn dotted_run(bytes: &[u8], start: usize) -> Option<usize> {
    let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let run = &bytes[start..start + length];
    let run = run.strip_suffix(b".").unwrap_or(run);
    let groups: Vec<&[u8]> = run.split(|b| *b == b'.').collect();
    let (first, rest) = groups.split_first()?;
    let fits = (1..=3).contains(&first.len()) && first[0] != b'0' && rest.len() >= 2;
    (fits && rest.iter().all(|group| group.len() == 3)).then_some(start + run.len())
}

/// The next three digits behind a separator of thousands.
fn group(text: &str, at: usize, weak: bool, nested: bool) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let behind = STRONG.iter().find(|s| text[at..].starts_with(**s)).map(|s| at + s.len());
    let from = match behind {
        Some(from) => from + bytes[from..].iter().take_while(|b| **b == b' ').count(),
        None if weak && bytes.get(at) == Some(&b',') => at + 1,
        None if !nested && bytes.get(at) == Some(&b' ') => at + 1,
        None => return None,
    };
    let digits = bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    (digits == 3).then_some((from, from + 3))
}

/// `\overline{36}`, `\bar{3}`, `\dot{3}` or `(3)` behind a decimal point.
fn repeating_block(text: &str, at: usize) -> Option<(String, usize)> {
    const OPENINGS: [(&str, char); 5] =
        [("\\overline{", '}'), ("\\bar{", '}'), ("\\dot{", '}'), ("\\overline", '\0'), ("(", ')')];
    for (open, close) in OPENINGS {
        let Some(inside) = text[at..].strip_prefix(open) else { continue };
        let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
        if close == '\0' && digits >= 1 {
            return Some((inside[..1].to_owned(), at + open.len() + 1));
        }
        if digits == 0 || !inside[digits..].starts_with(close) {
            continue;
        }
        let mut block = inside[..digits].to_owned();
        let mut end = at + open.len() + digits + 1;
        // \dot{1}\dot{6} and \dot{1}4285\dot{7} mark the first and the last digit.
        let between = text[end..].bytes().take_while(u8::is_ascii_digit).count();
        if open == "\\dot{"
            && let Some((more, behind)) = repeating_block(text, end + between)
        {
            block.push_str(&text[end..end + between]);
            block.push_str(&more);
            end = behind;
        }
        return Some((block, end));
    }
    None
}

/// A block that repeats at least three times before "...": digits before it, the block, and where the dots end.
fn ellipsis(text: &str, at: usize, fraction: &str) -> Option<(usize, String, usize)> {
    let dots = ["...", "…", "\\ldots", "\\dots", "\\cdots"];
    let behind = dots.iter().find(|dots| text[at..].trim_start().starts_with(**dots))?;
    let end = at + (text[at..].len() - text[at..].trim_start().len()) + behind.len();
    let digits = fraction.as_bytes();
    for length in 1..=6usize {
        let repeats = if length == 1 { MIN_REPEATS } else { 2 };
        if digits.len() < length * repeats {
            continue;
        }
        let block = &digits[digits.len() - length..];
        if digits.rchunks_exact(length).take(repeats).all(|chunk| chunk == block) {
            return Some((digits.len() - length, String::from_utf8_lossy(block).into_owned(), end));
        }
    }
    None
}

/// `e33`, `E-5` directly behind a number; the inner value is absent where it does not fit.
fn exponent(bytes: &[u8], at: usize) -> Option<(Option<i64>, usize)> {
    if !matches!(bytes.get(at), Some(b'e' | b'E')) {
        return None;
    }
    let behind = &bytes[at + 1..];
    let minus = ["-", "−", "–"].into_iter().find(|minus| behind.starts_with(minus.as_bytes()));
    let negative = minus.is_some();
    let from = at + 1 + minus.map_or(usize::from(behind.starts_with(b"+")), str::len);
    let digits = bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let value = std::str::from_utf8(&bytes[from..from + digits]).ok().and_then(|d| d.parse::<i64>().ok());
    Some((value.map(|v| if negative { -v } else { v }), from + digits))
}

fn significant(whole: &str, fraction: &str) -> u32 {
    let leading = whole.bytes().chain(fraction.bytes()).take_while(|&b| b == b'0').count();
    (whole.len() + fraction.len() - leading) as u32
}

fn natural(digits: &str) -> UBig {
    match digits.len() {
        0 => UBig::ZERO,
        1..=18 => UBig::from(digits.bytes().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'))),
        _ => UBig::from_str_radix(digits, 10).unwrap_or(UBig::ZERO),
    }
}

fn ten(power: usize) -> UBig {
    UBig::from(10u8).pow(power)
}

fn decimal(whole: &str, fraction: &str) -> RBig {
    if fraction.is_empty() {
        return RBig::from(IBig::from(natural(whole)));
    }
    let top = natural(&format!("{whole}{fraction}"));
    RBig::from_parts(IBig::from(top), ten(fraction.len()))
}

/// `0x1F`, `0b101`, `0o17`: the value and where it ends.
pub(super) fn prefixed(text: &str, start: usize) -> Option<(RBig, usize)> {
    let base = match text.as_bytes().get(start..start + 2)? {
        b"0x" | b"0X" => 16,
        b"0b" => 2,
        b"0o" => 8,
        _ => return None,
    };
    let before = text[..start].bytes().next_back();
    let rest = &text[start + 2..];
    let digits = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    // `0x10^5` is a product.
    let product = rest[digits..].starts_with(['^', '_', '.', '(']) || before.is_some_and(|b| b == b'.' || b == b'\\');
    let value = UBig::from_str_radix(&rest[..digits], base).ok().filter(|_| digits > 0 && !product)?;
    Some((RBig::from(IBig::from(value)), start + 2 + digits))
}

/// A whole number that was written in no plain way.
pub(super) fn whole(value: RBig) -> Number {
    Number { value, places: None, exponent: 0, digits: 1, plain: false, vulgar: false }
}

/// A digit string in a base, or why it is none.
pub(crate) fn in_base(digits: &str, base: u32) -> Outcome<RBig> {
    let invalid = |why| Err(Stop::Unreadable(Why::Invalid(why)));
    if !(2..=36).contains(&base) {
        return invalid("a base outside of 2 to 36");
    }
    match UBig::from_str_radix(digits, base) {
        Ok(value) => Ok(RBig::from(IBig::from(value))),
        Err(_) => invalid("a digit that its base does not have"),
    }
}
