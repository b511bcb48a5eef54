//! Keys and values in pages of 64 tokens: one pool for all sequences, whose pages a prompt's completions share.
use super::buffer::{Buffer, Memory};
use super::machine::{Address, Rows};
use super::plan::KEY_TILE;
use super::rows::Rotation;
use super::{Cuda, lock};
use crate::device::Heads;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// Pages of a pool of which nobody said how much it will hold.
const FIRST_PAGES: usize = 64;
/// The page of rows that a decoding step is padded with.
const PADDING: usize = 1;

/// Pages of all layers: `[layer][keys, values][page][kv head][64][dim]` of bfloat16.
pub struct Pool {
    layers: usize,
    heads: Heads,
    state: Mutex<State>,
}

struct State {
    memory: Memory,
    /// Pages of the memory.
    capacity: usize,
    /// Pages that were handed out once.
    used: usize,
    /// Of those, pages that came back.
    free: Vec<u32>,
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Bytes of a page of one layer's keys or values.
    fn page_bytes(&self) -> usize {
        2 * KEY_TILE * self.heads.keys * self.heads.dim
    }

    /// Where the memory begins, and how many pages it has; others after the pool has grown.
    pub(super) fn place(&self) -> (Address, usize) {
        let state = self.state();
        (state.memory.address(), state.capacity)
    }
}

/// Keys and values of one sequence.
pub struct Cache {
    pool: Arc<Pool>,
    /// Keeps the shared pages in the pool.
    _prefix: Option<Arc<Cache>>,
    /// Pages in order of position.
    pages: Vec<u32>,
    /// The first so many belong to the prefix.
    shared: usize,
    len: usize,
}

impl Cache {
    pub(super) fn tokens(&self) -> usize {
        self.len
    }

    pub(super) fn layers(&self) -> usize {
        self.pool.layers
    }

    pub(super) fn pages(&self) -> &[u32] {
        &self.pages
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// A layer's keys and values.
    pub(super) fn pools(&self, layer: usize) -> (Address, Address) {
        let state = self.pool.state();
        let bytes = state.capacity * self.pool.page_bytes();
        let keys = state.memory.address() + (2 * layer * bytes) as u64;
        (keys, keys + bytes as u64)
    }

    /// Place of the token at `position`, counted in tokens of the pool.
    pub(super) fn slot(&self, position: usize) -> u32 {
        self.pages[position / KEY_TILE] * KEY_TILE as u32 + (position % KEY_TILE) as u32
    }

    pub(super) fn count(&mut self, tokens: usize) {
        self.len += tokens;
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let own = &self.pages[self.shared..];
        self.pool.state().free.extend_from_slice(own);
    }
}

impl Cuda {
    pub(super) fn make_cache(&self, layers: usize, heads: Heads, prefix: Option<Arc<Cache>>) -> Cache {
        let pool = match &prefix {
            Some(prefix) => prefix.pool.clone(),
            None => self.pool(layers, heads),
        };
        let (pages, len) = prefix.as_ref().map_or((Vec::new(), 0), |prefix| (prefix.pages.clone(), prefix.len));
        let shared = pages.len();
        Cache { pool, _prefix: prefix, pages, shared, len }
    }

    /// The pool that lives, if it is one for such heads, or a new one.
    fn pool(&self, layers: usize, heads: Heads) -> Arc<Pool> {
        let mut known = lock(&self.shared.pool);
        if let Some(pool) = known.upgrade().filter(|pool| pool.layers == layers && pool.heads == heads) {
            return pool;
        }
        let (sequences, tokens) = *lock(&self.shared.expected);
        // One page more a sequence: its prompt's last page is copied before it goes on.
        let capacity = (sequences * (tokens.div_ceil(KEY_TILE) + 1)).max(FIRST_PAGES) + PADDING;
        let bytes = capacity * layers * 2 * 2 * KEY_TILE * heads.keys * heads.dim;
        let memory = self.allocate(bytes);
        let first = 2 * KEY_TILE * heads.keys * heads.dim;
        // Padded rows attend to their own token alone; what no sequence has written is never read.
        self.zero(memory.address(), first.min(memory.bytes()));
        let state = State { memory, capacity, used: PADDING, free: Vec::new() };
        let pool = Arc::new(Pool { layers, heads, state: Mutex::new(state) });
        *known = Arc::downgrade(&pool);
        pool
    }

    /// A page of the pool, which grows where it has none left.
    fn page(&self, pool: &Pool) -> u32 {
        let mut state = pool.state();
        if let Some(page) = state.free.pop() {
            return page;
        }
        if state.used == state.capacity {
            let capacity = 2 * state.capacity;
            let (bytes, rows) = (pool.page_bytes(), 2 * pool.layers);
            let memory = self.allocate(capacity * bytes * rows);
            self.copy(Rows {
                to: memory.address(),
                from: state.memory.address(),
                to_pitch: capacity * bytes,
                from_pitch: state.capacity * bytes,
                bytes: state.capacity * bytes,
                rows,
            });
            (state.memory, state.capacity) = (memory, capacity);
        }
        state.used += 1;
        (state.used - 1) as u32
    }

    fn copy(&self, rows: Rows) {
        self.attempt(|machine| machine.copy(&rows));
    }

    /// Room for `count` more tokens. A page that is shared is copied before it is written to.
    pub(super) fn reserve(&self, cache: &mut Cache, count: usize) {
        let inside = !cache.len.is_multiple_of(KEY_TILE);
        if count > 0 && inside && cache.shared == cache.pages.len() && cache.shared > 0 {
            let (last, own) = (cache.pages[cache.shared - 1], self.page(&cache.pool));
            let (from, _) = cache.pools(0);
            let bytes = cache.pool.page_bytes();
            let pitch = cache.pool.state().capacity * bytes;
            let at = |page: u32| from + u64::from(page) * bytes as u64;
            let rows = 2 * cache.pool.layers;
            self.copy(Rows { to: at(own), from: at(last), to_pitch: pitch, from_pitch: pitch, bytes, rows });
            cache.shared -= 1;
            cache.pages[cache.shared] = own;
        }
        while cache.pages.len() * KEY_TILE < cache.len + count {
            let page = self.page(&cache.pool);
            cache.pages.push(page);
        }
    }

    pub(super) fn do_rope_append(
        &self,
        caches: &mut [&mut Cache],
        layer: usize,
        positions: &[u32],
        rotation: &Rotation,
        qkv: &mut Buffer,
        rows: &[Range<usize>],
    ) {
        let Some(first) = caches.first() else { return };
        let (layers, heads) = (first.layers(), first.pool.heads);
        let Some([at, cosines, sines]) = self.turned_by(positions, rotation) else { return };
        let step = self.now();
        let (count, slots) = match step {
            Some(now) => (now.rows, now.slots),
            None => {
                if layer == 0 {
                    caches.iter_mut().zip(rows).for_each(|(cache, rows)| self.reserve(cache, rows.len()));
                }
                let own = |(cache, rows): (&&mut Cache, &Range<usize>)| {
                    (cache.len..cache.len + rows.len()).map(|position| cache.slot(position)).collect::<Vec<_>>()
                };
                let slots: Vec<u32> = caches.iter().zip(rows).flat_map(own).collect();
                (slots.len(), self.table(&slots))
            }
        };
        debug_assert_eq!(count, positions.len(), "a row that no cache takes");
        // The pool may have grown.
        let (keys, values) = caches[0].pools(layer);
        let parameters = [
            self.halves_mut(qkv).into(),
            at.into(),
            cosines.into(),
            sines.into(),
            keys.into(),
            values.into(),
            slots.into(),
            heads.queries.into(),
            heads.keys.into(),
            heads.dim.into(),
        ];
        self.launch("rope_append", [count, 1, 1], 128, 0, &parameters);
        if step.is_none() && layer + 1 == layers {
            caches.iter_mut().zip(rows).for_each(|(cache, rows)| cache.count(rows.len()));
        }
    }
}
