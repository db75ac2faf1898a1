// cuda_batch.h - documents of a segment and chosen rows of theirs on the device, for the tests of kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cuda_fixture.h"
#include "cuda_numbers.h"
#include "kernels/cuda/operations.h"

namespace test {

// Compact rows: which rows they are, and where each document's are.
struct ChosenRows {
  std::vector<int32_t> rows;
  std::vector<int32_t> first;
  std::vector<int32_t> num;

  // For each document, `keep(b, t)` chooses positions. `gap` rows without a row lie behind each document's.
  template <typename Keep>
  static ChosenRows of(const std::vector<int32_t> &lengths, int32_t stride, int32_t gap, Keep keep) {
    ChosenRows chosen;
    for (int32_t b = 0; b < static_cast<int32_t>(lengths.size()); ++b) {
      chosen.first.push_back(static_cast<int32_t>(chosen.rows.size()));
      for (int32_t t = 0; t < lengths[b]; ++t) {
        if (keep(b, t)) chosen.rows.push_back(b * stride + t);
      }
      chosen.num.push_back(static_cast<int32_t>(chosen.rows.size()) - chosen.first.back());
      chosen.rows.insert(chosen.rows.end(), gap, -1);
    }
    return chosen;
  }
  static ChosenRows all(const std::vector<int32_t> &lengths, int32_t stride) {
    return of(lengths, stride, 0, [](int32_t, int32_t) { return true; });
  }
  // Some positions of each document, one document without any, gaps behind each and within one.
  static ChosenRows some(const std::vector<int32_t> &lengths, int32_t stride) {
    ChosenRows chosen =
        of(lengths, stride, 3, [](int32_t b, int32_t t) { return b != 1 && (t < 11 || t % 5 == b % 5); });
    if (chosen.num.size() > 2 && chosen.num[2] > 7) chosen.rows[chosen.first[2] + 7] = -1;
    return chosen;
  }

  int64_t count() const { return static_cast<int64_t>(rows.size()); }
};

class DeviceRows {
 public:
  explicit DeviceRows(const ChosenRows &chosen) : rows_(chosen.rows), first_(chosen.first), num_(chosen.num) {}
  rmt::cuda::Rows get() const { return {static_cast<int64_t>(rows_.size()), rows_.data(), first_.data(), num_.data()}; }

 private:
  DeviceBuffer<int32_t> rows_;
  DeviceBuffer<int32_t> first_;
  DeviceBuffer<int32_t> num_;
};

// Documents whose ids, memories and dropout keys follow from `names`: one with the same name is the same anywhere.
struct HostDocuments {
  std::vector<int32_t> lengths;
  int32_t stride;
  std::vector<int32_t> ids;                // (B, stride); beyond a length: out of every table
  std::vector<int32_t> read_start;         // -1 for every fourth name
  std::vector<std::vector<float>> memory;  // (M, H); empty where there is none
  std::vector<uint64_t> keys;

  HostDocuments(const std::vector<int32_t> &names, const std::vector<int32_t> &of_lengths, int32_t of_stride,
                int32_t vocab_size = 1, int32_t num_mem_tokens = 0, int32_t hidden_size = 1)
      : lengths(of_lengths), stride(of_stride) {
    for (size_t b = 0; b < names.size(); ++b) {
      Random random(1000 + names[b]);
      for (int32_t t = 0; t < stride; ++t) {
        ids.push_back(t < lengths[b] ? random.integer(0, vocab_size - 1) : 1 << 30);
      }
      keys.push_back(random.next());
      const bool reads = names[b] % 4 != 3 && num_mem_tokens > 0 && lengths[b] > num_mem_tokens;
      read_start.push_back(reads ? names[b] % 2 : -1);
      memory.push_back(reads ? random_values(int64_t{num_mem_tokens} * hidden_size, 2000 + names[b])
                             : std::vector<float>());
    }
  }

  int64_t rows() const { return static_cast<int64_t>(lengths.size()) * stride; }
};

class DeviceDocuments {
 public:
  explicit DeviceDocuments(const HostDocuments &host)
      : count_(static_cast<int32_t>(host.lengths.size())),
        stride_(host.stride),
        ids_(host.ids),
        lengths_(host.lengths),
        read_start_(host.read_start),
        keys_(host.keys),
        memory_pointers_(host.lengths.size()) {
    std::vector<const float *> pointers;
    for (const std::vector<float> &values : host.memory) {
      memory_.push_back(std::make_unique<DeviceBuffer<float>>(values));
      pointers.push_back(values.empty() ? nullptr : memory_.back()->data());
    }
    memory_pointers_.upload(pointers);
  }
  rmt::cuda::Documents get() const {
    return {count_, stride_, ids_.data(), lengths_.data(), read_start_.data(), memory_pointers_.data(), keys_.data()};
  }

 private:
  int32_t count_;
  int32_t stride_;
  DeviceBuffer<int32_t> ids_;
  DeviceBuffer<int32_t> lengths_;
  DeviceBuffer<int32_t> read_start_;
  DeviceBuffer<uint64_t> keys_;
  std::vector<std::unique_ptr<DeviceBuffer<float>>> memory_;
  DeviceBuffer<const float *> memory_pointers_;
};

}  // namespace test
