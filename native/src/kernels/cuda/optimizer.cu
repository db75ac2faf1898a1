// optimizer.cu - the norm of the gradients and AdamW, limited by how fast memory is read and written.
//
// As in the reference, sums, moments and weights are computed in double and kept as float: a factor like 0.999 as a
// float would be off by as much as a float can be, the same way in every step. Only the root and the quotient of a step
// are float: they are what is slow in double, where a GPU for games has one double unit for 32 lanes, and their error,
// a few units in the last place of the step, is small beside the weight that the step is added to.
#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPerThread = 4;  // elements, where there are enough blocks

__device__ inline int64_t first_element() { return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; }
__device__ inline int64_t elements_apart() { return static_cast<int64_t>(gridDim.x) * kThreads; }

// The same for a NaN as the reference: it becomes the limit.
__device__ inline double clipped(double value, double limit) {
  if (!(limit > 0)) return value;
  const double below = value < limit ? value : limit;
  return below > -limit ? below : -limit;
}

// partials[block] = the sum of squares of the block's elements.
__global__ void __launch_bounds__(kThreads)
    square_sums_kernel(const float *__restrict__ gradient, int64_t count, double limit, double *partials) {
  RMT_SHARED_MEMORY(double, shared);
  double sum = 0;
#pragma unroll 4
  for (int64_t i = first_element(); i < count; i += elements_apart()) {
    const double value = clipped(gradient[i], limit);
    sum = fma(value, value, sum);
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    add_partials_kernel(const double *partials, int32_t count, double factor, double *result) {
  RMT_SHARED_MEMORY(double, shared);
  double sum = 0;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += kThreads) sum += partials[i];
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) result[0] = sum * factor;
}

// What a step multiplies by.
struct Factors {
  double beta1;
  double rest1;  // 1 - beta1
  double beta2;
  double rest2;
  double decay;
  double gradient_scale;
  double clip_value;
  double clip_norm;
  float step_size;   // learning rate, corrected for the first moment
  float root_scale;  // of the root of the second moment, corrected
  float epsilon;
  double average_decay;
  double average_rest;
};

__global__ void __launch_bounds__(kThreads)
    adamw_kernel(Factors factors, const double *squares, const float *__restrict__ gradient, int64_t count,
                 float *__restrict__ weight, float *__restrict__ first_moment, float *__restrict__ second_moment,
                 float *__restrict__ average) {
  double norm_scale = 1;
  if (factors.clip_norm > 0 && squares[0] > factors.clip_norm * factors.clip_norm) {
    norm_scale = factors.clip_norm * rsqrt(squares[0]);
  }
#pragma unroll 4
  for (int64_t i = first_element(); i < count; i += elements_apart()) {
    const double g = clipped(gradient[i] * factors.gradient_scale, factors.clip_value) * norm_scale;
    const double m = factors.beta1 * first_moment[i] + factors.rest1 * g;
    const double v = factors.beta2 * second_moment[i] + factors.rest2 * g * g;
    const float first = static_cast<float>(m);
    const float second = static_cast<float>(v);
    const float step = factors.step_size * first / fmaf(sqrtf(second), factors.root_scale, factors.epsilon);
    const double old = weight[i];
    const double w = old - factors.decay * old - static_cast<double>(step);
    first_moment[i] = first;
    second_moment[i] = second;
    weight[i] = static_cast<float>(w);
    if (average != nullptr) {
      average[i] = static_cast<float>(factors.average_decay * average[i] + factors.average_rest * w);
    }
  }
}

unsigned blocks_for(int64_t count, int64_t most) {
  const int64_t blocks = (count + kThreads * kPerThread - 1) / (kThreads * kPerThread);
  return static_cast<unsigned>(blocks < 1 ? 1 : (blocks < most ? blocks : most));
}

}  // namespace

void sum_of_squares(cudaStream_t stream, const float *gradient, int64_t count, double scale, double clip_value,
                    double *partials, double *result) {
  // Unscaled elements are clipped at the limit divided by the scale: that spares a product for each of them.
  const double limit = clip_value > 0 ? clip_value / std::fabs(scale) : 0;
  const unsigned blocks = blocks_for(count, kSquareSums);
  constexpr size_t kSharedBytes = kThreads / kWarpSize * sizeof(double);
  RMT_LAUNCH(square_sums_kernel, dim3(blocks), dim3(kThreads), kSharedBytes, stream, gradient, count, limit, partials);
  RMT_LAUNCH(add_partials_kernel, dim3(1), dim3(kThreads), kSharedBytes, stream, partials, static_cast<int32_t>(blocks),
             scale * scale, result);
}

void adamw(cudaStream_t stream, const AdamWStep &step, const double *squares, const float *gradient, int64_t count,
           float *weight, float *first_moment, float *second_moment, float *average) {
  if (count == 0) return;
  Factors factors{};
  factors.beta1 = step.beta1;
  factors.rest1 = 1 - step.beta1;
  factors.beta2 = step.beta2;
  factors.rest2 = 1 - step.beta2;
  factors.decay = step.decay;
  factors.gradient_scale = step.gradient_scale;
  factors.clip_value = step.clip_value;
  factors.clip_norm = step.clip_norm;
  factors.step_size = static_cast<float>(step.learning_rate / step.first_correction);
  factors.root_scale = static_cast<float>(1 / std::sqrt(step.second_correction));
  factors.epsilon = static_cast<float>(step.epsilon);
  factors.average_decay = step.average_decay;
  factors.average_rest = 1 - step.average_decay;
  constexpr int64_t kMostBlocks = 8192;
  RMT_LAUNCH(adamw_kernel, dim3(blocks_for(count, kMostBlocks)), dim3(kThreads), 0, stream, factors, squares, gradient,
             count, weight, first_moment, second_moment, average);
}

}  // namespace rmt::cuda
