// AdamW on the f32 master weights, and their bfloat16 copy in the same pass. The arithmetic is the CPU's, to the bit.
#include "four.cuh"

struct Constants {
    float b1, b2, eps, gradient_scale, rate, root, decay;
};

/// First of the sorted ranges that ends behind `at`.
DEVICE int first_range(const u64* ranges, int count, u64 at) {
    int low = 0, high = count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (ranges[2 * middle + 1] <= at) low = middle + 1;
        else high = middle;
    }
    return low;
}

template <class Moment>
DEVICE void step(float* weights, const float* gradient, Moment* first, Moment* second, bf16* copy, const u64* decayed, int ranges,
                 u64 len, const Constants& k) {
    u64 at = ((u64)blockIdx.x * 256 + threadIdx.x) * 4;
    if (at >= len) return;
    int live = len - at < 4 ? (int)(len - at) : 4;
    int range = first_range(decayed, ranges, at);
    Four w = load_four(weights + at, live), g = load_four(gradient + at, live);
    Four m = load_four(first + at, live), v = load_four(second + at, live);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        while (range < ranges && decayed[2 * range + 1] <= at + j) range++;
        float decay = range < ranges && decayed[2 * range] <= at + j ? k.decay : 0.0f;
        float grad = g.v[j] * k.gradient_scale;
        m.v[j] = fmaf(k.b1, m.v[j], (1.0f - k.b1) * grad);
        v.v[j] = fmaf(k.b2, v.v[j], (1.0f - k.b2) * grad * grad);
        w.v[j] -= fmaf(decay, w.v[j], k.rate * m.v[j] / fmaf(sqrtf(v.v[j]), k.root, k.eps));
    }
    store_four(weights + at, w, live);
    store_four(first + at, m, live);
    store_four(second + at, v, live);
    store_four(copy + at, w, live);
}

KERNEL(256, 1) adamw_float(float* __restrict__ weights, const float* __restrict__ gradient, float* __restrict__ first,
                           float* __restrict__ second, bf16* __restrict__ copy, const u64* __restrict__ decayed, int ranges, u64 len,
                           float b1, float b2, float eps, float gradient_scale, float rate, float root, float decay) {
    step(weights, gradient, first, second, copy, decayed, ranges, len, Constants{b1, b2, eps, gradient_scale, rate, root, decay});
}

KERNEL(256, 1) adamw_bf16(float* __restrict__ weights, const float* __restrict__ gradient, bf16* __restrict__ first,
                          bf16* __restrict__ second, bf16* __restrict__ copy, const u64* __restrict__ decayed, int ranges, u64 len,
                          float b1, float b2, float eps, float gradient_scale, float rate, float root, float decay) {
    step(weights, gradient, first, second, copy, decayed, ranges, len, Constants{b1, b2, eps, gradient_scale, rate, root, decay});
}
