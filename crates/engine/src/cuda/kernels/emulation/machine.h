// The machine of device.cuh on a CPU. Threads of a block are fibers that run until a barrier or a warp-wide operation; blocks run one after
// the other. What a GPU does at some time between issue and wait (cp.async, wgmma) is done at one of the two, by the order that is asked for.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

struct Dim3 {
    unsigned x, y, z;
};
struct uint4 {
    unsigned x, y, z, w;
};
struct uint2 {
    unsigned x, y;
};

extern thread_local Dim3 threadIdx, blockIdx, blockDim, gridDim;

#define KERNEL(threads, blocks) extern "C" void
#define DEVICE static inline
#define DEVICE_MEMBER inline
// One block runs at a time, so a static variable is the block's own.
#define STATIC_SHARED static thread_local
#define DYNAMIC_SHARED(name) unsigned char* name = emulation::dynamic_shared()
#define __restrict__ __restrict

namespace emulation {
unsigned char* dynamic_shared();
void block_barrier();
/// Calls `run` once, with the argument that each lane gave, when all lanes of the warp are here.
void together(void (*run)(void** lanes), void* argument);
[[noreturn]] void fail(const char* what);
void copy_issue(void* to, const void* from, bool live);
void copy_commit();
void copy_wait(int left);
void wgmma_issue(float* c, int columns, u64 left, u64 right);
void wgmma_commit();
void wgmma_wait(int left);
void mma_lanes(void** lanes);
void matrices_lanes(void** lanes);
void matrices_transposed_lanes(void** lanes);
void check_shared(const void* p, size_t bytes);

struct Mma {
    float* c;
    const u32* a;
    u32 b[2];
};
struct Matrices {
    u32* r;
    const void* row;
};

template <class T>
struct Shuffle {
    T in, out;
    int mask;
    static void run(void** lanes) {
        for (int l = 0; l < 32; l++) {
            auto* own = (Shuffle*)lanes[l];
            own->out = ((Shuffle*)lanes[l ^ own->mask])->in;
        }
    }
};
template <class T>
T shuffle(T v, int mask) {
    Shuffle<T> s{v, v, mask};
    together(Shuffle<T>::run, &s);
    return s.out;
}
inline void aligned(const void* p, size_t bytes) {
    if ((uintptr_t)p % bytes != 0) fail("a vector access is not aligned");
}
template <class T>
T load(const void* p) {
    aligned(p, sizeof(T));
    T v;
    memcpy(&v, p, sizeof(T));
    return v;
}
template <class T>
void store(void* p, const T& v) {
    aligned(p, sizeof(T));
    memcpy(p, &v, sizeof(T));
}
} // namespace emulation

DEVICE void block_sync() { emulation::block_barrier(); }
DEVICE float shuffle_xor(float v, int mask) { return emulation::shuffle(v, mask); }
DEVICE u64 shuffle_xor(u64 v, int mask) { return emulation::shuffle(v, mask); }
DEVICE double shuffle_xor(double v, int mask) { return emulation::shuffle(v, mask); }

DEVICE u32 float_bits(float v) {
    u32 r;
    memcpy(&r, &v, 4);
    return r;
}
DEVICE float bits_float(u32 v) {
    float r;
    memcpy(&r, &v, 4);
    return r;
}
DEVICE u32 round_bf16(float v) {
    u32 bits = float_bits(v);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
DEVICE u32 pack(float low, float high) { return round_bf16(low) | round_bf16(high) << 16; }
DEVICE float exp2_fast(float x) { return x < -126.0f ? 0.0f : exp2f(x); }

/// Bytes from the start of the block's shared memory.
DEVICE u32 shared_address(const void* p) { return (u32)((const unsigned char*)p - emulation::dynamic_shared()); }

DEVICE uint4 load16(const void* p) { return emulation::load<uint4>(p); }
DEVICE void store16(void* p, uint4 v) { emulation::store(p, v); }
DEVICE uint2 load8(const void* p) { return emulation::load<uint2>(p); }
DEVICE void store8(void* p, uint2 v) { emulation::store(p, v); }
DEVICE u32 load4(const void* p) { return emulation::load<u32>(p); }
DEVICE void store4(void* p, u32 v) { emulation::store(p, v); }

DEVICE void copy_async(void* to, const void* from, bool live) { emulation::copy_issue(to, from, live); }
DEVICE void copy_commit() { emulation::copy_commit(); }
template <int left>
void copy_wait() {
    emulation::copy_wait(left);
}
DEVICE void load_matrices(u32 (&r)[4], const void* row) {
    emulation::Matrices m{r, row};
    emulation::together(emulation::matrices_lanes, &m);
}
DEVICE void load_matrices_transposed(u32 (&r)[4], const void* row) {
    emulation::Matrices m{r, row};
    emulation::together(emulation::matrices_transposed_lanes, &m);
}
DEVICE void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    emulation::Mma m{c, a, {b0, b1}};
    emulation::together(emulation::mma_lanes, &m);
}

template <class T>
T atomicAdd(T* at, T v) {
    T old = *at;
    *at += v;
    return old;
}

#define INFINITE INFINITY
