// Attention of one new token a sequence over its paged cache, with the bits of attention_forward: the queries of a key head are the rows of one tile,
// pages are its tiles of keys. Four warps share the work without changing an operation: each has the scores of 16 keys, all of them do the same softmax,
// each has a quarter of the output's columns.
//
// Keys and values come through a ring of RING tiles: keys, values, the next keys. A tile is copied into the place of the one that all warps have just left,
// so one barrier a tile says both that it has come and that a place is free.
#include "attention.cuh"

template <int D, int RING>
DEVICE void decode(const bf16* qkv, const bf16* key_pool, const bf16* value_pool, const u32* page_table, const u32* lengths, bf16* out,
                   Heads heads, int max_pages, float scale) {
    const int TILE = KEY_TILE * D;
    DYNAMIC_SHARED(dynamic);
    bf16* ring = (bf16*)dynamic;                    // [RING][64][D]
    bf16* queries = ring + RING * TILE;             // [16][D]
    float* scores = (float*)(queries + 16 * D);     // [8][32][4]: eight keys, and what a lane has of them in the order of `mma`
    int key_head = blockIdx.x, sequence = blockIdx.y, dim = heads.dim;
    int first_head = key_head * heads.group() + 16 * blockIdx.z, live_heads = smaller(16, heads.group() - 16 * blockIdx.z);
    int length = (int)lengths[sequence], count = (length + KEY_TILE - 1) / KEY_TILE;
    const u32* pages = page_table + (u64)sequence * max_pages;
    bool vectors = dim % 8 == 0;

    // The next tile to be copied, keys if even, and its page, which is asked for one tile ahead: no copy waits for it.
    int next = 0;
    u32 page = pages[0];
    auto fill = [&]() {
        if (next < 2 * count) {
            const bf16* from = (next % 2 == 0 ? key_pool : value_pool) + ((u64)page * heads.keys + key_head) * KEY_TILE * dim;
            fill_tile<D, KEY_TILE, 128>(ring + next % RING * TILE, length - next / 2 * KEY_TILE, dim, vectors, [&](int r) { return from + r * dim; });
            next++;
            if (next < 2 * count) page = pages[next / 2];
        }
        copy_commit();
    };
    // The tile of this number, when it has come and all warps have left the one before it.
    auto take = [&](int tile) {
        copy_wait<RING - 2>();
        block_sync();
        fill();
        return ring + tile % RING * TILE;
    };
    fill_tile<D, 16, 128>(queries, live_heads, dim, vectors,
                          [&](int r) { return qkv + (u64)sequence * heads.stride() + (first_head + r) * dim; });
    for (int i = 0; i < RING - 1; i++) fill();

    float scale2 = scale * LOG2_E;
    Online<D / 32> o;
    start(o);
    for (int t = 0; t < count; t++) {
        float part[2][4], s[8][4];
        times_rows<D>(part, queries, 0, take(2 * t), 16 * warp_id());
#pragma unroll
        for (int n = 0; n < 2; n++)
            store16(scores + ((2 * warp_id() + n) * 32 + lane_id()) * 4,
                    uint4{float_bits(part[n][0]), float_bits(part[n][1]), float_bits(part[n][2]), float_bits(part[n][3])});
        const bf16* values = take(2 * t + 1);
#pragma unroll
        for (int n = 0; n < 8; n++) {
            uint4 four = load16(scores + (n * 32 + lane_id()) * 4);
            s[n][0] = bits_float(four.x), s[n][1] = bits_float(four.y), s[n][2] = bits_float(four.z), s[n][3] = bits_float(four.w);
        }
        if ((t + 1) * KEY_TILE > length - 1) mask_scores(s, t * KEY_TILE, length - 1, length - 1);
        absorb(o, s, scale2);
        times_columns<D>(o.out, s, values, D / 4 * warp_id());
    }
    float sum0 = quad_sum(o.sum[0]), sum1 = quad_sum(o.sum[1]);
    write_rows(o.out, count == 0 ? 0.0f : 1.0f / sum0, count == 0 ? 0.0f : 1.0f / sum1, 0, live_heads, D / 4 * warp_id(), dim,
               [&](int r) { return out + (u64)sequence * heads.width() + (first_head + r) * dim; });
}

#define DECODE(name, D, ring, blocks)                                                                                                     \
    KERNEL(128, blocks) name(const bf16* __restrict__ qkv, const bf16* __restrict__ key_pool, const bf16* __restrict__ value_pool,        \
                             const u32* __restrict__ page_table, const u32* __restrict__ lengths, bf16* __restrict__ out, int queries,    \
                             int keys, int dim, int max_pages, float scale) {                                                             \
        decode<D, ring>(qkv, key_pool, value_pool, page_table, lengths, out, Heads{queries, keys, dim}, max_pages, scale);                \
    }
// As many blocks as a multiprocessor of 228 KB holds: 5 of 38,912 bytes, 4 of 57,344.
DECODE(decode_attention_64, 64, 4, 5)
DECODE(decode_attention_128, 128, 3, 4)
