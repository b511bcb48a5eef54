// Statistics of softmax(scale * logits) of one row, in one pass; sampler and head both use this, so they agree to the bit. A vocabulary's row is read at the
// speed of memory, which leaves some twenty instructions a logit.
#pragma once
#include "four.cuh"
#include "math.cuh"

const int ROW_THREADS = 512;

struct RowStatistics {
    float log_sum, max, entropy;
};

/// A share of a row: its largest logit, the sum of exp(scale logit - max) and of that times (scale logit - max).
struct Share {
    float best, sum, moment;
};

/// Moves a share to a larger maximum.
DEVICE void raise(Share& s, float best, float scale) {
    if (s.sum > 0.0f) {
        float down = s.best * scale - best * scale, factor = exp_fast(down);
        s.moment = factor * fmaf(down, s.sum, s.moment);
        s.sum *= factor;
    }
    s.best = best;
}

/// A thread's share is columns 4(i 512 + t) to the next 3; shares join in order of the threads' bits.
DEVICE RowStatistics row_statistics_of(const float* logits, int vocabulary, float scale) {
    STATIC_SHARED float best_of[16], sum_of[16], moment_of[16];
    Share own = {-INFINITE, 0.0f, 0.0f};
    for (int c = 4 * threadIdx.x; c < vocabulary; c += 4 * ROW_THREADS) {
        int live = smaller(vocabulary - c, 4);
        Four v = load_four(logits + c, live);
        float best = own.best;
#pragma unroll
        for (int j = 0; j < 4; j++) best = j < live && v.v[j] > best ? v.v[j] : best;
        if (best > own.best) raise(own, best, scale);
        float max = own.best * scale;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (j >= live) continue;
            float above = fmaf(v.v[j], scale, -max), e = exp_fast(above);
            own.sum += e;
            own.moment = fmaf(e, above, own.moment);
        }
    }
    float best = own.best;
    for (int mask = 16; mask > 0; mask >>= 1) {
        float other = shuffle_xor(best, mask);
        best = other > best ? other : best;
    }
    block_sync();
    if (lane_id() == 0) best_of[warp_id()] = best;
    block_sync();
    for (int w = 0; w < ROW_THREADS / 32; w++) best = best_of[w] > best ? best_of[w] : best;
    raise(own, best, scale);
    float sum = block_sum<ROW_THREADS>(own.sum, sum_of), moment = block_sum<ROW_THREADS>(own.moment, moment_of);
    float log_of_sum = logf(sum);
    return RowStatistics{best * scale + log_of_sum, best * scale, log_of_sum - moment / sum};
}

DEVICE float token_logp(float logit, float scale, float log_sum) { return fmaf(logit, scale, -log_sum); }
