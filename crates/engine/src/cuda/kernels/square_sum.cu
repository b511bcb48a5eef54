// Sum of squares in f64: blocks of a fixed size, then their sums in a fixed order.
#include "device.cuh"

const u64 SQUARE_BLOCK = 32768;

KERNEL(256, 1) square_sum(const float* __restrict__ x, u64 len, double* __restrict__ partial) {
    STATIC_SHARED double scratch[8];
    u64 first = blockIdx.x * SQUARE_BLOCK, last = first + SQUARE_BLOCK < len ? first + SQUARE_BLOCK : len;
    double sum = 0.0;
#pragma unroll 8
    for (u64 i = first + threadIdx.x; i < last; i += 256) sum = fma((double)x[i], (double)x[i], sum);
    sum = block_sum<256>(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

KERNEL(256, 1) fold_sum(const double* __restrict__ partial, u64 count, double* __restrict__ out) {
    STATIC_SHARED double scratch[8];
    double sum = 0.0;
    for (u64 i = threadIdx.x; i < count; i += 256) sum += partial[i];
    sum = block_sum<256>(sum, scratch);
    if (threadIdx.x == 0) *out = sum;
}
