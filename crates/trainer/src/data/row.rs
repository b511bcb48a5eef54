//! One row: from a JSON object in any of the usual shapes to a problem and its answer.

use serde_json::{Map, Value};

use super::error::{DataError, Place};
use super::solution::answer_in;
use super::target;
use super::wanted::Wanted;

/// A problem with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// What the model is asked.
    pub problem: Problem,
    /// The gold answer, empty where the row has none and no reward reads it; for supervised fine-tuning, the text to learn.
    pub answer: String,
    /// Columns of the row as a JSON object, where a user's reward program gets them.
    pub columns: Option<Box<str>>,
}

impl Row {
    /// A row without further columns.
    pub fn new(problem: Problem, answer: String) -> Self {
        Row { problem, answer, columns: None }
    }
}

/// What the model is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// A text, to be put into `prompt.template`.
    Text(String),
    /// A conversation that is complete as it stands.
    Chat(Vec<Message>),
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Text of the message.
    pub content: String,
}

/// Names of the columns, where the configuration gives any, and what is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// `data.problem_key`.
    pub problem: Option<&'a str>,
    /// `data.answer_key`.
    pub answer: Option<&'a str>,
    /// `data.difficulty_key`.
    pub difficulty: Option<&'a str>,
    /// What a row must hold.
    pub wanted: Wanted<'a>,
}

const PROBLEM: &[&str] = &["problem", "prompt", "question"];
const ANSWER: &[&str] = &["answer", "final_answer", "expected_answer", "ground_truth"];
const SOLUTION: &[&str] = &["solution"];
/// verl's nesting of the gold answer.
const REWARD_MODEL: &str = "reward_model";

impl Columns<'_> {
    /// Every column that may be read, so that the rest of a parquet file is not decoded; `None`: all there are.
    pub(super) fn all(&self) -> Option<Vec<&str>> {
        let mut all = [PROBLEM, ANSWER, SOLUTION, target::TARGET].concat();
        all.extend([REWARD_MODEL, target::MESSAGES]);
        all.extend(self.problem);
        all.extend(self.answer);
        all.extend(self.difficulty);
        match self.wanted {
            Wanted::Columns { named: [], .. } => return None,
            Wanted::Columns { named, .. } => all.extend(named.iter().map(String::as_str)),
            Wanted::Target(key) => all.extend(key),
            Wanted::Answer | Wanted::Problem => {}
        }
        Some(all)
    }

    /// What one row of a file gives, most often one row, and its difficulty; `place` is called for its place when something is
    /// wrong.
    pub(super) fn read(
        &self,
        row: &Map<String, Value>,
        place: &dyn Fn() -> Place,
    ) -> Result<(Vec<Row>, f64), DataError> {
        Ok((self.rows(row, place)?, self.difficulty.map_or(Ok(0.0), |key| difficulty(key, row, place))?))
    }

    fn rows(&self, row: &Map<String, Value>, place: &dyn Fn() -> Place) -> Result<Vec<Row>, DataError> {
        if let Wanted::Target(key) = self.wanted {
            return target::rows(self, key, row, place);
        }
        let problem = self.find_problem(row, place)?;
        let answer = match self.find_answer(row, place) {
            // What nobody reads may have any shape.
            Err(_) if !self.wanted.needs_answer() => String::new(),
            found => found?,
        };
        let columns = match self.wanted {
            Wanted::Columns { named, .. } => Some(passed_on(named, row, place)?),
            Wanted::Answer | Wanted::Problem | Wanted::Target(_) => None,
        };
        Ok(vec![Row { problem, answer, columns }])
    }

    pub(super) fn find_problem(
        &self,
        row: &Map<String, Value>,
        place: &dyn Fn() -> Place,
    ) -> Result<Problem, DataError> {
        let names = self.problem.map_or(PROBLEM.to_vec(), |key| vec![key]);
        let Some((key, value)) = first(row, &names) else {
            return Err(DataError::NoProblem { place: place(), expected: list(&names), found: keys(row) });
        };
        match value {
            Value::String(text) => Ok(Problem::Text(text.clone())),
            Value::Array(items) if !items.is_empty() => messages(key, items, place).map(Problem::Chat),
            other => Err(DataError::Shape {
                place: place(),
                key: key.into(),
                expected: "a text or a list of messages",
                found: kind(other).into(),
            }),
        }
    }

    fn find_answer(&self, row: &Map<String, Value>, place: &dyn Fn() -> Place) -> Result<String, DataError> {
        if let Some(key) = self.answer {
            let Some((key, value)) = first(row, &[key]) else {
                return Err(DataError::NoAnswer { place: place(), expected: list(&[key]), found: keys(row) });
            };
            let text = text(key, value, place)?;
            return Ok(answer_in(&text).unwrap_or(text));
        }
        if let Some((key, value)) = first(row, ANSWER) {
            let text = text(key, value, place)?;
            // GSM8K as it is published keeps the solution in `answer`.
            return Ok(if text.contains("####") { answer_in(&text).unwrap_or(text) } else { text });
        }
        if let Some(gold) =
            row.get(REWARD_MODEL).and_then(|value| value.get("ground_truth")).filter(|gold| !is_blank(gold))
        {
            return text("reward_model.ground_truth", gold, place);
        }
        if let Some((key, value)) = first(row, SOLUTION) {
            let solution = text(key, value, place)?;
            return answer_in(&solution).ok_or_else(|| DataError::NoFinalAnswer { place: place(), key: key.into() });
        }
        let expected = format!("{}, `reward_model.ground_truth` or `solution`", list(ANSWER));
        Err(DataError::NoAnswer { place: place(), expected, found: keys(row) })
    }
}

/// A number, or the one number of a text such as `Level 3`.
fn difficulty(key: &str, row: &Map<String, Value>, place: &dyn Fn() -> Place) -> Result<f64, DataError> {
    let wrong = |found: String| DataError::NoDifficulty { place: place(), key: key.into(), found };
    let value = row.get(key).ok_or_else(|| wrong(format!("only the keys {}", keys(row))))?;
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let digit = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
            let mut numbers = text.split(|c| !digit(c)).filter_map(|part| part.parse::<f64>().ok());
            numbers.next().filter(|_| numbers.next().is_none())
        }
        _ => None,
    };
    number.filter(|number| number.is_finite()).ok_or_else(|| wrong(value.to_string()))
}

/// The columns of these names, or all, as a JSON object.
fn passed_on(named: &[String], row: &Map<String, Value>, place: &dyn Fn() -> Place) -> Result<Box<str>, DataError> {
    if let Some(missing) = named.iter().find(|name| !row.contains_key(*name)) {
        return Err(DataError::NoColumn { place: place(), key: missing.clone(), found: keys(row) });
    }
    let wanted = |name: &String| named.is_empty() || named.contains(name);
    let columns =
        row.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Value::Object(columns).to_string().into_boxed_str())
}

/// A conversation.
pub(super) fn messages(key: &str, items: &[Value], place: &dyn Fn() -> Place) -> Result<Vec<Message>, DataError> {
    items.iter().map(|item| message(key, item, place)).collect()
}

fn message(key: &str, item: &Value, place: &dyn Fn() -> Place) -> Result<Message, DataError> {
    match (item.get("role").and_then(Value::as_str), item.get("content").and_then(Value::as_str)) {
        (Some(role), Some(content)) => Ok(Message { role: role.into(), content: content.into() }),
        (role, _) => Err(DataError::Shape {
            place: place(),
            key: key.into(),
            expected: "a text or a list of messages, each with a `role` and a text `content`",
            found: match item {
                Value::Object(_) if role.is_none() => "a list with an object without `role`".into(),
                Value::Object(_) => "a list with an object without a text `content`".into(),
                other => format!("a list with {}", kind(other)),
            },
        }),
    }
}

/// The first of `names` that the row has and that is neither null nor blank.
pub(super) fn first<'r>(row: &'r Map<String, Value>, names: &[&'r str]) -> Option<(&'r str, &'r Value)> {
    names.iter().find_map(|name| Some((*name, row.get(*name).filter(|value| !is_blank(value))?)))
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A value as text: numbers as they are written, lists joined by commas.
pub(super) fn text(key: &str, value: &Value, place: &dyn Fn() -> Place) -> Result<String, DataError> {
    let wrong = |found| DataError::Shape { place: place(), key: key.into(), expected: "a text or a number", found };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let part = |item| plain(item).ok_or_else(|| wrong(format!("a list with {}", kind(item))));
            Ok(items.iter().map(part).collect::<Result<Vec<_>, _>>()?.join(", "))
        }
        other => plain(other).ok_or_else(|| wrong(kind(other).into())),
    }
}

/// A value without parts as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(items) if items.is_empty() => "an empty list",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn keys(row: &Map<String, Value>) -> String {
    let shown = |(key, value): (&String, &Value)| match value {
        Value::Null => format!("`{key}` (null)"),
        Value::String(text) if text.trim().is_empty() => format!("`{key}` (empty)"),
        _ => format!("`{key}`"),
    };
    row.iter().map(shown).collect::<Vec<_>>().join(", ")
}

pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
