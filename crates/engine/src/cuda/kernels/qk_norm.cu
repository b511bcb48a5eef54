// RMSNorm of every query and key head (Qwen3): one weight for all query heads, one for all key heads. A warp has a head.
#include "device.cuh"

const int HEAD_ROWS = 16;   // rows a block of the gradient
const int LANE_ITEMS = 8;   // elements a lane: heads up to 256

DEVICE float head_inverse(const float (&x)[LANE_ITEMS], int dim, float eps) {
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < LANE_ITEMS; i++) squares = fmaf(x[i], x[i], squares);
    return 1.0f / sqrtf(warp_sum(squares) / (float)dim + eps);
}

DEVICE void load_head(float (&x)[LANE_ITEMS], const bf16* from, int dim) {
#pragma unroll
    for (int i = 0; i < LANE_ITEMS; i++) {
        int d = lane_id() + 32 * i;
        x[i] = d < dim ? to_float(from[d]) : 0.0f;
    }
}

KERNEL(128, 1) qk_norm(const bf16* __restrict__ raw, const bf16* __restrict__ q_weight, const bf16* __restrict__ k_weight, float eps,
                       int queries, int keys, int dim, bf16* __restrict__ qkv) {
    u64 row = (u64)blockIdx.x * (queries + 2 * keys) * dim;
    for (int h = warp_id(); h < queries + 2 * keys; h += 4) {
        float x[LANE_ITEMS], w[LANE_ITEMS];
        load_head(x, raw + row + h * dim, dim);
        bool value = h >= queries + keys;
        load_head(w, h < queries ? q_weight : k_weight, dim);
        float inv = head_inverse(x, dim, eps);
#pragma unroll
        for (int i = 0; i < LANE_ITEMS; i++) {
            int d = lane_id() + 32 * i;
            if (d < dim) qkv[row + h * dim + d] = to_bf16(value ? x[i] : x[i] * inv * w[i]);
        }
    }
}

/// In place in dqkv; a block's share of the weights' gradients goes to `partial` [2, dim].
KERNEL(128, 1) qk_norm_backward(const bf16* __restrict__ raw, const bf16* __restrict__ q_weight, const bf16* __restrict__ k_weight,
                                float eps, int rows, int queries, int keys, int dim, bf16* __restrict__ dqkv,
                                float* __restrict__ partial) {
    DYNAMIC_SHARED(dynamic);
    float* sums = (float*)dynamic; // [4 warps][2][dim]
    int stride = (queries + 2 * keys) * dim;
    int first = blockIdx.x * HEAD_ROWS, last = smaller(first + HEAD_ROWS, rows);
#pragma unroll
    for (int part = 0; part < 2; part++) {
        float w[LANE_ITEMS], dw[LANE_ITEMS] = {};
        load_head(w, part == 0 ? q_weight : k_weight, dim);
        int from = part == 0 ? 0 : queries, to = part == 0 ? queries : queries + keys;
        for (int t = first; t < last; t++) {
            for (int h = from + warp_id(); h < to; h += 4) {
                u64 at = (u64)t * stride + h * dim;
                float x[LANE_ITEMS], d[LANE_ITEMS], along = 0.0f;
                load_head(x, raw + at, dim);
                load_head(d, dqkv + at, dim);
                float inv = head_inverse(x, dim, eps);
#pragma unroll
                for (int i = 0; i < LANE_ITEMS; i++) along = fmaf(w[i] * d[i], x[i], along);
                float pull = warp_sum(along) * inv * inv * inv / (float)dim;
#pragma unroll
                for (int i = 0; i < LANE_ITEMS; i++) {
                    int e = lane_id() + 32 * i;
                    dw[i] = fmaf(x[i] * inv, d[i], dw[i]);
                    if (e < dim) dqkv[at + e] = to_bf16(fmaf(w[i] * d[i], inv, -pull * x[i]));
                }
            }
        }
        if (partial != nullptr) {
#pragma unroll
            for (int i = 0; i < LANE_ITEMS; i++) {
                int d = lane_id() + 32 * i;
                if (d < dim) sums[(warp_id() * 2 + part) * dim + d] = dw[i];
            }
        }
    }
    if (partial == nullptr) return;
    block_sync();
    for (int i = threadIdx.x; i < 2 * dim; i += 128) {
        float sum = sums[i];
        for (int w = 1; w < 4; w++) sum += sums[w * 2 * dim + i];
        partial[(u64)blockIdx.x * 2 * dim + i] = sum;
    }
}
