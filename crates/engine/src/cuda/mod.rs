//! The operators on a GPU, through CUDA.
//!
//! Weights, gradients and reductions are f32; what products read and write is bfloat16, with f32 sums. `kernels/README.md` says of
//! every kernel what it computes, in which number format, and how far it is from the CPU.
//!
//! | from the device line to the GPU | |
//! |---|---|
//! | `device.rs` | the trait [`crate::device::Device`], each operator in the file of its family |
//! | `rows.rs`, `linear.rs`, `attention.rs`, `head.rs`, `optimizer.rs` | the operators: which kernels, with which threads, over which tables |
//! | `pages.rs`, `steps.rs` | keys and values in pages; decoding steps that are recorded once and played again |
//! | `buffer.rs`, `transfer.rs`, `tables.rs` | memory; what goes to the GPU and back; small tables that the host computes |
//! | `machine.rs` | all that the operators need of a machine |
//! | `gpu.rs`, `gpu/opening.rs`, `compile.rs`, `matmul.rs` | that machine: driver, kernels compiled at run time and kept on disk, cuBLASLt |
//! | `check.rs` | which kernels of forward products this GPU is right with |
//! | `nccl.rs` | sums over several GPUs |
//!
//! The libraries of CUDA are loaded when a GPU is asked for, so this program builds and runs without them.
mod attention;
mod buffer;
mod check;
#[cfg(feature = "cuda")]
pub mod compile;
mod device;
#[cfg(feature = "cuda")]
mod gpu;
mod head;
mod linear;
mod machine;
#[cfg(feature = "cuda")]
mod matmul;
#[cfg(feature = "cuda")]
mod nccl;
mod optimizer;
mod pages;
pub mod plan;
mod rows;
pub mod sources;
mod steps;
mod tables;
#[cfg(test)]
mod tests;
mod transfer;

use crate::device::DeviceError;
pub use head::LOGIT_BYTES;
pub(crate) use head::logit_bytes;

use buffer::Memory;
use machine::{Group, Machine};
use pages::Pool;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use steps::Now;
use tables::{Tables, bytes};

/// What makes a run smaller where memory is short.
const SMALLER: &str = "recomputed activations, smaller micro-batches, bfloat16 moments or fewer sequences at once need less \
                       (docs/cuda.md says which keys)";

/// How `y = x Wᵀ` is computed in the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// By kernels whose bits do not depend on the number of rows: sampler and trainer give a token the same log-probability.
    Agreeing,
    /// By such kernels that use Hopper's own instructions (compute capability 9.0 alone).
    Hopper,
    /// By cuBLASLt, which chooses by shape: sampler and trainer differ in the last bits.
    Library,
}

/// Environment variable that chooses [`Forward`]: `agree`, `hopper` or `cublaslt`. Where it is not set, the GPU is asked which of the first two it is
/// right with.
pub const FORWARD: &str = "SUREFOOT_CUDA_FORWARD";

/// A GPU with one queue of work.
#[derive(Clone)]
pub struct Cuda {
    shared: Arc<Shared>,
}

/// A GPU's place among those of other processes.
pub struct Peers(Box<dyn Group>);

struct Shared {
    machine: Arc<dyn Machine>,
    failure: Arc<Failure>,
    description: String,
    forward: Forward,
    logit_bytes: AtomicUsize,
    tables: Mutex<Tables>,
    room: Mutex<Option<Memory>>,
    now: Mutex<Option<Now>>,
    /// Sequences and tokens of each, of caches to come.
    expected: Mutex<(usize, usize)>,
    pool: Mutex<Weak<Pool>>,
}

/// The first error of a device, shared by its queues.
#[derive(Default)]
struct Failure {
    failed: AtomicBool,
    first: Mutex<Option<DeviceError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these locks guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cuda {
    /// GPUs of this machine; 0 where there is no driver.
    pub fn count() -> usize {
        #[cfg(feature = "cuda")]
        return gpu::count();
        #[cfg(not(feature = "cuda"))]
        0
    }

    /// The GPU of this number.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] says what was not found, and what to do.
    #[cfg(feature = "cuda")]
    pub fn open(number: usize) -> Result<Self, DeviceError> {
        let (gpu, wanted) = (gpu::Gpu::open(number)?, forward()?);
        let description = gpu.describe();
        let machine: Arc<dyn Machine> = Arc::new(gpu);
        let opened = |description, forward| Self::on(machine.clone(), Arc::default(), description, forward);
        let found = opened(description.clone(), wanted.unwrap_or(Forward::Agreeing));
        match wanted {
            Some(Forward::Hopper) if !found.has_hopper_kernels() => Err(DeviceError::Unavailable {
                wanted: format!("{FORWARD}=hopper"),
                reason: "this GPU has another compute capability than 9.0".to_string(),
                hint: "leave it out".to_string(),
            }),
            Some(_) => Ok(found),
            None => {
                let checked = found.check();
                found.first_error().map_err(|error| DeviceError::Unavailable {
                    wanted: crate::device::Wanted::Cuda(number).to_string(),
                    reason: format!("the check of its products failed with {error}"),
                    hint: format!("{FORWARD}=agree leaves the check and Hopper's own kernels out"),
                })?;
                let note = checked.note.map_or(String::new(), |note| format!("; {note}"));
                Ok(opened(description + &note, checked.forward))
            }
        }
    }

    /// The GPU of this number.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`]: this program was built without CUDA.
    #[cfg(not(feature = "cuda"))]
    pub fn open(number: usize) -> Result<Self, DeviceError> {
        Err(DeviceError::Unavailable {
            wanted: crate::device::Wanted::Cuda(number).to_string(),
            reason: "this program was built without CUDA".to_string(),
            hint: "build it with `--features cuda`, or use --device cpu".to_string(),
        })
    }

    fn on(machine: Arc<dyn Machine>, failure: Arc<Failure>, description: String, forward: Forward) -> Self {
        let shared = Shared {
            machine,
            failure,
            description,
            forward,
            logit_bytes: AtomicUsize::new(LOGIT_BYTES),
            tables: Mutex::default(),
            room: Mutex::default(),
            now: Mutex::default(),
            expected: Mutex::default(),
            pool: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The same GPU with another way of computing forward products, for comparisons.
    pub fn with_forward(&self, forward: Forward) -> Self {
        let Shared { machine, failure, description, .. } = self.shared.as_ref();
        Self::on(machine.clone(), failure.clone(), description.clone(), forward)
    }

    /// Whether [`Forward::Hopper`] can be computed.
    pub fn has_hopper_kernels(&self) -> bool {
        self.shared.machine.has("linear_hopper_256x160_bf16")
    }

    /// The same GPU with a queue of its own, for another thread. A queue that cannot be made is the device's failure.
    pub fn another_queue(&self) -> Self {
        let Shared { machine, failure, description, forward, .. } = self.shared.as_ref();
        let machine = self.attempt(|machine| machine.another_queue()).unwrap_or_else(|| machine.clone());
        Self::on(machine, failure.clone(), description.clone(), *forward)
    }

    /// The GPU in one line.
    pub fn describe(&self) -> &str {
        &self.shared.description
    }

    /// Bytes that are free, and all bytes.
    pub fn memory(&self) -> Option<(usize, usize)> {
        self.shared.machine.memory()
    }

    /// Waits for all work.
    ///
    /// # Errors
    /// The device's first error.
    pub fn wait(&self) -> Result<(), DeviceError> {
        self.attempt(|machine| machine.download(0, &mut []));
        self.first_error()
    }

    fn first_error(&self) -> Result<(), DeviceError> {
        if !self.shared.failure.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        match lock(&self.shared.failure.first).as_ref() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Keeps the first error.
    fn fail(&self, error: DeviceError) {
        let mut first = lock(&self.shared.failure.first);
        first.get_or_insert(error);
        self.shared.failure.failed.store(true, Ordering::Release);
    }

    /// An error of this program, which users should report.
    fn wrong(&self, operation: &str, message: String) {
        self.fail(DeviceError::Failed {
            device: self.shared.machine.name(),
            operation: operation.to_string(),
            message: format!("{message}; this is a fault of surefoot, please report it"),
        });
    }

    /// Does something with the machine, unless something has failed before.
    fn attempt<T>(&self, work: impl FnOnce(&dyn Machine) -> Result<T, DeviceError>) -> Option<T> {
        if self.shared.failure.failed.load(Ordering::Acquire) {
            return None;
        }
        work(self.shared.machine.as_ref()).map_err(|error| self.fail(error)).ok()
    }
}

/// What [`FORWARD`] says, if it is set.
#[cfg(feature = "cuda")]
fn forward() -> Result<Option<Forward>, DeviceError> {
    match std::env::var(FORWARD).as_deref() {
        Err(_) => Ok(None),
        Ok("agree") => Ok(Some(Forward::Agreeing)),
        Ok("hopper") => Ok(Some(Forward::Hopper)),
        Ok("cublaslt") => Ok(Some(Forward::Library)),
        Ok(other) => Err(DeviceError::Unavailable {
            wanted: "cuda".to_string(),
            reason: format!("the environment variable {FORWARD} is {other:?}"),
            hint: "it takes agree, hopper or cublaslt".to_string(),
        }),
    }
}
