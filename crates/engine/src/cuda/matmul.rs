//! Matrix products by cuBLASLt.
use super::machine::{Number, Product, Shape};
use cudarc::cublaslt::{result, sys};
use cudarc::driver::CudaStream;
use cudarc::driver::result as driver;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

/// Scratch memory of a product: NVIDIA's advice for Hopper.
const WORKSPACE: usize = 32 << 20;
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
    description: sys::cublasLtMatmulDesc_t,
    a: sys::cublasLtMatrixLayout_t,
    b: sys::cublasLtMatrixLayout_t,
    c: sys::cublasLtMatrixLayout_t,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: made in `plan`, dropped once. Nothing can be done about an error.
        unsafe {
            let _error = result::destroy_matmul_desc(self.description);
            for layout in [self.a, self.b, self.c] {
                let _error = result::destroy_matrix_layout(layout);
            }
        }
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
        let plan = match plans.entry((product.shape, aligned)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(self.plan(&product.shape, aligned).map_err(|error| error.to_string())?)
            }
        };
        let (one, beta) = (1f32, if product.shape.accumulate { 1f32 } else { 0f32 });
        let at = |address: u64| address as *const c_void;
        // SAFETY: the operands are buffers of the shape's sizes; scalars are read before the calls return.
        let started = unsafe {
            let bias = if product.shape.bias {
                result::set_matmul_desc_attribute(
                    plan.description,
                    sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                    std::ptr::from_ref(&product.bias).cast(),
                    size_of::<u64>(),
                )
            } else {
                Ok(())
            };
            bias.and_then(|()| {
                result::matmul(
                    self.handle,
                    plan.description,
                    std::ptr::from_ref(&one).cast(),
                    std::ptr::from_ref(&beta).cast(),
                    at(product.a),
                    plan.a,
                    at(product.b),
                    plan.b,
                    at(product.c),
                    plan.c,
                    product.c as *mut c_void,
                    plan.c,
                    &plan.algorithm,
                    self.workspace as *mut c_void,
                    WORKSPACE,
                    stream.cu_stream().cast(),
                )
            })
        };
        started.map_err(|error| error.to_string())
    }

    /// Lets cuBLASLt choose an algorithm.
    fn plan(&self, shape: &Shape, aligned: [u32; 3]) -> Result<Plan, result::CublasError> {
        use sys::cublasLtMatmulDescAttributes_t as Of;
        use sys::cublasLtMatmulPreferenceAttributes_t as Wish;
        let (half, float) = (sys::cudaDataType_t::CUDA_R_16BF, sys::cudaDataType_t::CUDA_R_32F);
        let sized =
            |transposed: bool, rows: usize, columns: usize| if transposed { (columns, rows) } else { (rows, columns) };
        let layout = |kind, (rows, columns): (usize, usize), stride: usize| {
            result::create_matrix_layout(kind, rows as u64, columns as u64, stride as i64)
        };
        let out = match shape.out {
            Number::F32 => float,
            Number::Bf16 => half,
        };
        let description = result::create_matmul_desc(sys::cublasComputeType_t::CUBLAS_COMPUTE_32F, float)?;
        let (a, b, c) = (
            layout(half, sized(shape.transpose_a, shape.m, shape.k), shape.lda)?,
            layout(half, sized(shape.transpose_b, shape.k, shape.n), shape.ldb)?,
            layout(out, (shape.m, shape.n), shape.ldc)?,
        );
        let transposes = [shape.transpose_a, shape.transpose_b].map(i32::from);
        let epilogue = sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS;
        let workspace = WORKSPACE as u64;
        let wishes = [
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, aligned[0]),
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, aligned[1]),
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, aligned[2]),
            (Wish::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, aligned[2]),
        ];
        // SAFETY: attributes get values of their documented types; the preference is destroyed, the rest goes into the plan.
        let algorithm = unsafe {
            let set = |what, value: *const c_void| result::set_matmul_desc_attribute(description, what, value, 4);
            set(Of::CUBLASLT_MATMUL_DESC_TRANSA, std::ptr::from_ref(&transposes[0]).cast())?;
            set(Of::CUBLASLT_MATMUL_DESC_TRANSB, std::ptr::from_ref(&transposes[1]).cast())?;
            if shape.bias {
                set(Of::CUBLASLT_MATMUL_DESC_EPILOGUE, std::ptr::from_ref(&epilogue).cast())?;
            }
            let preference = result::create_matmul_pref()?;
            result::set_matmul_pref_attribute(
                preference,
                Wish::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                std::ptr::from_ref(&workspace).cast(),
                size_of::<u64>(),
            )?;
            for (wish, value) in &wishes {
                result::set_matmul_pref_attribute(preference, *wish, std::ptr::from_ref(value).cast(), 4)?;
            }
            let found = result::get_matmul_algo_heuristic(self.handle, description, a, b, c, c, preference);
            result::destroy_matmul_pref(preference)?;
            found?.algo
        };
        Ok(Plan { description, a, b, c, algorithm })
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
