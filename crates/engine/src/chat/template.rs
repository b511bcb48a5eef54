//! Finding, preparing and rendering a folder's template.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value as Jinja};
use serde_json::{Map, Value};

use super::{ChatError, Ending, Message, bounds, python_json};
use crate::tokenizer::{SpecialTokens, TokenizerError, read_json};

/// Name of the template when a file has several.
const DEFAULT: &str = "default";

/// The function by which templates ask for the time.
const CLOCK: &str = "strftime_now";

/// A model folder's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token`, `eos_token` … as variables.
    special: Map<String, Value>,
    file: PathBuf,
}

impl ChatTemplate {
    /// Loads `chat_template.jinja`, else `chat_template` of `tokenizer_config.json` (a string, or a list of named ones of
    /// which `default` is taken). `None` if the folder has no template.
    ///
    /// # Errors
    /// A broken file, a template that does not parse.
    pub fn load(folder: &Path) -> Result<Option<Self>, ChatError> {
        let special = SpecialTokens::load(folder)?.named;
        let file = folder.join("chat_template.jinja");
        match std::fs::read_to_string(&file) {
            Ok(source) => return Self::new(source, special, file).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(TokenizerError::Read { file, source }.into()),
        }
        let file = folder.join("tokenizer_config.json");
        let config = read_json(&file)?.unwrap_or_default();
        let source = match config.get("chat_template") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(source)) => source.clone(),
            Some(Value::Array(named)) => {
                let found = named.iter().find(|template| template["name"] == DEFAULT);
                let Some(source) = found.and_then(|template| template["template"].as_str()) else {
                    let message = format!("none of the named templates is called `{DEFAULT}`");
                    return Err(ChatError::Syntax { file, message });
                };
                source.to_owned()
            }
            Some(_) => {
                let message = "expected a string or a list of named templates".into();
                return Err(ChatError::Syntax { file, message });
            }
        };
        Self::new(source, special, file).map(Some)
    }

    /// Takes a template's text; `special` are variables that it sees, `file` appears in messages.
    ///
    /// # Errors
    /// [`ChatError::Syntax`].
    pub fn new(source: String, special: Map<String, Value>, file: PathBuf) -> Result<Self, ChatError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment
            .set_syntax(syntax.map_err(|error| ChatError::Syntax { file: file.clone(), message: describe(&error) })?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function(CLOCK, |format: String| strftime(&format, &jiff::Zoned::now()));
        bounds::set(&mut environment);
        let source = without_generation_tags(&source);
        // The name has no extension that would switch HTML escaping on.
        bounds::parse(&source, || environment.add_template_owned(DEFAULT, source.clone()))
            .map_err(|error| ChatError::Syntax { file: file.clone(), message: describe(&error) })?;
        Ok(ChatTemplate { environment, special, file })
    }

    /// Whether the template asks for the time (`strftime_now`), so that its texts depend on it.
    pub fn reads_clock(&self) -> bool {
        self.environment.get_template(DEFAULT).is_ok_and(|template| template.source().contains(CLOCK))
    }

    /// Has `strftime_now` say `time` from now on, a local date (`2026-11-28`) with or without a time of day
    /// (`2026-11-28T09:30:00`), and not what the clock says.
    ///
    /// # Errors
    /// [`ChatError::Time`].
    pub fn set_clock(&mut self, time: &str) -> Result<(), ChatError> {
        let time = read_time(time)?;
        self.environment.add_function(CLOCK, move |format: String| strftime(&format, &time));
        Ok(())
    }

    /// The text of a conversation.
    ///
    /// # Errors
    /// [`ChatError::Render`].
    pub fn render(&self, messages: &[Message], ending: Ending) -> Result<String, ChatError> {
        self.render_with(messages, ending, &Map::new())
    }

    /// As [`render`](Self::render), with further variables: `tools`, `enable_thinking` and what else the template reads.
    ///
    /// # Errors
    /// [`ChatError::Render`].
    pub fn render_with(
        &self,
        messages: &[Message],
        ending: Ending,
        variables: &Map<String, Value>,
    ) -> Result<String, ChatError> {
        let serialized = serde_json::to_value(messages)
            .map_err(|error| ChatError::Render { file: self.file.clone(), message: error.to_string() })?;
        // transformers always defines `tools` and `documents`.
        let mut context: Map<String, Value> =
            [("tools".into(), Value::Null), ("documents".into(), Value::Null)].into_iter().collect();
        context.extend(self.special.clone());
        context.insert("messages".into(), serialized);
        context.insert("add_generation_prompt".into(), (ending == Ending::GenerationPrompt).into());
        context.extend(variables.clone());
        self.environment
            .get_template(DEFAULT)
            .and_then(|template| bounds::render(&template, &context))
            .map_err(|error| ChatError::Render { file: self.file.clone(), message: describe(&error) })
    }
}

/// `{% generation %}` marks an assistant's own tokens for transformers and prints nothing: a block that is always entered
/// keeps its white space control.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = rest.find("{%") {
        let Some(length) = rest[begin..].find("%}") else { break };
        let inside = &rest[begin + 2..begin + length];
        let tag = inside.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let replacement = match tag {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => tag,
        };
        out.push_str(&rest[..begin + 2]);
        out.push_str(&if replacement == tag { inside.to_owned() } else { inside.replace(tag, replacement) });
        out.push_str("%}");
        rest = &rest[begin + length + 2..];
    }
    out + rest
}

/// JSON as Python's `json.dumps(ensure_ascii=False)` writes it.
fn to_json(value: Jinja, options: Kwargs) -> Result<Jinja, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let sort_keys: Option<bool> = options.get("sort_keys")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let _ensure_ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    bounds::indent(indent)?;
    let value = serde_json::to_value(&value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "cannot serialize to JSON").with_source(error))?;
    let style = python_json::Style::new(indent, sort_keys.unwrap_or(false), separators);
    Ok(Jinja::from_safe_string(style.write(&value)))
}

fn raise_exception(message: String) -> Result<Jinja, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// A local time as [`ChatTemplate::set_clock`] takes it.
fn read_time(text: &str) -> Result<jiff::Zoned, ChatError> {
    let broken = |error: jiff::Error| ChatError::Time { text: text.to_string(), message: error.to_string() };
    let local: jiff::civil::DateTime = text.parse().map_err(broken)?;
    local.to_zoned(jiff::tz::TimeZone::system()).map_err(broken)
}

/// Checks a time for [`ChatTemplate::set_clock`].
///
/// # Errors
/// [`ChatError::Time`].
pub fn check_time(text: &str) -> Result<(), ChatError> {
    read_time(text).map(|_| ())
}

/// The time now, to the second, for [`ChatTemplate::set_clock`].
pub fn local_time() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A time as Python's `datetime.strftime(format)`.
fn strftime(format: &str, time: &jiff::Zoned) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, time)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {error}")))
}

/// The message of the innermost cause, with its line.
fn describe(error: &Error) -> String {
    let detail = match error.kind() {
        ErrorKind::OutOfFuel => bounds::too_long(),
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
    };
    match error.line() {
        Some(line) => format!("{detail} (line {line} of the template)"),
        None => detail,
    }
}
