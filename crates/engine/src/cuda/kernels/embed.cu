// Rows of the embedding table, their gradient, and rows of the residual stream.
#include "device.cuh"

/// x[t] = table[tokens[t]].
KERNEL(128, 1) embed(const u32* __restrict__ tokens, const bf16* __restrict__ table, float* __restrict__ x, int width) {
    const bf16* from = table + (u64)tokens[blockIdx.x] * width;
    float* to = x + (u64)blockIdx.x * width;
    for (int c = threadIdx.x; c < width; c += 128) to[c] = to_float(from[c]);
}

/// dtable[tokens[u]] += sum of dx[rows[i]] for offsets[u] <= i < offsets[u + 1], in order: a block owns one token, so no two add to a row.
KERNEL(256, 1) embed_backward(const u32* __restrict__ tokens, const u32* __restrict__ offsets, const u32* __restrict__ rows,
                              const float* __restrict__ dx, float* __restrict__ dtable, int width) {
    int c = blockIdx.y * 256 + threadIdx.x;
    if (c >= width) return;
    float* to = dtable + (u64)tokens[blockIdx.x] * width + c;
    float sum = *to;
#pragma unroll 4
    for (u32 i = offsets[blockIdx.x]; i < offsets[blockIdx.x + 1]; i++) sum += dx[(u64)rows[i] * width + c];
    *to = sum;
}

/// out[i] = x[rows[i]].
KERNEL(128, 1) gather(const float* __restrict__ x, const u32* __restrict__ rows, float* __restrict__ out, int width) {
    const float* from = x + (u64)rows[blockIdx.x] * width;
    float* to = out + (u64)blockIdx.x * width;
    for (int c = threadIdx.x; c < width; c += 128) to[c] = from[c];
}

/// out[rows[i]] = x[i]; rows are distinct, and `out` was cleared.
KERNEL(128, 1) scatter(const float* __restrict__ x, const u32* __restrict__ rows, float* __restrict__ out, int width) {
    const float* from = x + (u64)blockIdx.x * width;
    float* to = out + (u64)rows[blockIdx.x] * width;
    for (int c = threadIdx.x; c < width; c += 128) to[c] = from[c];
}
