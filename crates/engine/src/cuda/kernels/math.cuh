// Elementary functions with the bits of the CPU's (`cpu/math.rs`).
#pragma once
#include "device.cuh"

/// exp(x): 0 below -87.3, saturated above 88.3; NaN stays NaN.
DEVICE float exp_exact(float x) {
    const float SHIFT = 12582912.0f; // 1.5 * 2^23: adding it rounds to the nearest integer
    float clamped = x > 88.3f ? 88.3f : x;
    clamped = clamped < -87.3f ? -87.3f : clamped;
    float shifted = fmaf(clamped, 1.44269504088896340736f, SHIFT);
    float n = shifted - SHIFT;
    float r = fmaf(n, -0.6933594f, clamped);
    r = fmaf(n, 2.1219444e-4f, r);
    float p = fmaf(r, 1.9875691e-4f, 1.3981999e-3f);
    p = fmaf(p, r, 8.333452e-3f);
    p = fmaf(p, r, 4.1665796e-2f);
    p = fmaf(p, r, 0.16666665f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p * r, r, r) + 1.0f;
    float scale = bits_float((float_bits(shifted) << 23) + 0x3f800000u);
    return x < -87.3f ? 0.0f : p * scale;
}

/// exp(x) by the hardware's 2^x: relative error below 1e-5 where x is above -87, 0 below.
DEVICE float exp_fast(float x) { return exp2_fast(x * 1.44269504088896340736f); }

DEVICE float sigmoid(float x) { return 1.0f / (1.0f + exp_exact(-x)); }
