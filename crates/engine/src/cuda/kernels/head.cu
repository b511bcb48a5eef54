// The vocabulary head over a block of rows, whose logits are in a scratch of bounded size: statistics, log-probabilities, gradient.
#include "statistics.cuh"

/// statistics[row] = {log_sum, max, entropy, 0}.
KERNEL(ROW_THREADS, 1) row_statistics(const float* __restrict__ logits, int vocabulary, float scale, float* __restrict__ statistics) {
    RowStatistics s = row_statistics_of(logits + (u64)blockIdx.x * vocabulary, vocabulary, scale);
    if (threadIdx.x == 0) store_four(statistics + 4 * (u64)blockIdx.x, Four{{s.log_sum, s.max, s.entropy, 0.0f}}, 4);
}

/// Log-probability and entropy of each target; `rows` counts from the block's first row.
KERNEL(128, 1) target_statistics(const float* __restrict__ logits, const float* __restrict__ statistics, const u32* __restrict__ rows,
                                 const u32* __restrict__ tokens, int count, int vocabulary, float scale, float* __restrict__ logp,
                                 float* __restrict__ entropy) {
    int i = blockIdx.x * 128 + threadIdx.x;
    if (i >= count) return;
    u64 row = rows[i];
    logp[i] = token_logp(logits[row * vocabulary + tokens[i]], scale, statistics[4 * row]);
    entropy[i] = statistics[4 * row + 2];
}

/// dlogits = scale (sum_i grad_logp[i] onehot(token_i) - softmax (sum_i grad_logp[i] + sum_i grad_entropy[i] (log softmax + entropy))) over the
/// targets of a row; `grad_entropy` may be null. `dlogits` may lie in the place of `logits`: what is written has been read by then.
KERNEL(ROW_THREADS, 1) head_gradient(const float* logits, bf16* dlogits, u64 stride, const float* __restrict__ statistics,
                                     const u32* __restrict__ offsets, const u32* __restrict__ tokens,
                                     const float* __restrict__ grad_logp, const float* __restrict__ grad_entropy, int vocabulary,
                                     float scale) {
    const float* from = logits + (u64)blockIdx.x * vocabulary;
    bf16* to = dlogits + (u64)blockIdx.x * stride;
    float log_sum = statistics[4 * (u64)blockIdx.x], entropy = statistics[4 * (u64)blockIdx.x + 2];
    u32 first = offsets[blockIdx.x], last = offsets[blockIdx.x + 1];
    float total = 0.0f, pull = 0.0f;
    for (u32 i = first; i < last; i++) total += grad_logp[i];
    for (u32 i = first; grad_entropy && i < last; i++) pull += grad_entropy[i];
    float factor = -scale * total, slope = -scale * pull;
    for (int base = 0; base < vocabulary; base += 4 * ROW_THREADS) {
        int c = base + 4 * threadIdx.x, live = vocabulary - c;
        Four v = {};
        if (live > 0) {
            v = load_four(from + c, live);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float logp = fmaf(v.v[j], scale, -log_sum);
                v.v[j] = exp_fast(logp) * fmaf(slope, logp + entropy, factor);
            }
            for (u32 i = first; i < last; i++) {
                int place = (int)tokens[i] - c;
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (place == j) v.v[j] += scale * grad_logp[i];
            }
        }
        block_sync();
        if (live > 0) store_four(to + c, v, live);
    }
}
