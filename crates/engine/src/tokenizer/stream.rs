//! Decoding token by token.

use super::{Tokenizer, TokenizerError};

/// Turns tokens into text as they come. A piece is given out when its characters are whole: bytes of one character may be
/// spread over several tokens.
///
/// The pieces and [`finish`](Self::finish) together are the text that [`Tokenizer::decode`] gives for all tokens.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    /// The last tokens: those already given out that the next piece depends on, then the pending ones.
    ids: Vec<u32>,
    /// Text of the first `given` of `ids`.
    given_text: String,
    given: usize,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        TextStream { tokenizer, ids: Vec::new(), given_text: String::new(), given: 0 }
    }

    /// Takes a token and returns the text that is now certain, often one token's, sometimes none.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids)?;
        // A replacement character at the end is most likely the beginning of a character whose rest is to come.
        if text.ends_with(char::REPLACEMENT_CHARACTER) || text.len() <= self.given_text.len() {
            return Ok(String::new());
        }
        let piece = text.get(self.given_text.len()..).unwrap_or_default().to_owned();
        // Only the tokens of this piece can still change how the next one is written.
        self.ids.drain(..self.given);
        self.given = self.ids.len();
        self.given_text = self.tokenizer.decode(&self.ids)?;
        Ok(piece)
    }

    /// What was held back: broken bytes at the end, as `�`.
    ///
    /// # Errors
    /// [`TokenizerError::Decode`].
    pub fn finish(self) -> Result<String, TokenizerError> {
        let text = self.tokenizer.decode(&self.ids)?;
        Ok(text.get(self.given_text.len()..).unwrap_or_default().to_owned())
    }
}
