// The choice of a next token by one uniform number: inverse of the cumulated distribution after top-k, top-p and min-p, by the rule of
// `cpu/sample.rs`. Weights are exp(scale logit - max) in fixed point (2^44 is 1), so sums are exact in any order and atomics are harmless.
#include "statistics.cuh"

const int SCAN_BLOCK = 256; // tokens whose weights are summed before one is looked for

/// A row and what is still in it: tokens with a larger key than `least`, and of those with that key the first up to `last`.
struct Row {
    const float* logits;
    int vocabulary;
    float scale, max;
    u32 least;
    int last;

    DEVICE_MEMBER u32 key(int i) const { return float_bits(exp_exact(fmaf(logits[i], scale, -max))); }
    DEVICE_MEMBER bool kept(u32 key, int i) const { return key > least || (key == least && i <= last); }
};

DEVICE u64 weight_of(u32 key) { return (u64)(bits_float(key) * 17592186044416.0f); }

/// What a search counts: weight or number of the tokens that are kept, or number of those that have one key.
struct Weights {
    DEVICE_MEMBER u64 operator()(const Row& row, int i) const {
        u32 key = row.key(i);
        return row.kept(key, i) ? weight_of(key) : 0;
    }
};
struct Equal {
    u32 key;
    DEVICE_MEMBER u64 operator()(const Row& row, int i) const {
        u32 key_of = row.key(i);
        return key_of == key && row.kept(key_of, i) ? 1 : 0;
    }
};

template <class Measure>
DEVICE u64 total_of(const Row& row, const Measure& measure) {
    STATIC_SHARED u64 scratch[16];
    u64 sum = 0;
    for (int i = threadIdx.x; i < row.vocabulary; i += ROW_THREADS) sum += measure(row, i);
    return block_sum<ROW_THREADS>(sum, scratch);
}

/// The first token with which the cumulated measure passes `target`, which is below the total. `sums` has a place for each 256 tokens.
template <class Measure>
DEVICE int locate(const Row& row, const Measure& measure, u64 target, u64* sums) {
    STATIC_SHARED u64 parts[32];
    STATIC_SHARED u64 left;
    STATIC_SHARED int place;
    int blocks = (row.vocabulary + SCAN_BLOCK - 1) / SCAN_BLOCK, share = (blocks + 31) / 32;
    block_sync();
    for (int b = warp_id(); b < blocks; b += ROW_THREADS / 32) {
        u64 sum = 0;
        for (int i = b * SCAN_BLOCK + lane_id(); i < smaller((b + 1) * SCAN_BLOCK, row.vocabulary); i += 32) sum += measure(row, i);
        sum = warp_sum(sum);
        if (lane_id() == 0) sums[b] = sum;
    }
    block_sync();
    if (threadIdx.x < 32) {
        u64 sum = 0;
        for (int b = threadIdx.x * share; b < smaller((threadIdx.x + 1) * share, blocks); b++) sum += sums[b];
        parts[threadIdx.x] = sum;
    }
    block_sync();
    if (threadIdx.x == 0) {
        int part = 0;
        while (target >= parts[part]) target -= parts[part++];
        int block = part * share;
        while (target >= sums[block]) target -= sums[block++];
        place = block;
        left = target;
    }
    block_sync();
    int first = place * SCAN_BLOCK;
    target = left;
    if (threadIdx.x < 32) {
        u64 sum = 0;
        for (int i = first + threadIdx.x * 8; i < smaller(first + threadIdx.x * 8 + 8, row.vocabulary); i++) sum += measure(row, i);
        parts[threadIdx.x] = sum;
    }
    block_sync();
    if (threadIdx.x == 0) {
        int part = 0;
        while (target >= parts[part]) target -= parts[part++];
        int i = first + part * 8;
        for (u64 here = measure(row, i); target >= here; here = measure(row, i)) target -= here, i++;
        place = i;
    }
    block_sync();
    return place;
}

/// Adds to a sum of 64 bits in its two halves: shared memory has no addition of 64 bits but a loop of compare-and-swap, which is slow where most tokens
/// have the same few digits.
DEVICE void add_to(u32& low, u32& high, u64 amount) {
    u32 part = (u32)amount, carry = atomicAdd(&low, part) + part < part ? 1 : 0, rest = (u32)(amount >> 32) + carry;
    if (rest > 0) atomicAdd(&high, rest);
}

/// The key at which the kept tokens, largest first, reach `need` of their weight (or of their number); `rest` is what is still needed of
/// the tokens with that key.
DEVICE u32 select_key(const Row& row, bool by_weight, u64 need, u64& rest) {
    STATIC_SHARED u32 low[256], high[256];
    STATIC_SHARED u32 found;
    STATIC_SHARED u64 missing;
    u32 prefix = 0;
    auto count = [&](int digit) { return (u64)high[digit] << 32 | low[digit]; };
    for (int shift = 24; shift >= 0; shift -= 8) {
        block_sync();
        if (threadIdx.x < 256) low[threadIdx.x] = high[threadIdx.x] = 0;
        block_sync();
        for (int i = threadIdx.x; i < row.vocabulary; i += ROW_THREADS) {
            u32 key = row.key(i);
            if (!row.kept(key, i) || (shift < 24 && key >> (shift + 8) != prefix)) continue;
            u64 amount = by_weight ? weight_of(key) : 1;
            if (amount > 0) add_to(low[key >> shift & 255], high[key >> shift & 255], amount);
        }
        block_sync();
        if (threadIdx.x == 0) {
            int digit = 255;
            u64 left = need;
            while (left > count(digit)) left -= count(digit--);
            found = prefix << 8 | (u32)digit;
            missing = left;
        }
        block_sync();
        prefix = found;
        need = missing;
    }
    rest = need;
    return prefix;
}

/// The first token with the largest logit.
DEVICE int argmax(const float* logits, int vocabulary) {
    STATIC_SHARED u64 scratch[16];
    u64 best = 0;
    for (int i = threadIdx.x; i < vocabulary; i += ROW_THREADS) {
        u32 bits = float_bits(logits[i]);
        bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
        u64 key = (u64)bits << 32 | (u32)~i;
        best = key > best ? key : best;
    }
    for (int mask = 16; mask > 0; mask >>= 1) {
        u64 other = shuffle_xor(best, mask);
        best = other > best ? other : best;
    }
    block_sync();
    if (lane_id() == 0) scratch[warp_id()] = best;
    block_sync();
    for (int w = 0; w < ROW_THREADS / 32; w++) best = scratch[w] > best ? scratch[w] : best;
    return (int)~(u32)best;
}

KERNEL(ROW_THREADS, 1) sample(const float* __restrict__ all_logits, int vocabulary, float temperature, float top_p, int top_k,
                              float min_p, const float* __restrict__ uniforms, u32* __restrict__ tokens, float* __restrict__ logp,
                              float* __restrict__ logp_behavior, float* __restrict__ entropy) {
    DYNAMIC_SHARED(dynamic);
    u64* sums = (u64*)dynamic;
    const float* logits = all_logits + (u64)blockIdx.x * vocabulary;
    float scale = temperature == 0.0f ? 1.0f : 1.0f / temperature;
    RowStatistics s = row_statistics_of(logits, vocabulary, scale);
    int token;
    float kept_share = 1.0f;
    if (temperature == 0.0f) {
        token = argmax(logits, vocabulary);
    } else if (s.log_sum != s.log_sum) {
        token = 0; // A row with not-a-numbers has no sum that a search ends at.
    } else {
        Row row = {logits, vocabulary, scale, s.max, 0, vocabulary};
        u64 all = total_of(row, Weights{}), within = all, rest;
        if (top_k > 0 && top_k < vocabulary) {
            u32 key = select_key(row, false, (u64)top_k, rest);
            int last = locate(row, Equal{key}, rest - 1, sums);
            row.least = key, row.last = last;
            within = total_of(row, Weights{});
        }
        if (top_p < 1.0f) {
            double enough = ceil((double)top_p * (double)within);
            u64 need = enough < 1.0 ? 1 : (u64)enough;
            u32 key = select_key(row, true, need < within ? need : within, rest);
            u64 each = weight_of(key);
            int last = locate(row, Equal{key}, (rest + each - 1) / each - 1, sums);
            row.least = key, row.last = last;
            within = total_of(row, Weights{});
        }
        if (min_p > 0.0f && float_bits(min_p) > row.least) {
            Row before = row;
            row.least = float_bits(min_p) - 1, row.last = -1;
            u64 near = total_of(row, Weights{});
            if (near > 0) within = near; // The largest weight is 1, up to the rounding of its logit; where that leaves none, all stay.
            else row = before;
        }
        // uniform is a multiple of 2^-24, so the product below is exact before it is rounded down.
        u64 u = (u64)(uniforms[blockIdx.x] * 16777216.0f);
        u64 target = (within >> 24) * u + ((within & 0xffffff) * u >> 24);
        token = locate(row, Weights{}, target, sums);
        kept_share = (float)((double)within / (double)all);
    }
    if (threadIdx.x == 0) {
        float own = token_logp(logits[token], scale, s.log_sum);
        tokens[blockIdx.x] = (u32)token;
        logp[blockIdx.x] = own;
        logp_behavior[blockIdx.x] = temperature == 0.0f ? 0.0f : kept_share < 1.0f ? own - logf(kept_share) : own;
        entropy[blockIdx.x] = s.entropy;
    }
}
