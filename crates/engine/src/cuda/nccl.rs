//! Sums over the GPUs of several processes, by NCCL: data parallelism.
//!
//! One process makes an [`Id`] and gives its bytes to the others by whatever they have in common (MPI, a file); each then opens its
//! [`Group`], which waits for all of them. A gradient that every process has summed over its own sequences is summed over all
//! processes in place. Normalisers are those of the whole mini-batch already, so that this sum is the gradient.
use super::Cuda;
use super::buffer::Buffer;
use super::machine::Number;
use crate::device::DeviceError;
use cudarc::nccl::{result, sys};
use std::ffi::c_char;

/// Bytes of an [`Id`].
pub const ID_BYTES: usize = 128;

/// Names a group of processes that is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub [u8; ID_BYTES]);

/// One process's place in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Number of the process, from 0 on.
    pub rank: usize,
    /// Processes of the group.
    pub size: usize,
}

fn unavailable(reason: &str, hint: &str) -> DeviceError {
    DeviceError::Unavailable { wanted: "NCCL".to_string(), reason: reason.to_string(), hint: hint.to_string() }
}

fn failed(operation: &str, error: result::NcclError) -> DeviceError {
    DeviceError::Failed {
        device: "NCCL".to_string(),
        operation: operation.to_string(),
        message: format!("{:?}; NCCL_DEBUG=INFO makes it say more", error.0),
    }
}

fn library() -> Result<(), DeviceError> {
    // SAFETY: loading the library runs NVIDIA's own initialisers.
    if unsafe { sys::is_culib_present() } {
        return Ok(());
    }
    Err(unavailable(
        "libnccl.so was not found",
        "put it into LD_LIBRARY_PATH; a library called libnccl.so.2, as that of `pip install nvidia-nccl-cu13`, needs a link \
         to it called libnccl.so beside it",
    ))
}

impl Id {
    /// A new one.
    ///
    /// # Errors
    /// [`DeviceError`] where NCCL is not there, or fails.
    pub fn new() -> Result<Self, DeviceError> {
        library()?;
        let id = result::get_uniqueid().map_err(|error| failed("a new group", error))?;
        Ok(Self(id.internal.map(|byte| byte as u8)))
    }
}

/// The processes that sum together.
pub struct Group {
    communicator: sys::ncclComm_t,
    cuda: Cuda,
    rank: Rank,
}

// SAFETY: NCCL's calls on one communicator may come from any thread, one at a time: they take `&mut self`.
unsafe impl Send for Group {}

impl Group {
    /// Joins the group `id` with the GPU `cuda`; returns when all of its processes have.
    ///
    /// # Errors
    /// [`DeviceError`] where NCCL is not there, or the processes do not find each other.
    pub fn open(cuda: &Cuda, id: Id, rank: Rank) -> Result<Self, DeviceError> {
        library()?;
        if rank.rank >= rank.size {
            return Err(unavailable(&format!("rank {} of {} processes", rank.rank, rank.size), "count ranks from 0"));
        }
        let gpu = cuda.shared.machine.gpu().ok_or_else(|| unavailable("this is no GPU", "sum on the host"))?;
        gpu.bind()?;
        let id = sys::ncclUniqueId { internal: id.0.map(|byte| byte as c_char) };
        let mut communicator = std::ptr::null_mut();
        // SAFETY: the place outlives the call.
        unsafe { result::comm_init_rank(&mut communicator, rank.size as i32, id, rank.rank as i32) }
            .map_err(|error| failed("joining a group", error))?;
        Ok(Self { communicator, cuda: cuda.clone(), rank })
    }

    /// This process's place.
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// Makes a buffer of f32 the sum of every process's, in place; every process has the same bits then.
    ///
    /// # Errors
    /// What NCCL failed with.
    pub fn sum(&mut self, buffer: &mut Buffer) -> Result<(), DeviceError> {
        debug_assert_eq!(buffer.number, Number::F32);
        let address = self.cuda.floats_mut(buffer);
        let gpu = self.cuda.shared.machine.gpu().ok_or_else(|| unavailable("this is no GPU", "sum on the host"))?;
        gpu.bind()?;
        // SAFETY: the buffer has so many values; the sum is in the stream behind what wrote them.
        unsafe {
            result::all_reduce(
                address as *const _,
                address as *mut _,
                buffer.len,
                sys::ncclDataType_t::ncclFloat32,
                sys::ncclRedOp_t::ncclSum,
                self.communicator,
                gpu.stream().cu_stream().cast(),
            )
        }
        .map_err(|error| failed("a sum over processes", error))?;
        self.cuda.first_error()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: made in `open`, destroyed once. Nothing can be done about an error.
        let _error = unsafe { result::comm_destroy(self.communicator) };
    }
}
