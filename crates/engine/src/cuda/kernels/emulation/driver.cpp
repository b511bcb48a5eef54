// A CUDA driver whose GPU is the emulation, as a library that is loaded in libcuda's place: so the code that calls the driver runs without a GPU, too.
//
// It is stricter than a real one. Work of a stream waits until somebody waits for the stream, so whoever looks too early sees what was there before.
// Memory begins as NaN and lies between guards. A call without a context, with memory that was not taken or was given back, or that a recording does
// not bear, is an error; so are more threads or more shared memory than the compiled kernel (a real cubin) allows.
#include "kernels.cpp"

#include "cubin.h"

#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace driver {
enum Result {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_CONTEXT = 201,
    INVALID_IMAGE = 200,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    NOT_PERMITTED = 800,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
};

using Work = std::function<Result()>;
struct Graph {
    std::vector<Work> work;
};
struct Stream {
    std::deque<Work> waiting;
    std::unique_ptr<Graph> record;
    bool spoiled = false;
};
struct Function {
    const Entry* entry;
    cubin::Kernel compiled;
    int most_dynamic = 48 << 10;
};
struct Piece {
    size_t bytes;
    bool given_back;
};

const size_t GUARD = 256;
const unsigned char GUARD_BYTE = 0xa5;

// One lock for all: emulated kernels run one at a time anyway.
std::recursive_mutex lock;
std::map<u64, Piece> pieces;
std::set<Stream*> streams;
size_t taken = 0;
Result broken = SUCCESS; // an error of work that ran: every later call says it
thread_local bool has_context = false;
int context = 0;

size_t limit() {
    const char* set = getenv("EMULATED_GPU_BYTES");
    return set ? strtoull(set, nullptr, 10) : (size_t)1 << 30;
}

Result complain(Result result, const char* what) {
    fprintf(stderr, "emulated driver: %s\n", what);
    return result;
}

/// Whether `bytes` from `at` on lie in one piece that is still its owner's.
bool owned(u64 at, size_t bytes) {
    auto next = pieces.upper_bound(at);
    if (next == pieces.begin()) return false;
    auto& [start, piece] = *--next;
    return !piece.given_back && at + bytes <= start + piece.bytes;
}

/// What every call but a few begins with.
Result enter() {
    if (broken) return broken;
    return has_context ? SUCCESS : complain(INVALID_CONTEXT, "a call without a context");
}

/// Work that a recording may hold.
Result enqueue(Stream* stream, Work work) {
    if (!streams.count(stream)) return complain(INVALID_HANDLE, "no such stream");
    if (stream->record)
        stream->record->work.push_back(std::move(work));
    else
        stream->waiting.push_back(std::move(work));
    return SUCCESS;
}

/// Work that it may not hold: it would be done once instead of each time.
Result enqueue_now(Stream* stream, Work work) {
    if (!streams.count(stream)) return complain(INVALID_HANDLE, "no such stream");
    if (stream->record) {
        stream->spoiled = true;
        return complain(CAPTURE_UNSUPPORTED, "memory traffic while a step is recorded");
    }
    stream->waiting.push_back(std::move(work));
    return SUCCESS;
}

Result run(Stream* stream) {
    while (!stream->waiting.empty()) {
        Work work = std::move(stream->waiting.front());
        stream->waiting.pop_front();
        if (Result result = work()) return broken = result;
    }
    return SUCCESS;
}

/// Frees a piece whose guards are whole.
Result drop(u64 at) {
    auto piece = pieces.find(at);
    auto* start = (unsigned char*)at;
    size_t bytes = piece->second.bytes;
    for (size_t i = 0; i < GUARD; i++)
        if (start[-(long)GUARD + (long)i] != GUARD_BYTE || start[bytes + i] != GUARD_BYTE)
            return complain(ILLEGAL_ADDRESS, "something wrote beside its memory");
    taken -= bytes;
    free(start - GUARD);
    pieces.erase(piece);
    return SUCCESS;
}

Result launch(Function* function, Dim3 grid, Dim3 block, unsigned shared, Stream* stream, void** params) {
    const cubin::Kernel& compiled = function->compiled;
    unsigned threads = block.x * block.y * block.z;
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        return complain(INVALID_VALUE, function->entry->name);
    if (threads == 0 || threads > 1024 || (compiled.most_threads && threads > compiled.most_threads))
        return complain(OUT_OF_RESOURCES, (std::string(function->entry->name) + ": too many threads").c_str());
    if ((int)shared > function->most_dynamic) return complain(INVALID_VALUE, (std::string(function->entry->name) + ": too much shared memory").c_str());
    std::vector<u64> words(function->entry->parameters);
    for (size_t i = 0; i < words.size(); i++) memcpy(&words[i], params[i], compiled.parameter_bytes[i]);
    return enqueue(stream, [=]() mutable {
        std::vector<void*> places;
        for (u64& word : words) places.push_back(&word);
        std::string error = emulation::launch(function->entry->body, grid, block, shared, places.data());
        return error.empty() ? SUCCESS : complain(LAUNCH_FAILED, (std::string(function->entry->name) + ": " + error).c_str());
    });
}
} // namespace driver

using namespace driver;
#define API extern "C" int
#define LOCKED std::lock_guard<std::recursive_mutex> guard(lock)
#define ENTER                                                                                                                            \
    LOCKED;                                                                                                                              \
    if (Result entered = enter()) return entered

API cuInit(unsigned) { return SUCCESS; }
API cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
API cuDeviceGetCount(int* count) { return *count = 1, SUCCESS; }
API cuDeviceGet(int* device, int number) { return *device = number, number == 0 ? SUCCESS : INVALID_VALUE; }
API cuDeviceGetName(char* name, int length, int) { return snprintf(name, (size_t)length, "emulated GPU"), SUCCESS; }
API cuDeviceGetAttribute(int* value, int attribute, int) {
    static const std::map<int, int> known = {{75, 9}, {76, 0}, {97, 227 << 10}, {115, 1}};
    auto found = known.find(attribute);
    if (found == known.end()) return complain(INVALID_VALUE, "an attribute of the device that is not known here");
    return *value = found->second, SUCCESS;
}
API cuDevicePrimaryCtxRetain(void** out, int) { return *out = &context, SUCCESS; }
API cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
API cuCtxGetCurrent(void** out) { return *out = has_context ? &context : nullptr, SUCCESS; }
API cuCtxSetCurrent(void* given) { return has_context = given == &context, given == nullptr || has_context ? SUCCESS : INVALID_CONTEXT; }
API cuCtxSynchronize() {
    ENTER;
    for (Stream* stream : streams)
        if (Result result = stream->record ? CAPTURE_UNSUPPORTED : run(stream)) return result;
    return SUCCESS;
}
API cuGetErrorName(int error, const char** text) { return *text = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR", SUCCESS; }
API cuGetErrorString(int error, const char** text) { return *text = error == OUT_OF_MEMORY ? "out of memory" : "an emulated error", SUCCESS; }

API cuDeviceGetDefaultMemPool(void** pool, int) { return *pool = &pieces, SUCCESS; }
API cuMemPoolSetAttribute(void* pool, int attribute, void* value) {
    return pool == &pieces && attribute == 4 && *(u64*)value > 0 ? SUCCESS : complain(INVALID_VALUE, "an attribute of the pool");
}
API cuMemGetInfo_v2(size_t* free, size_t* total) {
    ENTER;
    return *total = limit(), *free = *total - taken, SUCCESS;
}
API cuMemAllocAsync(u64* out, size_t bytes, Stream* stream) {
    ENTER;
    if (bytes == 0 || !streams.count(stream)) return complain(INVALID_VALUE, "memory of no bytes, or for no stream");
    if (stream->record) {
        stream->spoiled = true;
        return complain(CAPTURE_UNSUPPORTED, "memory is taken while a step is recorded");
    }
    if (taken + bytes > limit()) return OUT_OF_MEMORY;
    auto* start = (unsigned char*)aligned_alloc(GUARD, (bytes + 3 * GUARD - 1) / GUARD * GUARD);
    memset(start, GUARD_BYTE, GUARD);
    memset(start + GUARD, 0xff, bytes);
    memset(start + GUARD + bytes, GUARD_BYTE, GUARD);
    *out = (u64)(start + GUARD);
    pieces[*out] = {bytes, false};
    taken += bytes;
    return SUCCESS;
}
API cuMemFreeAsync(u64 at, Stream* stream) {
    ENTER;
    auto piece = pieces.find(at);
    if (piece == pieces.end() || piece->second.given_back) return complain(INVALID_VALUE, "memory is given back that was not taken");
    piece->second.given_back = true;
    return enqueue_now(stream, [=] { return drop(at); });
}
API cuMemsetD8Async(u64 to, unsigned char byte, size_t bytes, Stream* stream) {
    ENTER;
    if (!owned(to, bytes)) return complain(INVALID_VALUE, "a memset beside its memory");
    return enqueue_now(stream, [=] { return memset((void*)to, byte, bytes), SUCCESS; });
}
API cuMemcpyHtoDAsync_v2(u64 to, const void* from, size_t bytes, Stream* stream) {
    ENTER;
    if (!owned(to, bytes)) return complain(INVALID_VALUE, "a copy to the GPU beside its memory");
    // Pageable memory is staged before the call returns.
    std::string staged((const char*)from, bytes);
    return enqueue_now(stream, [=] { return memcpy((void*)to, staged.data(), staged.size()), SUCCESS; });
}
API cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, Stream* stream) {
    ENTER;
    if (!owned(from, bytes)) return complain(INVALID_VALUE, "a copy from the GPU beside its memory");
    return enqueue_now(stream, [=] { return memcpy(to, (void*)from, bytes), SUCCESS; });
}
API cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, Stream* stream) {
    ENTER;
    if (!owned(to, bytes) || !owned(from, bytes)) return complain(INVALID_VALUE, "a copy beside its memory");
    return enqueue_now(stream, [=] { return memmove((void*)to, (void*)from, bytes), SUCCESS; });
}
/// CUDA_MEMCPY2D.
struct Copy2D {
    size_t from_x, from_y;
    int from_type;
    const void* from_host;
    u64 from;
    void* from_array;
    size_t from_pitch, to_x, to_y;
    int to_type;
    void* to_host;
    u64 to;
    void* to_array;
    size_t to_pitch, bytes, rows;
};
API cuMemcpy2DAsync_v2(const Copy2D* copy, Stream* stream) {
    ENTER;
    Copy2D c = *copy;
    if (c.from_type != 2 || c.to_type != 2 || c.from_x || c.from_y || c.to_x || c.to_y) return complain(INVALID_VALUE, "a copy of rows that are elsewhere");
    if (c.bytes > c.from_pitch || c.bytes > c.to_pitch) return complain(INVALID_VALUE, "rows that are longer than their pitch");
    if (c.rows == 0 || c.bytes == 0) return SUCCESS;
    if (!owned(c.from, (c.rows - 1) * c.from_pitch + c.bytes) || !owned(c.to, (c.rows - 1) * c.to_pitch + c.bytes))
        return complain(INVALID_VALUE, "a copy of rows beside its memory");
    return enqueue_now(stream, [=] {
        for (size_t r = 0; r < c.rows; r++) memmove((char*)c.to + r * c.to_pitch, (char*)c.from + r * c.from_pitch, c.bytes);
        return SUCCESS;
    });
}

API cuStreamCreate(Stream** out, unsigned) {
    ENTER;
    return streams.insert(*out = new Stream), SUCCESS;
}
API cuStreamDestroy_v2(Stream* stream) {
    ENTER;
    if (Result result = run(stream)) return result;
    streams.erase(stream);
    delete stream;
    return SUCCESS;
}
API cuStreamSynchronize(Stream* stream) {
    ENTER;
    if (!streams.count(stream)) return complain(INVALID_HANDLE, "no such stream");
    if (stream->record) return stream->spoiled = true, complain(CAPTURE_UNSUPPORTED, "waiting while a step is recorded");
    return run(stream);
}
API cuStreamBeginCapture_v2(Stream* stream, int) {
    ENTER;
    if (stream->record) return complain(INVALID_VALUE, "recording in a recording");
    stream->spoiled = false;
    return stream->record.reset(new Graph), SUCCESS;
}
API cuStreamEndCapture(Stream* stream, Graph** out) {
    ENTER;
    *out = nullptr;
    if (!stream->record) return complain(INVALID_VALUE, "the end of no recording");
    std::unique_ptr<Graph> graph = std::move(stream->record);
    if (stream->spoiled) return CAPTURE_INVALIDATED;
    return *out = graph.release(), SUCCESS;
}
API cuGraphInstantiateWithFlags(Graph** out, Graph* graph, unsigned long long) {
    ENTER;
    return *out = new Graph(*graph), SUCCESS;
}
API cuGraphDestroy(Graph* graph) { return delete graph, SUCCESS; }
API cuGraphExecDestroy(Graph* graph) { return delete graph, SUCCESS; }
API cuGraphLaunch(Graph* graph, Stream* stream) {
    ENTER;
    for (const Work& work : graph->work)
        if (Result result = enqueue(stream, work)) return result;
    return SUCCESS;
}

API cuModuleLoadData(cubin::Module** out, const void* image) {
    ENTER;
    *out = new cubin::Module;
    return (*out)->read((const unsigned char*)image) ? SUCCESS : complain(INVALID_IMAGE, "a module that is no cubin");
}
API cuModuleGetFunction(Function** out, cubin::Module* module, const char* name) {
    ENTER;
    const Entry* entry = nullptr;
    for (const Entry& known : ENTRIES)
        if (strcmp(known.name, name) == 0) entry = &known;
    auto compiled = module->kernels.find(name);
    if (!entry || compiled == module->kernels.end()) return complain(NOT_FOUND, name);
    if (compiled->second.parameter_bytes.size() != entry->parameters) return complain(INVALID_IMAGE, "other parameters than the emulation's");
    return *out = new Function{entry, compiled->second}, SUCCESS;
}
API cuFuncGetAttribute(int* value, int attribute, Function* function) {
    ENTER;
    if (attribute != 1) return complain(INVALID_VALUE, "an attribute of a function that is not known here");
    return *value = (int)function->compiled.fixed_shared, SUCCESS;
}
API cuFuncSetAttribute(Function* function, int attribute, int value) {
    ENTER;
    if (attribute == 9) return value >= -1 && value <= 100 ? SUCCESS : INVALID_VALUE;
    if (attribute != 8) return complain(INVALID_VALUE, "an attribute of a function that is not known here");
    if (value + (int)function->compiled.fixed_shared > 227 << 10) return INVALID_VALUE;
    return function->most_dynamic = value, SUCCESS;
}
API cuLaunchKernel(Function* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, Stream* stream,
                   void** params, void** extra) {
    ENTER;
    if (extra) return complain(INVALID_VALUE, "parameters in another way");
    return launch(function, {gx, gy, gz}, {bx, by, bz}, shared, stream, params);
}

#include "cublaslt.cpp"
