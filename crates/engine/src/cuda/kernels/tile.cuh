// Tiles of bfloat16 in shared memory and the fragments that tensor cores take from them.
//
// A row of D elements (64 or 128) is cut into 16-byte chunks; chunk c of row r lies at place c ^ (r % 8), so that neither the eight rows that
// a matrix load takes nor a copied row meet in one bank.
#pragma once
#include "device.cuh"

template <int D>
DEVICE int tile_at(int row, int column) {
    return row * D + (((column >> 3) ^ (row & 7)) << 3) + (column & 7);
}

/// Starts to fill `rows` rows of a tile; `from(r)` is the address of row r of which `dim` elements exist. Rows from `live` on and columns from
/// `dim` on become 0, and nothing of them is read. A thread copies chunks of one column, `DOWN` rows apart, all at one place of the swizzle: what it
/// computes stands before the loop.
template <int D, int rows, int threads, class From>
DEVICE void fill_tile(bf16* tile, int live, int dim, bool vectors, const From& from) {
    const int CHUNKS = D / 8, DOWN = threads / CHUNKS;
    static_assert(DOWN % 8 == 0, "a thread has one column and one place");
    if (vectors) {
        int first = threadIdx.x / CHUNKS, column = threadIdx.x % CHUNKS * 8;
        bf16* to = tile + tile_at<D>(first, column);
        if (column >= dim) live = 0;
#pragma unroll
        for (int i = 0; i < (rows + DOWN - 1) / DOWN; i++) {
            int row = first + i * DOWN;
            // Where the rows do not go round evenly the last ones are some threads' alone.
            if ((i + 1) * DOWN <= rows || row < rows) copy_async(to + i * DOWN * D, from(row) + column, row < live);
        }
        return;
    }
    for (int i = threadIdx.x; i < rows * D; i += threads) {
        int row = i / D, column = i % D;
        tile[tile_at<D>(row, column)] = row < live && column < dim ? from(row)[column] : bf16{0};
    }
}

/// The 16x16 left fragment at (row, column) of a row-major tile.
template <int D>
DEVICE void left_fragment(u32 (&a)[4], const bf16* tile, int row, int column) {
    load_matrices(a, tile + tile_at<D>(row + lane_id() % 16, column + lane_id() / 16 * 8));
}

/// Two 16x8 right fragments (b[0], b[1] and b[2], b[3]) for a product with the transpose of the tile: outputs are its rows, inner index its
/// columns.
template <int D>
DEVICE void right_fragments(u32 (&b)[4], const bf16* tile, int row, int column) {
    int lane = lane_id();
    load_matrices(b, tile + tile_at<D>(row + lane % 8 + lane / 16 * 8, column + lane / 8 % 2 * 8));
}

/// Two 16x8 right fragments for a product with the tile itself: inner index is its rows, outputs its columns.
template <int D>
DEVICE void right_fragments_of_columns(u32 (&b)[4], const bf16* tile, int row, int column) {
    load_matrices_transposed(b, tile + tile_at<D>(row + lane_id() % 16, column + lane_id() / 16 * 8));
}
