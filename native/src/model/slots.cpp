#include "model/slots.h"

namespace rmt {

namespace {

int64_t num_floats(int32_t num_slots, int64_t slot_size) { return (int64_t{2} * num_slots + 1) * slot_size; }

}  // namespace

MemorySlots::MemorySlots(std::shared_ptr<const Device> device, int32_t num_slots,
                         const std::vector<float> &initial_memory)
    : slot_size_(static_cast<int64_t>(initial_memory.size())),
      current_copy_(num_slots, 0),
      values_(std::move(device), num_floats(num_slots, slot_size_), "the memory states") {
  values_.write(place(num_slots, 0), initial_memory.data(), slot_size_);
  for (int32_t slot = 0; slot < num_slots; ++slot) reset(slot);
}

int64_t MemorySlots::required_bytes(int32_t num_slots, int64_t slot_size) {
  return num_floats(num_slots, slot_size) * static_cast<int64_t>(sizeof(float)) +
         num_slots * static_cast<int64_t>(sizeof(uint8_t));
}

void MemorySlots::reset(int32_t slot) {
  values_.copy(place(slot, 1 - current_copy_[slot]), place(num_slots(), 0), slot_size_);
  commit(slot);
}

void MemorySlots::copy(int32_t from_slot, int32_t to_slot) {
  values_.copy(place(to_slot, 1 - current_copy_[to_slot]), place(from_slot, current_copy_[from_slot]), slot_size_);
  commit(to_slot);
}

void MemorySlots::read(int32_t slot, float *values) const {
  values_.read(place(slot, current_copy_[slot]), values, slot_size_);
}

void MemorySlots::write(int32_t slot, const float *values) {
  values_.write(place(slot, 1 - current_copy_[slot]), values, slot_size_);
  commit(slot);
}

}  // namespace rmt
