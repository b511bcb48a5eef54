//! Matrix products by cuBLASLt.
use super::machine::{Number, Product, Shape};
use cudarc::cublaslt::{result, sys};
use cudarc::driver::CudaStream;
use cudarc::driver::result as driver;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

/// Scratch memory of a product: NVIDIA's advice for Hopper.
const WORKSPACE: usize = 32 << 20;
/// Shapes whose plans are kept: packed micro-batches have ever new numbers of rows.
const MOST_PLANS: usize = 1024;
/// cuBLASLt asks for no greater alignment.
const MOST_ALIGNED: u32 = 256;

/// cuBLASLt with the algorithms that it chose.
pub(super) struct Library {
    handle: sys::cublasLtHandle_t,
    workspace: u64,
    stream: Arc<CudaStream>,
    plans: Mutex<HashMap<(Shape, [u32; 3]), Plan>>,
}

// SAFETY: the handle may be used by any thread; descriptors are used under the lock.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// How products of one shape are computed.
struct Plan {
    description: Description,
    a: Layout,
    b: Layout,
    c: Layout,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

/// A handle of cuBLASLt's that is destroyed with its owner.
macro_rules! handle {
    ($name:ident, $handle:ty, $destroy:path) => {
        struct $name($handle);

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: `make` gave it, and it is destroyed once. Nothing can be done about an error.
                let _error = unsafe { $destroy(self.0) };
            }
        }
    };
}

handle!(Description, sys::cublasLtMatmulDesc_t, result::destroy_matmul_desc);
handle!(Layout, sys::cublasLtMatrixLayout_t, result::destroy_matrix_layout);
handle!(Preference, sys::cublasLtMatmulPreference_t, result::destroy_matmul_pref);

impl Description {
    /// Sets an attribute to a value of its documented type.
    unsafe fn set<T>(&self, what: sys::cublasLtMatmulDescAttributes_t, value: &T) -> Result<(), result::CublasError> {
        // SAFETY: the caller's; the value is read before the call returns.
        unsafe { result::set_matmul_desc_attribute(self.0, what, std::ptr::from_ref(value).cast(), size_of::<T>()) }
    }

    /// Where the bias lies, which may be elsewhere at each product.
    fn set_bias(&self, bias: u64) -> Result<(), result::CublasError> {
        // SAFETY: the attribute is an address of the device.
        unsafe { self.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias) }
    }
}

impl Library {
    pub fn new(stream: &Arc<CudaStream>) -> Result<Self, String> {
        let handle = result::create_handle().map_err(|error| error.to_string())?;
        stream.context().bind_to_thread().map_err(|error| error.to_string())?;
        // SAFETY: given back in `drop`; cuBLASLt writes before it reads.
        let workspace =
            unsafe { driver::malloc_async(stream.cu_stream(), WORKSPACE) }.map_err(|error| error.to_string())?;
        Ok(Self { handle, workspace, stream: stream.clone(), plans: Mutex::default() })
    }

    /// Starts a product.
    pub fn start(&self, product: &Product, stream: &CudaStream) -> Result<(), String> {
        let aligned = [product.a, product.b, product.c].map(|at| 1 << at.trailing_zeros().min(MOST_ALIGNED.ilog2()));
        let mut plans = super::lock(&self.plans);
        if plans.len() == MOST_PLANS {
            plans.clear();
        }
        let plan = match plans.entry((product.shape, aligned)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.plan(product, aligned).map_err(|error| error.to_string())?),
        };
        let (one, beta) = (1f32, if product.shape.accumulate { 1f32 } else { 0f32 });
        let at = |address: u64| address as *const c_void;
        let bias = if product.shape.bias { plan.description.set_bias(product.bias) } else { Ok(()) };
        let started = bias.and_then(|()| {
            // SAFETY: the operands are buffers of the shape's sizes; scalars are read before the call returns.
            unsafe {
                result::matmul(
                    self.handle,
                    plan.description.0,
                    std::ptr::from_ref(&one).cast(),
                    std::ptr::from_ref(&beta).cast(),
                    at(product.a),
                    plan.a.0,
                    at(product.b),
                    plan.b.0,
                    at(product.c),
                    plan.c.0,
                    product.c as *mut c_void,
                    plan.c.0,
                    &plan.algorithm,
                    self.workspace as *mut c_void,
                    WORKSPACE,
                    stream.cu_stream().cast(),
                )
            }
        });
        started.map_err(|error| error.to_string())
    }

    /// Lets cuBLASLt choose an algorithm, which it does by all that is set, the place of the bias included.
    fn plan(&self, product: &Product, aligned: [u32; 3]) -> Result<Plan, result::CublasError> {
        use sys::cublasLtMatmulDescAttributes_t as Of;
        use sys::cublasLtMatmulPreferenceAttributes_t as Wish;
        let shape = &product.shape;
        let (half, float) = (sys::cudaDataType_t::CUDA_R_16BF, sys::cudaDataType_t::CUDA_R_32F);
        let sized =
            |transposed: bool, rows: usize, columns: usize| if transposed { (columns, rows) } else { (rows, columns) };
        let layout = |kind, (rows, columns): (usize, usize), stride: usize| {
            result::create_matrix_layout(kind, rows as u64, columns as u64, stride as i64).map(Layout)
        };
        let out = match shape.out {
            Number::F32 => float,
            Number::Bf16 => half,
        };
        let description = Description(result::create_matmul_desc(sys::cublasComputeType_t::CUBLAS_COMPUTE_32F, float)?);
        let (a, b, c) = (
            layout(half, sized(shape.transpose_a, shape.m, shape.k), shape.lda)?,
            layout(half, sized(shape.transpose_b, shape.k, shape.n), shape.ldb)?,
            layout(out, (shape.m, shape.n), shape.ldc)?,
        );
        // SAFETY: attributes get values of their documented types.
        unsafe {
            description.set(Of::CUBLASLT_MATMUL_DESC_TRANSA, &i32::from(shape.transpose_a))?;
            description.set(Of::CUBLASLT_MATMUL_DESC_TRANSB, &i32::from(shape.transpose_b))?;
            if shape.bias {
                let epilogue = sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS;
                description.set(Of::CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue)?;
                description.set_bias(product.bias)?;
            }
        }
        let preference = Preference(result::create_matmul_pref()?);
        let wish = |wish, value: *const c_void, bytes| {
            // SAFETY: as above.
            unsafe { result::set_matmul_pref_attribute(preference.0, wish, value, bytes) }
        };
        let workspace = WORKSPACE as u64;
        wish(Wish::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::ptr::from_ref(&workspace).cast(), size_of::<u64>())?;
        for (operand, value) in [
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &aligned[0]),
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &aligned[1]),
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &aligned[2]),
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &aligned[2]),
        ] {
            wish(operand, std::ptr::from_ref(value).cast(), size_of::<u32>())?;
        }
        // SAFETY: the handles are those made above and in `new`.
        let found =
            unsafe { result::get_matmul_algo_heuristic(self.handle, description.0, a.0, b.0, c.0, c.0, preference.0) };
        Ok(Plan { description, a, b, c, algorithm: found?.algo })
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        if self.stream.context().bind_to_thread().is_ok() {
            // SAFETY: taken in `new`; products that use it are ahead in the stream.
            let _earlier = unsafe { driver::free_async(self.workspace, self.stream.cu_stream()) };
        }
        // SAFETY: made in `new`, destroyed once.
        let _error = unsafe { result::destroy_handle(self.handle) };
    }
}
