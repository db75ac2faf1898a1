#include "kernels/cuda/segment.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace rmt::cuda {

namespace {

constexpr int64_t kAlignment = 16;
constexpr int kTables = 20;

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Of one segment.
int64_t table_bytes(int32_t max_batch_size, int32_t max_input_length, bool words) {
  // ids and the two lists of rows; those of words; of each document eight numbers, four pointers and a key.
  const int64_t rows = int64_t{max_batch_size} * max_input_length;
  return (3 * rows + (words ? 3 * rows + 1 : 0)) * static_cast<int64_t>(sizeof(int32_t)) +
         max_batch_size * static_cast<int64_t>(8 * sizeof(int32_t) + 4 * sizeof(void *) + sizeof(uint64_t)) +
         kTables * kAlignment;
}

}  // namespace

int64_t SegmentTables::bytes(int32_t max_batch_size, int32_t max_input_length, bool words) {
  return kTurns * table_bytes(max_batch_size, max_input_length, words);
}

SegmentTables::SegmentTables(Place &place, int32_t max_batch_size, int32_t max_input_length, bool words)
    : place_(place), granted_(true), capacity_(table_bytes(max_batch_size, max_input_length, words)) {
  const auto make_event = [&](cudaEvent_t *event) {
    place.check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "making an event");
  };
  const Place::Lock lock(place.mutex());  // the events below belong into no recording of another thread
  for (Buffer &buffer : buffers_) {
    buffer.device = static_cast<char *>(place.allocate(capacity_));
    granted_ = granted_ && buffer.device != nullptr;
    if (!granted_) return;
    make_event(&buffer.read);
    // Memory is cleared on the stream, and the first copy must not overtake that.
    place.check(cudaEventRecord(buffer.read, place.stream()), "recording an event");
  }
  for (Staging &staging : ring_) {
    granted_ = cudaMallocHost(reinterpret_cast<void **>(&staging.host), static_cast<size_t>(capacity_)) == cudaSuccess;
    if (!granted_) {
      cudaGetLastError();
      return;
    }
    make_event(&staging.copied);
  }
}

SegmentTables::~SegmentTables() {
  for (Buffer &buffer : buffers_) {
    place_.release(buffer.device);  // waits for the stream, which has waited for every copy
    if (buffer.read != nullptr) cudaEventDestroy(buffer.read);
  }
  for (Staging &staging : ring_) {
    if (staging.copied != nullptr) cudaEventDestroy(staging.copied);
    if (staging.host != nullptr) cudaFreeHost(staging.host);
  }
}

// Copies a table into the buffer; returns where it will be on the device.
template <typename T>
const T *SegmentTables::put(char *host, int64_t &offset, const std::vector<T> &values) const {
  const int64_t begin = offset;
  if (!values.empty()) std::memcpy(host + begin, values.data(), values.size() * sizeof(T));
  offset = aligned(begin + static_cast<int64_t>(values.size() * sizeof(T)));
  return reinterpret_cast<const T *>(buffers_[turn_].device + begin);
}

int32_t SegmentTables::last_place(int32_t block, int32_t position) const {
  const int32_t row = block * documents_.stride + position;
  if (!chosen_) return row;
  const auto begin = chosen_rows_.begin() + chosen_first_[block];
  const auto end = begin + chosen_num_[block];
  const auto found = std::lower_bound(begin, end, row);
  return found != end && *found == row ? static_cast<int32_t>(found - chosen_rows_.begin()) : -1;
}

// Lists of the same length for every segment of a shape.
void SegmentTables::list_sorted_words() {
  const size_t most = ids_.size();
  std::sort(sorted_words_.begin(), sorted_words_.end());
  word_ids_.clear();
  word_first_.clear();
  word_rows_.clear();
  for (const auto &[id, row] : sorted_words_) {
    if (word_ids_.empty() || word_ids_.back() != id) {
      word_ids_.push_back(id);
      word_first_.push_back(static_cast<int32_t>(word_rows_.size()));
    }
    word_rows_.push_back(row);
  }
  word_ids_.resize(most);
  word_first_.resize(most + 1, static_cast<int32_t>(word_rows_.size()));
  word_rows_.resize(most);
}

template <typename Block>
void SegmentTables::fill(const Block *blocks, int32_t num_blocks, const Block *last_blocks, int32_t num_last_blocks,
                         int32_t num_mem_tokens, bool sort_words) {
  int32_t stride = 0;
  for (int32_t b = 0; b < num_blocks; ++b) stride = std::max(stride, blocks[b].length);
  documents_.count = num_blocks;
  documents_.stride = stride;
  const size_t count = static_cast<size_t>(num_blocks);
  const size_t rows = count * static_cast<size_t>(stride);

  // ---- documents and all rows ----
  ids_.assign(rows, 0);
  rows_.assign(rows, -1);
  for (auto *table : {&lengths_, &read_start_, &first_, &chosen_first_, &chosen_num_, &write_, &last_write_, &dread_})
    table->assign(count, 0);
  read_pointers_.assign(count, nullptr);
  write_pointers_.assign(count, nullptr);
  dwrite_pointers_.assign(count, nullptr);
  dread_pointers_.assign(count, nullptr);
  keys_.assign(count, 0);
  sorted_words_.clear();
  for (int32_t b = 0; b < num_blocks; ++b) {
    const Block &block = blocks[b];
    const int32_t begin = b * stride;
    lengths_[b] = block.length;
    read_start_[b] = block.read_memory_start;
    read_pointers_[b] = block.read_memory_start >= 0 ? block.read_memory : nullptr;
    first_[b] = begin;
    write_[b] = block.write_memory_start >= 0 ? begin + block.write_memory_start : -1;
    write_pointers_[b] = block.write_memory_start >= 0 ? block.write_memory : nullptr;
    dread_[b] = -1;
    if constexpr (std::is_same_v<Block, TrainingBlock>) {
      keys_[b] = block.dropout_key;
      dwrite_pointers_[b] = block.dwrite_memory;
      dread_pointers_[b] = block.dread_memory;
      if (block.read_memory_start >= 0 && block.dread_memory != nullptr) dread_[b] = begin + block.read_memory_start;
    }
    for (int32_t t = 0; t < block.length; ++t) {
      rows_[begin + t] = begin + t;
      if (reads_memory(block, t, num_mem_tokens)) continue;
      ids_[begin + t] = block.ids[t];
      if (sort_words) sorted_words_.emplace_back(block.ids[t], begin + t);
    }
  }

  // ---- chosen rows of the last layer ----
  chosen_rows_.clear();
  chosen_ = num_last_blocks > 0 && last_blocks[0].num_rows > 0;
  for (int32_t b = 0, i = 0; chosen_ && b < num_blocks; ++b) {
    chosen_first_[b] = static_cast<int32_t>(chosen_rows_.size());
    last_write_[b] = -1;
    if (i == num_last_blocks || last_blocks[i].index != b) continue;
    const Block &block = last_blocks[i++];
    for (int32_t r = 0; r < block.num_rows; ++r) {
      for (int32_t t = block.rows[r].begin; t < block.rows[r].end; ++t) {
        if (t == blocks[b].write_memory_start) last_write_[b] = static_cast<int32_t>(chosen_rows_.size());
        chosen_rows_.push_back(b * stride + t);
      }
    }
    chosen_num_[b] = static_cast<int32_t>(chosen_rows_.size()) - chosen_first_[b];
  }

  // ---- one copy, beside the segment before, whose work has all been enqueued ----
  place_.check(cudaEventRecord(buffers_[turn_].read, place_.stream()), "recording an event");
  turn_ = (turn_ + 1) % kTurns;
  const Buffer &buffer = buffers_[turn_];
  const Staging &staging = ring_[next_];
  next_ = (next_ + 1) % kRing;
  place_.check(cudaEventSynchronize(staging.copied), "waiting for a copy");
  int64_t offset = 0;
  const auto bring = [&](const auto &table) { return put(staging.host, offset, table); };
  documents_.ids = bring(ids_);
  documents_.lengths = bring(lengths_);
  documents_.read_start = bring(read_start_);
  documents_.read_memory = bring(read_pointers_);
  documents_.dropout_keys = bring(keys_);
  all_ = {static_cast<int64_t>(rows), bring(rows_), bring(first_), documents_.lengths};
  last_ = {static_cast<int64_t>(chosen_rows_.size()), bring(chosen_rows_), bring(chosen_first_), bring(chosen_num_)};
  write_rows_ = bring(write_);
  last_write_rows_ = bring(last_write_);
  dread_rows_ = bring(dread_);
  write_memory_ = bring(write_pointers_);
  dwrite_memory_ = bring(dwrite_pointers_);
  dread_memory_ = bring(dread_pointers_);
  if (sort_words) {  // last: all else lies where it would without
    list_sorted_words();
    words_ = {static_cast<int32_t>(rows), bring(word_ids_), bring(word_first_), bring(word_rows_)};
  }
  place_.check(cudaStreamWaitEvent(place_.copies(), buffer.read, 0), "waiting for a segment");
  place_.check(cudaMemcpyAsync(buffer.device, staging.host, static_cast<size_t>(offset), cudaMemcpyHostToDevice,
                               place_.copies()),
               "copying to it");
  place_.check(cudaEventRecord(staging.copied, place_.copies()), "recording an event");
  place_.check(cudaStreamWaitEvent(place_.stream(), staging.copied, 0), "waiting for a copy");
}

template void SegmentTables::fill(const RowBlock *, int32_t, const RowBlock *, int32_t, int32_t, bool);
template void SegmentTables::fill(const TrainingBlock *, int32_t, const TrainingBlock *, int32_t, int32_t, bool);

}  // namespace rmt::cuda
