// RMSNorm: y = w x / sqrt(mean(x^2) + eps), with the residual addition before it, and its gradient. A block of 256 threads has a row; a
// thread's columns are 4(i 256 + t) to the next 3, so the sum's order depends on the width alone.
#include "four.cuh"

const int NORM_ROWS = 32;    // rows a block of the gradient
const int SUM_ROWS = 128;    // rows a block of column_sums

/// Normalises `sum = x (+ delta)`; `sum` is written if there is a delta.
DEVICE void normalise(const float* x, const bf16* delta, float* sum, const bf16* weight, float eps, int width, bf16* y) {
    STATIC_SHARED float scratch[8];
    u64 row = (u64)blockIdx.x * width;
    float squares = 0.0f;
    for (int c = 4 * threadIdx.x; c < width; c += 1024) {
        Four v = load_four(x + row + c, width - c);
        if (delta != nullptr) {
            Four d = load_four(delta + row + c, width - c);
#pragma unroll
            for (int j = 0; j < 4; j++) v.v[j] += d.v[j];
            store_four(sum + row + c, v, width - c);
        }
#pragma unroll
        for (int j = 0; j < 4; j++) squares = fmaf(v.v[j], v.v[j], squares);
    }
    float inv = 1.0f / sqrtf(block_sum<256>(squares, scratch) / (float)width + eps);
    const float* from = delta != nullptr ? sum : x;
    for (int c = 4 * threadIdx.x; c < width; c += 1024) {
        Four v = load_four(from + row + c, width - c), w = load_four(weight + c, width - c);
#pragma unroll
        for (int j = 0; j < 4; j++) v.v[j] = v.v[j] * inv * w.v[j];
        store_four(y + row + c, v, width - c);
    }
}

KERNEL(256, 1) rmsnorm(const float* __restrict__ x, const bf16* __restrict__ weight, float eps, int width, bf16* __restrict__ y) {
    normalise(x, nullptr, nullptr, weight, eps, width, y);
}

KERNEL(256, 1) add_rmsnorm(const float* x, const bf16* __restrict__ delta, float* sum, const bf16* __restrict__ weight, float eps,
                           int width, bf16* __restrict__ y) {
    normalise(x, delta, sum, weight, eps, width, y);
}

/// dx += inv (w dy) - x inv^3 / n * sum(w dy x); the weight's gradient sum_t dy x inv over the block's rows goes to `partial`.
KERNEL(256, 1) rmsnorm_backward(const float* __restrict__ x, const bf16* __restrict__ weight, float eps, const bf16* __restrict__ dy,
                                float* __restrict__ dx, bf16* __restrict__ dx_half, float* __restrict__ partial, int rows, int width) {
    STATIC_SHARED float scratch[2][8];
    DYNAMIC_SHARED(dynamic);
    float* dw = (float*)dynamic;
    if (partial != nullptr)
        for (int c = 4 * threadIdx.x; c < width; c += 1024)
            for (int j = 0; j < 4 && c + j < width; j++) dw[c + j] = 0.0f;
    int first = blockIdx.x * NORM_ROWS, last = smaller(first + NORM_ROWS, rows);
    for (int t = first; t < last; t++) {
        u64 row = (u64)t * width;
        float squares = 0.0f, along = 0.0f;
        for (int c = 4 * threadIdx.x; c < width; c += 1024) {
            Four v = load_four(x + row + c, width - c), w = load_four(weight + c, width - c), d = load_four(dy + row + c, width - c);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                squares = fmaf(v.v[j], v.v[j], squares);
                along = fmaf(w.v[j] * d.v[j], v.v[j], along);
            }
        }
        squares = block_sum<256>(squares, scratch[0]);
        along = block_sum<256>(along, scratch[1]);
        float inv = 1.0f / sqrtf(squares / (float)width + eps);
        float pull = along * inv * inv * inv / (float)width;
        for (int c = 4 * threadIdx.x; c < width; c += 1024) {
            Four v = load_four(x + row + c, width - c), w = load_four(weight + c, width - c), d = load_four(dy + row + c, width - c);
            Four out = load_four(dx + row + c, width - c);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                out.v[j] += fmaf(w.v[j] * d.v[j], inv, -pull * v.v[j]);
                if (partial != nullptr && c + j < width) dw[c + j] = fmaf(v.v[j] * inv, d.v[j], dw[c + j]);
            }
            store_four(dx + row + c, out, width - c);
            if (dx_half != nullptr) store_four(dx_half + row + c, out, width - c);
        }
    }
    if (partial != nullptr)
        for (int c = 4 * threadIdx.x; c < width; c += 1024)
            for (int j = 0; j < 4 && c + j < width; j++) partial[(u64)blockIdx.x * width + c + j] = dw[c + j];
}

/// out[c] += sum_i partial[i stride + c]: each of eight warps adds every eighth row of 32 columns, in order, and their sums are added in order.
KERNEL(256, 1) fold_columns(const float* __restrict__ partial, int count, int stride, int width, float* __restrict__ out) {
    STATIC_SHARED float sums[8][32];
    int c = blockIdx.x * 32 + lane_id();
    float sum = 0.0f;
    if (c < width) {
#pragma unroll 8
        for (int i = warp_id(); i < count; i += 8) sum += partial[(u64)i * stride + c];
    }
    sums[warp_id()][lane_id()] = sum;
    block_sync();
    if (warp_id() > 0 || c >= width) return;
    for (int w = 1; w < 8; w++) sum += sums[w][lane_id()];
    out[c] += sum;
}

/// partial[b, c] = sum of dy[t, c] over the 128 rows of block b.
KERNEL(128, 1) column_sums(const bf16* __restrict__ dy, int rows, int width, float* __restrict__ partial) {
    int c = blockIdx.x * 128 + threadIdx.x;
    if (c >= width) return;
    int first = blockIdx.y * SUM_ROWS, last = smaller(first + SUM_ROWS, rows);
    float sum = 0.0f;
#pragma unroll 8
    for (int t = first; t < last; t++) sum += to_float(dy[(u64)t * width + c]);
    partial[(u64)blockIdx.y * width + c] = sum;
}
