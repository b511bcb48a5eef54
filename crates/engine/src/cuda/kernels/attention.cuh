// What attention's kernels share: the layout of qkv, the online softmax of one tile of keys, and its product with the values.
//
// Keys are walked in tiles of 64 by *position*. For one query everything below is one fixed sequence of operations on its own scores, so it does not
// matter which queries share its warp, nor where keys come from: the forward pass and decoding give the same bits.
#pragma once
#include "tile.cuh"

const int KEY_TILE = 64;
const int QUERY_TILE = 64;
const float LOG2_E = 1.44269504088896340736f;

/// A row of qkv: all query heads, then all key heads, then all value heads.
struct Heads {
    int queries, keys, dim;

    DEVICE_MEMBER int stride() const { return (queries + 2 * keys) * dim; }
    DEVICE_MEMBER int width() const { return queries * dim; }
    DEVICE_MEMBER int group() const { return queries / keys; }
    DEVICE_MEMBER int key_at(int head) const { return (queries + head) * dim; }
    DEVICE_MEMBER int value_at(int head) const { return (queries + keys + head) * dim; }
};

/// A tile of queries of one segment (`plan::query_tiles`) and the rows of the keys before it.
struct QueryTile {
    int row, count, position, own_row, prefix_row, prefix_len;

    DEVICE_MEMBER int keys() const { return position + count; }
    /// Row of the key at a position.
    DEVICE_MEMBER int key_row(int p) const { return p < prefix_len ? prefix_row + p : own_row + (p - prefix_len); }
};

DEVICE QueryTile query_tile(const int* t) { return QueryTile{t[0], t[1], t[2], t[3], t[4], t[5]}; }

/// Begins to copy the keys of tile `t` and their values, each [64][D], into one of the two places of `pairs`.
template <int D>
DEVICE void fill_keys(bf16* pairs, int t, const QueryTile& tile, const bf16* qkv, const Heads& heads, int key_head, bool vectors) {
    bf16* to = pairs + t % 2 * 2 * KEY_TILE * D;
    int live = tile.keys() - t * KEY_TILE;
    u64 stride = heads.stride();
    auto from = [&](int r) { return qkv + tile.key_row(t * KEY_TILE + r) * stride + heads.key_at(key_head); };
    fill_tile<D, KEY_TILE, 128>(to, live, heads.dim, vectors, from);
    fill_tile<D, KEY_TILE, 128>(to + KEY_TILE * D, live, heads.dim, vectors, [&](int r) { return from(r) + heads.keys * heads.dim; });
}

/// Online softmax of 16 queries (rows l/4 and l/4 + 8 of lane l) over tiles of keys, and N * 8 columns of its product with the values.
template <int N>
struct Online {
    float max[2], sum[2], out[N][4];
};

template <int N>
DEVICE void start(Online<N>& o) {
    o.max[0] = o.max[1] = -INFINITE;
    o.sum[0] = o.sum[1] = 0.0f;
#pragma unroll
    for (int j = 0; j < N; j++) o.out[j][0] = o.out[j][1] = o.out[j][2] = o.out[j][3] = 0.0f;
}

/// Hides the keys behind each query: column c of the tile is the key at `first_key + c`.
DEVICE void mask_scores(float (&s)[8][4], int first_key, int position0, int position1) {
#pragma unroll
    for (int n = 0; n < 8; n++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int key = first_key + 8 * n + lane_id() % 4 * 2 + e % 2;
            if (key > (e < 2 ? position0 : position1)) s[n][e] = -INFINITE;
        }
    }
}

/// Takes one tile of scores in: they become probabilities relative to the new maximum. `scale2` is the scale times log2(e).
template <int N>
DEVICE void absorb(Online<N>& o, float (&s)[8][4], float scale2) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float best = o.max[h];
#pragma unroll
        for (int n = 0; n < 8; n++) best = fmaxf(best, fmaxf(s[n][2 * h], s[n][2 * h + 1]));
        best = fmaxf(best, shuffle_xor(best, 1));
        best = fmaxf(best, shuffle_xor(best, 2));
        float shrink = exp2_fast((o.max[h] - best) * scale2), shift = -best * scale2, sum = 0.0f;
#pragma unroll
        for (int n = 0; n < 8; n++) {
            s[n][2 * h] = exp2_fast(fmaf(s[n][2 * h], scale2, shift));
            s[n][2 * h + 1] = exp2_fast(fmaf(s[n][2 * h + 1], scale2, shift));
            sum += s[n][2 * h] + s[n][2 * h + 1];
        }
        o.max[h] = best;
        o.sum[h] = fmaf(o.sum[h], shrink, sum);
#pragma unroll
        for (int j = 0; j < N; j++) o.out[j][2 * h] *= shrink, o.out[j][2 * h + 1] *= shrink;
    }
}

/// The left fragment of 16 columns of an accumulator of 16 rows.
template <int M>
DEVICE void to_left(u32 (&a)[4], const float (&c)[M][4], int step) {
    a[0] = pack(c[2 * step][0], c[2 * step][1]);
    a[1] = pack(c[2 * step][2], c[2 * step][3]);
    a[2] = pack(c[2 * step + 1][0], c[2 * step + 1][1]);
    a[3] = pack(c[2 * step + 1][2], c[2 * step + 1][3]);
}

/// out += p tile, for N * 8 columns of the tile from `column` on; the inner index is the tile's rows.
template <int D, int M, int N>
DEVICE void times_columns(float (&out)[N][4], const float (&p)[M][4], const bf16* tile, int column) {
#pragma unroll
    for (int step = 0; step < M / 2; step++) {
        u32 a[4];
        to_left(a, p, step);
#pragma unroll
        for (int j = 0; j < N; j += 2) {
            u32 b[4];
            right_fragments_of_columns<D>(b, tile, 16 * step, column + 8 * j);
            mma(out[j], a, b[0], b[1]);
            mma(out[j + 1], a, b[2], b[3]);
        }
    }
}

/// s = left tileᵀ for the tile's rows `row` to `row + 8 M`; `left` is rows `left_row` to + 16 of a tile.
template <int D, int M>
DEVICE void times_rows(float (&s)[M][4], const bf16* left, int left_row, const bf16* tile, int row) {
#pragma unroll
    for (int n = 0; n < M; n++) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0.0f;
#pragma unroll
    for (int k = 0; k < D; k += 16) {
        u32 a[4];
        left_fragment<D>(a, left, left_row, k);
#pragma unroll
        for (int n = 0; n < M; n += 2) {
            u32 b[4];
            right_fragments<D>(b, tile, row + 8 * n, k);
            mma(s[n], a, b[0], b[1]);
            mma(s[n + 1], a, b[2], b[3]);
        }
    }
}

/// Sum over the four lanes that share a row.
DEVICE float quad_sum(float v) {
    v += shuffle_xor(v, 1);
    return v + shuffle_xor(v, 2);
}

/// Writes 16 rows of N * 8 columns as bfloat16, each times its row's factor: rows below `live`, columns from `column` on and below `dim`.
template <int N, class To>
DEVICE void write_rows(const float (&c)[N][4], float factor0, float factor1, int first, int live, int column, int dim, const To& to) {
    bool pairs = dim % 2 == 0;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int row = first + lane_id() / 4 + 8 * h;
        if (row >= live) continue;
        bf16* at = to(row);
        float factor = h == 0 ? factor0 : factor1;
#pragma unroll
        for (int j = 0; j < N; j++) {
            int d = column + 8 * j + lane_id() % 4 * 2;
            float a = c[j][2 * h] * factor, b = c[j][2 * h + 1] * factor;
            if (pairs) {
                if (d < dim) store4(at + d, pack(a, b));
            } else {
                if (d < dim) at[d] = to_bf16(a);
                if (d + 1 < dim) at[d + 1] = to_bf16(b);
            }
        }
    }
}
