// segment.h - what kernels have to know of a segment: tables, made on the host and brought over in one copy.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/cuda/operations.h"
#include "kernels/cuda/place.h"
#include "kernels/training.h"

namespace rmt::cuda {

// Room for the tables of two segments, used by turns: those of the next come over while this one computes, so that no
// segment waits for a copy. Memory is the same for documents of any length, which it would not be if their ids were
// brought over in advance. The host side is a ring of pinned buffers.
class SegmentTables {
 public:
  // With room for sorted words or without.
  static int64_t bytes(int32_t max_batch_size, int32_t max_input_length, bool words);

  SegmentTables(Place &place, int32_t max_batch_size, int32_t max_input_length, bool words);
  ~SegmentTables();
  SegmentTables(const SegmentTables &) = delete;
  SegmentTables &operator=(const SegmentTables &) = delete;

  bool granted() const { return granted_; }

  // Fills the tables for `blocks` (block i with index i) and the chosen rows of `last_blocks`, and enqueues their copy.
  // Block: RowBlock or TrainingBlock. Words are sorted where that is wanted.
  template <typename Block>
  void fill(const Block *blocks, int32_t num_blocks, const Block *last_blocks, int32_t num_last_blocks,
            int32_t num_mem_tokens, bool sort_words = false);

  // ---- of the segment that was filled in last ----
  // In which of the two buffers its tables lie, 0 or 1; within it, all tables of segments of a shape lie alike.
  int32_t turn() const { return turn_; }
  int32_t batch_size() const { return documents_.count; }
  int32_t stride() const { return documents_.stride; }
  int64_t num_rows() const { return int64_t{documents_.count} * documents_.stride; }
  const Documents &documents() const { return documents_; }
  const Rows &all_rows() const { return all_; }
  // Rows of the last layer; where all are chosen, those of all_rows().
  const Rows &last_rows() const { return chosen_ ? last_ : all_; }
  bool chosen() const { return chosen_; }
  // (B): row of the first memory row that is written, among all rows or among those of the last layer; -1: none.
  const int32_t *write_rows() const { return write_rows_; }
  const int32_t *last_write_rows() const { return chosen_ ? last_write_rows_ : write_rows_; }
  // (B): row of the first memory row that is read and whose gradient is wanted; -1: none.
  const int32_t *dread_rows() const { return dread_rows_; }
  float *const *write_memory() const { return write_memory_; }
  const float *const *dwrite_memory() const { return dwrite_memory_; }
  float *const *dread_memory() const { return dread_memory_; }
  const SortedWords &words() const { return words_; }
  // On the host: where row (block, position) lies in the output of the last layer; -1: it was not chosen.
  int32_t last_place(int32_t block, int32_t position) const;

 private:
  static constexpr int kRing = 4;
  static constexpr int kTurns = 2;

  struct Staging {
    char *host = nullptr;
    cudaEvent_t copied = nullptr;  // the host may write again
  };
  struct Buffer {
    char *device = nullptr;
    cudaEvent_t read = nullptr;  // the segment is done: the next but one may come over
  };

  void list_sorted_words();
  template <typename T>
  const T *put(char *host, int64_t &offset, const std::vector<T> &values) const;

  Place &place_;
  bool granted_ = false;
  int64_t capacity_;  // bytes of each buffer
  Staging ring_[kRing];
  Buffer buffers_[kTurns];
  int next_ = 0;
  int turn_ = 0;

  Documents documents_{};
  Rows all_{};
  Rows last_{};
  bool chosen_ = false;
  const int32_t *write_rows_ = nullptr;
  const int32_t *last_write_rows_ = nullptr;
  const int32_t *dread_rows_ = nullptr;
  float *const *write_memory_ = nullptr;
  const float *const *dwrite_memory_ = nullptr;
  float *const *dread_memory_ = nullptr;
  SortedWords words_{};

  // Kept between segments, so that filling allocates nothing in the long run.
  std::vector<int32_t> ids_, lengths_, read_start_, rows_, first_, chosen_rows_, chosen_first_, chosen_num_;
  std::vector<int32_t> write_, last_write_, dread_;
  std::vector<const float *> read_pointers_, dwrite_pointers_;
  std::vector<float *> write_pointers_, dread_pointers_;
  std::vector<uint64_t> keys_;
  std::vector<std::pair<int32_t, int32_t>> sorted_words_;  // id, row
  std::vector<int32_t> word_ids_, word_first_, word_rows_;
};

}  // namespace rmt::cuda
