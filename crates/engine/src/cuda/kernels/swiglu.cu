// SwiGLU: act = silu(gate) * up; a row of gate_up holds `width` gates, then `width` ups.
#include "four.cuh"
#include "math.cuh"

KERNEL(256, 1) swiglu(const bf16* __restrict__ gate_up, bf16* __restrict__ act, int width) {
    int c = (blockIdx.x * 256 + threadIdx.x) * 4, live = width - c;
    if (live <= 0) return;
    const bf16* row = gate_up + (u64)blockIdx.y * 2 * width + c;
    Four g = load_four(row, live), u = load_four(row + width, live);
#pragma unroll
    for (int j = 0; j < 4; j++) g.v[j] = g.v[j] * sigmoid(g.v[j]) * u.v[j];
    store_four(act + (u64)blockIdx.y * width + c, g, live);
}

/// In place: gate_up becomes its gradient, and act, which holds its own gradient, becomes act again.
KERNEL(256, 1) swiglu_backward(bf16* __restrict__ gate_up, bf16* __restrict__ act, int width) {
    int c = (blockIdx.x * 256 + threadIdx.x) * 4, live = width - c;
    if (live <= 0) return;
    bf16* row = gate_up + (u64)blockIdx.y * 2 * width + c;
    bf16* out = act + (u64)blockIdx.y * width + c;
    Four g = load_four(row, live), u = load_four(row + width, live), d = load_four(out, live);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        float s = sigmoid(g.v[j]), silu = g.v[j] * s, grad = d.v[j];
        d.v[j] = silu * u.v[j];
        g.v[j] = grad * u.v[j] * s * (1.0f + (g.v[j] - silu));
        u.v[j] = grad * silu;
    }
    store_four(out, d, live);
    store_four(row, g, live);
    store_four(row + width, u, live);
}
