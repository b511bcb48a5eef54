//! From a problem to the tokens that the model continues.
use crate::config::{
    Config,
    choice::{Chat, Overlong},
};
use crate::data::{Dataset, Message, Place, Problem, Row};
use crate::fingerprint::Fnv;
use crate::model_folder::{self, ModelFolderError};
use crate::ranks::{Ranks, RanksError};
use std::path::Path;
use surefoot_engine::chat::{self, ChatError, ChatTemplate, Ending};
use surefoot_engine::tokenizer::{Tokenizer, TokenizerError};

/// A problem as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The text, special tokens written out.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
}

/// Why a prompt could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The path is no model folder.
    #[error(transparent)]
    Model(#[from] ModelFolderError),
    /// The tokenizer's files or a text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template's files or a conversation.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A template is asked for and there is none.
    #[error(
        "{folder}: the tokenizer has no chat template, and prompt.chat = \"always\"; set prompt.chat = \"never\" to train on plain text"
    )]
    NoTemplate {
        /// The model folder.
        folder: String,
    },
    /// A row is a conversation, and there is no template to render it with.
    #[error(
        "the problem is a chat, and the model has no chat template (or prompt.chat = \"never\"); use rows with a text `problem`"
    )]
    ChatRow,
    /// A prompt is longer than allowed.
    #[error(
        "the prompt has {tokens} tokens, more than prompt.max_tokens = {limit}; raise that, or set prompt.overlong = \"drop\""
    )]
    TooLong {
        /// Its tokens.
        tokens: usize,
        /// The limit.
        limit: usize,
    },
    /// A prompt is so much longer than allowed that its tokens were not counted.
    #[error(
        "the prompt has many more tokens than prompt.max_tokens = {limit}; shorten it, or set prompt.overlong = \"drop\""
    )]
    FarTooLong {
        /// The limit.
        limit: usize,
    },
    /// No row is short enough.
    #[error("all {rows} prompts are longer than prompt.max_tokens = {limit}; raise it")]
    AllTooLong {
        /// Number of rows.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// A prompt without any token.
    #[error("the prompt is empty; give it a problem, or a text around it with prompt.template")]
    Empty,
    /// One row of the data cannot be a prompt.
    #[error("{place}: {source}")]
    Row {
        /// The row.
        place: Place,
        /// What is wrong with it.
        #[source]
        source: Box<PromptError>,
    },
}

impl PromptError {
    /// With the row that it is about.
    pub fn at(self, place: Place) -> Self {
        PromptError::Row { place, source: Box::new(self) }
    }
}

/// What the prompts of some rows are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Rows that were left out: their prompts are longer than allowed.
    pub left_out: usize,
    /// Tokens of the longest prompt that is left.
    pub longest: usize,
    /// A number that changes when any token of a prompt does, whether by the row, the template or the tokenizer.
    pub fingerprint: u64,
}

/// Renders and encodes problems.
pub struct Prompter {
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    system: String,
    user: String,
    max_tokens: usize,
    overlong: Overlong,
}

/// Settles `prompt.date` of a run or an evaluation that begins, where its prompts depend on it: `kept` is what an earlier part of
/// it has written down, else it is now. All of `ranks` take the first one's.
///
/// # Errors
/// [`RanksError`].
pub fn settle_date(config: &mut Config, kept: Option<String>, ranks: &Ranks) -> Result<(), RanksError> {
    if !config.prompt.date.is_empty() || config.prompt.chat == Chat::Never {
        return Ok(());
    }
    let own = || {
        let template = ChatTemplate::load(Path::new(&config.model.path));
        // A template that cannot be loaded is told of by [`Prompter::load`].
        let asked = template.is_ok_and(|template| template.is_some_and(|template| template.reads_clock()));
        if asked { kept.filter(|date| !date.is_empty()).unwrap_or_else(chat::local_time) } else { String::new() }
    };
    let date = ranks.broadcast(|| own().into_bytes())?;
    config.prompt.date = String::from_utf8(date).map_err(|_| RanksError::Broken)?;
    Ok(())
}

impl Prompter {
    /// Loads tokenizer and chat template of a model folder.
    ///
    /// # Errors
    /// [`PromptError`] names the file.
    pub fn load(folder: &Path, config: &Config) -> Result<Self, PromptError> {
        model_folder::expect(folder)?;
        let mut template = match config.prompt.chat {
            Chat::Never => None,
            Chat::Auto => ChatTemplate::load(folder)?,
            Chat::Always => Some(
                ChatTemplate::load(folder)?
                    .ok_or_else(|| PromptError::NoTemplate { folder: folder.display().to_string() })?,
            ),
        };
        if let Some(template) = template.as_mut().filter(|_| !config.prompt.date.is_empty()) {
            template.set_clock(&config.prompt.date)?;
        }
        Ok(Self {
            tokenizer: Tokenizer::load(folder)?,
            template,
            system: config.prompt.system.clone(),
            user: config.prompt.template.clone(),
            max_tokens: config.prompt.max_tokens,
            overlong: config.prompt.overlong,
        })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The prompt of a problem, whatever its length.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn render(&self, problem: &Problem) -> Result<Prompt, PromptError> {
        // A text can have no more.
        self.render_within(problem, usize::MAX)?.ok_or(PromptError::FarTooLong { limit: usize::MAX })
    }

    /// As [`render`](Self::render), but `None` for a prompt that has more than `limit` tokens and is so long that they need not be
    /// counted. Other prompts may have more than `limit` tokens too.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn render_within(&self, problem: &Problem, limit: usize) -> Result<Option<Prompt>, PromptError> {
        let (text, tokens) = match (&self.template, problem) {
            (Some(template), problem) => {
                let text = template.render(&self.conversation(problem), Ending::GenerationPrompt)?;
                let tokens = self.tokenizer.encode_within(&text, limit)?;
                (text, tokens)
            }
            (None, Problem::Chat(_)) => return Err(PromptError::ChatRow),
            (None, Problem::Text(problem)) => {
                let user = self.user.replace("{problem}", problem);
                let text = if self.system.is_empty() { user } else { format!("{}\n\n{user}", self.system) };
                let tokens = self.tokenizer.encode_document_within(&text, limit)?;
                (text, tokens)
            }
        };
        match tokens {
            Some(tokens) if tokens.is_empty() => Err(PromptError::Empty),
            tokens => Ok(tokens.map(|tokens| Prompt { text, tokens })),
        }
    }

    fn conversation(&self, problem: &Problem) -> Vec<chat::Message> {
        match problem {
            Problem::Chat(messages) => {
                messages.iter().map(|Message { role, content }| chat::Message::new(role, content)).collect()
            }
            Problem::Text(problem) => {
                let system = (!self.system.is_empty()).then(|| chat::Message::new("system", &self.system));
                system
                    .into_iter()
                    .chain([chat::Message::new("user", &self.user.replace("{problem}", problem))])
                    .collect()
            }
        }
    }

    /// Drops the rows whose prompts are too long; every prompt is rendered once, so that a bad row shows before work starts.
    ///
    /// # Errors
    /// [`PromptError`], the first in order of the rows.
    pub fn keep_short(&self, data: &mut Dataset) -> Result<Rendered, PromptError> {
        use rayon::prelude::*;
        let limit = self.max_tokens;
        let of = |(row, r): (usize, &Row)| {
            let prompt = self.render_within(&r.problem, limit).map_err(|error| error.at(data.place(row)))?;
            Ok(prompt.map(|p| (p.tokens.len(), digest(&p.tokens))))
        };
        let prompts = data.rows.par_iter().enumerate().map(of).collect::<Result<Vec<_>, PromptError>>()?;
        let fits = |prompt: &Option<(usize, u64)>| prompt.is_some_and(|(tokens, _)| tokens <= limit);
        if let (Overlong::Error, Some(row)) = (self.overlong, prompts.iter().position(|prompt| !fits(prompt))) {
            let error = match prompts[row] {
                Some((tokens, _)) => PromptError::TooLong { tokens, limit },
                None => PromptError::FarTooLong { limit },
            };
            return Err(error.at(data.place(row)));
        }
        data.retain(&prompts.iter().map(fits).collect::<Vec<_>>());
        let mut rendered = Rendered { left_out: prompts.len() - data.rows.len(), longest: 0, fingerprint: 0 };
        if data.rows.is_empty() {
            return Err(PromptError::AllTooLong { rows: prompts.len(), limit });
        }
        let mut hash = Fnv::EMPTY;
        for (tokens, digest) in prompts.into_iter().filter(fits).flatten() {
            rendered.longest = rendered.longest.max(tokens);
            hash.bytes(digest.to_le_bytes());
        }
        Ok(Rendered { fingerprint: hash.0, ..rendered })
    }
}

fn digest(tokens: &[u32]) -> u64 {
    let mut hash = Fnv::EMPTY;
    hash.bytes(tokens.iter().flat_map(|token| token.to_le_bytes()));
    hash.0
}
