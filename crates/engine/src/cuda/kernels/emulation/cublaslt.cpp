// cuBLASLt's matrix products as plain loops, part of the emulated driver. What a real one would refuse or read wrongly is an error here.

namespace cublaslt {
const int SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15;
const int R_32F = 0, R_16BF = 14, COMPUTE_32F = 68, EPILOGUE_DEFAULT = 1, EPILOGUE_BIAS = 4;

struct Description {
    int transpose_a = 0, transpose_b = 0, epilogue = EPILOGUE_DEFAULT;
    const void* bias = nullptr;
};
struct Layout {
    int type;
    u64 rows, columns;
    long long stride;
};
struct Preference {
    u64 workspace = 0;
    unsigned aligned[4] = {256, 256, 256, 256};
};
/// What the heuristic chose: what it was chosen for must be what is multiplied.
struct Algorithm {
    unsigned aligned[4];
    u64 m, n, k;
    int with_bias, unused[5];
};
struct Heuristic {
    Algorithm algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96, "as in cublasLt.h");

int complain(int status, const char* what) {
    fprintf(stderr, "emulated cuBLASLt: %s\n", what);
    return status;
}

struct Sizes {
    u64 m, n, k;
    bool fit;
};
Sizes sizes(const Description& d, const Layout& a, const Layout& b, const Layout& c) {
    u64 m = d.transpose_a ? a.columns : a.rows, k = d.transpose_a ? a.rows : a.columns;
    u64 inner = d.transpose_b ? b.columns : b.rows, n = d.transpose_b ? b.rows : b.columns;
    auto whole = [](const Layout& l) { return l.stride >= (long long)l.rows; };
    bool types = a.type == R_16BF && b.type == R_16BF && (c.type == R_16BF || c.type == R_32F);
    return {m, n, k, k == inner && c.rows == m && c.columns == n && whole(a) && whole(b) && whole(c) && types};
}

void multiply(const Description& d, float alpha, const void* a, const Layout& la, const void* b, const Layout& lb, float beta, void* c, const Layout& lc) {
    auto half = [](const void* at, u64 i) { return bits_float((u32)((const unsigned short*)at)[i] << 16); };
    Sizes s = sizes(d, la, lb, lc);
    for (u64 column = 0; column < s.n; column++)
        for (u64 row = 0; row < s.m; row++) {
            float sum = 0;
            for (u64 i = 0; i < s.k; i++)
                sum += half(a, d.transpose_a ? i + row * la.stride : row + i * la.stride) *
                       half(b, d.transpose_b ? column + i * lb.stride : i + column * lb.stride);
            sum *= alpha;
            u64 at = row + column * lc.stride;
            // With beta 0 nothing is read: there may be NaN.
            if (lc.type == R_32F && beta != 0) sum += beta * ((float*)c)[at];
            if (d.epilogue == EPILOGUE_BIAS) sum += half(d.bias, row);
            if (lc.type == R_32F)
                ((float*)c)[at] = sum;
            else
                ((unsigned short*)c)[at] = (unsigned short)round_bf16(sum);
        }
}
} // namespace cublaslt

API cublasLtCreate(void** handle) { return *handle = &context, cublaslt::SUCCESS; }
API cublasLtDestroy(void*) { return cublaslt::SUCCESS; }
API cublasLtMatmulDescCreate(cublaslt::Description** out, int compute, int scale) {
    if (compute != cublaslt::COMPUTE_32F || scale != cublaslt::R_32F) return cublaslt::NOT_SUPPORTED;
    return *out = new cublaslt::Description, cublaslt::SUCCESS;
}
API cublasLtMatmulDescDestroy(cublaslt::Description* d) { return delete d, cublaslt::SUCCESS; }
API cublasLtMatmulDescSetAttribute(cublaslt::Description* d, int what, const void* value, size_t bytes) {
    struct Place {
        int what;
        void* at;
        size_t bytes;
    } places[] = {{3, &d->transpose_a, 4}, {4, &d->transpose_b, 4}, {7, &d->epilogue, 4}, {8, &d->bias, 8}};
    for (Place& place : places)
        if (place.what == what && place.bytes == bytes) return memcpy(place.at, value, bytes), cublaslt::SUCCESS;
    return cublaslt::complain(cublaslt::INVALID_VALUE, "an attribute of a description that is not known here");
}
API cublasLtMatrixLayoutCreate(cublaslt::Layout** out, int type, u64 rows, u64 columns, long long stride) {
    return *out = new cublaslt::Layout{type, rows, columns, stride}, cublaslt::SUCCESS;
}
API cublasLtMatrixLayoutDestroy(cublaslt::Layout* l) { return delete l, cublaslt::SUCCESS; }
API cublasLtMatmulPreferenceCreate(cublaslt::Preference** out) { return *out = new cublaslt::Preference, cublaslt::SUCCESS; }
API cublasLtMatmulPreferenceDestroy(cublaslt::Preference* p) { return delete p, cublaslt::SUCCESS; }
API cublasLtMatmulPreferenceSetAttribute(cublaslt::Preference* p, int what, const void* value, size_t bytes) {
    if (what == 1 && bytes == 8) return memcpy(&p->workspace, value, 8), cublaslt::SUCCESS;
    if (what >= 5 && what <= 8 && bytes == 4) return memcpy(&p->aligned[what - 5], value, 4), cublaslt::SUCCESS;
    return cublaslt::complain(cublaslt::INVALID_VALUE, "an attribute of a preference that is not known here");
}
API cublasLtMatmulAlgoGetHeuristic(void*, const cublaslt::Description* d, const cublaslt::Layout* a, const cublaslt::Layout* b, const cublaslt::Layout* c,
                                   const cublaslt::Layout*, const cublaslt::Preference* p, int asked, cublaslt::Heuristic* out, int* found) {
    cublaslt::Sizes s = cublaslt::sizes(*d, *a, *b, *c);
    *found = 0;
    if (!s.fit || asked < 1) return cublaslt::complain(cublaslt::INVALID_VALUE, "shapes that do not fit");
    bool with_bias = d->epilogue == cublaslt::EPILOGUE_BIAS;
    if (with_bias && !d->bias) return cublaslt::complain(cublaslt::INVALID_VALUE, "a bias that is nowhere");
    *out = {};
    out->algorithm = {{p->aligned[0], p->aligned[1], p->aligned[2], p->aligned[3]}, s.m, s.n, s.k, with_bias, {}};
    return *found = 1, cublaslt::SUCCESS;
}
API cublasLtMatmul(void*, const cublaslt::Description* d, const float* alpha, const void* a, const cublaslt::Layout* la, const void* b,
                   const cublaslt::Layout* lb, const float* beta, const void* c, const cublaslt::Layout* lc, void* out, const cublaslt::Layout*,
                   const cublaslt::Algorithm* algorithm, void* workspace, size_t workspace_bytes, Stream* stream) {
    LOCKED;
    if (enter()) return cublaslt::INVALID_VALUE;
    cublaslt::Description description = *d;
    cublaslt::Layout left = *la, right = *lb, result = *lc;
    cublaslt::Sizes s = cublaslt::sizes(*d, left, right, result);
    bool chosen = algorithm->m == s.m && algorithm->n == s.n && algorithm->k == s.k && algorithm->with_bias == (d->epilogue == cublaslt::EPILOGUE_BIAS);
    if (!s.fit || !chosen || c != out) return cublaslt::complain(cublaslt::INVALID_VALUE, "another product than the one that was planned");
    auto span = [](const cublaslt::Layout& l) { return ((l.columns - 1) * (u64)l.stride + l.rows) * (l.type == cublaslt::R_32F ? 4 : 2); };
    const void* operands[] = {a, b, out};
    const cublaslt::Layout* layouts[] = {&left, &right, &result};
    for (int i = 0; i < 3; i++) {
        if ((u64)operands[i] % algorithm->aligned[i]) return cublaslt::complain(cublaslt::INVALID_VALUE, "an operand is not aligned as was said");
        if (!owned((u64)operands[i], span(*layouts[i]))) return cublaslt::complain(cublaslt::INVALID_VALUE, "an operand is beside its memory");
    }
    if (!owned((u64)workspace, workspace_bytes)) return cublaslt::complain(cublaslt::INVALID_VALUE, "scratch memory beside its memory");
    if (description.epilogue == cublaslt::EPILOGUE_BIAS && ((u64)description.bias % 16 || !owned((u64)description.bias, 2 * s.m)))
        return cublaslt::complain(cublaslt::INVALID_VALUE, "the bias is not aligned, or beside its memory");
    float one = *alpha, add = *beta;
    return enqueue(stream, [=] {
        cublaslt::multiply(description, one, a, left, b, right, add, out, result);
        return SUCCESS;
    });
}
