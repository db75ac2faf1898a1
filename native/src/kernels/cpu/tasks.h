// tasks.h - which slices a call computes, and how many of them make a task for a thread.
#pragma once

#include "kernels/cpu/layout.h"

namespace rmt::RMT_ISA {
namespace {

struct SliceList {
  Slice *slices;
  int32_t size = 0;

  void add(const Slice &slice) { slices[size++] = slice; }
};

// Of the block with this index among those of the call.
inline void add_valid_panels(const RowBlock &block, int32_t index, SliceList *list) {
  const int32_t panels = divide_up(block.length, kRows);
  for (int32_t p = 0; p < panels; ++p) list->add({index, p, 0, kVectors});
}

// Panels with chosen rows; of a panel in which one vector holds them all, only that vector.
inline void add_chosen_panels(const RowBlock &block, int32_t index, SliceList *list) {
  if (block.num_rows == 0) {
    add_valid_panels(block, index, list);
    return;
  }
  const int32_t panels = divide_up(block.length, kRows);
  for (int32_t p = 0; p < panels; ++p) {
    int32_t first = kRows;
    int32_t last = -1;
    for (int32_t i = 0; i < block.num_rows; ++i) {
      const int32_t begin = max(block.rows[i].begin - p * kRows, 0);
      const int32_t end = min(block.rows[i].end - p * kRows, kRows);
      if (begin >= end) continue;
      first = min(first, begin / kLanes);
      last = max(last, (end - 1) / kLanes);
    }
    if (last < 0) continue;
    if (first == last) {
      list->add({index, p, first, 1});
    } else {
      list->add({index, p, 0, kVectors});
    }
  }
}

// Slices per task, of one or several documents. The larger the weights, the farther away they come from for each task:
// large groups then, else small ones, so that every thread has several tasks and none waits long for another.
inline int32_t group_size(const ModelShape &shape, int32_t num_slices, int32_t threads) {
  const int64_t weights = static_cast<int64_t>(shape.hidden_size) * shape.intermediate_size;  // of the largest linear
  int32_t group = kMaxGroup / 4;
  for (int64_t small = int64_t{1} << 19; group < kMaxGroup && weights > small; small *= 2) group *= 2;
  return min(max(1, num_slices / threads), group);
}

}  // namespace
}  // namespace rmt::RMT_ISA
