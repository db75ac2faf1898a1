// slab.h - all tensors of a model behind one another, row-major. Query, key and value of a layer are neighbours, so
// that one product makes all three.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace rmt::cuda {

class SlabLayout {
 public:
  explicit SlabLayout(const ModelShape &shape);

  int64_t floats() const { return floats_; }
  // First element of a tensor; `layer` is 0 for tensors outside the layers.
  int64_t at(Tensor tensor, int32_t layer = 0) const { return begin_[index(tensor, layer)]; }

  // Neighbours that decay alike: [begin, end).
  struct Run {
    int64_t begin;
    int64_t end;
    bool is_bias_or_norm;
  };
  const std::vector<Run> &runs() const { return runs_; }

 private:
  static size_t index(Tensor tensor, int32_t layer) {
    return static_cast<size_t>(layer) * static_cast<size_t>(Tensor::kCount) + static_cast<size_t>(tensor);
  }
  void add(const ModelShape &shape, Tensor tensor, int32_t layer);
  void align();

  std::vector<int64_t> begin_;
  std::vector<Run> runs_;
  int64_t floats_ = 0;
};

}  // namespace rmt::cuda
