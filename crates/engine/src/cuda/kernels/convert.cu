// Conversions between f32 and bfloat16, and the residual addition.
#include "four.cuh"

DEVICE int left_of(u64 at, u64 len) { return at >= len ? 0 : len - at < 4 ? (int)(len - at) : 4; }

/// y = bf16(x).
KERNEL(256, 1) narrow(const float* __restrict__ x, bf16* __restrict__ y, u64 len) {
    u64 at = ((u64)blockIdx.x * 256 + threadIdx.x) * 4;
    int live = left_of(at, len);
    store_four(y + at, load_four(x + at, live), live);
}

/// y = x, exactly.
KERNEL(256, 1) widen(const bf16* __restrict__ x, float* __restrict__ y, u64 len) {
    u64 at = ((u64)blockIdx.x * 256 + threadIdx.x) * 4;
    int live = left_of(at, len);
    store_four(y + at, load_four(x + at, live), live);
}

/// sum = x + delta; `sum` may be `x`.
KERNEL(256, 1) add(const float* x, const bf16* __restrict__ delta, float* sum, u64 len) {
    u64 at = ((u64)blockIdx.x * 256 + threadIdx.x) * 4;
    int live = left_of(at, len);
    Four a = load_four(x + at, live), b = load_four(delta + at, live);
#pragma unroll
    for (int j = 0; j < 4; j++) a.v[j] += b.v[j];
    store_four(sum + at, a, live);
}
