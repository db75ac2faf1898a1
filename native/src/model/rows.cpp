#include "model/rows.h"

#include <algorithm>

#include "model/error.h"

namespace rmt {

int32_t needed_rows(int32_t write_memory_start, int32_t num_mem_tokens, int32_t head_position, RowRange rows[2]) {
  const RowRange memory = {write_memory_start, write_memory_start + num_mem_tokens};
  const RowRange head = {head_position, head_position + 1};
  const bool has_memory = write_memory_start >= 0 && num_mem_tokens > 0;
  const bool has_head = head_position >= 0;
  if (has_memory && has_head && head.begin <= memory.end && memory.begin <= head.end) {
    rows[0] = {std::min(head.begin, memory.begin), std::max(head.end, memory.end)};
    return 1;
  }
  int32_t count = 0;
  if (has_memory) rows[count++] = memory;
  if (has_head) rows[count++] = head;
  if (count == 2 && rows[1].begin < rows[0].begin) std::swap(rows[0], rows[1]);
  return count;
}

void require_positions(const char *field, int32_t document, int32_t start, int32_t count, int32_t length) {
  require(start == -1 || (start >= 0 && start <= length - count), field, "[", document, "] is ", start, ": ", count,
          " positions from there do not lie within the ", length, " valid ones; -1 stands for none");
}

void require_ids(const ModelShape &shape, int32_t document, const int32_t *ids, int32_t length,
                 int32_t read_memory_start) {
  const int32_t memory_end = read_memory_start < 0 ? read_memory_start : read_memory_start + shape.num_mem_tokens;
  for (int32_t t = 0; t < length; ++t) {
    if (t >= read_memory_start && t < memory_end) continue;
    require(ids[t] >= 0 && ids[t] < shape.vocab_size, "ids[", document, "][", t, "] is ", ids[t],
            ", expected 0 to vocab_size - 1 = ", shape.vocab_size - 1);
  }
}

}  // namespace rmt
