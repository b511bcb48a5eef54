//! One line of the input.

use serde::{Deserialize, Deserializer, de};

/// A sequence as it was logged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// The prompt that it answers: samples with the same one are a group.
    #[serde(deserialize_with = "group")]
    pub group: String,
    /// `log π_θ` of its tokens.
    pub logp: Vec<f32>,
    /// `log π_old` of its tokens.
    pub logp_old: Vec<f32>,
    /// One for all tokens, or one for each.
    pub advantage: Advantage,
    /// Which tokens are trained; all without it.
    #[serde(default)]
    pub mask: Option<Vec<Flag>>,
    /// `log π_ref` of its tokens.
    #[serde(default)]
    pub logp_ref: Option<Vec<f32>>,
    /// `log π` of its tokens at the start of the epoch.
    #[serde(default)]
    pub logp_epoch: Option<Vec<f32>>,
}

/// An advantage for the sequence or for each token.
#[derive(Debug)]
pub enum Advantage {
    /// For all tokens.
    Sequence(f32),
    /// For each token.
    Tokens(Vec<f32>),
}

/// `true`, `false`, 1 or 0.
#[derive(Debug)]
pub struct Flag(pub bool);

/// Reads a line; an error says what was expected and where.
pub fn parse(line: &[u8]) -> Result<Sequence, String> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        match bad_number(line, error.column()) {
            Some((word, key, position)) => {
                format!("{word} in `{key}`, position {position}, is no finite number; a token without one needs a mask, and any number")
            }
            None => format!("{what} at column {}", error.column()),
        }
    })
}

/// What stands where a finite number was expected (NaN and Infinity as Python writes them, or a number beyond 32-bit floats), with
/// the key of its array and its position in it.
fn bad_number(line: &[u8], column: usize) -> Option<(String, String, usize)> {
    let begin = line[..column.min(line.len())].iter().rposition(|byte| matches!(byte, b',' | b'[' | b':'))? + 1;
    let rest = &line[begin..];
    let end = rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}')).unwrap_or(rest.len());
    let word = std::str::from_utf8(&rest[..end]).ok()?.trim();
    let is_number = word.parse::<f32>().is_ok_and(|number| !number.is_finite());
    if !is_number && word != "null" {
        return None;
    }
    let open = line[..begin].iter().rposition(|&byte| byte == b'[');
    let colon = line[..begin].iter().rposition(|&byte| byte == b':')?;
    let key = line[..colon].rsplit(|&byte| byte == b'"').nth(1)?;
    let before = |open: usize| line[open..begin].iter().filter(|&&byte| byte == b',').count();
    let position = open.filter(|&open| open > colon).map_or(0, before);
    Some((word.to_string(), String::from_utf8_lossy(key).into_owned(), position))
}

fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = String;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or a whole number as `group`")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_string())
        }
        fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    deserializer.deserialize_any(Visitor)
}

impl<'de> Deserialize<'de> for Advantage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Advantage;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a list of numbers as `advantage`")
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Advantage, E> {
                Ok(Advantage::Sequence(number as f32))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Advantage, E> {
                Ok(Advantage::Sequence(number as f32))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Advantage, E> {
                Ok(Advantage::Sequence(number as f32))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Advantage, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(Advantage::Tokens)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Flag;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, 1 or 0")
            }
            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Flag, E> {
                match number {
                    0 => Ok(Flag(false)),
                    1 => Ok(Flag(true)),
                    other => Err(E::invalid_value(de::Unexpected::Unsigned(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_in_all_its_forms() {
        let line = br#"{"group": 7, "logp": [-1, -2.5], "logp_old": [-1.0, -2e0], "advantage": [1, -0.5], "mask": [1, false]}"#;
        let sequence = parse(line).unwrap();
        assert_eq!(
            (sequence.group.as_str(), sequence.logp, sequence.logp_old),
            ("7", vec![-1.0, -2.5], vec![-1.0, -2.0])
        );
        assert!(matches!(sequence.advantage, Advantage::Tokens(values) if values == [1.0, -0.5]));
        assert_eq!(sequence.mask.unwrap().iter().map(|flag| flag.0).collect::<Vec<_>>(), [true, false]);
        assert!(sequence.logp_ref.is_none() && sequence.logp_epoch.is_none());
    }

    #[test]
    fn words_in_place_of_numbers_are_named_with_their_place() {
        let of = |logp: &str| {
            parse(format!(r#"{{"group": "a", "logp": [{logp}], "logp_old": [0], "advantage": 1}}"#).as_bytes())
        };
        assert!(of("-1, NaN, -2").unwrap_err().starts_with("NaN in `logp`, position 1, is no finite number"));
        assert!(of("-Infinity").unwrap_err().starts_with("-Infinity in `logp`, position 0"));
        assert!(of("1,2,null").unwrap_err().starts_with("null in `logp`, position 2"));
        assert_eq!(of("\"x\"").unwrap_err(), "invalid type: string \"x\", expected f32 at column 27");
        let single = parse(br#"{"group": "a", "advantage": NaN}"#).unwrap_err();
        assert!(single.starts_with("NaN in `advantage`, position 0"), "{single}");
    }
}
