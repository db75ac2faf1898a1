#include "kernels/cpu/memory.h"

#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace rmt {

void *allocate_zeroed(int64_t bytes) {
  // Large blocks lie on huge pages where the system gives them: weights are read from end to end, over and over.
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t alignment = static_cast<size_t>(bytes) >= 4 * kHugePage ? kHugePage : 64;
  const size_t rounded = (static_cast<size_t>(bytes) + 63) / 64 * 64;
  void *memory = nullptr;
  if (posix_memalign(&memory, alignment, rounded) != 0) return nullptr;
#if defined(__linux__)
  if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // a wish; nothing depends on it
#endif
  std::memset(memory, 0, rounded);
  return memory;
}

void release(void *memory) { std::free(memory); }

}  // namespace rmt
