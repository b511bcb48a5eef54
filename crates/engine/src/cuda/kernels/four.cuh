// Four neighbouring elements at a time: one access where the address allows, else one each. The values are the same either way.
#pragma once
#include "device.cuh"

struct Four {
    float v[4];
};

DEVICE bool aligned_to(const void* p, u32 bytes) { return ((u64)p & (bytes - 1)) == 0; }

/// `live` of them, the rest 0.
DEVICE Four load_four(const float* p, int live) {
    Four f;
    if (live >= 4 && aligned_to(p, 16)) {
        uint4 bits = load16(p);
        f.v[0] = bits_float(bits.x), f.v[1] = bits_float(bits.y), f.v[2] = bits_float(bits.z), f.v[3] = bits_float(bits.w);
        return f;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) f.v[j] = j < live ? p[j] : 0.0f;
    return f;
}

DEVICE Four load_four(const bf16* p, int live) {
    Four f;
    if (live >= 4 && aligned_to(p, 8)) {
        uint2 bits = load8(p);
        f.v[0] = low_float(bits.x), f.v[1] = high_float(bits.x), f.v[2] = low_float(bits.y), f.v[3] = high_float(bits.y);
        return f;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) f.v[j] = j < live ? to_float(p[j]) : 0.0f;
    return f;
}

DEVICE void store_four(float* p, const Four& f, int live) {
    if (live >= 4 && aligned_to(p, 16)) {
        store16(p, uint4{float_bits(f.v[0]), float_bits(f.v[1]), float_bits(f.v[2]), float_bits(f.v[3])});
        return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (j < live) p[j] = f.v[j];
}

DEVICE void store_four(bf16* p, const Four& f, int live) {
    if (live >= 4 && aligned_to(p, 8)) {
        store8(p, uint2{pack(f.v[0], f.v[1]), pack(f.v[2], f.v[3])});
        return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (j < live) p[j] = to_bf16(f.v[j]);
}
