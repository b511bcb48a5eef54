// Rotary position embedding in the half-split form, in place: (low, high) turn by their position's angle, sign -1 turns back.
#include "device.cuh"

KERNEL(128, 1) rope(bf16* __restrict__ qkv, const u32* __restrict__ positions, const float* __restrict__ cosines,
                    const float* __restrict__ sines, int heads, int dim, int stride, float sign) {
    int half = dim / 2;
    bf16* row = qkv + (u64)blockIdx.x * stride;
    u64 at = (u64)positions[blockIdx.x] * half;
    if (half % 2 == 0 && stride % 2 == 0) {
        // Two pairs at once, by 4-byte accesses.
        for (int i = threadIdx.x; i < heads * half / 2; i += 128) {
            int head = i / (half / 2), d = 2 * (i % (half / 2));
            bf16* low = row + head * dim + d;
            u32 a = load4(low), b = load4(low + half);
            float c0 = cosines[at + d], c1 = cosines[at + d + 1], s0 = sines[at + d] * sign, s1 = sines[at + d + 1] * sign;
            float a0 = low_float(a), a1 = high_float(a), b0 = low_float(b), b1 = high_float(b);
            store4(low, pack(fmaf(a0, c0, -(b0 * s0)), fmaf(a1, c1, -(b1 * s1))));
            store4(low + half, pack(fmaf(b0, c0, a0 * s0), fmaf(b1, c1, a1 * s1)));
        }
        return;
    }
    for (int i = threadIdx.x; i < heads * half; i += 128) {
        int head = i / half, d = i % half;
        bf16* low = row + head * dim + d;
        float a = to_float(low[0]), b = to_float(low[half]), c = cosines[at + d], s = sines[at + d] * sign;
        low[0] = to_bf16(fmaf(a, c, -(b * s)));
        low[half] = to_bf16(fmaf(b, c, a * s));
    }
}
