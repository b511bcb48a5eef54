//! The system's allocator, which ends the process in one line where memory is refused.
//!
//! Rust's own answer is a stack trace and SIGABRT. Nothing can be saved at that point either way: a run goes on from its newest
//! checkpoint.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::exit::Exit;
use crate::output;

/// [`System`], or the end of the process.
struct OrEnd;

#[global_allocator]
static ALLOCATOR: OrEnd = OrEnd;

/// `memory`, which was asked for with so many `bytes`.
fn or_end(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        output::out_of_memory(bytes);
        std::process::exit(i32::from(Exit::Failed.number()));
    }
    memory
}

// SAFETY: every call is handed to `System` as it came, and what `System` gives is handed back; a null pointer never is.
unsafe impl GlobalAlloc for OrEnd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_end(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_end(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_end(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}
