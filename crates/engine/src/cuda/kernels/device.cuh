// What the kernels ask of the machine, each once for the GPU (PTX) and once for the emulation on a CPU.
#pragma once

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/// bfloat16 by its bits.
struct bf16 {
    u16 bits;
};

#if defined(__CUDACC_RTC__)

#define KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define DEVICE __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__
#define STATIC_SHARED __shared__
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]

DEVICE void block_sync() { __syncthreads(); }

DEVICE float shuffle_xor(float v, int mask) { return __shfl_xor_sync(0xffffffffu, v, mask); }
DEVICE u64 shuffle_xor(u64 v, int mask) { return __shfl_xor_sync(0xffffffffu, v, mask); }
DEVICE double shuffle_xor(double v, int mask) { return __shfl_xor_sync(0xffffffffu, v, mask); }

DEVICE u32 float_bits(float v) { return __float_as_uint(v); }
DEVICE float bits_float(u32 v) { return __uint_as_float(v); }

/// Two floats as bfloat16, to nearest even: `low` in the lower half.
DEVICE u32 pack(float low, float high) {
    u32 r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

/// 2^x: relative error 2^-22, 0 below -126.
DEVICE float exp2_fast(float x) {
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}

DEVICE uint4 load16(const void* p) { return *(const uint4*)p; }
DEVICE void store16(void* p, uint4 v) { *(uint4*)p = v; }
DEVICE uint2 load8(const void* p) { return *(const uint2*)p; }
DEVICE void store8(void* p, uint2 v) { *(uint2*)p = v; }
DEVICE u32 load4(const void* p) { return *(const u32*)p; }
DEVICE void store4(void* p, u32 v) { *(u32*)p = v; }

DEVICE u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

/// Starts a copy of 16 bytes to shared memory; zeros if not `live`, when `from` is not read.
DEVICE void copy_async(void* to, const void* from, bool live) {
    int bytes = live ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until all but the last `left` groups of this thread's copies are there.
template <int left>
DEVICE void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

/// Four 8x8 matrices of 2-byte elements: lane l gives the address of row l%8 of matrix l/8 and gets of matrix j, in r[j], row l/4,
/// columns 2(l%4) and the next.
DEVICE void load_matrices(u32 (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}
/// As above, each matrix transposed.
DEVICE void load_matrices_transposed(u32 (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/// c (16x8, f32) += a (16x16) b (16x8), both bfloat16.
DEVICE void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#define INFINITE __int_as_float(0x7f800000)

#else
#include "emulation/machine.h"
#endif

DEVICE float to_float(bf16 v) { return bits_float((u32)v.bits << 16); }
DEVICE bf16 to_bf16(float v) { return bf16{(u16)pack(v, 0.0f)}; }
DEVICE float low_float(u32 pair) { return bits_float(pair << 16); }
DEVICE float high_float(u32 pair) { return bits_float(pair & 0xffff0000u); }

DEVICE int lane_id() { return (int)(threadIdx.x & 31); }
DEVICE int warp_id() { return (int)(threadIdx.x >> 5); }
DEVICE int smaller(int a, int b) { return a < b ? a : b; }

/// Sum over the warp, in one order, the same in every lane.
template <class T>
DEVICE T warp_sum(T v) {
    for (int mask = 16; mask > 0; mask >>= 1) v += shuffle_xor(v, mask);
    return v;
}

/// Sum over a block of `threads`, in one order, the same in every thread; `scratch` has one place a warp.
template <int threads, class T>
DEVICE T block_sum(T v, T* scratch) {
    v = warp_sum(v);
    block_sync();
    if (lane_id() == 0) scratch[warp_id()] = v;
    block_sync();
    T total = scratch[0];
    for (int w = 1; w < threads / 32; w++) total += scratch[w];
    return total;
}
