// Causal attention with grouped queries over packed segments with shared prefixes: o_i = sum_j softmax_j(scale q_i k_j) v_j, online over tiles of 64
// keys (Milakov & Gimelshein 2018, Dao 2023). A block has 64 queries of one head, a warp 16 of them.
#include "attention.cuh"

template <int D>
DEVICE void forward(const bf16* qkv, bf16* out, float* lse, const int* tiles, Heads heads, float scale) {
    DYNAMIC_SHARED(dynamic);
    bf16* queries = (bf16*)dynamic;          // [64][D]
    bf16* pairs = queries + QUERY_TILE * D;  // two of keys [64][D], values [64][D]
    QueryTile tile = query_tile(tiles + 8 * blockIdx.x);
    int head = blockIdx.y, key_head = head / heads.group(), dim = heads.dim;
    u64 stride = heads.stride();
    bool vectors = dim % 8 == 0;
    int count = (tile.keys() + KEY_TILE - 1) / KEY_TILE;

    auto fill = [&](int t) { fill_keys<D>(pairs, t, tile, qkv, heads, key_head, vectors); };
    fill_tile<D, QUERY_TILE, 128>(queries, tile.count, dim, vectors,
                                  [&](int r) { return qkv + (tile.row + r) * stride + head * dim; });
    fill(0);
    copy_commit();

    // Rows beyond the tile do as its last one, so that every row has a key.
    int first = 16 * warp_id(), row0 = smaller(first + lane_id() / 4, tile.count - 1), row1 = smaller(first + lane_id() / 4 + 8, tile.count - 1);
    float scale2 = scale * LOG2_E;
    Online<D / 8> o;
    start(o);
    for (int t = 0; t < count; t++) {
        if (t + 1 < count) fill(t + 1);
        copy_commit();
        copy_wait<1>();
        block_sync();
        const bf16* keys = pairs + t % 2 * 2 * KEY_TILE * D;
        float s[8][4];
        times_rows<D>(s, queries, first, keys, 0);
        if ((t + 1) * KEY_TILE > tile.position) mask_scores(s, t * KEY_TILE, tile.position + row0, tile.position + row1);
        absorb(o, s, scale2);
        times_columns<D>(o.out, s, keys + KEY_TILE * D, 0);
        block_sync();
    }
    float sum0 = quad_sum(o.sum[0]), sum1 = quad_sum(o.sum[1]);
    write_rows(o.out, 1.0f / sum0, 1.0f / sum1, first, tile.count, 0, dim,
               [&](int r) { return out + (u64)(tile.row + r) * heads.width() + head * dim; });
    if (lane_id() % 4 == 0) {
        for (int h = 0; h < 2; h++) {
            int row = first + lane_id() / 4 + 8 * h;
            if (row < tile.count) lse[(u64)(tile.row + row) * heads.queries + head] = fmaf(o.max[h], scale, logf(h == 0 ? sum0 : sum1));
        }
    }
}

#define FORWARD(name, D, blocks)                                                                                                      \
    KERNEL(128, blocks) name(const bf16* __restrict__ qkv, bf16* __restrict__ out, float* __restrict__ lse,                           \
                             const int* __restrict__ tiles, int queries, int keys, int dim, float scale) {                            \
        forward<D>(qkv, out, lse, tiles, Heads{queries, keys, dim}, scale);                                                           \
    }
FORWARD(attention_forward_64, 64, 3)
FORWARD(attention_forward_128, 128, 2)
