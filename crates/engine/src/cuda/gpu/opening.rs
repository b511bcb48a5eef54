//! From a number to a GPU that is ready: libraries, driver, kernels.
use super::{Gpu, Kernel, Opened, said};
use crate::cuda::compile::{Architecture, Compiler};
use crate::cuda::matmul::Library;
use crate::cuda::sources;
use crate::device::{DeviceError, Wanted};
use cudarc::driver::{CudaContext, DriverError, result, sys};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Arc;

/// Lowest compute capability: `cp.async` and bfloat16 `mma` came with Ampere.
const LOWEST: (i32, i32) = (8, 0);
/// Compute capability of Hopper, whose own instructions `linear_hopper.cu` uses.
const HOPPER: (i32, i32) = (9, 0);
/// Oldest driver, as it counts itself: it has every function that is called here. Where one is missing, cudarc panics.
const OLDEST_DRIVER: i32 = 12_000;
/// Shared memory that a block can have without asking.
const FREE_SHARED: usize = 48 << 10;

/// Bytes that were given back and are kept for later.
const KEPT_BYTES: u64 = 512 << 20;

fn unavailable(number: usize, reason: String, hint: &str) -> DeviceError {
    DeviceError::Unavailable { wanted: Wanted::Cuda(number).to_string(), reason, hint: hint.to_string() }
}

impl Gpu {
    /// The GPU of this number, with every kernel loaded.
    pub fn open(number: usize) -> Result<Self, DeviceError> {
        libraries(number)?;
        let failed = |what: &str, error| {
            let hint = "see that `nvidia-smi` works here, or use --device cpu";
            unavailable(number, format!("{what} failed with {}", said(error)), hint)
        };
        let count = CudaContext::device_count().map_err(|error| failed("the start of the NVIDIA driver", error))?;
        if count as usize <= number {
            let hint = "choose a smaller number, look at CUDA_VISIBLE_DEVICES, or use --device cpu";
            return Err(unavailable(number, format!("there are {count} NVIDIA GPUs"), hint));
        }
        let context = CudaContext::new(number).map_err(|error| failed("opening the GPU", error))?;
        let name = context.name().map_err(|error| failed("its name", error))?;
        let capability = context.compute_capability().map_err(|error| failed("its compute capability", error))?;
        if capability < LOWEST {
            let ((major, minor), (low, _)) = (capability, LOWEST);
            let reason =
                format!("{name} has compute capability {major}.{minor}; the kernels need {low}.0 (Ampere) or later");
            return Err(unavailable(number, reason, "use --device cpu"));
        }
        let most = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared = context.attribute(most).map_err(|error| failed("its shared memory", error))? as usize;
        let stream = context.new_stream().map_err(|error| failed("making a stream", error))?;
        keep_some(&context).map_err(|error| failed("its memory pool", error))?;
        let architecture = Architecture { major: capability.0 as usize, minor: capability.1 as usize, own: false };
        let compiler = Compiler::open(architecture)?;
        let own = Compiler::open(Architecture { own: true, ..architecture })?;
        let hopper = if capability == HOPPER { sources::HOPPER_UNITS } else { &[] };
        let units: Vec<_> =
            sources::UNITS.iter().map(|unit| (&compiler, unit)).chain(hopper.iter().map(|unit| (&own, unit))).collect();
        let modules: Vec<_> = units.par_iter().map(|(compiler, (name, text))| compiler.compile(name, text)).collect();
        let mut kernels = HashMap::new();
        let mut fresh = 0;
        for ((_, (file, text)), module) in units.iter().zip(modules) {
            let module = module?;
            fresh += usize::from(module.fresh);
            load(&context, shared, &module.binary, text, &mut kernels)
                .map_err(|error| failed(&format!("loading {file}"), error))?;
        }
        let compiled = match fresh {
            0 => "kernels from the cache".to_string(),
            _ => format!("{fresh} modules compiled into {}", compiler.folder().display()),
        };
        let library = Library::new(&stream).map_err(|message| {
            unavailable(
                number,
                format!("cuBLASLt failed with {message}"),
                "see that its version is 13, as the driver's",
            )
        })?;
        let device = Arc::new(Opened { name, number, compiled, context, shared, kernels });
        Ok(Self { device, stream, library })
    }
}

/// Lets the driver keep some memory that was given back: small pieces come and go all the time, and the system's answers are slow.
fn keep_some(context: &Arc<CudaContext>) -> Result<(), DriverError> {
    let mut threshold = KEPT_BYTES;
    // SAFETY: the device is the context's; the attribute is a u64, which is read before the call returns.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device())?;
        let what = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, what, std::ptr::from_mut(&mut threshold).cast())
    }
}

/// Checks that the libraries are there, before anything calls them.
fn libraries(number: usize) -> Result<(), DeviceError> {
    // SAFETY: loading a library runs its initialisers; these are NVIDIA's own.
    let (driver, nvrtc, cublaslt) = unsafe {
        (sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present(), cudarc::cublaslt::sys::is_culib_present())
    };
    if !driver {
        let hint = "install the NVIDIA driver, or use --device cpu";
        return Err(unavailable(number, "no NVIDIA driver: libcuda was not found".to_string(), hint));
    }
    let mut version = 0;
    // SAFETY: every driver has this function, which needs no start of it; the place outlives the call.
    let known = unsafe { sys::cuDriverGetVersion(&mut version) }.result().is_ok();
    if known && version < OLDEST_DRIVER {
        let reason = format!("the NVIDIA driver is of CUDA {}.{}", version / 1000, version % 1000 / 10);
        return Err(unavailable(number, reason, "install a driver of CUDA 13 (580 or later), or use --device cpu"));
    }
    let missing: Vec<&str> = [(nvrtc, "libnvrtc"), (cublaslt, "libcublasLt")]
        .iter()
        .filter(|(there, _)| !there)
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let hint = "install them as in `pip install nvidia-cuda-nvrtc==13.* nvidia-cublas==13.*`, and put their folder into \
                LD_LIBRARY_PATH (docs/cuda.md); or use --device cpu";
    Err(unavailable(number, format!("{} of CUDA 13 was not found", missing.join(" and ")), hint))
}

/// Loads a module and finds its kernels.
fn load(
    context: &Arc<CudaContext>,
    shared: usize,
    binary: &[u8],
    text: &str,
    kernels: &mut HashMap<String, Kernel>,
) -> Result<(), DriverError> {
    context.bind_to_thread()?;
    // SAFETY: `binary` is a whole cubin, checked against its sum where it came from the disk.
    let module = unsafe { result::module::load_data(binary.as_ptr().cast()) }?;
    for name in sources::kernels(text) {
        let c_name = CString::new(name.as_str()).unwrap_or_default();
        // SAFETY: the module was loaded above and is never unloaded.
        let function = unsafe { result::module::get_function(module, c_name) }?;
        // SAFETY: as above; static shared memory counts too, so the greatest amount can be refused.
        let raised = unsafe {
            let fixed = result::function::get_function_attribute(
                function,
                sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES,
            )?;
            result::function::set_function_attribute(
                function,
                sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                (shared as i32 - fixed).max(FREE_SHARED as i32),
            )
        };
        // A kernel that needs no more than every block has runs without; one that does fails at its launch and is named there.
        let _refused = raised;
        if text.contains("DYNAMIC_SHARED") {
            // As many blocks as fit: the driver's own division between shared memory and cache is a guess. SAFETY: as above.
            let _refused = unsafe {
                result::function::set_function_attribute(
                    function,
                    sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT,
                    sys::CUshared_carveout::CU_SHAREDMEM_CARVEOUT_MAX_SHARED as i32,
                )
            };
        }
        kernels.insert(name, Kernel(function));
    }
    Ok(())
}
