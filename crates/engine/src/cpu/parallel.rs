//! Work sharing: independent tasks over as many threads as rayon's current pool has, or one after the other.
use super::team;
use std::cell::RefCell;

/// Whether an operator may spread its work over the threads of the current pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threading {
    /// Run on the calling thread: several sequences are being decoded side by side already.
    Serial,
    /// Spread over as many threads as the pool has that the caller is in.
    Pool,
}

impl Threading {
    /// Runs `task(0..tasks)`. Tasks must be independent; no result depends on their order.
    pub fn run(self, tasks: usize, task: impl Fn(usize) + Send + Sync) {
        match self.width() {
            width if width > 1 && tasks > 1 => team::run(width, tasks, &task),
            _ => (0..tasks).for_each(task),
        }
    }

    /// Threads that [`Threading::run`] spreads over.
    pub fn width(self) -> usize {
        match self {
            Threading::Serial => 1,
            Threading::Pool if team::inside() => 1,
            Threading::Pool => rayon::current_num_threads(),
        }
    }

    /// Runs `task(first_row, rows)` over blocks of at most `block` rows.
    pub fn rows(self, rows: usize, block: usize, task: impl Fn(usize, usize) + Send + Sync) {
        self.run(rows.div_ceil(block), |i| task(i * block, block.min(rows - i * block)));
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Hands a buffer of `len` elements, of unspecified content, to `body`.
pub(super) fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with(|cell| {
        // Taken out, not borrowed: a task that waits for others may run one of them meanwhile.
        let mut buffer = cell.take();
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        let result = body(&mut buffer[..len]);
        cell.replace(buffer);
        result
    })
}

/// A mutable slice that several tasks write to at places that do not overlap.
#[derive(Clone, Copy)]
pub struct Shared<'a, T = f32> {
    ptr: *mut T,
    len: usize,
    life: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: every access goes through `slice`, whose caller promises that ranges do not overlap.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Shares `slice`.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { ptr: slice.as_mut_ptr(), len: slice.len(), life: std::marker::PhantomData }
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// No two ranges that are in use at the same time may overlap.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start + len <= self.len, "range {start}+{len} of a buffer of {}", self.len);
        // SAFETY: in bounds by the assertion, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(start), len) }
    }

    /// Pointer to element `start` of a region that the caller has to itself.
    pub fn at(&self, start: usize) -> *mut T {
        debug_assert!(start <= self.len);
        self.ptr.wrapping_add(start)
    }
}
