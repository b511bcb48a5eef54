//! What the operators ask of a machine: memory, kernels, matrix products, records of work.
//!
//! `Gpu` is the real one. The tests have another: the same kernels compiled for the host, so that everything above this line runs
//! and is compared with the CPU where there is no GPU.
use crate::device::DeviceError;
use std::sync::Arc;

/// A place in the machine's memory; 0 is none.
pub(crate) type Address = u64;

/// An argument of a kernel: its bits in the lowest bytes, as the kernel's parameter reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Parameter(pub u64);

impl From<u64> for Parameter {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<u32> for Parameter {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}

impl From<f32> for Parameter {
    fn from(value: f32) -> Self {
        Self(value.to_bits().into())
    }
}

/// A size as the `int` or `u64` that a kernel takes: both have the same lowest bytes.
impl From<usize> for Parameter {
    fn from(value: usize) -> Self {
        Self(value as u64)
    }
}

/// A kernel with its threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    /// Name.
    pub kernel: &'static str,
    /// Blocks.
    pub grid: [usize; 3],
    /// Threads of a block.
    pub block: usize,
    /// Bytes of shared memory that a block asks for.
    pub shared: usize,
}

/// Number format of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}

impl Number {
    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// Sizes of `C = op(A) op(B)` of column-major matrices, `C` of m rows and n columns; A and B are bfloat16, sums are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// op(A) is Aᵀ.
    pub transpose_a: bool,
    /// op(B) is Bᵀ.
    pub transpose_b: bool,
    pub m: usize,
    pub n: usize,
    /// Length of the sums.
    pub k: usize,
    /// Elements from column to column.
    pub lda: usize,
    pub ldb: usize,
    pub ldc: usize,
    /// Number format of C.
    pub out: Number,
    /// Adds to C.
    pub accumulate: bool,
    /// Adds a bfloat16 vector of m values to each column.
    pub bias: bool,
}

/// A matrix product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub shape: Shape,
    pub a: Address,
    pub b: Address,
    pub c: Address,
    /// 0 without bias.
    pub bias: Address,
}

/// Rows to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub to: Address,
    pub from: Address,
    /// Bytes from row to row of the target.
    pub to_pitch: usize,
    /// Bytes from row to row of the source.
    pub from_pitch: usize,
    /// Bytes of a row.
    pub bytes: usize,
    pub rows: usize,
}

/// Work that was recorded and can be done again.
pub(crate) trait Recorded: Send + Sync {
    /// Does it.
    fn play(&self) -> Result<(), DeviceError>;
}

/// A machine's place among those of other processes, with which it sums.
pub(crate) trait Group: Send + Sync {
    /// Makes `values` floats at `at` the sum of what every machine of the group has, to the same bits on all; every one must call it.
    fn sum(&self, at: Address, values: usize) -> Result<(), DeviceError>;
}

/// A machine with one queue of work. What is asked for is done in order, and later; [`Machine::download`] waits for it.
pub(crate) trait Machine: Send + Sync {
    /// The machine, for messages.
    fn name(&self) -> String;
    /// Whether there is a kernel of this name.
    fn has(&self, kernel: &str) -> bool;
    /// Most bytes of shared memory that a block of a kernel without static ones can have.
    fn shared(&self) -> usize;
    /// Memory of undefined content.
    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError>;
    /// Gives memory back when the work so far is done.
    fn release(&self, address: Address);
    /// Free and all bytes.
    fn memory(&self) -> Option<(usize, usize)>;
    /// Fills memory with zeros.
    fn zero(&self, to: Address, bytes: usize) -> Result<(), DeviceError>;
    /// Copies from the host, whose memory is free again on return.
    fn upload(&self, to: Address, from: &[u8]) -> Result<(), DeviceError>;
    /// Waits for all work, then copies to the host.
    fn download(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError>;
    /// Copies rows within the machine.
    fn copy(&self, rows: &Rows) -> Result<(), DeviceError>;
    /// Starts a kernel.
    fn launch(&self, launch: &Launch, parameters: &[Parameter]) -> Result<(), DeviceError>;
    /// Starts a matrix product.
    fn product(&self, product: &Product) -> Result<(), DeviceError>;
    /// Records what `work` starts, without doing it; nothing but kernels and products may be among it.
    fn record(&self, work: &mut dyn FnMut()) -> Result<Box<dyn Recorded>, DeviceError>;
    /// A name for a group that is to be.
    fn name_group(&self) -> Result<Vec<u8>, DeviceError>;
    /// Joins the group of this name, as `rank` of `size`; returns when all have.
    fn join(&self, name: &[u8], rank: usize, size: usize) -> Result<Box<dyn Group>, DeviceError>;
    /// The same machine with a queue of its own, for another thread.
    fn another_queue(&self) -> Result<Arc<dyn Machine>, DeviceError>;
}
