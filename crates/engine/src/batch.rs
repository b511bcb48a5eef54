//! Packed tokens: sequences side by side without padding, a shared prefix stored once.

/// A run of consecutive tokens of one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Row of the first token.
    pub start: usize,
    /// Number of tokens, at least one.
    pub len: usize,
    /// Index of the segment that precedes this one in its sequence; that one has no prefix itself.
    pub prefix: Option<usize>,
}

/// Tokens of several sequences in consecutive rows. A prompt that several completions share is one segment, the
/// prefix of theirs, and is computed once.
///
/// ```
/// use surefoot_engine::batch::Packed;
/// let mut batch = Packed::default();
/// let prompt = batch.push(&[5, 6, 7], None);
/// batch.push(&[8, 9], Some(prompt));
/// batch.push(&[10], Some(prompt));
/// assert_eq!(batch.tokens(), &[5, 6, 7, 8, 9, 10]);
/// assert_eq!(batch.positions(), &[0, 1, 2, 3, 4, 3]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Packed {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    segments: Vec<Segment>,
}

impl Packed {
    /// Appends a segment and returns its index.
    ///
    /// # Panics
    /// If `tokens` is empty, or `prefix` is not an earlier segment without a prefix of its own.
    pub fn push(&mut self, tokens: &[u32], prefix: Option<usize>) -> usize {
        assert!(!tokens.is_empty(), "a segment has at least one token");
        assert!(prefix.is_none_or(|p| self.segments[p].prefix.is_none()), "a prefix has no prefix itself");
        let first = prefix.map_or(0, |p| self.segments[p].len);
        self.segments.push(Segment { start: self.tokens.len(), len: tokens.len(), prefix });
        self.tokens.extend_from_slice(tokens);
        self.positions.extend((first..first + tokens.len()).map(|p| p as u32));
        self.segments.len() - 1
    }

    /// All tokens, `[T]`.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Position of every token in its own sequence, `[T]`.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Number of tokens, T.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Tokens of the prefix of segment `s`.
    pub fn prefix_len(&self, s: usize) -> usize {
        self.segments[s].prefix.map_or(0, |p| self.segments[p].len)
    }
}

/// What the vocabulary head predicts: the token that follows a row. Several targets may share a row (the last token
/// of a prompt precedes the first token of each completion).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Row of the packed batch whose hidden state predicts.
    pub row: u32,
    /// The token that came next.
    pub token: u32,
}
