//! Sums over the GPUs of several processes, by NCCL: data parallelism.
//!
//! One process makes a name for the group and gives it to the others by whatever they have in common (the trainer: MPI); each then
//! joins, and waits for all. A gradient that every process has summed over its own sequences is summed over all processes in place.
//! Normalisers are those of the whole mini-batch already, so that this sum is the gradient.
use super::gpu::Opened;
use super::machine::{Address, Group};
use crate::device::DeviceError;
use cudarc::driver::CudaStream;
use cudarc::nccl::{result, sys};
use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a group's name.
const NAME_BYTES: usize = 128;

fn unavailable(reason: String, hint: &str) -> DeviceError {
    DeviceError::Unavailable { wanted: "NCCL".to_string(), reason, hint: hint.to_string() }
}

fn failed(operation: &str, error: result::NcclError) -> DeviceError {
    DeviceError::Failed {
        device: "NCCL".to_string(),
        operation: operation.to_string(),
        message: format!(
            "{:?}; NCCL_DEBUG=INFO makes it say more. Every process needs a GPU of its own (docs/clusters.md)",
            error.0
        ),
    }
}

fn library() -> Result<(), DeviceError> {
    // SAFETY: loading the library runs NVIDIA's own initialisers.
    if unsafe { sys::is_culib_present() } {
        return Ok(());
    }
    Err(unavailable(
        "libnccl.so was not found".to_string(),
        "put it into LD_LIBRARY_PATH; a library called libnccl.so.2, as that of `pip install nvidia-nccl-cu13`, needs a link \
         to it called libnccl.so beside it",
    ))
}

/// A name for a new group.
pub(super) fn name() -> Result<Vec<u8>, DeviceError> {
    library()?;
    let id = result::get_uniqueid().map_err(|error| failed("a new group", error))?;
    Ok(id.internal.iter().map(|&byte| byte as u8).collect())
}

/// One process's end of a group.
pub(super) struct Communicator {
    handle: Mutex<Handle>,
    device: Arc<Opened>,
    stream: Arc<CudaStream>,
}

struct Handle(sys::ncclComm_t);

// SAFETY: NCCL takes calls on one communicator from any thread, one at a time: the mutex sees to that.
unsafe impl Send for Handle {}

impl Communicator {
    /// Joins the group `name` with a GPU, whose sums are in `stream`.
    pub fn open(
        device: Arc<Opened>,
        stream: Arc<CudaStream>,
        name: &[u8],
        rank: usize,
        size: usize,
    ) -> Result<Self, DeviceError> {
        library()?;
        let Ok(name) = <[u8; NAME_BYTES]>::try_from(name) else {
            let reason = format!("{} was given a name of {} bytes for its group", device.name(), name.len());
            return Err(unavailable(reason, "start all processes with the same program"));
        };
        device.bind()?;
        let id = sys::ncclUniqueId { internal: name.map(|byte| byte as c_char) };
        let mut handle = std::ptr::null_mut();
        // SAFETY: the place outlives the call.
        unsafe { result::comm_init_rank(&mut handle, size as i32, id, rank as i32) }
            .map_err(|error| failed("joining a group", error))?;
        Ok(Self { handle: Mutex::new(Handle(handle)), device, stream })
    }
}

impl Group for Communicator {
    fn sum(&self, at: Address, values: usize) -> Result<(), DeviceError> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        self.device.bind()?;
        // SAFETY: the buffer has so many values; the sum is in the stream behind what wrote them.
        unsafe {
            result::all_reduce(
                at as *const _,
                at as *mut _,
                values,
                sys::ncclDataType_t::ncclFloat32,
                sys::ncclRedOp_t::ncclSum,
                handle.0,
                self.stream.cu_stream().cast(),
            )
        }
        .map(|_| ())
        .map_err(|error| failed("a sum over processes", error))
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        let handle = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: made in `open`, destroyed once. Nothing can be done about an error.
        let _error = unsafe { result::comm_destroy(handle.0) };
    }
}
