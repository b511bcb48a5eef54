//! Memory of a machine, and buffers of values in it.
use super::machine::{Address, Machine, Number};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that is given back when it is dropped.
pub struct Memory {
    machine: Arc<dyn Machine>,
    address: Address,
    bytes: usize,
}

impl Memory {
    /// Takes over memory of `machine`; address 0 is none.
    pub(super) fn new(machine: Arc<dyn Machine>, address: Address, bytes: usize) -> Self {
        Self { machine, address, bytes }
    }

    pub(super) fn address(&self) -> Address {
        self.address
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.address != 0 {
            self.machine.release(self.address);
        }
    }
}

/// Values on a GPU: f32, or bfloat16 for what products read and write.
pub struct Buffer {
    pub(super) memory: Memory,
    pub(super) number: Number,
    pub(super) len: usize,
    /// A bfloat16 copy of f32 values, made when a product first reads them.
    half: Mutex<Option<Half>>,
}

/// A bfloat16 copy.
pub(super) struct Half {
    pub memory: Memory,
    /// The first so many values are those of the buffer.
    pub fresh: usize,
}

impl Buffer {
    pub(super) fn new(memory: Memory, number: Number, len: usize) -> Self {
        Self { memory, number, len, half: Mutex::default() }
    }

    /// The copy, to be read or made.
    pub(super) fn half(&self) -> MutexGuard<'_, Option<Half>> {
        // Nothing that a panic could leave half done is kept under this lock.
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy, to be written together with the values.
    pub(super) fn half_mut(&mut self) -> &mut Option<Half> {
        self.half.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the values are others now.
    pub(super) fn changed(&mut self) {
        if let Some(half) = self.half_mut() {
            half.fresh = 0;
        }
    }
}
