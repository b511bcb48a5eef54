//! Sums over the GPUs of several processes, by NCCL: data parallelism.
//!
//! One process makes a name for the group and gives it to the others by whatever they have in common (the trainer: MPI); each then
//! joins, and waits for all. A gradient that every process has summed over its own sequences is summed over all processes in place.
//! Normalisers are those of the whole mini-batch already, so that this sum is the gradient.
use super::gpu::Opened;
use super::machine::{Address, Group};
use crate::device::DeviceError;
use cudarc::driver::CudaStream;
use cudarc::nccl::sys;
use libloading::Library;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of a group's name.
const NAME_BYTES: usize = 128;
/// Names of the library. Every package has the first; those for development have the second too, which is the only one of the two that
/// cudarc would look for.
const LIBRARIES: [&str; 2] = ["libnccl.so.2", "libnccl.so"];
/// What a call returns that did what it should. Others are kept as numbers: a later NCCL may have more of them.
const DONE: c_uint = sys::ncclResult_t::ncclSuccess as c_uint;

/// The part of NCCL that a sum takes.
struct Nccl {
    unique_id: unsafe extern "C" fn(*mut sys::ncclUniqueId) -> c_uint,
    join: unsafe extern "C" fn(*mut sys::ncclComm_t, c_int, sys::ncclUniqueId, c_int) -> c_uint,
    all_reduce: unsafe extern "C" fn(
        *const c_void,
        *mut c_void,
        usize,
        sys::ncclDataType_t,
        sys::ncclRedOp_t,
        sys::ncclComm_t,
        sys::cudaStream_t,
    ) -> c_uint,
    destroy: unsafe extern "C" fn(sys::ncclComm_t) -> c_uint,
    error: unsafe extern "C" fn(c_uint) -> *const c_char,
    _library: Library,
}

impl Nccl {
    /// The first of these libraries that is there and has all of it.
    fn load(names: &[&str]) -> Option<Self> {
        // SAFETY: loading the library runs NVIDIA's own initialisers; the functions are of the types that nccl.h says.
        let open = |name: &&str| unsafe {
            let library = Library::new(*name).ok()?;
            Some(Self {
                unique_id: *library.get(b"ncclGetUniqueId\0").ok()?,
                join: *library.get(b"ncclCommInitRank\0").ok()?,
                all_reduce: *library.get(b"ncclAllReduce\0").ok()?,
                destroy: *library.get(b"ncclCommDestroy\0").ok()?,
                error: *library.get(b"ncclGetErrorString\0").ok()?,
                _library: library,
            })
        };
        names.iter().find_map(open)
    }

    /// Whether a call did what it should.
    fn check(&self, result: c_uint, operation: &str) -> Result<(), DeviceError> {
        if result == DONE {
            return Ok(());
        }
        // SAFETY: the library has a text that stays for every number, those that it does not know included.
        let text = unsafe { CStr::from_ptr((self.error)(result)) }.to_string_lossy();
        Err(DeviceError::Failed {
            device: "NCCL".to_string(),
            operation: operation.to_string(),
            message: format!(
                "{text}; NCCL_DEBUG=INFO makes it say more. Every process needs a GPU of its own (docs/clusters.md)"
            ),
        })
    }
}

fn unavailable(reason: String, hint: &str) -> DeviceError {
    DeviceError::Unavailable { wanted: "NCCL".to_string(), reason, hint: hint.to_string() }
}

/// NCCL, which stays loaded once it was found.
fn library() -> Result<&'static Nccl, DeviceError> {
    static FOUND: OnceLock<Option<Nccl>> = OnceLock::new();
    FOUND.get_or_init(|| Nccl::load(&LIBRARIES)).as_ref().ok_or_else(|| {
        let reason = format!("{} was not found", LIBRARIES[0]);
        unavailable(reason, "install it as in `pip install nvidia-nccl-cu13`, and put its folder into LD_LIBRARY_PATH")
    })
}

/// A name for a new group.
pub(super) fn name() -> Result<Vec<u8>, DeviceError> {
    let nccl = library()?;
    let mut id = sys::ncclUniqueId { internal: [0; NAME_BYTES] };
    // SAFETY: the place outlives the call.
    nccl.check(unsafe { (nccl.unique_id)(&mut id) }, "a new group")?;
    Ok(id.internal.iter().map(|&byte| byte as u8).collect())
}

/// One process's end of a group.
pub(super) struct Communicator {
    nccl: &'static Nccl,
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
        let nccl = library()?;
        let Ok(name) = <[u8; NAME_BYTES]>::try_from(name) else {
            let reason = format!("{} was given a name of {} bytes for its group", device.name(), name.len());
            return Err(unavailable(reason, "start all processes with the same program"));
        };
        device.bind()?;
        let id = sys::ncclUniqueId { internal: name.map(|byte| byte as c_char) };
        let mut handle = std::ptr::null_mut();
        // SAFETY: the place outlives the call.
        nccl.check(unsafe { (nccl.join)(&mut handle, size as i32, id, rank as i32) }, "joining a group")?;
        Ok(Self { nccl, handle: Mutex::new(Handle(handle)), device, stream })
    }
}

impl Group for Communicator {
    fn sum(&self, at: Address, values: usize) -> Result<(), DeviceError> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        self.device.bind()?;
        // SAFETY: the buffer has so many values; the sum is in the stream behind what wrote them.
        let started = unsafe {
            (self.nccl.all_reduce)(
                at as *const _,
                at as *mut _,
                values,
                sys::ncclDataType_t::ncclFloat32,
                sys::ncclRedOp_t::ncclSum,
                handle.0,
                self.stream.cu_stream().cast(),
            )
        };
        self.nccl.check(started, "a sum over processes")
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        let handle = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: made in `open`, destroyed once. Nothing can be done about an error.
        let _error = unsafe { (self.nccl.destroy)(handle.0) };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::process::Command;

    const FUNCTIONS: &str = r#"
        int ncclGetUniqueId(void* id) { return 3; }
        int ncclCommInitRank(void) { return 0; }
        int ncclAllReduce(void) { return 0; }
        int ncclCommDestroy(void) { return 0; }
        const char* ncclGetErrorString(int error) { return error == 3 ? "internal error" : "?"; }
    "#;

    /// A library of these C functions in `folder`; none without a compiler.
    fn compiled(folder: &std::path::Path, name: &str, text: &str) -> Option<String> {
        let (source, library) = (folder.join("nccl.c"), folder.join(name));
        std::fs::write(&source, text).unwrap();
        let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().ok()?;
        assert!(status.success());
        Some(library.to_str().unwrap().to_string())
    }

    #[test]
    fn a_library_is_taken_that_has_all_functions_and_says_what_went_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let Some(other) = compiled(folder.path(), "libother.so", "int x;") else { return };
        let whole = compiled(folder.path(), "libnccl.so.2", FUNCTIONS).unwrap();
        assert!(Nccl::load(&["libno-such-library.so", &other]).is_none());
        let nccl = Nccl::load(&["libno-such-library.so", &other, &whole]).unwrap();
        let mut id = sys::ncclUniqueId { internal: [0; NAME_BYTES] };
        // SAFETY: the function above.
        let error = nccl.check(unsafe { (nccl.unique_id)(&mut id) }, "a new group").unwrap_err().to_string();
        assert!(error.contains("a new group") && error.contains("internal error"), "{error}");
        assert!(nccl.check(DONE, "a new group").is_ok());
    }

    /// Needs no GPU, but NCCL: elsewhere there is nothing to test.
    #[test]
    fn groups_have_names_of_their_own() {
        let Ok(first) = name() else { return };
        assert!(first.len() == NAME_BYTES && first != name().unwrap());
    }
}
