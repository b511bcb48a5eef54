//! JSON text in the layout of Python's `json.dumps(…, ensure_ascii=False)`.

use std::fmt::Write;

use serde_json::{Map, Value};

/// What `json.dumps` takes as arguments.
pub(super) struct Style {
    indent: Option<usize>,
    sort_keys: bool,
    item_separator: String,
    key_separator: String,
}

impl Style {
    pub fn new(indent: Option<usize>, sort_keys: bool, separators: Option<Vec<String>>) -> Self {
        let (item_separator, key_separator) = match separators.as_deref() {
            Some([item, key]) => (item.clone(), key.clone()),
            _ if indent.is_some() => (",".into(), ": ".into()),
            _ => (", ".into(), ": ".into()),
        };
        Style { indent, sort_keys, item_separator, key_separator }
    }

    pub fn write(&self, value: &Value) -> String {
        let mut out = String::new();
        self.value(value, 0, &mut out);
        out
    }

    fn value(&self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::Array(items) => self.list(items.iter(), "[", "]", depth, out, |item, out| {
                self.value(item, depth + 1, out);
            }),
            Value::Object(map) => self.object(map, depth, out),
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() => out.push_str(&python_float(float)),
                _ => out.push_str(&number.to_string()),
            },
            // serde_json escapes what Python escapes with `ensure_ascii=False`, and U+007F by neither.
            Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
        }
    }

    fn object(&self, map: &Map<String, Value>, depth: usize, out: &mut String) {
        let mut entries: Vec<_> = map.iter().collect();
        if self.sort_keys {
            entries.sort_by_key(|(key, _)| key.as_str());
        }
        self.list(entries.into_iter(), "{", "}", depth, out, |(key, value), out| {
            out.push_str(&Value::from(key.as_str()).to_string());
            out.push_str(&self.key_separator);
            self.value(value, depth + 1, out);
        });
    }

    fn list<T>(
        &self,
        items: impl ExactSizeIterator<Item = T>,
        open: &str,
        close: &str,
        depth: usize,
        out: &mut String,
        write_item: impl Fn(T, &mut String),
    ) {
        out.push_str(open);
        let count = items.len();
        for (position, item) in items.enumerate() {
            if position > 0 {
                out.push_str(&self.item_separator);
            }
            self.line(depth + 1, out);
            write_item(item, out);
        }
        if count > 0 {
            self.line(depth, out);
        }
        out.push_str(close);
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }
}

/// Python's `repr` of a float: the shortest digits, an exponent of two digits below 1e-4 and from 1e16 on.
fn python_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{value:?}");
    text
}
