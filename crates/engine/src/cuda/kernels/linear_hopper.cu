// y = x Wᵀ + bias by `wgmma`, for sm_90a alone. As in linear.cu every element is one chain of steps of sixteen in order of the inner index, so these
// kernels agree with each other; whether they agree with linear.cu to the bit is the hardware's secret, so a run takes all from one family.
//
// A block has BM x BN outputs, four warps (a group) 64 or 128 rows of them. Copies run STAGES - 2 slices ahead: one slice more is still read by the
// products of the step before, which nobody waits for until the next are under way.
#include "product.cuh"
#include "wgmma.cuh"

template <int BM, int BN, int STAGES, int THREADS, class Out>
DEVICE void linear_hopper(const bf16* x, const bf16* w, const bf16* bias, Out* y, int rows, int outputs, int inputs) {
    const int AHEAD = STAGES - 2, PARTS = BM / 64 / (THREADS / 128); // PARTS times 64 rows are a group's
    DYNAMIC_SHARED(dynamic);
    bf16* tiles = (bf16*)dynamic; // [STAGES][BM + BN][64]
    Corner corner = corner_of(BM, BN);
    int own = warp_id() / 4 * PARTS * 64, steps = (inputs + SLICE - 1) / SLICE;
    Slices<BM, BN, THREADS> slices = {x, w, rows, outputs, inputs, corner};
    float c[PARTS][BN / 8][4] = {};

    for (int s = 0; s < AHEAD; s++) {
        if (s < steps) slices.fill(tiles + s * (BM + BN) * SLICE, s);
        copy_commit();
    }
    for (int step = 0; step < steps; step++) {
        copy_wait<AHEAD - 1>();
        publish();
        block_sync();
        const bf16* slot = tiles + step % STAGES * (BM + BN) * SLICE;
        u64 left = describe(slot + own * SLICE), right = describe(slot + BM * SLICE);
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < SLICE / 16; k++) {
#pragma unroll
            for (int i = 0; i < PARTS; i++) wgmma(c[i], left + k * NEXT_COLUMNS + i * NEXT_ROWS, right + k * NEXT_COLUMNS);
        }
        wgmma_commit();
        int next = step + AHEAD;
        if (next < steps) slices.fill(tiles + next % STAGES * (BM + BN) * SLICE, next);
        copy_commit();
        wgmma_wait<1>();
    }
#pragma unroll
    for (int i = 0; i < PARTS; i++) {
        wgmma_finish(c[i]);
        write_outputs<BN / 8>(c[i], bias, y, corner.row + own + 64 * i + warp_id() % 4 * 16, corner.output, rows, outputs);
    }
}

#if !defined(__CUDACC_RTC__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HOPPER(name, threads, blocks, Out, ...)                                                                                          \
    KERNEL(threads, blocks) name(const bf16* __restrict__ x, const bf16* __restrict__ w, const bf16* __restrict__ bias,                  \
                                 Out* __restrict__ y, int rows, int outputs, int inputs) {                                               \
        linear_hopper<__VA_ARGS__, threads, Out>(x, w, bias, y, rows, outputs, inputs);                                                  \
    }
HOPPER(linear_hopper_64x16_bf16, 128, 1, bf16, 64, 16, 16)
HOPPER(linear_hopper_64x16_float, 128, 1, float, 64, 16, 16)
HOPPER(linear_hopper_64x32_bf16, 128, 1, bf16, 64, 32, 16)
HOPPER(linear_hopper_64x32_float, 128, 1, float, 64, 32, 16)
HOPPER(linear_hopper_64x48_bf16, 128, 2, bf16, 64, 48, 8)
HOPPER(linear_hopper_64x48_float, 128, 2, float, 64, 48, 8)
HOPPER(linear_hopper_64x64_bf16, 128, 2, bf16, 64, 64, 6)
HOPPER(linear_hopper_64x64_float, 128, 2, float, 64, 64, 6)
HOPPER(linear_hopper_64x112_bf16, 128, 2, bf16, 64, 112, 5)
HOPPER(linear_hopper_64x112_float, 128, 2, float, 64, 112, 5)
HOPPER(linear_hopper_128x152_bf16, 256, 1, bf16, 128, 152, 6)
HOPPER(linear_hopper_128x152_float, 256, 1, float, 128, 152, 6)
HOPPER(linear_hopper_256x160_bf16, 256, 1, bf16, 256, 160, 4)
HOPPER(linear_hopper_256x160_float, 256, 1, float, 256, 160, 4)
#endif
