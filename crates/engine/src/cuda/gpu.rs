//! [`Machine`] over the CUDA driver.
mod opening;

use super::machine::{Address, Group, Launch, Machine, Parameter, Product, Recorded, Rows};
use super::matmul::Library;
use super::{SMALLER, nccl};
use crate::device::{Bytes, DeviceError};
use cudarc::driver::{CudaContext, CudaGraph, CudaStream, DriverError, result, sys};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Greatest distance from row to row of a copy in one call.
const WIDEST_PITCH: usize = i32::MAX as usize;

/// A GPU with a stream of its own.
pub(super) struct Gpu {
    device: Arc<Opened>,
    stream: Arc<CudaStream>,
    library: Library,
}

/// What the streams of a GPU share.
pub(super) struct Opened {
    name: String,
    number: usize,
    compiled: String,
    context: Arc<CudaContext>,
    /// Most shared memory of a block.
    shared: usize,
    kernels: HashMap<String, Kernel>,
}

/// A function of a module, which stays loaded as long as the process runs.
#[derive(Clone, Copy)]
struct Kernel(sys::CUfunction);

// SAFETY: a handle that the driver gave out; the driver's functions take it from any thread.
unsafe impl Send for Kernel {}
// SAFETY: as above.
unsafe impl Sync for Kernel {}

/// What the driver calls an error, and says of it.
fn said(error: DriverError) -> String {
    let name = error.error_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let text = error.error_string().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
    if name.is_empty() { format!("{error:?}") } else { format!("{name}: {text}") }
}

impl Gpu {
    /// In one line, with why it was chosen.
    pub fn describe(&self) -> String {
        let Opened { name, number, compiled, .. } = self.device.as_ref();
        let memory = self.memory().map(|(free, total)| format!(", {} of {} free", Bytes(free), Bytes(total)));
        format!("cuda:{number} ({name}{}; {compiled})", memory.unwrap_or_default())
    }

    fn failed(&self, operation: &str) -> impl Fn(DriverError) -> DeviceError {
        self.device.failed(operation)
    }

    fn bind(&self) -> Result<(), DeviceError> {
        self.device.bind()
    }
}

impl Opened {
    /// The GPU, for messages.
    pub fn name(&self) -> String {
        format!("cuda:{} ({})", self.number, self.name)
    }

    fn failed(&self, operation: &str) -> impl Fn(DriverError) -> DeviceError {
        let (device, operation) = (self.name(), operation.to_string());
        move |error| DeviceError::Failed { device: device.clone(), operation: operation.clone(), message: said(error) }
    }

    /// Makes its context that of the calling thread.
    pub fn bind(&self) -> Result<(), DeviceError> {
        self.context.bind_to_thread().map_err(self.failed("the context"))
    }
}

/// GPUs that the driver tells of.
pub(super) fn count() -> usize {
    // SAFETY: loading the driver's library runs its own initialisers.
    let there = unsafe { sys::is_culib_present() };
    if there { CudaContext::device_count().map_or(0, |count| count as usize) } else { 0 }
}

impl Machine for Gpu {
    fn name(&self) -> String {
        self.device.name()
    }

    fn has(&self, kernel: &str) -> bool {
        self.device.kernels.contains_key(kernel)
    }

    fn shared(&self) -> usize {
        self.device.shared
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.bind()?;
        // SAFETY: the memory is not read before it is written; `Memory` gives it back.
        let take = || unsafe { result::malloc_async(self.stream.cu_stream(), bytes) };
        let taken = take().or_else(|error| match error.0 {
            // What was given back is free when the work that used it is done.
            sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => self.stream.synchronize().and_then(|()| take()),
            _ => Err(error),
        });
        taken.map_err(|error| match (error.0, self.memory()) {
            (sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY, Some((free, total))) => {
                DeviceError::OutOfMemory { device: self.name(), wanted: bytes, free, total, hint: SMALLER.to_string() }
            }
            _ => self.failed(&format!("taking {} of memory", Bytes(bytes)))(error),
        })
    }

    fn release(&self, address: Address) {
        if self.bind().is_ok() {
            // SAFETY: `Memory` owned it; kernels that read it are ahead of this in the stream. An error here is an earlier one, which
            // the next call reports.
            let _earlier = unsafe { result::free_async(address, self.stream.cu_stream()) };
        }
    }

    fn memory(&self) -> Option<(usize, usize)> {
        self.device.context.mem_get_info().ok()
    }

    fn zero(&self, to: Address, bytes: usize) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: callers pass a range of one of their buffers.
        unsafe { result::memset_d8_async(to, 0, bytes, self.stream.cu_stream()) }
            .map_err(self.failed("filling with zeros"))
    }

    fn upload(&self, to: Address, from: &[u8]) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: as above. Pageable memory is staged before the call returns, so `from` may go.
        unsafe { result::memcpy_htod_async(to, from, self.stream.cu_stream()) }
            .map_err(self.failed("a copy to the GPU"))
    }

    fn download(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        self.bind()?;
        if !to.is_empty() {
            // SAFETY: as above; `to` outlives the wait below.
            unsafe { result::memcpy_dtoh_async(to, from, self.stream.cu_stream()) }
                .map_err(self.failed("a copy from the GPU"))?;
        }
        self.stream.synchronize().map_err(self.failed("waiting for the GPU"))
    }

    fn copy(&self, rows: &Rows) -> Result<(), DeviceError> {
        self.bind()?;
        if rows.to_pitch.max(rows.from_pitch) > WIDEST_PITCH {
            for row in 0..rows.rows {
                let (to, from) = (rows.to + (row * rows.to_pitch) as u64, rows.from + (row * rows.from_pitch) as u64);
                // SAFETY: callers pass rows of their buffers.
                unsafe { result::memcpy_dtod_async(to, from, rows.bytes, self.stream.cu_stream()) }
                    .map_err(self.failed("a copy of rows"))?;
            }
            return Ok(());
        }
        let device = sys::CUmemorytype::CU_MEMORYTYPE_DEVICE;
        let copy = sys::CUDA_MEMCPY2D_st {
            srcXInBytes: 0,
            srcY: 0,
            srcMemoryType: device,
            srcHost: std::ptr::null(),
            srcDevice: rows.from,
            srcArray: std::ptr::null_mut(),
            srcPitch: rows.from_pitch,
            dstXInBytes: 0,
            dstY: 0,
            dstMemoryType: device,
            dstHost: std::ptr::null_mut(),
            dstDevice: rows.to,
            dstArray: std::ptr::null_mut(),
            dstPitch: rows.to_pitch,
            WidthInBytes: rows.bytes,
            Height: rows.rows,
        };
        // SAFETY: callers pass rows of their buffers. Pitches are whole pages, as aligned as cuMemAllocPitch's: others can be refused.
        unsafe { sys::cuMemcpy2DAsync_v2(&copy, self.stream.cu_stream()) }
            .result()
            .map_err(self.failed("a copy of rows"))
    }

    fn launch(&self, launch: &Launch, parameters: &[Parameter]) -> Result<(), DeviceError> {
        self.bind()?;
        let Some(kernel) = self.device.kernels.get(launch.kernel) else {
            return Err(DeviceError::Failed {
                device: self.name(),
                operation: launch.kernel.to_string(),
                message: "this GPU has no such kernel".to_string(),
            });
        };
        let [x, y, z] = launch.grid.map(|blocks| blocks as u32);
        let mut places: Vec<*mut std::ffi::c_void> =
            parameters.iter().map(|parameter| std::ptr::from_ref(parameter).cast_mut().cast()).collect();
        // SAFETY: kernels/README.md states each kernel's parameters and threads, and the tests run every launch of this module on the
        // emulated machine, which finds accesses that are out of bounds. Parameters are read before the call returns.
        let started = unsafe {
            result::launch_kernel(
                kernel.0,
                (x, y, z),
                (launch.block as u32, 1, 1),
                launch.shared as u32,
                self.stream.cu_stream(),
                &mut places,
            )
        };
        started.map_err(self.failed(launch.kernel))
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        self.bind()?;
        self.library.start(product, &self.stream).map_err(|message| DeviceError::Failed {
            device: self.name(),
            operation: format!("a matrix product {:?}", product.shape),
            message,
        })
    }

    fn record(&self, work: &mut dyn FnMut()) -> Result<Box<dyn Recorded>, DeviceError> {
        let failed = self.failed("recording a decoding step");
        self.stream.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).map_err(&failed)?;
        work();
        let graph = self.stream.end_capture(sys::CUgraphInstantiate_flags(0)).map_err(&failed)?;
        let graph = graph.ok_or_else(|| DeviceError::Failed {
            device: self.name(),
            operation: "recording a decoding step".to_string(),
            message: "the driver recorded nothing".to_string(),
        })?;
        Ok(Box::new(Graph { device: self.name(), graph: Mutex::new(Sendable(graph)) }))
    }

    fn another_queue(&self) -> Result<Arc<dyn Machine>, DeviceError> {
        let stream = self.device.context.new_stream().map_err(self.failed("making a stream"))?;
        let library = Library::new(&stream).map_err(|message| DeviceError::Failed {
            device: self.name(),
            operation: "cuBLASLt".to_string(),
            message,
        })?;
        Ok(Arc::new(Self { device: self.device.clone(), stream, library }))
    }

    fn name_group(&self) -> Result<Vec<u8>, DeviceError> {
        nccl::name()
    }

    fn join(&self, name: &[u8], rank: usize, size: usize) -> Result<Box<dyn Group>, DeviceError> {
        let (device, stream) = (self.device.clone(), self.stream.clone());
        Ok(Box::new(nccl::Communicator::open(device, stream, name, rank, size)?))
    }
}

/// A recorded decoding step.
struct Graph {
    device: String,
    graph: Mutex<Sendable>,
}

struct Sendable(CudaGraph);

// SAFETY: graphs may be used from any thread, by one at a time, which the mutex sees to.
unsafe impl Send for Sendable {}

impl Recorded for Graph {
    fn play(&self) -> Result<(), DeviceError> {
        super::lock(&self.graph).0.launch().map_err(|error| DeviceError::Failed {
            device: self.device.clone(),
            operation: "a recorded decoding step".to_string(),
            message: said(error),
        })
    }
}
