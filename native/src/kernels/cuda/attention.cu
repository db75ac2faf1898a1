// attention.cu - softmax(q k / sqrt(HS)) v: one block for a tile of queries of one head of one document.
//
// Keys and values pass through shared memory tile by tile, with a running maximum and sum for each query (online
// softmax): T x T numbers never exist. Keys beyond a document's length, and with `causal` tiles behind the last query,
// are not visited. A query's sums run over keys in tiles of a size that follows from the head size alone: its bits do
// not depend on which other queries share the block, nor on the number of queries that a block has.
#include <limits>

#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/quads.h"
#include "kernels/cuda/tiles.h"

namespace rmt::cuda {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr int kThreads = 128;
constexpr int kLanes = 8;                       // threads that share a query
constexpr int kRowThreads = kThreads / kLanes;  // each has kRows queries

// What one block holds in shared memory; kHead is the head size or more.
template <int kHead, int kKeys, int kRows>
struct AttentionTile {
  static constexpr int kQueries = kRowThreads * kRows;
  static constexpr int kQueryLine = kQueries + 4;  // floats; the padding spreads transposed quads over the banks
  static constexpr int kKeyLine = kKeys + 4;
  // Offsets in floats.
  static constexpr int kQ = 0;                                      // (kHead, kQueryLine)
  static constexpr int kK = kQ + kHead * kQueryLine;                // (kHead, kKeyLine)
  static constexpr int kV = kK + kHead * kKeyLine;                  // (kKeys, kHead)
  static constexpr int kWeights = kV + kKeys * kHead;               // (kKeys, kQueryLine)
  static constexpr int kPositions = kWeights + kKeys * kQueryLine;  // (kQueries) int32_t
  static constexpr int kSharedBytes = (kPositions + kQueries) * static_cast<int>(sizeof(float));
  static_assert(kSharedBytes <= 48 * 1024, "more shared memory than every GPU has");
};

struct AttentionCall {
  Documents documents;
  Rows rows;
  AttentionShape shape;
  HeadRows q;
  HeadRows k;
  HeadRows v;
  Mask mask;
  float *log_sum_exp;
  float *out;
  bool q_whole;  // begins_in_quads, heads too
  bool k_whole;
  bool v_whole;
  bool out_whole;
};

// Takes kLines lines of a head to shared memory, transposed: (kHead, line_size). row(line) is the line's row, -1: none.
template <int kHead, int kLines, typename Row>
__device__ void load_transposed(const HeadRows &from, int64_t head_begin, int32_t head_size, bool whole, float scale,
                                Row row, int line_size, float *to) {
#pragma unroll 2
  for (int i = 0; i < (kLines * kHead / 4 + kThreads - 1) / kThreads; ++i) {
    // Two threads read 32 neighbouring bytes; 16 lines are written to 16 banks.
    const int index = static_cast<int>(threadIdx.x) + i * kThreads;
    if (kLines * kHead / 4 % kThreads != 0 && index >= kLines * kHead / 4) break;
    const int line = index / 2 % kLines;
    const int e = 4 * (index % 2 + 2 * (index / (2 * kLines)));
    const int64_t r = row(line);
    const float4 quad = load_quad(from.values + r * from.row_stride + head_begin + e, r < 0 ? 0 : head_size - e, whole);
    to[e * line_size + line] = quad.x * scale;
    to[(e + 1) * line_size + line] = quad.y * scale;
    to[(e + 2) * line_size + line] = quad.z * scale;
    to[(e + 3) * line_size + line] = quad.w * scale;
  }
}

template <int kHead, int kKeys, int kRows>
class QueryTile {
  using Tile = AttentionTile<kHead, kKeys, kRows>;
  using RowPart = Fragment<kRows, kRowThreads>;
  using KeyPart = Fragment<kKeys / kLanes, kLanes>;
  using HeadPart = Fragment<kHead / kLanes, kLanes>;
  static constexpr int kKeysEach = kKeys / kLanes;
  static constexpr int kHeadEach = kHead / kLanes;

 public:
  __device__ QueryTile(const AttentionCall &call, float *shared)
      : call_(call),
        shared_(shared),
        head_(blockIdx.y),
        document_(blockIdx.z),
        head_begin_(static_cast<int64_t>(blockIdx.y) * call.shape.head_size),
        row_thread_(threadIdx.x / kLanes),
        lane_(threadIdx.x % kLanes) {}

  // Queries [begin, begin + kQueries) of the document's `num`, the first of which is compact row `first`.
  __device__ void run(int32_t first, int32_t num, int32_t begin) {
    const int32_t length = call_.documents.lengths[document_];
    const int32_t end = load_queries(first, num, begin, length);
    const DroppedSite site(call_.mask, call_.mask.threshold == 0 ? 0 : call_.documents.dropout_keys[document_],
                           static_cast<uint32_t>(head_));
    DroppedRow dropped[kRows];
    int32_t visible[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int32_t position = positions()[row_thread_ * kRows + r];
      dropped[r] = site.row(position);
      visible[r] = call_.shape.causal && position >= 0 ? position + 1 : length;
      largest_[r] = kMinusInfinity;
      sum_[r] = 0.0f;
#pragma unroll
      for (int e = 0; e < kHeadEach; ++e) out_[r][e] = 0.0f;
    }
    for (int32_t key = 0; key < end; key += kKeys) {
      load_keys_and_values(key, length);
      __syncthreads();
      weigh(key, visible, dropped);
      __syncwarp();  // the threads that share a query are of one warp
      add_values();
      __syncthreads();
    }
    store(first + begin, num - begin);
  }

 private:
  __device__ int32_t *positions() { return reinterpret_cast<int32_t *>(shared_ + Tile::kPositions); }

  // Returns how many keys are to be visited.
  __device__ int32_t load_queries(int32_t first, int32_t num, int32_t begin, int32_t length) {
    for (int i = threadIdx.x; i < Tile::kQueries; i += kThreads) {
      const int32_t row = begin + i < num ? call_.rows.rows[first + begin + i] : -1;
      positions()[i] = row < 0 ? -1 : row % call_.documents.stride;
    }
    __syncthreads();
    const float scale = 1.0f / sqrtf(static_cast<float>(call_.shape.head_size));
    load_transposed<kHead, Tile::kQueries>(
        call_.q, head_begin_, call_.shape.head_size, call_.q_whole, scale,
        [=](int line) { return positions()[line] < 0 ? int64_t{-1} : int64_t{first} + begin + line; }, Tile::kQueryLine,
        shared_ + Tile::kQ);
    if (!call_.shape.causal) return length;
    int last = Tile::kQueries - 1;
    while (last > 0 && positions()[last] < 0) --last;
    return positions()[last] + 1;
  }

  __device__ void load_keys_and_values(int32_t key, int32_t length) {
    const int64_t row = static_cast<int64_t>(document_) * call_.documents.stride + key;
    load_transposed<kHead, kKeys>(
        call_.k, head_begin_, call_.shape.head_size, call_.k_whole, 1.0f,
        [=](int line) { return key + line < length ? row + line : int64_t{-1}; }, Tile::kKeyLine, shared_ + Tile::kK);
#pragma unroll 2
    for (int i = 0; i < kKeys * kHead / 4 / kThreads; ++i) {
      const int index = static_cast<int>(threadIdx.x) + i * kThreads;
      const int line = index / (kHead / 4);
      const int e = 4 * (index % (kHead / 4));
      const float *from = call_.v.values + (row + line) * call_.v.row_stride + head_begin_ + e;
      const int32_t remaining = key + line < length ? call_.shape.head_size - e : 0;
      *reinterpret_cast<float4 *>(shared_ + Tile::kV + 4 * index) = load_quad(from, remaining, call_.v_whole);
    }
  }

  // Scores of the tile's keys, and with them the attention weights, relative to the largest score so far.
  __device__ void weigh(int32_t key, const int32_t (&visible)[kRows], const DroppedRow (&dropped)[kRows]) {
    float scores[kKeysEach][kRows];
#pragma unroll
    for (int c = 0; c < kKeysEach; ++c) {
#pragma unroll
      for (int r = 0; r < kRows; ++r) scores[c][r] = 0.0f;
    }
#pragma unroll 4
    for (int e = 0; e < kHead; ++e) {
      float q[kRows];
      float k[kKeysEach];
      RowPart::load(shared_ + Tile::kQ + e * Tile::kQueryLine, row_thread_, q);
      KeyPart::load(shared_ + Tile::kK + e * Tile::kKeyLine, lane_, k);
#pragma unroll
      for (int c = 0; c < kKeysEach; ++c) {
#pragma unroll
        for (int r = 0; r < kRows; ++r) scores[c][r] += q[r] * k[c];
      }
    }
    const int32_t first_key = key + lane_ * kKeysEach;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      float largest = largest_[r];
#pragma unroll
      for (int c = 0; c < kKeysEach; ++c) {
        if (first_key + c >= visible[r]) scores[c][r] = kMinusInfinity;
        largest = fmaxf(largest, scores[c][r]);
      }
#pragma unroll
      for (int distance = kLanes / 2; distance > 0; distance /= 2) {
        largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
      }
      const float correction = expf(largest_[r] - largest);
      largest_[r] = largest;
      float sum = 0.0f;
#pragma unroll
      for (int c = 0; c < kKeysEach; ++c) {
        const float weight = expf(scores[c][r] - largest);
        sum += weight;
        scores[c][r] = weight * dropped[r].factor(first_key + c);
      }
      sum_[r] = fmaf(sum_[r], correction, sum);
#pragma unroll
      for (int e = 0; e < kHeadEach; ++e) out_[r][e] *= correction;
    }
#pragma unroll
    for (int c = 0; c < kKeysEach; ++c) {
      RowPart::store(shared_ + Tile::kWeights + (lane_ * kKeysEach + c) * Tile::kQueryLine, row_thread_, scores[c]);
    }
  }

  __device__ void add_values() {
#pragma unroll 4
    for (int key = 0; key < kKeys; ++key) {
      float weights[kRows];
      float values[kHeadEach];
      RowPart::load(shared_ + Tile::kWeights + key * Tile::kQueryLine, row_thread_, weights);
      HeadPart::load(shared_ + Tile::kV + key * kHead, lane_, values);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int e = 0; e < kHeadEach; ++e) out_[r][e] += weights[r] * values[e];
      }
    }
  }

  __device__ void store(int32_t first_row, int32_t num) {
    const int64_t hidden_size = static_cast<int64_t>(call_.shape.num_heads) * call_.shape.head_size;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      float sum = sum_[r];
#pragma unroll
      for (int distance = kLanes / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(kAllLanes, sum, distance);
      const int query = row_thread_ * kRows + r;
      if (query >= num || positions()[query] < 0) continue;
      const int64_t row = int64_t{first_row} + query;
      if (call_.log_sum_exp != nullptr && lane_ == 0) {
        call_.log_sum_exp[row * call_.shape.num_heads + head_] = largest_[r] + logf(sum);
      }
      const float scale = 1.0f / sum;
#pragma unroll
      for (int group = 0; group < HeadPart::kGroups; ++group) {
        constexpr int kGroup = HeadPart::kGroup;
        const int e = HeadPart::place(lane_, group);
        float values[kGroup];
#pragma unroll
        for (int j = 0; j < kGroup; ++j) values[j] = out_[r][group * kGroup + j] * scale;
        store_group<kGroup>(call_.out + row * hidden_size + head_begin_ + e, call_.shape.head_size - e, call_.out_whole,
                            values);
      }
    }
  }

  const AttentionCall &call_;
  float *shared_;
  int32_t head_;
  int32_t document_;
  int64_t head_begin_;
  int row_thread_;
  int lane_;
  float largest_[kRows];
  float sum_[kRows];  // this thread's part
  float out_[kRows][kHeadEach];
};

// Compact rows without a row belong to no document: one more layer of blocks clears them.
__device__ void clear_rows_without_row(const AttentionCall &call) {
  const int64_t head_size = call.shape.head_size;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kRowThreads;
  for (int64_t i = blockIdx.x * kRowThreads + threadIdx.x / kLanes; i < call.rows.count; i += step) {
    if (call.rows.rows[i] >= 0) continue;
    const int64_t head = i * call.shape.num_heads + blockIdx.y;
    for (int64_t e = threadIdx.x % kLanes; e < head_size; e += kLanes) call.out[head * head_size + e] = 0.0f;
    if (call.log_sum_exp != nullptr && threadIdx.x % kLanes == 0) call.log_sum_exp[head] = 0.0f;
  }
}

// Blocks that a multiprocessor has room for; more registers than that leaves would not pay.
template <int kHead, int kRows>
constexpr int attention_blocks() {
  return kHead > 64 ? 3 : kHead == 64 && kRows == 4 ? 4 : 5;
}

template <int kHead, int kKeys, int kRows>
__global__ void __launch_bounds__(kThreads, attention_blocks<kHead, kRows>()) attention_kernel(AttentionCall call) {
  RMT_SHARED_MEMORY(float, shared);
  if (static_cast<int32_t>(blockIdx.z) == call.documents.count) return clear_rows_without_row(call);
  const int32_t num = call.rows.num[blockIdx.z];
  const int32_t first = call.rows.first[blockIdx.z];
  constexpr int kQueries = AttentionTile<kHead, kKeys, kRows>::kQueries;
  QueryTile<kHead, kKeys, kRows> tile(call, shared);
  for (int64_t begin = static_cast<int64_t>(blockIdx.x) * kQueries; begin < num;
       begin += static_cast<int64_t>(gridDim.x) * kQueries) {
    tile.run(first, num, static_cast<int32_t>(begin));
    __syncthreads();  // the next tile's positions take the place of this one's
  }
}

// Queries of a document: on average, as the host does not know them one by one.
int64_t average_queries(const AttentionCall &call) {
  return (call.rows.count + call.documents.count - 1) / call.documents.count;
}

int64_t tiles(int64_t queries, int64_t queries_of_tile) { return (queries + queries_of_tile - 1) / queries_of_tile; }

template <int kHead, int kKeys, int kRows>
void launch(cudaStream_t stream, const AttentionCall &call) {
  using Tile = AttentionTile<kHead, kKeys, kRows>;
  // Documents of more than twice the average go through their blocks more than once.
  int64_t queries = 2 * average_queries(call);
  if (queries > call.documents.stride) queries = call.documents.stride;
  if (queries > call.rows.count) queries = call.rows.count;
  const dim3 grid(static_cast<unsigned>(tiles(queries, Tile::kQueries)), static_cast<unsigned>(call.shape.num_heads),
                  static_cast<unsigned>(call.documents.count + 1));
  RMT_LAUNCH((attention_kernel<kHead, kKeys, kRows>), grid, kThreads, Tile::kSharedBytes, stream, call);
}

// The most queries for each thread that still leave enough blocks to fill a GPU.
template <int kHead>
void launch_usual(cudaStream_t stream, const AttentionCall &call) {
  constexpr int64_t kEnoughBlocks = 128;
  constexpr int kKeys = 32;
  const int64_t queries = average_queries(call);
  const int64_t heads = static_cast<int64_t>(call.shape.num_heads) * call.documents.count;
  const auto suits = [=](int rows) {
    const int64_t of_tile = rows * kRowThreads;
    return queries > of_tile / 2 && tiles(queries, of_tile) * heads >= kEnoughBlocks;
  };
  if (suits(4)) return launch<kHead, kKeys, 4>(stream, call);
  if (suits(2)) return launch<kHead, kKeys, 2>(stream, call);
  launch<kHead, kKeys, 1>(stream, call);
}

}  // namespace

void attention(cudaStream_t stream, const Documents &documents, const Rows &rows, const AttentionShape &shape,
               const HeadRows &q, const HeadRows &k, const HeadRows &v, const Mask &mask, float *log_sum_exp,
               float *out) {
  if (rows.count == 0 || documents.count == 0) return;
  const auto whole = [&](const float *values, int64_t row_stride) {
    return shape.head_size % 4 == 0 && begins_in_quads(values, row_stride);
  };
  const AttentionCall call = {documents,
                              rows,
                              shape,
                              q,
                              k,
                              v,
                              mask,
                              log_sum_exp,
                              out,
                              whole(q.values, q.row_stride),
                              whole(k.values, k.row_stride),
                              whole(v.values, v.row_stride),
                              whole(out, static_cast<int64_t>(shape.num_heads) * shape.head_size)};
  if (shape.head_size <= 16) return launch_usual<16>(stream, call);
  if (shape.head_size <= 32) return launch_usual<32>(stream, call);
  if (shape.head_size <= 64) return launch_usual<64>(stream, call);
  if (shape.head_size <= 128) return launch<128, 16, 2>(stream, call);
  launch<256, 8, 1>(stream, call);
}

}  // namespace rmt::cuda
