// attention_backward.cu - the gradients of queries, keys and values, from probabilities that are computed anew.
//
// With scores S = q k / sqrt(HS), probabilities P = exp(S - log_sum_exp) and a dropout factor m (0 or kept_scale) for
// each of them:
//   dV = (m P)^T dout,  dS = P (m (dout v) - delta),  dq = dS k / sqrt(HS),  dk = dS^T q / sqrt(HS),
// where delta, the sum of dout x out over a head, is the mean of m (dout v) under P. Scores are computed in the order
// of attention.cu, to the same bits: what they are off by is then in log_sum_exp too, and P adds up to 1.
//
// The dS of a query have to add up to zero, else what all keys have in common gets into dq; and delta, a sum of rounded
// outputs, is off by more than dout v is on average. What a query's dS do add up to, `rest`, is what delta lacks.
//
// One kernel goes over the keys for each tile of queries and makes dq, from which it takes rest P k / sqrt(HS) at the
// end, and rest; another goes over the queries for each tile of keys and makes dk and dv, with delta + rest. So nothing
// is added by two blocks, at the price of computing scores twice.
#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {
namespace {

constexpr int kTile = 32;  // queries and keys in a tile
constexpr int kThreads = 128;
// Blocks that a multiprocessor has registers for.
template <int kWidth>
constexpr int kQueryBlocks = kWidth < 64 ? 4 : 3;
constexpr int kKeyBlocks = 3;
// The first half of the threads computes scores and dv, the other dout v and dk: the same code on other tiles.
constexpr int kHalf = kThreads / 2;
constexpr int kScoreStride = kTile + 8;  // of the rows of scores: no bank conflicts where they are written

// What is the same for all blocks.
struct Job {
  Documents documents;
  Rows rows;
  AttentionShape shape;
  float scale;  // 1 / sqrt(HS)
  int32_t num_chunks;
  Mask mask;
  HeadRows q;
  HeadRows k;
  HeadRows v;
  const float *dout;         // (rows, H)
  const float *log_sum_exp;  // (rows, NH)
  float *delta;              // (rows, NH)
  float *rest;               // (rows, NH)
  HeadRows dq;
  HeadRows dk;
  HeadRows dv;
};

// The document, head and columns of a block. Heads of more than kWidth elements are cut into chunks: a block goes over
// all of them for the scores, and computes the gradients of one.
struct Place {
  int32_t document;
  int32_t head;
  int32_t chunk;
  int32_t length;
  int64_t first_key_row;
  int64_t first_query_row;
  int32_t num_queries;

  __device__ inline explicit Place(const Job &job)
      : document(static_cast<int32_t>(blockIdx.z)),
        head(static_cast<int32_t>(blockIdx.y) / job.num_chunks),
        chunk(static_cast<int32_t>(blockIdx.y) % job.num_chunks),
        length(job.documents.lengths[document]),
        first_key_row(static_cast<int64_t>(document) * job.documents.stride),
        first_query_row(job.rows.first[document]),
        num_queries(job.rows.num[document]) {}

  __device__ inline DroppedSite dropped(const Job &job) const {
    const uint64_t key = job.mask.threshold == 0 ? 0 : job.documents.dropout_keys[document];
    return DroppedSite(job.mask, key, static_cast<uint32_t>(head));
  }

  // The position of the last query of a tile; -1: it is none.
  __device__ inline int32_t last_position(const Job &job, int32_t first_query) const {
    const int32_t end = min(first_query + kTile, num_queries);
    const int32_t row = job.rows.rows[first_query_row + end - 1];
    return row < 0 ? -1 : static_cast<int32_t>(row - first_key_row);
  }
};

// Shared memory of a block.
template <int kWidth>
struct Tiles {
  static constexpr int kStride = kWidth + 4;  // of the rows of a tile: no bank conflicts where columns are read
  static constexpr int kFloats = kTile * kStride;
  static constexpr int kScores = kTile * kScoreStride;
  static constexpr int kBytes = (4 * kFloats + 2 * kScores + 2 * kTile) * 4 + 2 * kTile * 4;

  float *q;     // (queries, columns), divided by sqrt(HS)
  float *dout;  // (queries, columns)
  float *k;     // (keys, columns), like v
  float *v;
  float *weights;  // (queries, keys): scores, then P for dq, m P for dk and dv
  float *dscores;  // (queries, keys): dout v, then dS
  // Of each query:
  float *log_sum_exp;
  float *delta;
  int32_t *visible;   // keys below this are seen; 0: it is none
  uint32_t *dropped;  // hash of its row

  __device__ inline explicit Tiles(float *memory)
      : q(memory),
        dout(q + kFloats),
        k(dout + kFloats),
        v(k + kFloats),
        weights(v + kFloats),
        dscores(weights + kScores),
        log_sum_exp(dscores + kScores),
        delta(log_sum_exp + kTile),
        visible(reinterpret_cast<int32_t *>(delta + kTile)),
        dropped(reinterpret_cast<uint32_t *>(visible + kTile)) {}
};

// Rows and columns that there are; zero elsewhere.
template <int kWidth>
__device__ inline void load_tile(const float *values, int64_t row_stride, int32_t rows, int32_t columns, float factor,
                                 float *tile) {
  constexpr int kRows = kThreads / kWidth;  // at once
  const int column = static_cast<int>(threadIdx.x) % kWidth;
  const int first_row = static_cast<int>(threadIdx.x) / kWidth;
  const int32_t end = column < columns ? rows : 0;
  values += first_row * row_stride + column;
#pragma unroll 8
  for (int row = first_row; row < kTile; row += kRows) {
    tile[row * Tiles<kWidth>::kStride + column] = row < end ? *values * factor : 0.0f;
    values += kRows * row_stride;
  }
}

template <int kWidth>
__device__ inline void load_queries(const Job &job, const Place &place, int32_t first_query, int32_t chunk,
                                    const Tiles<kWidth> &tiles) {
  const int32_t rows = min(kTile, place.num_queries - first_query);
  const int32_t columns = min(kWidth, job.shape.head_size - chunk * kWidth);
  const int64_t first_row = place.first_query_row + first_query;
  const int64_t hidden = static_cast<int64_t>(job.shape.num_heads) * job.shape.head_size;
  const int64_t first_column = place.head * job.shape.head_size + chunk * kWidth;
  load_tile<kWidth>(job.q.values + first_row * job.q.row_stride + first_column, job.q.row_stride, rows, columns,
                    job.scale, tiles.q);
  load_tile<kWidth>(job.dout + first_row * hidden + first_column, hidden, rows, columns, 1.0f, tiles.dout);
}

template <int kWidth>
__device__ inline void load_keys(const Job &job, const Place &place, int32_t first_key, int32_t chunk,
                                 const Tiles<kWidth> &tiles) {
  const int32_t rows = min(kTile, place.length - first_key);
  const int32_t columns = min(kWidth, job.shape.head_size - chunk * kWidth);
  const int64_t first_row = place.first_key_row + first_key;
  const int64_t first_column = place.head * job.shape.head_size + chunk * kWidth;
  load_tile<kWidth>(job.k.values + first_row * job.k.row_stride + first_column, job.k.row_stride, rows, columns, 1.0f,
                    tiles.k);
  load_tile<kWidth>(job.v.values + first_row * job.v.row_stride + first_column, job.v.row_stride, rows, columns, 1.0f,
                    tiles.v);
}

// What a tile is made for.
enum class Goal { kQueryGradient, kKeyGradient };

// What belongs to each query of a tile, by the first warp.
template <Goal kGoal, int kWidth>
__device__ inline void load_query_numbers(const Job &job, const Place &place, int32_t first_query,
                                          const DroppedSite &site, const Tiles<kWidth> &tiles) {
  const int32_t query = static_cast<int32_t>(threadIdx.x);
  if (query >= kTile) return;
  const int64_t compact = place.first_query_row + first_query + query;
  const int32_t row = first_query + query < place.num_queries ? job.rows.rows[compact] : -1;
  const int32_t position = static_cast<int32_t>(row - place.first_key_row);
  const int64_t number = compact * job.shape.num_heads + place.head;
  tiles.log_sum_exp[query] = row < 0 ? 0.0f : job.log_sum_exp[number];
  float delta = row < 0 ? 0.0f : job.delta[number];
  if (kGoal == Goal::kKeyGradient && row >= 0) delta += job.rest[number];
  tiles.delta[query] = delta;
  tiles.visible[query] = row < 0 ? 0 : (job.shape.causal ? position + 1 : place.length);
  tiles.dropped[query] = site.row(position).hash;
}

// sums[i][j] += row y + 8 i of `a` times row x + 8 j of `b`, in the order of columns; x and y number the threads of a
// half.
template <int kWidth>
__device__ inline void add_products(const float *a, const float *b, int x, int y, float (&sums)[4][4]) {
  constexpr int kStride = Tiles<kWidth>::kStride;
#pragma unroll 4
  for (int column = 0; column < kWidth; column += 4) {
    float4 left[4];
    float4 right[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      left[i] = *reinterpret_cast<const float4 *>(a + (y + 8 * i) * kStride + column);
      right[i] = *reinterpret_cast<const float4 *>(b + (x + 8 * i) * kStride + column);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sums[i][j] += left[i].x * right[j].x;
        sums[i][j] += left[i].y * right[j].y;
        sums[i][j] += left[i].z * right[j].z;
        sums[i][j] += left[i].w * right[j].w;
      }
    }
  }
}

// Scores and dout v to weights and dS: a key for each lane, rows by the warps in turn.
template <Goal kGoal, int kWidth>
__device__ inline void differentiate(const Job &job, const Tiles<kWidth> &tiles, int32_t first_key) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int32_t key = first_key + lane;
#pragma unroll 4
  for (int query = static_cast<int>(threadIdx.x) / kWarpSize; query < kTile; query += kThreads / kWarpSize) {
    const int at = query * kScoreStride + lane;
    const DroppedRow dropped{tiles.dropped[query], job.mask.threshold, job.mask.kept_scale};
    const float probability = key < tiles.visible[query] ? expf(tiles.weights[at] - tiles.log_sum_exp[query]) : 0.0f;
    const float factor = dropped.factor(key);
    tiles.weights[at] = kGoal == Goal::kQueryGradient ? probability : factor * probability;
    tiles.dscores[at] = probability * (factor * tiles.dscores[at] - tiles.delta[query]);
  }
}

// Makes weights and dS of a tile of queries and a tile of keys, whose columns of the block's own chunk are in shared
// memory behind this. Tiles that are not new are there already, if there is one chunk.
template <Goal kGoal, int kWidth>
__device__ inline void score_tile(const Job &job, const Place &place, const DroppedSite &site, int32_t first_query,
                                  bool new_queries, int32_t first_key, bool new_keys, const Tiles<kWidth> &tiles) {
  const int thread = static_cast<int>(threadIdx.x) % kHalf;
  const int x = thread % 8;
  const int y = thread / 8;
  const bool first_half = threadIdx.x < kHalf;
  float sums[4][4] = {};
  for (int32_t chunk = 0; chunk < job.num_chunks; ++chunk) {
    __syncthreads();  // the tiles are no longer read
    if (chunk == 0 && new_queries) load_query_numbers<kGoal>(job, place, first_query, site, tiles);
    if (new_queries || job.num_chunks > 1) load_queries(job, place, first_query, chunk, tiles);
    if (new_keys || job.num_chunks > 1) load_keys(job, place, first_key, chunk, tiles);
    __syncthreads();
    add_products<kWidth>(first_half ? tiles.q : tiles.dout, first_half ? tiles.k : tiles.v, x, y, sums);
  }
  float *scores = first_half ? tiles.weights : tiles.dscores;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) scores[(y + 8 * i) * kScoreStride + x + 8 * j] = sums[i][j];
  }
  __syncthreads();
  if (place.chunk != job.num_chunks - 1) {
    load_queries(job, place, first_query, place.chunk, tiles);
    load_keys(job, place, first_key, place.chunk, tiles);
  }
  differentiate<kGoal>(job, tiles, first_key);
  __syncthreads();
}

// delta, by a warp for each compact row and head; dq of compact rows without a row.
__global__ void __launch_bounds__(kThreads) delta_kernel(Job job, const float *out) {
  const int64_t number =
      static_cast<int64_t>(blockIdx.x) * (kThreads / kWarpSize) + static_cast<int64_t>(threadIdx.x) / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  if (number >= job.rows.count * job.shape.num_heads) return;  // a whole warp
  const int64_t row = number / job.shape.num_heads;
  const int64_t head = number % job.shape.num_heads;
  const int64_t first = number * job.shape.head_size;  // rows of dout and out have no gaps
  if (job.rows.rows[row] < 0) {
    float *dq = job.dq.values + row * job.dq.row_stride + head * job.shape.head_size;
    for (int32_t i = lane; i < job.shape.head_size; i += kWarpSize) dq[i] = 0.0f;
    return;
  }
  float sum = 0.0f;
  for (int32_t i = lane; i < job.shape.head_size; i += kWarpSize) sum = fmaf(job.dout[first + i], out[first + i], sum);
  sum = warp_sum(sum);
  if (lane == 0) job.delta[number] = sum;
}

// sums += the factors times four keys, of which there are four columns.
__device__ inline void add_keys(const float4 &factors, const float4 (&keys)[4], float (&sums)[4]) {
  const float factor[4] = {factors.x, factors.y, factors.z, factors.w};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    sums[0] = fmaf(factor[j], keys[j].x, sums[0]);
    sums[1] = fmaf(factor[j], keys[j].y, sums[1]);
    sums[2] = fmaf(factor[j], keys[j].z, sums[2]);
    sums[3] = fmaf(factor[j], keys[j].w, sums[3]);
  }
}

// dq and rest of a tile of queries.
template <int kWidth>
__global__ void __launch_bounds__(kThreads, kQueryBlocks<kWidth>) query_gradient_kernel(Job job) {
  RMT_SHARED_MEMORY(float, memory);
  const Tiles<kWidth> tiles(memory);
  const Place place(job);
  const int32_t first_query = static_cast<int32_t>(blockIdx.x) * kTile;
  if (first_query >= place.num_queries) return;
  const DroppedSite site = place.dropped(job);
  const int32_t last_position = place.last_position(job, first_query);
  const int32_t end = job.shape.causal && last_position >= 0 ? last_position + 1 : place.length;

  constexpr int kGroups = kThreads / (kWidth / 4);  // threads below each other
  constexpr int kQueries = kTile / kGroups;         // queries of a thread: group, group + kGroups ...
  const int column = static_cast<int>(threadIdx.x) % (kWidth / 4) * 4;
  const int group = static_cast<int>(threadIdx.x) / (kWidth / 4);
  float sums[kQueries][4] = {};   // dS k
  float means[kQueries][4] = {};  // P k
  float rest[kQueries] = {};
  for (int32_t first_key = 0; first_key < end; first_key += kTile) {
    score_tile<Goal::kQueryGradient>(job, place, site, first_query, first_key == 0, first_key, true, tiles);
#pragma unroll 2
    for (int key = 0; key < kTile; key += 4) {
      float4 keys[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        keys[j] = *reinterpret_cast<const float4 *>(tiles.k + (key + j) * Tiles<kWidth>::kStride + column);
      }
#pragma unroll
      for (int i = 0; i < kQueries; ++i) {
        const int at = (group + i * kGroups) * kScoreStride + key;
        const float4 ds = *reinterpret_cast<const float4 *>(tiles.dscores + at);
        const float4 p = *reinterpret_cast<const float4 *>(tiles.weights + at);
        rest[i] += (ds.x + ds.y) + (ds.z + ds.w);
        add_keys(ds, keys, sums[i]);
        add_keys(p, keys, means[i]);
      }
    }
  }

  const int32_t columns = min(kWidth, job.shape.head_size - place.chunk * kWidth);
#pragma unroll
  for (int i = 0; i < kQueries; ++i) {
    const int32_t query = first_query + group + i * kGroups;
    const int64_t compact = place.first_query_row + query;
    if (query >= place.num_queries || job.rows.rows[compact] < 0) continue;  // those are delta_kernel's
    float *dq = job.dq.values + compact * job.dq.row_stride + place.head * job.shape.head_size + place.chunk * kWidth;
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      if (column + c < columns) dq[column + c] = fmaf(-rest[i], means[i][c], sums[i][c]) * job.scale;
    }
    if (place.chunk == 0 && column == 0) job.rest[compact * job.shape.num_heads + place.head] = rest[i];
  }
}

// kCount neighbours in shared memory: 2, or whole float4.
template <int kCount>
__device__ inline void load_neighbours(const float *from, float (&values)[kCount]) {
  if constexpr (kCount == 2) {
    const float2 pair = *reinterpret_cast<const float2 *>(from);
    values[0] = pair.x;
    values[1] = pair.y;
  } else {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      const float4 four = *reinterpret_cast<const float4 *>(from + i);
      values[i] = four.x;
      values[i + 1] = four.y;
      values[i + 2] = four.z;
      values[i + 3] = four.w;
    }
  }
}

// dk and dv of a tile of keys.
template <int kWidth>
__global__ void __launch_bounds__(kThreads, kKeyBlocks) key_gradient_kernel(Job job) {
  RMT_SHARED_MEMORY(float, memory);
  const Tiles<kWidth> tiles(memory);
  const Place place(job);
  const int32_t first_key = static_cast<int32_t>(blockIdx.x) * kTile;
  const DroppedSite site = place.dropped(job);

  constexpr int kGroups = kHalf / (kWidth / 4);
  constexpr int kKeys = kTile / kGroups;  // neighbours
  const bool first_half = threadIdx.x < kHalf;
  const int thread = static_cast<int>(threadIdx.x) % kHalf;
  const int column = thread % (kWidth / 4) * 4;
  const int key = thread / (kWidth / 4) * kKeys;
  const float *factors = first_half ? tiles.weights : tiles.dscores;
  const float *values = first_half ? tiles.dout : tiles.q;
  float sums[kKeys][4] = {};
  // Beyond the length nothing is seen: zero.
  const int32_t end = first_key < place.length ? place.num_queries : 0;
  bool new_keys = true;
  for (int32_t first_query = 0; first_query < end; first_query += kTile) {
    const int32_t last_position = place.last_position(job, first_query);
    if (job.shape.causal && last_position >= 0 && last_position < first_key) continue;
    score_tile<Goal::kKeyGradient>(job, place, site, first_query, true, first_key, new_keys, tiles);
    new_keys = false;
#pragma unroll 4
    for (int query = 0; query < kTile; ++query) {
      float factor[kKeys];
      load_neighbours(factors + query * kScoreStride + key, factor);
      const float4 value = *reinterpret_cast<const float4 *>(values + query * Tiles<kWidth>::kStride + column);
#pragma unroll
      for (int i = 0; i < kKeys; ++i) {
        sums[i][0] = fmaf(factor[i], value.x, sums[i][0]);
        sums[i][1] = fmaf(factor[i], value.y, sums[i][1]);
        sums[i][2] = fmaf(factor[i], value.z, sums[i][2]);
        sums[i][3] = fmaf(factor[i], value.w, sums[i][3]);
      }
    }
  }

  const HeadRows &gradient = first_half ? job.dv : job.dk;
  const int32_t columns = min(kWidth, job.shape.head_size - place.chunk * kWidth);
#pragma unroll
  for (int i = 0; i < kKeys; ++i) {
    const int32_t position = first_key + key + i;
    if (position >= job.documents.stride) continue;
    float *row = gradient.values + (place.first_key_row + position) * gradient.row_stride +
                 place.head * job.shape.head_size + place.chunk * kWidth;
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      if (column + c < columns) row[column + c] = sums[i][c];
    }
  }
}

template <int kWidth>
void launch(cudaStream_t stream, Job job, const float *out) {
  job.num_chunks = (job.shape.head_size + kWidth - 1) / kWidth;
  const unsigned planes = static_cast<unsigned>(job.shape.num_heads * job.num_chunks);
  const unsigned documents = static_cast<unsigned>(job.documents.count);
  if (job.rows.count > 0) {
    const int64_t numbers = job.rows.count * job.shape.num_heads;
    const unsigned blocks = static_cast<unsigned>((numbers + kThreads / kWarpSize - 1) / (kThreads / kWarpSize));
    RMT_LAUNCH(delta_kernel, dim3(blocks), dim3(kThreads), 0, stream, job, out);
    const int64_t most = job.rows.count < job.documents.stride ? job.rows.count : job.documents.stride;
    const dim3 grid(static_cast<unsigned>((most + kTile - 1) / kTile), planes, documents);
    RMT_LAUNCH((query_gradient_kernel<kWidth>), grid, dim3(kThreads), Tiles<kWidth>::kBytes, stream, job);
  }
  const dim3 grid(static_cast<unsigned>((job.documents.stride + kTile - 1) / kTile), planes, documents);
  RMT_LAUNCH((key_gradient_kernel<kWidth>), grid, dim3(kThreads), Tiles<kWidth>::kBytes, stream, job);
}

}  // namespace

void attention_backward(cudaStream_t stream, const Documents &documents, const Rows &rows, const AttentionShape &shape,
                        const HeadRows &q, const HeadRows &k, const HeadRows &v, const Mask &mask,
                        const float *log_sum_exp, const float *out, const float *dout, float *scratch,
                        const HeadRows &dq, const HeadRows &dk, const HeadRows &dv) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_size));
  float *rest = scratch + rows.count * shape.num_heads;
  const Job job{documents, rows, shape, scale, 1, mask, q, k, v, dout, log_sum_exp, scratch, rest, dq, dk, dv};
  if (shape.head_size <= 16) {
    launch<16>(stream, job, out);
  } else if (shape.head_size <= 32) {
    launch<32>(stream, job, out);
  } else {
    launch<64>(stream, job, out);
  }
}

}  // namespace rmt::cuda
