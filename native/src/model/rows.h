// rows.h - positions within a document: which of them a segment may name, and which rows of the last layer are read.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace rmt {

// Rows of the last layer that somebody reads: M memory rows (from -1: none) and the head row (-1: none), as ascending
// ranges that do not touch. Returns their number, 0 to 2.
int32_t needed_rows(int32_t write_memory_start, int32_t num_mem_tokens, int32_t head_position, RowRange rows[2]);

// Throws RMT_INVALID_ARGUMENT unless positions [start, start + count) lie within the document; -1 stands for "none".
void require_positions(const char *field, int32_t document, int32_t start, int32_t count, int32_t length);

// Throws RMT_INVALID_ARGUMENT unless the ids of a document, (length), are in the vocabulary; those of memory positions
// are not looked at.
void require_ids(const ModelShape &shape, int32_t document, const int32_t *ids, int32_t length,
                 int32_t read_memory_start);

}  // namespace rmt
