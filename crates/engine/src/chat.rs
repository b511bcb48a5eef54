//! Chat templates: messages → the text of a prompt, rendered as `transformers` renders it.
//!
//! ```
//! use surefoot_engine::chat::{ChatTemplate, Ending, Message};
//!
//! let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
//!     {% if add_generation_prompt %}<assistant>{% endif %}";
//! let template = ChatTemplate::new(source.into(), Default::default(), "chat_template.jinja".into())?;
//! let text = template.render(&[Message::new("user", "What is 2 + 2?")], Ending::GenerationPrompt)?;
//! assert_eq!(text, "<user>What is 2 + 2?<assistant>");
//! # Ok::<(), surefoot_engine::chat::ChatError>(())
//! ```

mod bounds;
mod error;
mod python_json;
mod template;

pub use error::ChatError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
pub use template::{ChatTemplate, check_time, local_time};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// The text; a list of parts or nothing where the template knows what to do with it.
    #[serde(default)]
    pub content: Value,
    /// Further keys that a template may read: `tool_calls`, `reasoning_content`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Message {
    /// A message of text.
    pub fn new(role: &str, content: &str) -> Self {
        Message { role: role.into(), content: content.into(), other: Map::new() }
    }
}

/// Where a rendered conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the opening of an assistant's message, for the model to go on (`add_generation_prompt=True`).
    GenerationPrompt,
    /// After the last message.
    LastMessage,
}

#[cfg(test)]
mod tests;
