// slots.h - what is carried from segment to segment: for RMT one (M, H) tensor per document slot.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/device.h"

namespace rmt {

// Every slot has two copies of its memory. A segment reads one and writes the other; commit() makes the written one
// current. Until then nothing that a caller can see has changed, so a segment that fails leaves no trace.
class MemorySlots {
 public:
  // `initial_memory` has slot_size values; every slot starts from it.
  MemorySlots(std::shared_ptr<const Device> device, int32_t num_slots, const std::vector<float> &initial_memory);

  static int64_t required_bytes(int32_t num_slots, int64_t slot_size);

  int32_t num_slots() const { return static_cast<int32_t>(current_copy_.size()); }
  int64_t slot_size() const { return slot_size_; }

  // Where the device finds them.
  const float *current(int32_t slot) const { return values_.data() + place(slot, current_copy_[slot]); }
  float *next(int32_t slot) { return values_.data() + place(slot, 1 - current_copy_[slot]); }
  void commit(int32_t slot) noexcept { current_copy_[slot] = 1 - current_copy_[slot]; }

  void reset(int32_t slot);
  void copy(int32_t from_slot, int32_t to_slot);
  void read(int32_t slot, float *values) const;
  void write(int32_t slot, const float *values);

 private:
  int64_t place(int32_t slot, int32_t which) const { return (int64_t{2} * slot + which) * slot_size_; }

  int64_t slot_size_;
  std::vector<uint8_t> current_copy_;  // (num_slots): 0 or 1
  DeviceFloats values_;                // (num_slots, 2, slot_size), and the initial memory behind them
};

}  // namespace rmt
