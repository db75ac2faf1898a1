// norm.cu - LayerNorm behind the embedding and behind a residual connection: one warp for each row.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/norm_rows.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {
namespace {

// Pointers that may be null count as such: they do not hinder.
template <typename... Pointers>
bool all_begin_in_quads(int32_t hidden_size, Pointers... pointers) {
  return (begins_in_quads(pointers, hidden_size) && ...);
}

template <int kWidth>
__device__ void drop_group(const DroppedRow &dropped, int32_t h, float (&values)[kWidth]) {
  if (dropped.threshold == 0) return;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) values[j] *= dropped.factor(h + j);
}

// One row through LayerNorm: read(h, group) gives the input, write(h, group) takes the output. The variance is that of
// what is left behind the mean, in a second pass: sums of squares would cancel.
template <int kQuads, typename Read, typename Write>
__device__ void normalize_row(int32_t hidden_size, const NormWeights &norm, const NormTape &tape, int64_t tape_row,
                              Read read, Write write) {
  using Row = WarpRow<kQuads>;
  constexpr int kWidth = Row::kWidth;
  using Group = typename Row::Group;
  Row row(hidden_size);
  row.keep(read);
  float sum = 0.0f;
  row.for_each(read, [&](int32_t, const Group &values, int) {
#pragma unroll
    for (int j = 0; j < kWidth; ++j) sum += values[j];
  });
  const float mean = warp_sum(sum) / static_cast<float>(hidden_size);
  float squares = 0.0f;
  row.for_each(read, [&](int32_t, const Group &values, int) {
#pragma unroll
    for (int j = 0; j < kWidth; ++j) squares += (values[j] - mean) * (values[j] - mean);
  });
  const float scale = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(hidden_size) + norm.eps);
  if (tape.scale != nullptr && threadIdx.x % kWarpSize == 0) tape.scale[tape_row] = scale;
  row.for_each(read, [&](int32_t h, const Group &values, int) {
    Group weight;
    Group bias;
    Group normalized;
    Group out;
    load_group<kWidth>(norm.weight + h, kWidth, true, weight);
    load_group<kWidth>(norm.bias + h, kWidth, true, bias);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      normalized[j] = (values[j] - mean) * scale;
      out[j] = normalized[j] * weight[j] + bias[j];
    }
    if (tape.normalized != nullptr) {
      store_group<kWidth>(tape.normalized + tape_row * hidden_size + h, kWidth, true, normalized);
    }
    write(h, out);
  });
}

// A row that does not exist: finite numbers, which a backward multiplies by zeros.
__device__ void clear_row(int32_t hidden_size, const NormTape &tape, int64_t row, float *out) {
  const int lane = threadIdx.x % kWarpSize;
  for (int64_t h = row * hidden_size + lane; h < (row + 1) * hidden_size; h += kWarpSize) {
    out[h] = 0.0f;
    if (tape.normalized != nullptr) tape.normalized[h] = 0.0f;
  }
  if (tape.scale != nullptr && lane == 0) tape.scale[row] = 0.0f;
}

struct Tables {
  const float *word;
  const float *position;
  const float *type;
};

template <int kQuads>
__global__ void __launch_bounds__(kNormBlockSize)
    embed_kernel(Documents documents, int32_t hidden_size, int32_t num_mem_tokens, Tables tables, NormWeights norm,
                 Mask mask, NormTape tape, float *x) {
  constexpr int kWidth = WarpRow<kQuads>::kWidth;
  using Group = typename WarpRow<kQuads>::Group;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  const int32_t document = static_cast<int32_t>(row / documents.stride);
  if (document >= documents.count) return;
  const int32_t t = static_cast<int32_t>(row % documents.stride);
  if (t >= documents.lengths[document]) return clear_row(hidden_size, tape, row, x);

  const int32_t start = documents.read_start[document];
  const bool is_memory = start >= 0 && t >= start && t - start < num_mem_tokens;
  const float *word = is_memory ? documents.read_memory[document] + static_cast<int64_t>(t - start) * hidden_size
                                : tables.word + static_cast<int64_t>(documents.ids[row]) * hidden_size;
  const bool word_whole = begins_in_quads(word, hidden_size);  // a memory may lie anywhere
  const float *position = tables.position + static_cast<int64_t>(t) * hidden_size;
  const auto read = [&](int32_t h, Group &values) {
    Group added;
    load_group<kWidth>(word + h, kWidth, word_whole, values);
    load_group<kWidth>(position + h, kWidth, true, added);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) values[j] += added[j];
    load_group<kWidth>(tables.type + h, kWidth, true, added);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) values[j] += added[j];
  };
  const DroppedRow dropped = DroppedSite(mask, mask.threshold == 0 ? 0 : documents.dropout_keys[document]).row(t);
  normalize_row<kQuads>(hidden_size, norm, tape, row, read, [&](int32_t h, Group &values) {
    drop_group<kWidth>(dropped, h, values);
    store_group<kWidth>(x + row * hidden_size + h, kWidth, true, values);
  });
}

// The dropout of the document's row that a compact row is.
__device__ DroppedRow dropped_row(const Documents &documents, const Mask &mask, int32_t row) {
  if (mask.threshold == 0) return DroppedRow{0, 0, 1.0f};
  return DroppedSite(mask, documents.dropout_keys[row / documents.stride]).row(row % documents.stride);
}

template <int kQuads>
__global__ void __launch_bounds__(kNormBlockSize)
    add_norm_kernel(Documents documents, Rows rows, int32_t hidden_size, const float *residual, const float *in,
                    NormWeights norm, Mask mask, NormTape tape, float *out) {
  constexpr int kWidth = WarpRow<kQuads>::kWidth;
  using Group = typename WarpRow<kQuads>::Group;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  if (i >= rows.count) return;
  const int32_t row = rows.rows[i];
  if (row < 0) return clear_row(hidden_size, tape, i, out);
  const DroppedRow dropped = dropped_row(documents, mask, row);
  const auto read = [&](int32_t h, Group &values) {
    Group added;
    load_group<kWidth>(in + i * hidden_size + h, kWidth, true, added);
    drop_group<kWidth>(dropped, h, added);
    load_group<kWidth>(residual + i * hidden_size + h, kWidth, true, values);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) values[j] += added[j];
  };
  // Each float is read for the last time by the lane that then writes it: `out` may be what is read.
  normalize_row<kQuads>(hidden_size, norm, tape, i, read, [&](int32_t h, Group &values) {
    store_group<kWidth>(out + i * hidden_size + h, kWidth, true, values);
  });
}

__global__ void __launch_bounds__(kNormBlockSize)
    drop_kernel(Documents documents, Rows rows, int32_t hidden_size, Mask mask, const float *in, float *out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  if (i >= rows.count) return;
  const int32_t row = rows.rows[i];
  if (row < 0) return clear_row(hidden_size, NormTape{nullptr, nullptr}, i, out);
  const DroppedRow dropped = dropped_row(documents, mask, row);
  const bool whole = begins_in_quads(in, hidden_size) && begins_in_quads(out, hidden_size);
  for (int32_t h = 4 * (threadIdx.x % kWarpSize); h < hidden_size; h += 4 * kWarpSize) {
    float values[4];
    load_group<4>(in + i * hidden_size + h, hidden_size - h, whole, values);
    drop_group<4>(dropped, h, values);
    store_group<4>(out + i * hidden_size + h, hidden_size - h, whole, values);
  }
}

unsigned blocks_for_rows(int64_t rows) { return static_cast<unsigned>((rows + kNormWarps - 1) / kNormWarps); }

}  // namespace

void embed(cudaStream_t stream, const Documents &documents, int32_t hidden_size, int32_t num_mem_tokens,
           const float *word, const float *position, const float *type, const NormWeights &norm, const Mask &mask,
           const NormTape &tape, float *x) {
  const int64_t rows = static_cast<int64_t>(documents.count) * documents.stride;
  if (rows == 0) return;
  const Tables tables = {word, position, type};
  const bool whole = all_begin_in_quads(hidden_size, position, type, norm.weight, norm.bias, tape.normalized, x);
  with_quads(hidden_size, whole, [&](auto quads) {
    RMT_LAUNCH((embed_kernel<decltype(quads)::value>), blocks_for_rows(rows), kNormBlockSize, 0, stream, documents,
               hidden_size, num_mem_tokens, tables, norm, mask, tape, x);
  });
}

void add_norm(cudaStream_t stream, const Documents &documents, const Rows &rows, int32_t hidden_size,
              const float *residual, const float *in, const NormWeights &norm, const Mask &mask, const NormTape &tape,
              float *out) {
  if (rows.count == 0) return;
  const bool whole = all_begin_in_quads(hidden_size, residual, in, norm.weight, norm.bias, tape.normalized, out);
  with_quads(hidden_size, whole, [&](auto quads) {
    RMT_LAUNCH((add_norm_kernel<decltype(quads)::value>), blocks_for_rows(rows.count), kNormBlockSize, 0, stream,
               documents, rows, hidden_size, residual, in, norm, mask, tape, out);
  });
}

void drop(cudaStream_t stream, const Documents &documents, const Rows &rows, int32_t hidden_size, const Mask &mask,
          const float *in, float *out) {
  if (rows.count == 0) return;
  RMT_LAUNCH(drop_kernel, blocks_for_rows(rows.count), kNormBlockSize, 0, stream, documents, rows, hidden_size, mask,
             in, out);
}

}  // namespace rmt::cuda
