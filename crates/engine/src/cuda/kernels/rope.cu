// Rotary position embedding in the half-split form, in place: (low, high) turn by their position's angle, sign -1 turns back. In prefill and decoding the same
// kernel puts the row's keys and values into the cache.
//
// A layer's pools of keys and values are [page][kv head][64][dim]; a token's slot is page * 64 + offset.
#include "device.cuh"

const int PAGE = 64;

/// Turns the first `heads` heads of a row; `put(head, d, value)` takes elements d and d + 1 of a head, or one if half a head is odd.
template <class Put>
DEVICE void turn(const bf16* row, const float* cosines, const float* sines, int heads, int dim, bool pairs, float sign, const Put& put) {
    int half = dim / 2;
    if (pairs) {
        // Two pairs at once, by 4-byte accesses.
        for (int i = threadIdx.x; i < heads * half / 2; i += 128) {
            int head = i / (half / 2), d = 2 * (i % (half / 2));
            const bf16* low = row + head * dim + d;
            u32 a = load4(low), b = load4(low + half);
            float c0 = cosines[d], c1 = cosines[d + 1], s0 = sines[d] * sign, s1 = sines[d + 1] * sign;
            float a0 = low_float(a), a1 = high_float(a), b0 = low_float(b), b1 = high_float(b);
            put(head, d, pack(fmaf(a0, c0, -(b0 * s0)), fmaf(a1, c1, -(b1 * s1))));
            put(head, d + half, pack(fmaf(b0, c0, a0 * s0), fmaf(b1, c1, a1 * s1)));
        }
        return;
    }
    for (int i = threadIdx.x; i < heads * half; i += 128) {
        int head = i / half, d = i % half;
        const bf16* low = row + head * dim + d;
        float a = to_float(low[0]), b = to_float(low[half]), c = cosines[d], s = sines[d] * sign;
        put(head, d, to_bf16(fmaf(a, c, -(b * s))));
        put(head, d + half, to_bf16(fmaf(b, c, a * s)));
    }
}

DEVICE bool in_pairs(int dim, int stride) { return dim / 2 % 2 == 0 && stride % 2 == 0; }
DEVICE void put(bf16* to, u32 pair) { store4(to, pair); }
DEVICE void put(bf16* to, bf16 one) { *to = one; }

/// Puts elements of a row's heads back. (Structs and not lambdas: NVRTC 13.0 takes a generic lambda for a function of the host.)
struct InPlace {
    bf16* row;
    int dim;

    template <class Elements>
    DEVICE_MEMBER void operator()(int head, int d, Elements elements) const {
        put(row + head * dim + d, elements);
    }
};

/// Puts them back, and those of keys into the cache.
struct InCache {
    InPlace row;
    bf16* key_pool;
    int queries, keys;
    u64 page, offset;

    DEVICE_MEMBER u64 at(int key_head) const { return ((page * keys + key_head) * PAGE + offset) * row.dim; }
    template <class Elements>
    DEVICE_MEMBER void operator()(int head, int d, Elements elements) const {
        row(head, d, elements);
        if (head >= queries) put(key_pool + at(head - queries) + d, elements);
    }
};

KERNEL(128, 1) rope(bf16* __restrict__ qkv, const u32* __restrict__ positions, const float* __restrict__ cosines,
                    const float* __restrict__ sines, int heads, int dim, int stride, float sign) {
    bf16* row = qkv + (u64)blockIdx.x * stride;
    u64 at = (u64)positions[blockIdx.x] * (dim / 2);
    turn(row, cosines + at, sines + at, heads, dim, in_pairs(dim, stride), sign, InPlace{row, dim});
}

/// Turns row i, and puts its keys and values to slots[i].
KERNEL(128, 1) rope_append(bf16* __restrict__ qkv, const u32* __restrict__ positions, const float* __restrict__ cosines,
                           const float* __restrict__ sines, bf16* __restrict__ key_pool, bf16* __restrict__ value_pool,
                           const u32* __restrict__ slots, int queries, int keys, int dim) {
    int stride = (queries + 2 * keys) * dim;
    bf16* row = qkv + (u64)blockIdx.x * stride;
    u64 at = (u64)positions[blockIdx.x] * (dim / 2);
    InCache cache = {{row, dim}, key_pool, queries, keys, slots[blockIdx.x] / PAGE, slots[blockIdx.x] % PAGE};
    turn(row, cosines + at, sines + at, queries + keys, dim, in_pairs(dim, stride), 1.0f, cache);
    const bf16* values = row + (queries + keys) * dim;
    for (int i = threadIdx.x; i < keys * dim; i += 128) value_pool[cache.at(i / dim) + i % dim] = values[i];
}
