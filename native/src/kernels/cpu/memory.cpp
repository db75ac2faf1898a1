#include "kernels/cpu/memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace rmt {
namespace {

constexpr size_t kLine = 64;

// What release() must know, in the 64 bytes before the memory that was given out.
struct Header {
  void *start;
  size_t mapped;  // bytes of a mapping of its own; 0: the block is malloc's
};
static_assert(sizeof(Header) <= kLine, "the header fits before the memory");

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

char *after_header(void *start, size_t mapped, size_t alignment) {
  char *memory = reinterpret_cast<char *>(round_up(reinterpret_cast<uintptr_t>(start) + kLine, alignment));
  const Header header = {start, mapped};
  std::memcpy(memory - kLine, &header, sizeof(header));
  return memory;
}

}  // namespace

void *allocate_zeroed(int64_t bytes) {
  const size_t rounded = round_up(static_cast<size_t>(bytes), kLine);
#if defined(__linux__)
  // Large blocks come straight from the system and go straight back: malloc keeps some of what it is given back among
  // its own, and a program that makes one workspace after the other would look as if it leaked. They lie on huge pages
  // where the system gives them: weights are read from end to end, over and over.
  constexpr size_t kPage = 4096;
  constexpr size_t kLarge = size_t{1} << 20;
  constexpr size_t kHugePage = size_t{2} << 20;
  if (rounded >= kLarge) {
    const size_t alignment = rounded >= 4 * kHugePage ? kHugePage : kPage;
    const size_t mapped = rounded + kLine + alignment;
    void *start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return nullptr;
    char *memory = after_header(start, mapped, alignment);
    if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // a wish; nothing depends on it
    std::memset(memory, 0, rounded);  // zero already, but now it is there: no page is missing in the first segment
    return memory;
  }
#endif
  void *start = std::malloc(rounded + 2 * kLine);
  if (start == nullptr) return nullptr;
  char *memory = after_header(start, 0, kLine);
  std::memset(memory, 0, rounded);
  return memory;
}

void release(void *memory) {
  if (memory == nullptr) return;
  Header header;
  std::memcpy(&header, static_cast<char *>(memory) - kLine, sizeof(header));
#if defined(__linux__)
  if (header.mapped != 0) {
    munmap(header.start, header.mapped);
    return;
  }
#endif
  std::free(header.start);
}

}  // namespace rmt
