#include "model/slots.h"

#include <algorithm>

namespace rmt {

MemorySlots::MemorySlots(int32_t num_slots, const std::vector<float> &initial_memory)
    : slot_size_(static_cast<int64_t>(initial_memory.size())),
      current_copy_(num_slots, 0),
      values_(static_cast<size_t>(num_slots) * 2 * initial_memory.size()) {
  for (int64_t i = 0; i < int64_t{2} * num_slots; ++i) {
    std::copy(initial_memory.begin(), initial_memory.end(), values_.begin() + i * slot_size_);
  }
}

int64_t MemorySlots::required_bytes(int32_t num_slots, int64_t slot_size) {
  return num_slots * (2 * slot_size * static_cast<int64_t>(sizeof(float)) + static_cast<int64_t>(sizeof(uint8_t)));
}

}  // namespace rmt
