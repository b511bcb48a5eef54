// Gradient of attention without atomics: probabilities are computed again from the forward pass's lse; one kernel has queries and walks keys (dq), one
// has keys and walks queries (dk, dv), so each sum has one owner and one order. With p = exp(s - lse) and delta = o do:
//   dv_j = sum_i p_ij do_i,  ds_ij = p_ij (do_i v_j - delta_i),  dq_i = scale sum_j ds_ij k_j,  dk_j = scale sum_i ds_ij q_i.
#include "attention.cuh"

const int STEP = 32; // queries a step of the keys' kernel: with 64, two gradients and two score tiles would not fit the registers

/// delta[t, h] = sum_d out[t, h, d] dout[t, h, d]; a warp has a head.
KERNEL(128, 1) attention_delta(const bf16* __restrict__ out, const bf16* __restrict__ dout, float* __restrict__ delta, int queries,
                               int dim) {
    for (int h = warp_id(); h < queries; h += 4) {
        u64 at = ((u64)blockIdx.x * queries + h) * dim;
        float sum = 0.0f;
        for (int d = lane_id(); d < dim; d += 32) sum = fmaf(to_float(out[at + d]), to_float(dout[at + d]), sum);
        sum = warp_sum(sum);
        if (lane_id() == 0) delta[(u64)blockIdx.x * queries + h] = sum;
    }
}

template <int D>
DEVICE void backward_query(const bf16* qkv, const bf16* dout, const float* lse, const float* delta, bf16* dqkv, const int* tiles,
                           Heads heads, float scale) {
    DYNAMIC_SHARED(dynamic);
    bf16* queries = (bf16*)dynamic;          // [64][D]
    bf16* douts = queries + QUERY_TILE * D;  // [64][D]
    bf16* pairs = douts + QUERY_TILE * D;    // two of keys [64][D], values [64][D]
    QueryTile tile = query_tile(tiles + 8 * blockIdx.x);
    int head = blockIdx.y, key_head = head / heads.group(), dim = heads.dim;
    u64 stride = heads.stride();
    bool vectors = dim % 8 == 0;
    int count = (tile.keys() + KEY_TILE - 1) / KEY_TILE;

    auto fill = [&](int t) { fill_keys<D>(pairs, t, tile, qkv, heads, key_head, vectors); };
    fill_tile<D, QUERY_TILE, 128>(queries, tile.count, dim, vectors,
                                  [&](int r) { return qkv + (tile.row + r) * stride + head * dim; });
    fill_tile<D, QUERY_TILE, 128>(douts, tile.count, dim, vectors,
                                  [&](int r) { return dout + (u64)(tile.row + r) * heads.width() + head * dim; });
    fill(0);
    copy_commit();

    int first = 16 * warp_id();
    float minus_lse[2], minus_delta[2], scale2 = scale * LOG2_E, dq[D / 8][4] = {};
    int position[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int row = smaller(first + lane_id() / 4 + 8 * h, tile.count - 1);
        u64 at = (u64)(tile.row + row) * heads.queries + head;
        minus_lse[h] = -lse[at] * LOG2_E;
        minus_delta[h] = -delta[at];
        position[h] = tile.position + row;
    }
    for (int t = 0; t < count; t++) {
        if (t + 1 < count) fill(t + 1);
        copy_commit();
        copy_wait<1>();
        block_sync();
        const bf16* keys = pairs + t % 2 * 2 * KEY_TILE * D;
        float s[8][4], dp[8][4];
        times_rows<D>(s, queries, first, keys, 0);
        times_rows<D>(dp, douts, first, keys + KEY_TILE * D, 0);
        if ((t + 1) * KEY_TILE > tile.position) mask_scores(s, t * KEY_TILE, position[0], position[1]);
#pragma unroll
        for (int n = 0; n < 8; n++) {
#pragma unroll
            for (int e = 0; e < 4; e++)
                s[n][e] = exp2_fast(fmaf(s[n][e], scale2, minus_lse[e / 2])) * (dp[n][e] + minus_delta[e / 2]);
        }
        times_columns<D>(dq, s, keys, 0);
        block_sync();
    }
    write_rows(dq, scale, scale, first, tile.count, 0, dim,
               [&](int r) { return dqkv + (tile.row + r) * stride + head * dim; });
}

/// Writes 16 rows of f32 sums to a slot of `partial`.
template <int N>
DEVICE void write_partial(const float (&c)[N][4], float factor, int first, int dim, float* to) {
#pragma unroll
    for (int j = 0; j < N; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int row = first + lane_id() / 4 + e / 2 * 8, d = 8 * j + lane_id() % 4 * 2 + e % 2;
            if (d < dim) to[row * dim + d] = c[j][e] * factor;
        }
    }
}

/// An item (`plan::key_items`) is up to 64 keys of a segment and ranges of queries that see them; a warp has 16 of the keys.
template <int D>
DEVICE void backward_keys(const bf16* qkv, const bf16* dout, const float* lse, const float* delta, bf16* dqkv, float* partial,
                          const int* items, const int* ranges, Heads heads, float scale) {
    DYNAMIC_SHARED(dynamic);
    bf16* keys = (bf16*)dynamic;              // [64][D]
    bf16* values = keys + KEY_TILE * D;       // [64][D]
    bf16* pairs = values + KEY_TILE * D;      // two of queries [32][D], douts [32][D]
    float* rows = (float*)(pairs + 4 * STEP * D); // two of -lse log2(e) [32], -delta [32]
    const int* item = items + 8 * blockIdx.x;
    int key_row = item[0], live_keys = item[1], key_position = item[2], first_range = item[3], range_count = item[4], slot = item[5];
    int key_head = blockIdx.y, dim = heads.dim;
    u64 stride = heads.stride();
    bool vectors = dim % 8 == 0;
    fill_tile<D, KEY_TILE, 128>(keys, live_keys, dim, vectors,
                                [&](int r) { return qkv + (key_row + r) * stride + heads.key_at(key_head); });
    fill_tile<D, KEY_TILE, 128>(values, live_keys, dim, vectors,
                                [&](int r) { return qkv + (key_row + r) * stride + heads.value_at(key_head); });

    // Steps: for each query head of the group, for each range, 32 queries at a time.
    struct Place {
        int head, range, query;
    };
    auto settle = [&](Place p) {
        while (p.head < heads.group() && p.query >= ranges[4 * (first_range + p.range) + 1]) {
            p.query = 0;
            if (++p.range == range_count) p.range = 0, p.head++;
        }
        return p;
    };
    auto fill = [&](Place p, int buffer) {
        const int* range = ranges + 4 * (first_range + p.range);
        int row = range[0] + p.query, live = range[1] - p.query, head = key_head * heads.group() + p.head;
        bf16* to = pairs + buffer * 2 * STEP * D;
        fill_tile<D, STEP, 128>(to, live, dim, vectors, [&](int r) { return qkv + (row + r) * stride + head * dim; });
        fill_tile<D, STEP, 128>(to + STEP * D, live, dim, vectors,
                                [&](int r) { return dout + (u64)(row + r) * heads.width() + head * dim; });
        if (threadIdx.x < STEP) {
            bool there = (int)threadIdx.x < live;
            u64 at = (u64)(row + (int)threadIdx.x) * heads.queries + head;
            rows[buffer * 2 * STEP + threadIdx.x] = there ? -lse[at] * LOG2_E : -INFINITE;
            rows[buffer * 2 * STEP + STEP + threadIdx.x] = there ? -delta[at] : 0.0f;
        }
    };
    Place now = settle(Place{0, 0, 0});
    if (now.head < heads.group()) fill(now, 0);
    copy_commit();

    int first = 16 * warp_id(), group = lane_id() / 4, quad = lane_id() % 4 * 2;
    float dk[D / 8][4] = {}, dv[D / 8][4] = {}, scale2 = scale * LOG2_E;
    for (int buffer = 0; now.head < heads.group(); buffer ^= 1) {
        Place next = settle(Place{now.head, now.range, now.query + STEP});
        if (next.head < heads.group()) fill(next, buffer ^ 1);
        copy_commit();
        copy_wait<1>();
        block_sync();
        const bf16* queries = pairs + buffer * 2 * STEP * D;
        const float* row = rows + buffer * 2 * STEP;
        int position = ranges[4 * (first_range + now.range) + 2] + now.query;
        float s[STEP / 8][4], dp[STEP / 8][4];
        times_rows<D>(s, keys, first, queries, 0);
        times_rows<D>(dp, values, first, queries + STEP * D, 0);
#pragma unroll
        for (int n = 0; n < STEP / 8; n++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int query = 8 * n + quad + e % 2, key = key_position + first + group + e / 2 * 8;
                bool seen = key <= position + query;
                s[n][e] = seen ? exp2_fast(fmaf(s[n][e], scale2, row[query])) : 0.0f;
                dp[n][e] = s[n][e] * (dp[n][e] + row[STEP + query]);
            }
        }
        times_columns<D>(dv, s, queries + STEP * D, 0);
        times_columns<D>(dk, dp, queries, 0);
        block_sync();
        now = next;
    }
    if (slot >= 0) {
        float* to = partial + ((u64)slot * heads.keys + key_head) * 2 * KEY_TILE * dim;
        write_partial(dk, scale, first, dim, to);
        write_partial(dv, 1.0f, first, dim, to + KEY_TILE * dim);
        return;
    }
    write_rows(dk, scale, scale, first, live_keys, 0, dim,
               [&](int r) { return dqkv + (key_row + r) * stride + heads.key_at(key_head); });
    write_rows(dv, 1.0f, 1.0f, first, live_keys, 0, dim,
               [&](int r) { return dqkv + (key_row + r) * stride + heads.value_at(key_head); });
}

/// Sums the slots of a tile of keys, in order.
KERNEL(256, 1) attention_fold_keys(const float* __restrict__ partial, bf16* __restrict__ dqkv, const int* __restrict__ folds,
                                   int queries, int keys, int dim) {
    Heads heads{queries, keys, dim};
    const int* fold = folds + 4 * blockIdx.x;
    int row = fold[0], live = fold[1], slot = fold[2], slots = fold[3], key_head = blockIdx.y;
    for (int i = threadIdx.x; i < 2 * live * dim; i += 256) {
        int part = i / (live * dim), place = i % (live * dim);
        float sum = 0.0f;
        for (int s = slot; s < slot + slots; s++)
            sum += partial[(((u64)s * keys + key_head) * 2 + part) * KEY_TILE * dim + place];
        int at = part == 0 ? heads.key_at(key_head) : heads.value_at(key_head);
        dqkv[(u64)(row + place / dim) * heads.stride() + at + place % dim] = to_bf16(sum);
    }
}

#define BACKWARD(suffix, D, query_blocks, key_blocks)                                                                                    \
    KERNEL(128, query_blocks) attention_backward_query_##suffix(                                                                         \
        const bf16* __restrict__ qkv, const bf16* __restrict__ dout, const float* __restrict__ lse, const float* __restrict__ delta,     \
        bf16* __restrict__ dqkv, const int* __restrict__ tiles, int queries, int keys, int dim, float scale) {                           \
        backward_query<D>(qkv, dout, lse, delta, dqkv, tiles, Heads{queries, keys, dim}, scale);                                         \
    }                                                                                                                                    \
    KERNEL(128, key_blocks) attention_backward_keys_##suffix(                                                                            \
        const bf16* __restrict__ qkv, const bf16* __restrict__ dout, const float* __restrict__ lse, const float* __restrict__ delta,     \
        bf16* __restrict__ dqkv, float* __restrict__ partial, const int* __restrict__ items, const int* __restrict__ ranges,             \
        int queries, int keys, int dim, float scale) {                                                                                   \
        backward_keys<D>(qkv, dout, lse, delta, dqkv, partial, items, ranges, Heads{queries, keys, dim}, scale);                         \
    }
BACKWARD(64, 64, 3, 2)
BACKWARD(128, 128, 2, 2)
