//! What a user's program answers.

use serde_json::Value;

use super::{Outcome, Verdict};
use crate::excerpt::excerpt;

/// Characters of a reply that an error message shows.
const SHOWN: usize = 80;

/// Characters of what it says itself.
const SAID: usize = 300;

/// Reads the reply to request `index`; `None` when it is none.
pub(super) fn read(index: usize, reply: &[u8]) -> Option<Outcome> {
    let reply: Value = serde_json::from_slice(reply).ok()?;
    if reply.get("id")?.as_u64()? != index as u64 {
        return None;
    }
    if let Some(error) = reply.get("error").and_then(Value::as_str) {
        return Some(failed(format!("the reward program says: {}", excerpt(error, SAID))));
    }
    let reward = reply.get("reward")?.as_f64()? as f32;
    let note = reply.get("note").and_then(Value::as_str).unwrap_or_default().to_string();
    reward.is_finite().then(|| Outcome::new(Some(reward), Verdict::Scored, note))
}

/// The program gave no reward.
pub(super) fn failed(note: String) -> Outcome {
    Outcome::new(None, Verdict::Failed, note)
}

/// A reply that is none.
pub(super) fn rubbish(index: usize, reply: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(reply);
    let short: String = text.trim_end().chars().take(SHOWN).collect();
    let more = if short.len() < text.trim_end().len() { "…" } else { "" };
    failed(format!("the reward program answered {short:?}{more} instead of {{\"id\": {index}, \"reward\": …}}"))
}
