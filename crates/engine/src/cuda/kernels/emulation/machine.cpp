// The emulated machine: fibers, barriers, warp-wide operations, shared memory with guards.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <ucontext.h>
#include <utility>
#include <vector>

thread_local Dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {
namespace {
const size_t STACK = 256 << 10;
const size_t GUARD = 4096;
const int MAX_THREADS = 1024;

enum class State { Ready, Barrier, Warp, Done };

struct Copy {
    void* to;
    const void* from;
    bool live;
    int group;
};

struct Product {
    float* c;
    int columns;
    u64 left, right;
    int group;
};

struct Fiber {
    ucontext_t start;
    jmp_buf at;
    bool started;
    State state;
    Dim3 index;
    std::vector<Copy> copies;
    int group;
    std::vector<Product> products;
    int product_group;
};

struct Warp {
    void (*run)(void**);
    void* lanes[32];
    int arrived;
};

struct Machine {
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    std::vector<unsigned char> stacks, shared;
    size_t shared_bytes = 0;
    int threads = 0, current = 0, at_barrier = 0, done = 0;
    jmp_buf scheduler;
    void (*body)(void**) = nullptr;
    void** params = nullptr;
    std::string error;
    int order = 0;
};
thread_local Machine m;

__attribute__((noinline)) void suspend() {
    if (_setjmp(m.fibers[m.current].at) == 0) _longjmp(m.scheduler, 1);
}

void enter() {
    m.body(m.params);
    Fiber& f = m.fibers[m.current];
    f.state = State::Done;
    m.done++;
    _longjmp(m.scheduler, 1);
}

__attribute__((noinline)) void resume(int t) {
    m.current = t;
    Fiber& f = m.fibers[t];
    threadIdx = f.index;
    if (_setjmp(m.scheduler) != 0) return;
    if (f.started) _longjmp(f.at, 1);
    f.started = true;
    setcontext(&f.start);
}

void release_barrier() {
    m.at_barrier = 0;
    for (int t = 0; t < m.threads; t++) m.fibers[t].state = State::Ready;
}

/// What a GPU does at some time between issue and wait is done at one of the two ends.
bool copies_early() { return m.order == 1; }
bool products_early() { return m.order > 1; }

/// The order in which threads run between two barriers: in order, in reverse, or shuffled, by warps. Correct kernels give the same bits in all.
std::vector<std::vector<int>> schedule() {
    std::vector<int> order(m.threads);
    for (int t = 0; t < m.threads; t++) order[t] = m.order == 1 ? m.threads - 1 - t : t;
    uint64_t state = (uint64_t)m.order * 0x9e3779b97f4a7c15ull + 1;
    for (int t = m.threads - 1; m.order > 1 && t > 0; t--) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        std::swap(order[t], order[(state >> 33) % (t + 1)]);
    }
    std::vector<std::vector<int>> warps;
    std::vector<int> place(m.threads / 32, -1);
    for (int t : order) {
        int& at = place[t / 32];
        if (at < 0) {
            at = (int)warps.size();
            warps.emplace_back();
        }
        warps[at].push_back(t);
    }
    return warps;
}

/// Runs the threads of a warp that can; whether there were any.
bool run_warp(const std::vector<int>& threads) {
    bool moved = false;
    for (int t : threads) {
        if (m.fibers[t].state != State::Ready) continue;
        moved = true;
        resume(t);
        if (!m.error.empty()) return false;
    }
    return moved;
}

void run_block(const std::vector<std::vector<int>>& warps) {
    m.done = m.at_barrier = 0;
    m.shared.assign(m.shared_bytes + 2 * GUARD + 1024, 0xff);
    for (int t = 0; t < m.threads; t++) {
        Fiber& f = m.fibers[t];
        getcontext(&f.start);
        f.start.uc_stack.ss_sp = m.stacks.data() + STACK * t;
        f.start.uc_stack.ss_size = STACK;
        f.start.uc_link = nullptr;
        makecontext(&f.start, (void (*)())enter, 0);
        f.started = false;
        f.state = State::Ready;
        f.copies.clear();
        f.group = 0;
        f.products.clear();
        f.product_group = 0;
        unsigned x = t % blockDim.x, rest = t / blockDim.x;
        f.index = {x, rest % blockDim.y, rest / blockDim.y};
    }
    for (auto& w : m.warps) w.arrived = 0;
    while (m.done < m.threads) {
        bool moved = false;
        for (const auto& warp : warps) {
            // In order 0 warps keep step; in the others each runs as far ahead as barriers let it.
            bool here = run_warp(warp);
            moved |= here;
            while (here && m.order != 0) here = run_warp(warp);
            if (!m.error.empty()) return;
        }
        if (!moved) {
            m.error = m.done > 0 ? "some threads ended while others wait" : "threads wait at different places";
            return;
        }
    }
    const unsigned char* base = dynamic_shared();
    for (const unsigned char* p = m.shared.data(); p < m.shared.data() + m.shared.size(); p++) {
        if ((p < base || p >= base + m.shared_bytes) && *p != 0xff) {
            m.error = "a write beyond the shared memory";
            return;
        }
    }
}
} // namespace

unsigned char* dynamic_shared() {
    auto at = (uintptr_t)m.shared.data() + GUARD;
    return (unsigned char*)((at + 1023) / 1024 * 1024);
}

void fail(const char* what) {
    m.error = what;
    _longjmp(m.scheduler, 1);
}

void check_shared(const void* p, size_t bytes) {
    auto* at = (const unsigned char*)p;
    if (at < dynamic_shared() || at + bytes > dynamic_shared() + m.shared_bytes) fail("an address beyond the shared memory");
    if ((uintptr_t)p % bytes != 0) fail("a shared address is not aligned");
}

void block_barrier() {
    m.fibers[m.current].state = State::Barrier;
    if (++m.at_barrier == m.threads) release_barrier();
    suspend();
}

void together(void (*run)(void**), void* argument) {
    int t = m.current, first = t / 32 * 32;
    Warp& w = m.warps[t / 32];
    if (w.arrived > 0 && w.run != run) fail("the lanes of a warp are at different operations");
    w.run = run;
    w.lanes[t % 32] = argument;
    m.fibers[t].state = State::Warp;
    if (++w.arrived == 32) {
        run(w.lanes);
        w.arrived = 0;
        for (int l = 0; l < 32; l++) m.fibers[first + l].state = State::Ready;
    }
    suspend();
}

static void copy_now(const Copy& c) {
    if (c.live) memcpy(c.to, c.from, 16);
    else memset(c.to, 0, 16);
}

void copy_issue(void* to, const void* from, bool live) {
    check_shared(to, 16);
    if (live && (uintptr_t)from % 16 != 0) fail("the source of an asynchronous copy is not aligned");
    Fiber& f = m.fibers[m.current];
    f.copies.push_back({to, from, live, f.group});
    if (copies_early()) copy_now(f.copies.back());
}

void copy_commit() { m.fibers[m.current].group++; }

void copy_wait(int left) {
    Fiber& f = m.fibers[m.current];
    std::vector<Copy> later;
    for (const Copy& c : f.copies) {
        if (c.group >= f.group - left) later.push_back(c);
        else if (!copies_early()) copy_now(c);
    }
    f.copies.swap(later);
}

void wgmma_commit() { m.fibers[m.current].product_group++; }

/// Element (row, column) of the tile of a descriptor, as the hardware finds it: the 16-byte chunk of an address moves by the bits above.
static float described(u64 descriptor, int row, int column) {
    u64 start = (descriptor & 0x3fff) << 4, eight_rows = (descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 62 != 1) fail("a descriptor without the 128-byte swizzle");
    u64 at = start + row / 8 * eight_rows + row % 8 * 128 + column * 2;
    at ^= (at >> 7 & 7) << 4;
    if (at + 2 > m.shared_bytes) fail("a descriptor beyond the shared memory");
    u16 v;
    memcpy(&v, dynamic_shared() + at, 2);
    return bits_float((u32)v << 16);
}

static void multiply(const Product& p) {
    int lane = m.current % 32, first = m.current / 32 % 4 * 16;
    float rows[2][16], columns[2][16];
    for (int k = 0; k < 32; k++) rows[k / 16][k % 16] = described(p.left, first + lane / 4 + k / 16 * 8, k % 16);
    for (int j = 0; j < p.columns; j++) {
        for (int k = 0; k < 32; k++) columns[k / 16][k % 16] = described(p.right, 8 * j + 2 * (lane % 4) + k / 16, k % 16);
        for (int i = 0; i < 4; i++) {
            double sum = p.c[4 * j + i];
            for (int k = 0; k < 16; k++) sum += (double)rows[i / 2][k] * columns[i % 2][k];
            p.c[4 * j + i] = (float)sum;
        }
    }
}

void wgmma_issue(float* c, int columns, u64 left, u64 right) {
    Fiber& f = m.fibers[m.current];
    f.products.push_back({c, columns, left, right, f.product_group});
    if (products_early()) multiply(f.products.back());
}

void wgmma_wait(int left) {
    Fiber& f = m.fibers[m.current];
    std::vector<Product> later;
    for (const Product& p : f.products) {
        if (p.group >= f.product_group - left) later.push_back(p);
        else if (!products_early()) multiply(p);
    }
    f.products.swap(later);
}

void mma_lanes(void** lanes) {
    auto part = [](u32 pair, int high) { return high ? bits_float(pair & 0xffff0000u) : bits_float(pair << 16); };
    float a[16][16], b[16][8];
    for (int l = 0; l < 32; l++) {
        auto* lane = (Mma*)lanes[l];
        int g = l / 4, q = 2 * (l % 4);
        for (int h = 0; h < 2; h++) {
            a[g][q + h] = part(lane->a[0], h);
            a[g + 8][q + h] = part(lane->a[1], h);
            a[g][q + 8 + h] = part(lane->a[2], h);
            a[g + 8][q + 8 + h] = part(lane->a[3], h);
            b[q + h][g] = part(lane->b[0], h);
            b[q + 8 + h][g] = part(lane->b[1], h);
        }
    }
    for (int l = 0; l < 32; l++) {
        auto* lane = (Mma*)lanes[l];
        for (int i = 0; i < 4; i++) {
            int row = l / 4 + 8 * (i / 2), column = 2 * (l % 4) + i % 2;
            double sum = lane->c[i];
            for (int k = 0; k < 16; k++) sum += (double)a[row][k] * b[k][column];
            lane->c[i] = (float)sum;
        }
    }
}

static void matrices(void** lanes, bool transposed) {
    for (int l = 0; l < 32; l++) {
        for (int j = 0; j < 4; j++) {
            auto element = [&](int row, int column) {
                u16 v;
                memcpy(&v, (const u16*)((Matrices*)lanes[8 * j + row])->row + column, 2);
                return (u32)v;
            };
            int major = l / 4, minor = 2 * (l % 4);
            u32 low = transposed ? element(minor, major) : element(major, minor);
            u32 high = transposed ? element(minor + 1, major) : element(major, minor + 1);
            ((Matrices*)lanes[l])->r[j] = low | high << 16;
        }
    }
}
void matrices_lanes(void** lanes) {
    for (int l = 0; l < 32; l++) check_shared(((Matrices*)lanes[l])->row, 16);
    matrices(lanes, false);
}
void matrices_transposed_lanes(void** lanes) {
    for (int l = 0; l < 32; l++) check_shared(((Matrices*)lanes[l])->row, 16);
    matrices(lanes, true);
}

/// Runs a grid; an empty text if all went well.
static std::string launch(void (*body)(void**), Dim3 grid, Dim3 block, unsigned shared_bytes, void** params) {
    m.threads = block.x * block.y * block.z;
    if (m.threads == 0 || m.threads > MAX_THREADS || m.threads % 32 != 0) return "a block has 32 to 1024 threads, whole warps";
    if (shared_bytes > 227 * 1024) return "more shared memory than a block can have";
    if (m.stacks.size() < STACK * m.threads) m.stacks.resize(STACK * m.threads);
    if ((int)m.fibers.size() < m.threads) m.fibers.resize(m.threads);
    m.warps.resize(m.threads / 32);
    m.shared_bytes = shared_bytes;
    m.body = body;
    m.params = params;
    m.error.clear();
    gridDim = grid;
    blockDim = block;
    auto warps = schedule();
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                run_block(warps);
                if (!m.error.empty()) return m.error;
            }
    return "";
}
} // namespace emulation
