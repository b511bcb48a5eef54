//! A parquet value as JSON, with numbers as someone would write them.

use parquet::record::{Field, Row};
use serde_json::{Map, Number, Value};

use super::error::{DataError, Place};

/// Whole numbers up to this are exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The columns of a row.
pub(super) fn columns(row: &Row, place: &dyn Fn() -> Place) -> Result<Map<String, Value>, DataError> {
    row.get_column_iter().map(|(name, field)| Ok((name.clone(), value(name, field, place)?))).collect()
}

fn value(column: &str, field: &Field, place: &dyn Fn() -> Place) -> Result<Value, DataError> {
    Ok(match field {
        Field::Float16(number) => number_of(shortest_half(f64::from(*number))),
        // The shortest decimal that is this number in its own format: 0.1, not 0.10000000149011612.
        Field::Float(number) => number_of(number.to_string().parse().unwrap_or(f64::NAN)),
        Field::Double(number) => number_of(*number),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::String(text.to_string()),
            Err(_) => {
                return Err(DataError::Shape {
                    place: place(),
                    key: column.to_string(),
                    expected: "a text",
                    found: "bytes that are no UTF-8".to_string(),
                });
            }
        },
        Field::Group(row) => Value::Object(columns(row, place)?),
        Field::ListInternal(items) => {
            Value::Array(items.elements().iter().map(|item| value(column, item, place)).collect::<Result<_, _>>()?)
        }
        other => other.to_json_value(),
    })
}

/// A whole number without a decimal point: a column of whole numbers and gaps is one of floats.
fn number_of(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// The shortest decimal that a 16-bit float of this value is nearest to.
fn shortest_half(number: f64) -> f64 {
    if number.fract() == 0.0 {
        return number;
    }
    // Eleven bits: half of the way to the next number.
    let half_step = 2f64.powi(number.abs().log2().floor() as i32 - 11);
    let near = |decimal: &f64| (decimal - number).abs() < half_step;
    (0..5).filter_map(|digits| format!("{number:.digits$e}").parse().ok()).find(near).unwrap_or(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_were_written() {
        let place = || Place::Row("rows.parquet".into(), 1);
        let read = |field: Field| value("answer", &field, &place).unwrap().to_string();
        assert_eq!(read(Field::Float(0.1)), "0.1");
        assert_eq!(read(Field::Float(33.333)), "33.333");
        assert_eq!(read(Field::Float(1e-30)), "1e-30");
        assert_eq!(read(Field::Float(f32::NAN)), "null");
        assert_eq!(read(Field::Double(5.0)), "5");
        assert_eq!(read(Field::Double(-0.1)), "-0.1");
        assert_eq!(read(Field::Double(1e300)), "1e+300");
        for (half, written) in [(0.099_975_585_937_5, "0.1"), (3.140_625, "3.14"), (65_504.0, "65504"), (0.0, "0")] {
            assert_eq!(number_of(shortest_half(half)).to_string(), written);
        }
    }

    #[test]
    fn bytes_are_text_or_an_error_that_names_row_and_column() {
        let place = || Place::Row("rows.parquet".into(), 7);
        let read = |bytes: &[u8]| value("problem", &Field::Bytes(bytes.to_vec().into()), &place);
        assert_eq!(read("1 + 1 = é".as_bytes()).unwrap(), Value::from("1 + 1 = é"));
        let said = read(&[0xff, 0x00]).unwrap_err().to_string();
        assert!(said.contains("rows.parquet") && said.contains('7') && said.contains("`problem`"), "{said}");
    }
}
