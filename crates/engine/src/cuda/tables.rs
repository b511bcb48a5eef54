//! Small integer tables that kernels read: what the host has computed from tokens, positions and segments.
use super::buffer::Memory;
use super::machine::Address;

/// Tables that stay on the device: the layers of one pass ask for the same ones.
const KEPT: usize = 24;

/// Tables by content.
#[derive(Default)]
pub(super) struct Tables {
    entries: Vec<Entry>,
    clock: u64,
}

struct Entry {
    content: Vec<u8>,
    memory: Memory,
    used: u64,
}

impl Tables {
    /// Where a table of this content lies; `upload` brings one there that is not yet.
    pub fn find(&mut self, content: &[u8], upload: impl FnOnce(&[u8]) -> Option<Memory>) -> Option<Address> {
        self.clock += 1;
        let clock = self.clock;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.content == content) {
            entry.used = clock;
            return Some(entry.memory.address());
        }
        let memory = upload(content)?;
        let address = memory.address();
        if self.entries.len() == KEPT
            && let Some(oldest) = (0..KEPT).min_by_key(|&i| self.entries[i].used)
        {
            // Kernels that read it have been started before its memory is given back.
            self.entries.swap_remove(oldest);
        }
        self.entries.push(Entry { content: content.to_vec(), memory, used: clock });
        Some(address)
    }
}

/// Integers as the bytes that the device reads.
pub(super) trait Word: Copy {
    /// Little-endian bytes of all values.
    fn bytes(values: &[Self]) -> Vec<u8>;
}

macro_rules! words {
    ($($word:ty),+) => { $(impl Word for $word {
        fn bytes(values: &[Self]) -> Vec<u8> {
            // As fast as a copy, which pushing bytes is not: models go through this.
            values.iter().map(|value| value.to_le_bytes()).collect::<Vec<_>>().into_flattened()
        }
    })+ };
}

words!(u32, i32, u64, f32);

/// The bytes of `values`.
pub(super) fn bytes<W: Word>(values: &[W]) -> Vec<u8> {
    W::bytes(values)
}
