//! Texts that are far too long, told without encoding them: that takes some 350 bytes of memory a byte.

use super::{Tokenizer, TokenizerError};

/// Bytes at the beginning of a text that are encoded for each token that it may have: more than four times a usual token's.
const BYTES_A_TOKEN: usize = 16;
/// At the least so many: the last word of a beginning is cut, and must not be most of it.
const LEAST_BYTES: usize = 1 << 10;

impl Tokenizer {
    /// As [`encode`](Self::encode), but `None` for a text that has more than `limit` tokens and is so long that it need not be
    /// encoded to know it. Other texts are encoded, also where they have more than `limit` tokens.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_within(&self, text: &str, limit: usize) -> Result<Option<Vec<u32>>, TokenizerError> {
        if self.surely_exceeds(text, limit)? { Ok(None) } else { self.encode(text).map(Some) }
    }

    /// As [`encode_document`](Self::encode_document), but `None` as with [`encode_within`](Self::encode_within).
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_document_within(&self, text: &str, limit: usize) -> Result<Option<Vec<u32>>, TokenizerError> {
        if self.surely_exceeds(text, limit)? { Ok(None) } else { self.encode_document(text).map(Some) }
    }

    /// A token stands for no more bytes than its own, so that a text of more than `limit` times the longest has more than
    /// `limit` tokens, unless much of it comes to nothing: a normalizer may strip and replace, an unknown word of any length
    /// is one token. Such tokenizers show at the beginning: it has to have more than twice the tokens that are allowed, as what
    /// follows takes none away, but for the word that is cut.
    fn surely_exceeds(&self, text: &str, limit: usize) -> Result<bool, TokenizerError> {
        let beginning = limit.saturating_mul(BYTES_A_TOKEN).max(LEAST_BYTES);
        if text.len() <= limit.saturating_mul(self.longest_token).max(beginning) {
            return Ok(false);
        }
        let beginning = &text[..text.floor_char_boundary(beginning)];
        Ok(self.encode(beginning)?.len() / 2 > limit)
    }
}
