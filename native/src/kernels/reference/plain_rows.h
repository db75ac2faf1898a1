// plain_rows.h - what plain loops do with one row: products, LayerNorm, GELU, softmax.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/kernels.h"

namespace rmt {

template <typename Real>
struct PlainRows {
  // y = x W + b for `weight` of (in, out). Returns the operations of the product.
  static int64_t linear(const Real *x, const float *weight, const float *bias, int64_t in, int64_t out, Real *y) {
    for (int64_t o = 0; o < out; ++o) y[o] = bias[o];
    for (int64_t i = 0; i < in; ++i) {
      const Real value = x[i];
      const float *column = weight + i * out;
      for (int64_t o = 0; o < out; ++o) y[o] += value * static_cast<Real>(column[o]);
    }
    return 2 * in * out;
  }

  // The backward of linear(): dW += x dy, db += dy, dx += dy W^T.
  static void linear_backward(const Real *x, const Real *dy, const float *weight, int64_t in, int64_t out,
                              Real *dweight, Real *dbias, Real *dx) {
    for (int64_t o = 0; o < out; ++o) dbias[o] += dy[o];
    for (int64_t i = 0; i < in; ++i) {
      Real sum = 0;
      for (int64_t o = 0; o < out; ++o) {
        sum += dy[o] * static_cast<Real>(weight[i * out + o]);
        dweight[i * out + o] += x[i] * dy[o];
      }
      dx[i] += sum;
    }
  }

  // x = LayerNorm(x + added); `added` may be null.
  static void add_and_normalize(Real *x, const Real *added, const float *weight, const float *bias, float eps,
                                int64_t hidden) {
    Real sum = 0;
    for (int64_t h = 0; h < hidden; ++h) {
      if (added != nullptr) x[h] += added[h];
      sum += x[h];
    }
    const Real mean = sum / hidden;
    Real squares = 0;
    for (int64_t h = 0; h < hidden; ++h) squares += (x[h] - mean) * (x[h] - mean);
    const Real scale = 1 / std::sqrt(squares / hidden + static_cast<Real>(eps));
    for (int64_t h = 0; h < hidden; ++h) x[h] = (x[h] - mean) * scale * weight[h] + bias[h];
  }

  static Real gelu(Real x) {
    const Real root_half = static_cast<Real>(0.70710678118654752440);
    return static_cast<Real>(0.5) * x * (1 + std::erf(x * root_half));
  }

  // The derivative of gelu: Phi(x) + x phi(x).
  static Real gelu_slope(Real x) {
    const Real root_half = static_cast<Real>(0.70710678118654752440);
    const Real density_at_0 = static_cast<Real>(0.39894228040143267794);
    return static_cast<Real>(0.5) * (1 + std::erf(x * root_half)) +
           x * density_at_0 * std::exp(static_cast<Real>(-0.5) * x * x);
  }

  // Scores to probabilities. A NaN among the scores makes all of them NaN.
  static void softmax(Real *scores, int64_t count) {
    Real largest = scores[0];
    for (int64_t j = 1; j < count; ++j) {
      if (scores[j] > largest) largest = scores[j];
    }
    Real sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      scores[j] = std::exp(scores[j] - largest);
      sum += scores[j];
    }
    for (int64_t j = 0; j < count; ++j) scores[j] /= sum;
  }

  template <typename Visit>
  static void for_each_chosen_row(const RowBlock &block, Visit visit) {
    const RowRange all = {0, block.length};
    const RowRange *ranges = block.num_rows == 0 ? &all : block.rows;
    const int32_t count = block.num_rows == 0 ? 1 : block.num_rows;
    for (int32_t r = 0; r < count; ++r) {
      for (int32_t t = ranges[r].begin; t < ranges[r].end; ++t) visit(t);
    }
  }
};

}  // namespace rmt
