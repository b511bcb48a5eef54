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

#define FOUR(j) "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
DEVICE void wgmma(float (&c)[32][4], u64 left, u64 right) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
        "}, %128, %129, 1, 1, 1, 0, 0;"
        : FOUR(0), FOUR(1), FOUR(2), FOUR(3),
          FOUR(4), FOUR(5), FOUR(6), FOUR(7),
          FOUR(8), FOUR(9), FOUR(10), FOUR(11),
          FOUR(12), FOUR(13), FOUR(14), FOUR(15),
          FOUR(16), FOUR(17), FOUR(18), FOUR(19),
          FOUR(20), FOUR(21), FOUR(22), FOUR(23),
          FOUR(24), FOUR(25), FOUR(26), FOUR(27),
          FOUR(28), FOUR(29), FOUR(30), FOUR(31)
        : "l"(left), "l"(right));
}
DEVICE void wgmma(float (&c)[4][4], u64 left, u64 right) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
        "}, %16, %17, 1, 1, 1, 0, 0;"
        : FOUR(0), FOUR(1), FOUR(2), FOUR(3)
        : "l"(left), "l"(right));
}
/// Waits for all products. The registers are named behind the wait: nothing else keeps the compiler from reading one before it.
template <int N>
DEVICE void wgmma_finish(float (&c)[N][4]) {
    wgmma_wait<0>();
#pragma unroll
    for (int j = 0; j < N; j++) asm volatile("" : FOUR(j)::"memory");
}
#undef FOUR

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
