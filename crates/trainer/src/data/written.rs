//! Numbers that 64 bits cannot hold, as they are written: a gold answer of 30 digits is not 1.23e29.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Digits that a 64-bit float keeps of any number.
const DIGITS: usize = 15;

/// Whether a line can hold such a number at all; most hold none.
pub(super) fn suspect(line: &[u8]) -> bool {
    let mut run = 0;
    line.iter().any(|byte| {
        run = if byte.is_ascii_digit() || *byte == b'.' { run + 1 } else { 0 };
        run > DIGITS
    })
}

/// Makes a text of every number of `row` that lost digits when `line` was parsed.
pub(super) fn restore(row: &mut Map<String, Value>, line: &[u8]) {
    if let Ok(raw) = serde_json::from_slice::<HashMap<String, &RawValue>>(line) {
        row.iter_mut().for_each(|(key, value)| raw.get(key).into_iter().for_each(|raw| restore_value(value, raw)));
    }
}

fn restore_value(value: &mut Value, raw: &RawValue) {
    match value {
        Value::Number(number) if number.is_f64() && lost(raw.get(), number.as_f64()) => {
            *value = Value::String(raw.get().to_string());
        }
        Value::Object(row) => restore(row, raw.get().as_bytes()),
        Value::Array(items) => {
            if let Ok(raw) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
                items.iter_mut().zip(raw).for_each(|(item, raw)| restore_value(item, raw));
            }
        }
        _ => {}
    }
}

/// Whether the digits of a written number are not those of its float.
fn lost(written: &str, number: Option<f64>) -> bool {
    number.is_some_and(|number| digits(written) != digits(&format!("{number:e}")))
}

/// Significant digits, without the zeros at either end.
fn digits(written: &str) -> String {
    let mantissa = written.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn digits_that_a_float_loses_are_kept() {
        let read = |line: &str| {
            let mut row: Map<String, Value> = serde_json::from_str(line).unwrap();
            if suspect(line.as_bytes()) {
                restore(&mut row, line.as_bytes());
            }
            serde_json::to_string(&row).unwrap()
        };
        for (line, kept) in [
            (r#"{"answer":123456789012345678901234567}"#, r#"{"answer":"123456789012345678901234567"}"#),
            (r#"{"answer":18446744073709551616}"#, r#"{"answer":"18446744073709551616"}"#),
            (r#"{"answer":0.12345678901234567890123}"#, r#"{"answer":"0.12345678901234567890123"}"#),
            (r#"{"a":{"b":[1,123456789012345678901]}}"#, r#"{"a":{"b":[1,"123456789012345678901"]}}"#),
            // A float holds these, or they are texts.
            (r#"{"answer":18446744073709551615}"#, r#"{"answer":18446744073709551615}"#),
            (r#"{"answer":0.10000000000000000000}"#, r#"{"answer":0.1}"#),
            (r#"{"answer":100000000000000000000000}"#, r#"{"answer":1e+23}"#),
            (r#"{"answer":3.141592653589793}"#, r#"{"answer":3.141592653589793}"#),
            (r#"{"answer":"123456789012345678901234567"}"#, r#"{"answer":"123456789012345678901234567"}"#),
        ] {
            assert_eq!(read(line), kept);
        }
    }
}
