//! Memory of a GPU: buffers, copies between it and the host, the start of kernels.
use super::buffer::{Buffer, Half, Memory};
use super::machine::{Address, Launch, Number, Parameter};
use super::tables::{Word, bytes};
use super::{Cuda, lock};

/// Values that are copied between host and device at once: whole models would need their memory twice.
const CHUNK: usize = 1 << 24;

impl Cuda {
    /// Memory of undefined content; none, and a failure, where there is not so much.
    pub(super) fn allocate(&self, bytes: usize) -> Memory {
        let address = if bytes == 0 { None } else { self.attempt(|machine| machine.allocate(bytes)) };
        Memory::new(self.shared.machine.clone(), address.unwrap_or(0), bytes)
    }

    /// A buffer of zeros.
    pub(super) fn buffer(&self, number: Number, len: usize) -> Buffer {
        let memory = self.allocate(len * number.bytes());
        self.zero(memory.address(), memory.bytes());
        Buffer::new(memory, number, len)
    }

    pub(super) fn zero(&self, to: Address, bytes: usize) {
        if bytes > 0 {
            self.attempt(|machine| machine.zero(to, bytes));
        }
    }

    pub(super) fn upload_bytes(&self, to: Address, from: &[u8]) {
        if !from.is_empty() {
            self.attempt(|machine| machine.upload(to, from));
        }
    }

    pub(super) fn download_bytes(&self, from: Address, bytes: usize) -> Vec<u8> {
        let mut to = vec![0; bytes];
        self.attempt(|machine| machine.download(from, &mut to));
        to
    }

    /// `count` floats from `address`.
    pub(super) fn download_floats(&self, address: Address, count: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(count);
        for first in (0..count).step_by(CHUNK) {
            let bytes = self.download_bytes(address + 4 * first as u64, 4 * CHUNK.min(count - first));
            values.extend(bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        }
        values
    }

    /// Writes floats to `address`.
    pub(super) fn upload_floats(&self, address: Address, values: &[f32]) {
        for (i, chunk) in values.chunks(CHUNK).enumerate() {
            self.upload_bytes(address + (4 * CHUNK * i) as u64, &bytes(chunk));
        }
    }

    /// Writes floats to `address` as bfloat16.
    pub(super) fn upload_halves(&self, address: Address, values: &[f32]) {
        let room = self.room(4 * CHUNK.min(values.len()));
        for (i, chunk) in values.chunks(CHUNK).enumerate() {
            self.upload_bytes(room, &bytes(chunk));
            let to = address + (2 * CHUNK * i) as u64;
            self.launch(
                "narrow",
                [chunk.len().div_ceil(1024), 1, 1],
                256,
                0,
                &[room.into(), to.into(), chunk.len().into()],
            );
        }
    }

    /// Starts a kernel.
    pub(super) fn launch(
        &self,
        kernel: &'static str,
        grid: [usize; 3],
        block: usize,
        shared: usize,
        parameters: &[Parameter],
    ) {
        if grid.contains(&0) {
            return;
        }
        self.attempt(|machine| machine.launch(&Launch { kernel, grid, block, shared }, parameters));
    }

    /// A table of integers or floats on the device.
    pub(super) fn table<W: Word>(&self, values: &[W]) -> Address {
        let upload = |content: &[u8]| {
            let memory = self.allocate(content.len().max(1));
            self.upload_bytes(memory.address(), content);
            self.first_error().is_ok().then_some(memory)
        };
        if lock(&self.shared.now).is_some() {
            self.wrong("a decoding step", "it asks for a table that is not among its inputs".to_string());
            return 0;
        }
        lock(&self.shared.tables).find(&bytes(values), upload).unwrap_or(0)
    }

    /// Scratch memory of at least so many bytes, until the next call.
    pub(super) fn room(&self, bytes: usize) -> Address {
        let mut room = lock(&self.shared.room);
        if room.as_ref().is_none_or(|room| room.bytes() < bytes) {
            // The old one is given back first, so that both need not fit.
            *room = None;
            *room = Some(self.allocate(bytes.next_multiple_of(1 << 20)));
        }
        room.as_ref().map_or(0, Memory::address)
    }

    /// Where the f32 values of a buffer lie.
    pub(super) fn floats(&self, buffer: &Buffer) -> Address {
        if buffer.number != Number::F32 {
            self.wrong("an operator", "a buffer of bfloat16 where one of f32 is read".to_string());
        }
        buffer.memory.address()
    }

    /// Where the bfloat16 values of a buffer lie, the first `len` of them; f32 values are rounded into a copy.
    pub(super) fn halves(&self, buffer: &Buffer, len: usize) -> Address {
        if buffer.number == Number::Bf16 {
            return buffer.memory.address();
        }
        let mut half = buffer.half();
        let half = half.get_or_insert_with(|| Half { memory: self.allocate(2 * buffer.len), fresh: 0 });
        if half.fresh < len {
            let (from, to) = (buffer.memory.address(), half.memory.address());
            self.launch("narrow", [len.div_ceil(1024), 1, 1], 256, 0, &[from.into(), to.into(), len.into()]);
            half.fresh = len;
        }
        half.memory.address()
    }

    /// Where the bfloat16 values of a buffer of bfloat16 lie, to be written.
    pub(super) fn halves_mut(&self, buffer: &mut Buffer) -> Address {
        if buffer.number != Number::Bf16 {
            self.wrong("an operator", "a buffer of f32 where one of bfloat16 is written".to_string());
        }
        buffer.memory.address()
    }

    /// Where the f32 values of a buffer lie, to be written.
    pub(super) fn floats_mut(&self, buffer: &mut Buffer) -> Address {
        buffer.changed();
        self.floats(buffer)
    }

    /// Where the bfloat16 parameters of `arena` from element `at` on lie.
    pub(super) fn weight(&self, arena: &Buffer, at: usize) -> Address {
        self.halves(arena, arena.len) + 2 * at as u64
    }
}
