// y = x Wᵀ + bias. Every element is one chain of mma steps in order of the inner index, sixteen at a time, whatever the tile; so a row has the same
// bits alone, in a batch of decoding and among thousands in training. (The sampler's products and the trainer's are both these.)
//
// A block has BM x BN outputs, its warps WM x WN; slices of 64 of the inner index are copied STAGES - 1 ahead.
#include "product.cuh"

template <int BM, int BN, int WM, int WN, int STAGES, class Out>
DEVICE void linear(const bf16* x, const bf16* w, const bf16* bias, Out* y, int rows, int outputs, int inputs) {
    const int THREADS = BM / WM * (BN / WN) * 32;
    DYNAMIC_SHARED(dynamic);
    bf16* tiles = (bf16*)dynamic; // [STAGES][BM + BN][64]
    Corner corner = corner_of(BM, BN);
    int warp_row = warp_id() / (BN / WN) * WM, warp_column = warp_id() % (BN / WN) * WN;
    int steps = (inputs + SLICE - 1) / SLICE;
    Slices<BM, BN, THREADS> slices = {x, w, rows, outputs, inputs, corner};
    float c[WM / 16][WN / 8][4] = {};

    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) slices.fill(tiles + s * (BM + BN) * SLICE, s);
        copy_commit();
    }
    for (int step = 0; step < steps; step++) {
        copy_wait<STAGES - 2>();
        block_sync();
        int next = step + STAGES - 1;
        if (next < steps) slices.fill(tiles + next % STAGES * (BM + BN) * SLICE, next);
        copy_commit();
        const bf16* left = tiles + step % STAGES * (BM + BN) * SLICE;
        const bf16* right = left + BM * SLICE;
#pragma unroll
        for (int k = 0; k < SLICE; k += 16) {
            u32 a[WM / 16][4];
#pragma unroll
            for (int i = 0; i < WM / 16; i++) left_fragment<SLICE>(a[i], left, warp_row + 16 * i, k);
#pragma unroll
            for (int j = 0; j < WN / 8; j += 2) {
                u32 b[4];
                right_fragments<SLICE>(b, right, warp_column + 8 * j, k);
#pragma unroll
                for (int i = 0; i < WM / 16; i++) {
                    mma(c[i][j], a[i], b[0], b[1]);
                    mma(c[i][j + 1], a[i], b[2], b[3]);
                }
            }
        }
    }
#pragma unroll
    for (int i = 0; i < WM / 16; i++)
        write_outputs<WN / 8>(c[i], bias, y, corner.row + warp_row + 16 * i, corner.output + warp_column, rows, outputs);
}

#define LINEAR(name, threads, blocks, Out, ...)                                                                                          \
    KERNEL(threads, blocks) name(const bf16* __restrict__ x, const bf16* __restrict__ w, const bf16* __restrict__ bias,                  \
                                 Out* __restrict__ y, int rows, int outputs, int inputs) {                                               \
        linear<__VA_ARGS__, Out>(x, w, bias, y, rows, outputs, inputs);                                                                  \
    }
LINEAR(linear_256_bf16, 256, 1, bf16, 256, 128, 64, 64, 3)
LINEAR(linear_256_float, 256, 1, float, 256, 128, 64, 64, 3)
LINEAR(linear_128_bf16, 128, 2, bf16, 128, 128, 64, 64, 3)
LINEAR(linear_128_float, 128, 2, float, 128, 128, 64, 64, 3)
LINEAR(linear_64_bf16, 128, 3, bf16, 64, 64, 32, 32, 4)
LINEAR(linear_64_float, 128, 3, float, 64, 64, 32, 32, 4)
LINEAR(linear_16_bf16, 64, 4, bf16, 16, 32, 16, 16, 8)
LINEAR(linear_16_float, 64, 4, float, 16, 32, 16, 16, 8)
