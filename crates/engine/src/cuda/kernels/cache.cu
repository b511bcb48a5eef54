// Keys and values in pages of 64 tokens: a layer's pools are [page][kv head][64][dim], a token's slot is page * 64 + offset.
#include "device.cuh"

const int PAGE = 64;

/// Row i's keys and values to slots[i].
KERNEL(128, 1) cache_append(const bf16* __restrict__ qkv, bf16* __restrict__ key_pool, bf16* __restrict__ value_pool,
                            const u32* __restrict__ slots, int queries, int keys, int dim) {
    const bf16* row = qkv + (u64)blockIdx.x * (queries + 2 * keys) * dim;
    u64 page = slots[blockIdx.x] / PAGE, offset = slots[blockIdx.x] % PAGE;
    for (int i = threadIdx.x; i < keys * dim; i += 128) {
        u64 to = ((page * keys + i / dim) * PAGE + offset) * dim + i % dim;
        key_pool[to] = row[queries * dim + i];
        value_pool[to] = row[(queries + keys) * dim + i];
    }
}
