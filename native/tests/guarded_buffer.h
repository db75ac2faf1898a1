// guarded_buffer.h - memory that notices who reads or writes beside it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace test {

// `count` elements that end exactly where a page begins that nobody may touch: one element too far, read or written,
// and the program dies with SIGSEGV. The bytes before the first element are known, and intact() says whether they
// still are.
template <typename T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t count) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    readable_ = (count * sizeof(T) + page) / page * page;  // at least one byte before the first element
    mapped_ = readable_ + page;
    void *memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<unsigned char *>(memory);
    if (mprotect(base_ + readable_, page, PROT_NONE) != 0) throw std::bad_alloc();
    std::memset(base_, kSentinel, readable_);
  }
  explicit GuardedBuffer(const std::vector<T> &values) : GuardedBuffer(values.size()) {
    if (!values.empty()) std::memcpy(data(), values.data(), values.size() * sizeof(T));
  }
  ~GuardedBuffer() { munmap(base_, mapped_); }
  GuardedBuffer(const GuardedBuffer &) = delete;
  GuardedBuffer &operator=(const GuardedBuffer &) = delete;

  T *data() { return reinterpret_cast<T *>(base_ + readable_ - count_ * sizeof(T)); }
  bool intact() const {
    for (size_t i = 0; i < readable_ - count_ * sizeof(T); ++i) {
      if (base_[i] != kSentinel) return false;
    }
    return true;
  }
  std::vector<T> values() { return std::vector<T>(data(), data() + count_); }

 private:
  static constexpr unsigned char kSentinel = 0xa5;
  size_t count_;
  size_t readable_;
  size_t mapped_;
  unsigned char *base_;
};

}  // namespace test
