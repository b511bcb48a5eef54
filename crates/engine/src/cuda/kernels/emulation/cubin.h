// What a cubin (an ELF file) says of its kernels: parameters, threads, shared memory.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace cubin {
struct Kernel {
    /// Bytes of each parameter, in order.
    std::vector<size_t> parameter_bytes;
    /// Threads of `__launch_bounds__`; 0 if there are none.
    unsigned most_threads = 0;
    /// Static shared memory.
    size_t fixed_shared = 0;
};

struct Module {
    std::map<std::string, Kernel> kernels;

    bool read(const unsigned char* image) {
        const unsigned MACHINE_CUDA = 190;
        if (memcmp(image, "\x7f" "ELF\x02", 5) != 0 || number<uint16_t>(image + 18) != MACHINE_CUDA) return false;
        const unsigned char* sections = image + number<uint64_t>(image + 40);
        unsigned size = number<uint16_t>(image + 58), count = number<uint16_t>(image + 60), names = number<uint16_t>(image + 62);
        auto offset = [&](unsigned i) { return number<uint64_t>(sections + i * size + 24); };
        for (unsigned i = 0; i < count; i++) {
            const unsigned char* section = sections + i * size;
            std::string name = (const char*)image + offset(names) + number<uint32_t>(section);
            uint64_t bytes = number<uint64_t>(section + 32);
            if (const char* kernel = after(name, ".text.")) kernels[kernel];
            if (const char* kernel = after(name, ".nv.shared.")) kernels[kernel].fixed_shared = bytes;
            if (const char* kernel = after(name, ".nv.info.")) attributes(kernels[kernel], image + offset(i), bytes);
        }
        return !kernels.empty();
    }

  private:
    template <class T>
    static T number(const unsigned char* at) {
        T value;
        memcpy(&value, at, sizeof(T));
        return value;
    }

    static const char* after(const std::string& name, const char* start) {
        return name.rfind(start, 0) == 0 ? name.c_str() + strlen(start) : nullptr;
    }

    /// Attributes: a format, a kind, and two bytes that are a value or, in the fourth format, the length of what follows.
    static void attributes(Kernel& kernel, const unsigned char* at, uint64_t bytes) {
        const unsigned SIZED = 4, MOST_THREADS = 0x05, PARAMETER = 0x17;
        const unsigned char* end = at + bytes;
        while (at + 4 <= end) {
            unsigned format = at[0], kind = at[1], length = format == SIZED ? number<uint16_t>(at + 2) : 0;
            const unsigned char* value = at + 4;
            if (format == SIZED && kind == MOST_THREADS)
                kernel.most_threads = number<uint32_t>(value) * number<uint32_t>(value + 4) * number<uint32_t>(value + 8);
            if (format == SIZED && kind == PARAMETER) {
                // Index u32, ordinal u16, offset u16, then bits of which the upper 14 are the size.
                unsigned ordinal = number<uint16_t>(value + 4), size = number<uint32_t>(value + 8) >> 18;
                if (kernel.parameter_bytes.size() <= ordinal) kernel.parameter_bytes.resize(ordinal + 1);
                kernel.parameter_bytes[ordinal] = size;
            }
            at = value + length;
        }
    }
};
} // namespace cubin
