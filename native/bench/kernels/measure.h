// measure.h - kernel_times() for one instruction set; included by avx512.cpp, avx2.cpp and portable.cpp only.
#pragma once

#include "../kernel_times.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/tasks.h"

// The C++ library stays outside (see simd.h): these come from kernel_times.cpp.
namespace rmt::bench {
double seconds_now();
float *filled_floats(int64_t count);  // aligned to a cache line, small values; lives as long as the program
}  // namespace rmt::bench

namespace rmt::RMT_ISA {
namespace {

// Median seconds of a few runs.
template <typename Work>
double median_seconds(const Work &work) {
  constexpr int32_t kRuns = 7;
  double seconds[kRuns];
  work();
  for (double &s : seconds) {
    const double begin = bench::seconds_now();
    work();
    s = bench::seconds_now() - begin;
  }
  return bench::median_of(seconds, kRuns);
}

inline bench::KernelTimes measure(const bench::EncoderSize &size) {
  const int32_t h = size.hidden_size;
  const int32_t f = size.intermediate_size;
  const int32_t panels = divide_up(size.positions, kRows);
  ModelShape shape{};
  shape.hidden_size = h;
  shape.intermediate_size = f;
  shape.head_size = h / size.num_heads;
  const int32_t group = group_size(shape, panels, 1);
  const int32_t chunk = feed_forward_chunk(shape);
  const int64_t panel = static_cast<int64_t>(h) * kRows;
  const int64_t square = static_cast<int64_t>(h) * h;
  const int64_t layer_floats = 4 * square + 2 * static_cast<int64_t>(h) * f;
  // As many layers as do not fit into any cache, at most those of the model.
  const int32_t layers = min(size.num_layers, static_cast<int32_t>(1 + (int64_t{32} << 20) / layer_floats));

  const float *weights = bench::filled_floats(layers * layer_floats);
  const float *bias = bench::filled_floats(f);
  float *x = bench::filled_floats(panels * panel);
  float *keys = bench::filled_floats(panels * panel);
  float *values = bench::filled_floats(panels * panel);
  float *out = bench::filled_floats(group * panel);
  float *inner = bench::filled_floats(static_cast<int64_t>(group) * chunk * kRows);
  float *scratch = bench::filled_floats(attention_scratch(shape));
  bench::KernelTimes times{};

  const auto rows_of = [&](float *in, int64_t in_panel, float *to, int64_t to_panel, LinearRows *rows) {
    for (int32_t i = 0; i < group; ++i) rows[i] = {in + i * in_panel, nullptr, to + i * to_panel, kVectors};
  };
  times.linears = median_seconds([&] {
    LinearRows square_rows[kMaxGroup];
    LinearRows inner_rows[kMaxGroup];
    LinearRows outer_rows[kMaxGroup];
    int64_t operations = 0;
    for (int32_t layer = 0; layer < size.num_layers; ++layer) {
      const float *w = weights + layer % layers * layer_floats;
      for (int32_t first = 0; first + group <= panels; first += group) {
        rows_of(x + first * panel, panel, out, panel, square_rows);
        rows_of(x + first * panel, panel, inner, static_cast<int64_t>(chunk) * kRows, inner_rows);
        rows_of(inner, static_cast<int64_t>(chunk) * kRows, out, panel, outer_rows);
        for (int32_t i = 0; i < 4; ++i) {
          operations += linear<Activation::kNone>({w + i * square, bias, h}, 0, h, 0, h, square_rows, group);
        }
        for (int32_t begin = 0; begin < f; begin += chunk) {
          const int32_t end = min(f, begin + chunk);
          operations += linear<Activation::kNone>({w + 4 * square, bias, h}, 0, h, begin, end, inner_rows, group);
          operations += linear<Activation::kNone>({w + 4 * square + static_cast<int64_t>(h) * f, bias, f}, begin, end,
                                                  0, h, outer_rows, group);
        }
      }
    }
    times.linear_operations = static_cast<double>(operations);
  });

  AttentionHead head;
  head.panel_stride = panel;
  head.head_size = shape.head_size;
  head.length = size.positions;
  head.scale = 1.0f;
  times.attention = median_seconds([&] {
    int64_t operations = 0;
    for (int32_t layer = 0; layer < size.num_layers; ++layer) {
      for (int32_t first = 0; first + group <= panels; first += group) {
        for (int32_t i = 0; i < size.num_heads; ++i) {
          const int64_t column = static_cast<int64_t>(i) * shape.head_size * kRows;
          head.keys = keys + column;
          head.values = values + column;
          for (int32_t p = 0; p < group; ++p) {
            operations +=
                attend<kVectors>(head, x + (first + p) * panel + column, 0, false, scratch, out + p * panel + column);
          }
        }
      }
    }
    times.attention_operations = static_cast<double>(operations);
  });
  const int32_t blocks = divide_up(size.positions, kKeyBlock);
  times.softmax = median_seconds([&] {
    Vec shift[kVectors] = {};
    Vec sum[kVectors];
    for (int32_t i = 0; i < size.num_layers * panels * size.num_heads * blocks; ++i) {
      exponentials<kVectors>(scratch, min(kKeyBlock, size.positions), splat(-1e-6f), shift, sum);
    }
  });
  times.gelu = median_seconds([&] {
    for (int32_t i = 0; i < size.num_layers * panels; ++i) {
      for (int32_t begin = 0; begin < f; begin += chunk) {
        gelu_all(x, min(chunk, f - begin) * kVectors, inner);
      }
    }
  });
  times.norms = median_seconds([&] {
    const Norm norm{bias, bias, 1e-12f};
    for (int32_t i = 0; i < (2 * size.num_layers + 1) * panels; ++i) {
      layer_norm(norm, h, kVectors, x + i % panels * panel, out);
    }
  });
  return times;
}

}  // namespace
}  // namespace rmt::RMT_ISA
