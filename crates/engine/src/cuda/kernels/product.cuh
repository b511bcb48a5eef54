// What the kernels of y = x Wᵀ + bias share: which outputs a block has, its slices of x and W, and how results are written.
#pragma once
#include "tile.cuh"

/// Inner elements that are copied at once: a row of a tile.
const int SLICE = 64;
/// Blocks run in groups of this many tiles of rows: those that run at the same time then share more of x and W in the second-level cache.
const u32 RASTER = 8;

/// First row and first output of a block.
struct Corner {
    int row, output;
};

DEVICE Corner corner_of(int tall, int broad) {
    u32 place = blockIdx.y * gridDim.x + blockIdx.x, group = place / (gridDim.x * RASTER) * RASTER;
    u32 height = gridDim.y - group < RASTER ? gridDim.y - group : RASTER, within = place % (gridDim.x * RASTER);
    return Corner{(int)(group + within % height) * tall, (int)(within / height) * broad};
}

/// Slices of BM rows of x and BN rows of W.
template <int BM, int BN, int threads>
struct Slices {
    const bf16 *x, *w;
    int rows, outputs, inputs;
    Corner corner;

    DEVICE_MEMBER void fill(bf16* to, int step) const {
        int column = step * SLICE, width = inputs - column;
        bool vectors = inputs % 8 == 0 && ((u64)x & 15) == 0 && ((u64)w & 15) == 0;
        fill_tile<SLICE, BM, threads>(to, rows - corner.row, width, vectors,
                                      [&](int r) { return x + (u64)(corner.row + r) * inputs + column; });
        fill_tile<SLICE, BN, threads>(to + BM * SLICE, outputs - corner.output, width, vectors,
                                      [&](int r) { return w + (u64)(corner.output + r) * inputs + column; });
    }
};

DEVICE void put(bf16* to, float v) { *to = to_bf16(v); }
DEVICE void put(float* to, float v) { *to = v; }
DEVICE void put_pair(bf16* to, float a, float b) { store4(to, pack(a, b)); }
DEVICE void put_pair(float* to, float a, float b) { store8(to, uint2{float_bits(a), float_bits(b)}); }

/// Writes a warp's 16 rows from `row` on and 8 N outputs from `output` on, with the bias added.
template <int N, class Out>
DEVICE void write_outputs(const float (&c)[N][4], const bf16* bias, Out* y, int row, int output, int rows, int outputs) {
    bool pairs = outputs % 2 == 0 && ((u64)y & 7) == 0;
#pragma unroll
    for (int j = 0; j < N; j++) {
        int column = output + 8 * j + lane_id() % 4 * 2;
        float add0 = bias != nullptr && column < outputs ? to_float(bias[column]) : 0.0f;
        float add1 = bias != nullptr && column + 1 < outputs ? to_float(bias[column + 1]) : 0.0f;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            int r = row + 8 * h + lane_id() / 4;
            if (r >= rows || column >= outputs) continue;
            Out* to = y + (u64)r * outputs + column;
            float v0 = c[j][2 * h] + add0, v1 = c[j][2 * h + 1] + add1;
            if (pairs) {
                put_pair(to, v0, v1);
            } else {
                put(to, v0);
                if (column + 1 < outputs) put(to + 1, v1);
            }
        }
    }
}
