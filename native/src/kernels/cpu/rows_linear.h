// rows_linear.h - small linears on rows that somebody gathered, row-major: pooler, classifier, probes.
#pragma once

#include "kernels/cpu/simd.h"

namespace rmt::RMT_ISA {
namespace {

constexpr int32_t kGatheredTile = 4;  // rows, and outputs, of a tile

// out[r][n] = in[r] . weight[n] + bias[n] for `num_rows` and `count` of at most kGatheredTile; rows of `columns`.
inline void gathered_tile(const float *in, int32_t num_rows, const float *weight, const float *bias, int32_t count,
                          int32_t columns, int64_t out_stride, float *out) {
  // Short tiles do the last row again and again.
  const float *rows[kGatheredTile];
  const float *weights[kGatheredTile];
  for (int32_t i = 0; i < kGatheredTile; ++i) {
    rows[i] = in + static_cast<int64_t>(min(i, num_rows - 1)) * columns;
    weights[i] = weight + static_cast<int64_t>(min(i, count - 1)) * columns;
  }
  Vec sum[kGatheredTile * kGatheredTile] = {};
  int32_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    Vec w[kGatheredTile];
#pragma GCC unroll 4
    for (int32_t n = 0; n < kGatheredTile; ++n) w[n] = load_unaligned(weights[n] + c);
#pragma GCC unroll 4
    for (int32_t r = 0; r < kGatheredTile; ++r) {
      const Vec x = load_unaligned(rows[r] + c);
#pragma GCC unroll 4
      for (int32_t n = 0; n < kGatheredTile; ++n) sum[r * kGatheredTile + n] = fma(x, w[n], sum[r * kGatheredTile + n]);
    }
  }
  float sums[kGatheredTile * kGatheredTile] __attribute__((aligned(64)));
#pragma GCC unroll 4
  for (int32_t i = 0; i < kGatheredTile * kGatheredTile; i += kLanes) store(sums + i, sum_lanes(sum + i));
  for (int32_t r = 0; r < num_rows; ++r) {
    for (int32_t n = 0; n < count; ++n) {
      float rest = 0;
      for (int32_t i = c; i < columns; ++i) rest += rows[r][i] * weights[n][i];
      out[r * out_stride + n] = (sums[r * kGatheredTile + n] + rest) + bias[n];
    }
  }
}

// Terms that are summed in one go, for the sake of rounding.
constexpr int32_t kPartialTerms = 32;

// out[c] = sum over j of factors[j x stride] x rows[j][c] for columns [begin, end), rows of `columns`; with `add`,
// that much is added.
inline void combine_rows(const float *factors, int64_t stride, const float *rows, int32_t num_rows, int32_t columns,
                         int32_t begin, int32_t end, bool add, float *out) {
  int32_t c = begin;
  for (; c + kLanes <= end; c += kLanes) {
    Vec total = add ? load_unaligned(out + c) : Vec{};
    for (int32_t first = 0; first < num_rows; first += kPartialTerms) {
      Vec sum[2] = {};
      for (int32_t j = first; j < min(num_rows, first + kPartialTerms); ++j) {
        sum[j % 2] =
            fma(load_unaligned(rows + static_cast<int64_t>(j) * columns + c), splat(factors[j * stride]), sum[j % 2]);
      }
      total += sum[0] + sum[1];
    }
    store_unaligned(out + c, total);
  }
  for (; c < end; ++c) {
    float total = add ? out[c] : 0.0f;
    for (int32_t first = 0; first < num_rows; first += kPartialTerms) {
      float sum = 0;
      for (int32_t j = first; j < min(num_rows, first + kPartialTerms); ++j) {
        sum += rows[static_cast<int64_t>(j) * columns + c] * factors[j * stride];
      }
      total += sum;
    }
    out[c] = total;
  }
}

// One call of rows_linear() or rows_linear_backward().
struct GatheredJob {
  int32_t columns;  // H
  int32_t count;    // outputs
  int32_t num_rows;
  const float *weight;  // (count, H)
  const float *bias;    // (count)
  const float *in;      // (num_rows, H)
  float *out;           // (num_rows, count)
  const float *dout;    // (num_rows, count)
  float *din;           // (num_rows, H)
  float *dweight;       // (count, H)
  float *dbias;         // (count)
  int32_t input_tasks;  // of the backward: the first ones
};

constexpr int32_t kGatheredRows = 16;      // of a task
constexpr int32_t kGatheredColumns = 128;  // of a task

inline void gathered_task(void *context, int index, int) {
  const GatheredJob &job = *static_cast<const GatheredJob *>(context);
  const int32_t end = min(job.num_rows, (index + 1) * kGatheredRows);
  for (int32_t r = index * kGatheredRows; r < end; r += kGatheredTile) {
    for (int32_t n = 0; n < job.count; n += kGatheredTile) {
      gathered_tile(job.in + static_cast<int64_t>(r) * job.columns, min(kGatheredTile, end - r),
                    job.weight + static_cast<int64_t>(n) * job.columns, job.bias + n, min(kGatheredTile, job.count - n),
                    job.columns, job.count, job.out + static_cast<int64_t>(r) * job.count + n);
    }
  }
}

inline void gathered_backward_task(void *context, int index, int) {
  const GatheredJob &job = *static_cast<const GatheredJob *>(context);
  if (index < job.input_tasks) {
    const int32_t end = min(job.num_rows, (index + 1) * kGatheredRows);
    for (int32_t r = index * kGatheredRows; r < end; ++r) {
      combine_rows(job.dout + static_cast<int64_t>(r) * job.count, 1, job.weight, job.count, job.columns, 0,
                   job.columns, false, job.din + static_cast<int64_t>(r) * job.columns);
    }
    return;
  }
  index -= job.input_tasks;
  const int32_t column_tasks = divide_up(job.columns, kGatheredColumns);
  const int32_t begin = index % column_tasks * kGatheredColumns;
  const int32_t n = index / column_tasks;
  combine_rows(job.dout + n, job.count, job.in, job.num_rows, job.columns, begin,
               min(job.columns, begin + kGatheredColumns), true, job.dweight + static_cast<int64_t>(n) * job.columns);
  if (begin > 0) return;
  float total = job.dbias[n];
  for (int32_t first = 0; first < job.num_rows; first += kPartialTerms) {
    float sum = 0;
    for (int32_t r = first; r < min(job.num_rows, first + kPartialTerms); ++r) {
      sum += job.dout[static_cast<int64_t>(r) * job.count + n];
    }
    total += sum;
  }
  job.dbias[n] = total;
}

}  // namespace
}  // namespace rmt::RMT_ISA
