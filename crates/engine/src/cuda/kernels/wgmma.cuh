// Hopper's asynchronous products of four warps (`wgmma`, sm_90a only): c (64 x N, f32) += a (64 x 16) bᵀ (N x 16), both in shared memory.
//
// Tiles are those of tile.cuh with rows of 64 elements, which is the hardware's layout with swizzled chunks, if they start at multiples of 1024 bytes. Warp w of
// the four has rows 16 w to + 16 of the result, in the places of `mma`.
#pragma once
#include "tile.cuh"

/// The descriptor of a tile: address, 1024 bytes from eight rows to the next eight, 128-byte swizzle.
DEVICE u64 describe(const bf16* tile) {
    return (u64)(shared_address(tile) >> 4 & 0x3fff) | (u64)1 << 16 | (u64)64 << 32 | (u64)1 << 62;
}

/// What the next 16 columns add to a descriptor.
const u64 NEXT_COLUMNS = 2;
/// And the next 64 rows.
const u64 NEXT_ROWS = 64 * 128 / 16;

#if defined(__CUDACC_RTC__)

/// Shared memory that this thread wrote (by cp.async, too) is what the products after the next barrier read.
DEVICE void publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
/// Before the first product, and where registers of the result were touched.
DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until all but the last `left` groups are done.
template <int left>
DEVICE void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory");
}

// Registers of the result by width, each list with those of the narrower ones before it. The descriptors come first, as if they were written to, so that
// a register has one number in all widths.
#define FOUR(j) "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
#define NUMBERS_16 "%2, %3, %4, %5, %6, %7, %8, %9"
#define NUMBERS_32 NUMBERS_16 ", %10, %11, %12, %13, %14, %15, %16, %17"
#define NUMBERS_48 NUMBERS_32 ", %18, %19, %20, %21, %22, %23, %24, %25"
#define NUMBERS_64 NUMBERS_48 ", %26, %27, %28, %29, %30, %31, %32, %33"
#define NUMBERS_112 NUMBERS_64 ", %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57"
#define NUMBERS_152 NUMBERS_112 ", %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77"
#define NUMBERS_160 NUMBERS_152 ", %78, %79, %80, %81"
#define REGISTERS_16 FOUR(0), FOUR(1)
#define REGISTERS_32 REGISTERS_16, FOUR(2), FOUR(3)
#define REGISTERS_48 REGISTERS_32, FOUR(4), FOUR(5)
#define REGISTERS_64 REGISTERS_48, FOUR(6), FOUR(7)
#define REGISTERS_112 REGISTERS_64, FOUR(8), FOUR(9), FOUR(10), FOUR(11), FOUR(12), FOUR(13)
#define REGISTERS_152 REGISTERS_112, FOUR(14), FOUR(15), FOUR(16), FOUR(17), FOUR(18)
#define REGISTERS_160 REGISTERS_152, FOUR(19)
#define WGMMA(width)                                                                                                                     \
    DEVICE void wgmma(float (&c)[width / 8][4], u64 left, u64 right) {                                                                   \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #width "k16.f32.bf16.bf16 {" NUMBERS_##width "}, %0, %1, 1, 1, 1, 0, 0;"        \
                     : "+l"(left), "+l"(right), REGISTERS_##width);                                                                      \
    }
WGMMA(16)
WGMMA(32)
WGMMA(48)
WGMMA(64)
WGMMA(112)
WGMMA(152)
WGMMA(160)

/// Waits for all products. The registers are named behind the wait: nothing else keeps the compiler from reading one before it.
template <int N>
DEVICE void wgmma_finish(float (&c)[N][4]) {
    wgmma_wait<0>();
#pragma unroll
    for (int j = 0; j < N; j++) asm volatile("" : FOUR(j)::"memory");
}

#else

DEVICE void publish() {}
DEVICE void wgmma_fence() {}
DEVICE void wgmma_commit() { emulation::wgmma_commit(); }
template <int left>
void wgmma_wait() {
    emulation::wgmma_wait(left);
}
template <int N>
void wgmma_finish(float (&)[N][4]) {
    wgmma_wait<0>();
}
template <int N>
void wgmma(float (&c)[N][4], u64 left, u64 right) {
    emulation::wgmma_issue(&c[0][0], N, left, right);
}

#endif
