// Attention of one new token a sequence over its paged cache, with the bits of attention_forward: the queries of a key head are the rows of one tile,
// pages are its tiles of keys. Four warps share the work without changing an operation: each has the scores of 16 keys, all of them do the same softmax,
// each has a quarter of the output's columns.
#include "attention.cuh"

const int SCORE_STRIDE = 72; // floats from row to row: rows of a fragment start 8 banks apart

template <int D>
DEVICE void decode(const bf16* qkv, const bf16* key_pool, const bf16* value_pool, const u32* page_table, const u32* lengths, bf16* out,
                   Heads heads, int max_pages, float scale) {
    DYNAMIC_SHARED(dynamic);
    bf16* queries = (bf16*)dynamic;                          // [16][D]
    bf16* pairs = queries + 16 * D;                          // two of keys [64][D], values [64][D]
    float* scores = (float*)(pairs + 4 * KEY_TILE * D);      // [16][72]
    int key_head = blockIdx.x, sequence = blockIdx.y, dim = heads.dim;
    int first_head = key_head * heads.group() + 16 * blockIdx.z, live_heads = smaller(16, heads.group() - 16 * blockIdx.z);
    int length = (int)lengths[sequence], count = (length + KEY_TILE - 1) / KEY_TILE;
    const u32* pages = page_table + (u64)sequence * max_pages;
    bool vectors = dim % 8 == 0;

    auto fill = [&](int t) {
        bf16* to = pairs + t % 2 * 2 * KEY_TILE * D;
        int live = length - t * KEY_TILE;
        u64 page = ((u64)pages[t] * heads.keys + key_head) * KEY_TILE * dim;
        fill_tile<D, KEY_TILE, 128>(to, live, dim, vectors, [&](int r) { return key_pool + page + r * dim; });
        fill_tile<D, KEY_TILE, 128>(to + KEY_TILE * D, live, dim, vectors, [&](int r) { return value_pool + page + r * dim; });
    };
    fill_tile<D, 16, 128>(queries, live_heads, dim, vectors,
                          [&](int r) { return qkv + (u64)sequence * heads.stride() + (first_head + r) * dim; });
    fill(0);
    copy_commit();

    float scale2 = scale * LOG2_E;
    int group = lane_id() / 4, quad = lane_id() % 4 * 2;
    Online<D / 32> o;
    start(o);
    for (int t = 0; t < count; t++) {
        if (t + 1 < count) fill(t + 1);
        copy_commit();
        copy_wait<1>();
        block_sync();
        const bf16* keys = pairs + t % 2 * 2 * KEY_TILE * D;
        float part[2][4], s[8][4];
        times_rows<D>(part, queries, 0, keys, 16 * warp_id());
#pragma unroll
        for (int n = 0; n < 2; n++) {
#pragma unroll
            for (int e = 0; e < 4; e++)
                scores[(group + e / 2 * 8) * SCORE_STRIDE + 16 * warp_id() + 8 * n + quad + e % 2] = part[n][e];
        }
        block_sync();
#pragma unroll
        for (int n = 0; n < 8; n++) {
#pragma unroll
            for (int e = 0; e < 4; e++) s[n][e] = scores[(group + e / 2 * 8) * SCORE_STRIDE + 8 * n + quad + e % 2];
        }
        if ((t + 1) * KEY_TILE > length - 1) mask_scores(s, t * KEY_TILE, length - 1, length - 1);
        absorb(o, s, scale2);
        times_columns<D>(o.out, s, keys + KEY_TILE * D, D / 4 * warp_id());
        block_sync();
    }
    float sum0 = quad_sum(o.sum[0]), sum1 = quad_sum(o.sum[1]);
    write_rows(o.out, count == 0 ? 0.0f : 1.0f / sum0, count == 0 ? 0.0f : 1.0f / sum1, 0, live_heads, D / 4 * warp_id(), dim,
               [&](int r) { return out + (u64)sequence * heads.width() + (first_head + r) * dim; });
}

#define DECODE(name, D, blocks)                                                                                                           \
    KERNEL(128, blocks) name(const bf16* __restrict__ qkv, const bf16* __restrict__ key_pool, const bf16* __restrict__ value_pool,        \
                             const u32* __restrict__ page_table, const u32* __restrict__ lengths, bf16* __restrict__ out, int queries,    \
                             int keys, int dim, int max_pages, float scale) {                                                             \
        decode<D>(qkv, key_pool, value_pool, page_table, lengths, out, Heads{queries, keys, dim}, max_pages, scale);                      \
    }
DECODE(decode_attention_64, 64, 4)
DECODE(decode_attention_128, 128, 2)
