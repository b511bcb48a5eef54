// All kernels as host code, behind an interface like cuLaunchKernel's.
#include "../adamw.cu"
#include "../attention_backward.cu"
#include "../attention_forward.cu"
#include "../convert.cu"
#include "../decode_attention.cu"
#include "../embed.cu"
#include "../head.cu"
#include "../linear.cu"
#include "../linear_hopper.cu"
#include "../norm.cu"
#include "../qk_norm.cu"
#include "../rope.cu"
#include "../sample.cu"
#include "../square_sum.cu"
#include "../swiglu.cu"

#include "machine.cpp"

namespace {
template <class... T, size_t... i>
void call(void (*kernel)(T...), void** params, std::index_sequence<i...>) {
    kernel(*(T*)params[i]...);
}
template <class... T>
constexpr size_t parameters(void (*)(T...)) {
    return sizeof...(T);
}
template <auto kernel>
void unpack(void** params) {
    call(kernel, params, std::make_index_sequence<parameters(kernel)>());
}

struct Entry {
    const char* name;
    void (*body)(void**);
    size_t parameters;
};
#define ENTRY(name) {#name, unpack<name>, parameters(name)}
const Entry ENTRIES[] = {
    ENTRY(adamw_float), ENTRY(adamw_bf16), ENTRY(attention_delta), ENTRY(attention_backward_query_64),
    ENTRY(attention_backward_query_128), ENTRY(attention_backward_keys_64), ENTRY(attention_backward_keys_128),
    ENTRY(attention_fold_keys), ENTRY(attention_forward_64), ENTRY(attention_forward_128),
    ENTRY(narrow), ENTRY(widen), ENTRY(add), ENTRY(decode_attention_64), ENTRY(decode_attention_128),
    ENTRY(embed), ENTRY(embed_backward), ENTRY(gather), ENTRY(scatter), ENTRY(row_statistics), ENTRY(target_statistics),
    ENTRY(head_gradient), ENTRY(linear_256_bf16), ENTRY(linear_256_float), ENTRY(linear_128_bf16), ENTRY(linear_128_float), ENTRY(linear_64_bf16), ENTRY(linear_64_float),
    ENTRY(linear_16_bf16), ENTRY(linear_16_float),
    ENTRY(linear_hopper_64x16_bf16), ENTRY(linear_hopper_64x16_float), ENTRY(linear_hopper_64x32_bf16), ENTRY(linear_hopper_64x32_float),
    ENTRY(linear_hopper_64x48_bf16), ENTRY(linear_hopper_64x48_float), ENTRY(linear_hopper_64x64_bf16), ENTRY(linear_hopper_64x64_float),
    ENTRY(linear_hopper_64x112_bf16), ENTRY(linear_hopper_64x112_float), ENTRY(linear_hopper_128x152_bf16), ENTRY(linear_hopper_128x152_float),
    ENTRY(linear_hopper_256x160_bf16), ENTRY(linear_hopper_256x160_float), ENTRY(rmsnorm), ENTRY(add_rmsnorm), ENTRY(rmsnorm_backward),
    ENTRY(fold_columns), ENTRY(column_sums), ENTRY(qk_norm), ENTRY(qk_norm_backward), ENTRY(rope), ENTRY(rope_append), ENTRY(sample),
    ENTRY(square_sum), ENTRY(fold_sum), ENTRY(swiglu), ENTRY(swiglu_backward),
};

thread_local std::string last_error;
} // namespace

extern "C" int emulated_launch(const char* kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                               unsigned shared_bytes, void** params) {
    for (const Entry& entry : ENTRIES) {
        if (strcmp(entry.name, kernel) != 0) continue;
        last_error = emulation::launch(entry.body, {gx, gy, gz}, {bx, by, bz}, shared_bytes, params);
        if (!last_error.empty()) last_error = std::string(kernel) + ": " + last_error;
        return last_error.empty() ? 0 : 1;
    }
    last_error = std::string("no kernel is called ") + kernel;
    return 1;
}

extern "C" const char* emulated_error(void) { return last_error.c_str(); }
extern "C" void emulated_order(int order) { emulation::m.order = order; }
