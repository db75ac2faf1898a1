#include "kernels/cuda/products.h"

namespace rmt::cuda {

namespace {

// cuBLAS would otherwise allocate while a segment is recorded; of this size it does what it can.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

}  // namespace

std::string Products::open(const char *cublas, Precision precision, cudaStream_t stream) {
  compute_ = precision == Precision::kTf32   ? kCublasFastTf32
             : precision == Precision::kBf16 ? kCublasFastBf16
                                             : kCublasFp32;
  std::string problem;
  if (cublas == nullptr) {
    // One that loads may still not start: the newest may be too new for this GPU or its driver.
    for (const char *name : kUsualCublas) {
      const std::string reason = start(name, stream);
      if (reason.empty()) return "";
      problem += (problem.empty() ? "" : "; ") + reason;
    }
  } else if (cublas[0] == '\0') {
    problem = "own products were asked for";
  } else {
    problem = start(cublas, stream);
    if (problem.empty()) return "";
  }
  if (precision != Precision::kFp32) return "TF32 and BF16 need cuBLAS, which cannot be used: " + problem;
  if (cublas != nullptr && cublas[0] != '\0') return std::string("cuBLAS at ") + cublas + " cannot be used: " + problem;
  return "";
}

std::string Products::start(const char *cublas, cudaStream_t stream) {
  std::string problem;
  const std::string place = load_cublas(cublas, &cublas_, &problem);
  if (place.empty()) return problem;
  if (cudaMalloc(&workspace_, kWorkspaceBytes) != cudaSuccess) {
    cudaGetLastError();  // refused is not failed
    workspace_ = nullptr;
    return "it needs 32 MiB on the GPU, and they are not free";
  }
  int version = 0;
  int status = cublas_.create(&handle_);
  if (status == 0) status = cublas_.set_stream(handle_, stream);
  if (status == 0)
    status = cublas_.set_workspace(handle_, workspace_, kWorkspaceBytes);  // after the stream, which resets it
  if (status == 0) status = cublas_.get_version(handle_, &version);
  if (status != 0) {
    close();
    return "that from " + place + " does not start (status " + std::to_string(status) + ")";
  }
  // 11.x counts in thousands, later ones in tens of thousands.
  const int unit = version >= 100000 ? 10000 : 1000;
  name_ = "cuBLAS " + std::to_string(version / unit) + "." + std::to_string(version % unit / 100) + " from " + place;
  return "";
}

void Products::close() {
  if (handle_ != nullptr) cublas_.destroy(handle_);
  handle_ = nullptr;
  if (workspace_ != nullptr) cudaFree(workspace_);
  workspace_ = nullptr;
}

void Products::multiply(CublasOperation operation_a, CublasOperation operation_b, int64_t m, int64_t n, int64_t k,
                        const float *a, int64_t lda, const float *b, int64_t ldb, bool accumulate, float *c,
                        int64_t ldc) {
  if (m == 0 || n == 0) return;
  const float alpha = 1;
  const float beta = accumulate ? 1 : 0;
  const int status =
      cublas_.gemm(handle_, operation_a, operation_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k),
                   &alpha, a, kCublasFloat, static_cast<int>(lda), b, kCublasFloat, static_cast<int>(ldb), &beta, c,
                   kCublasFloat, static_cast<int>(ldc), compute_, kCublasDefaultAlgorithm);
  if (status != 0 && failure_ == 0) failure_ = status;
}

// A row-major (rows, columns) is the same memory as a (columns, rows) in the order of columns.

void Products::linear(cudaStream_t stream, const float *x, const float *weight, const float *bias, int64_t rows,
                      int32_t n, int32_t k, Activation activation, float *before, float *y) {
  if (handle_ == nullptr) return cuda::linear(stream, x, weight, bias, rows, n, k, activation, before, y);
  multiply(kCublasTransposed, kCublasNone, n, rows, k, weight, k, x, k, false, y, n);
  add_bias(stream, bias, rows, n, activation, before, y);
}

void Products::linear_backward_input(cudaStream_t stream, const float *dy, const float *weight, int64_t rows, int32_t n,
                                     int32_t k, bool accumulate, float *dx) {
  if (handle_ == nullptr) return cuda::linear_backward_input(stream, dy, weight, rows, n, k, accumulate, dx);
  multiply(kCublasNone, kCublasNone, k, rows, n, weight, k, dy, n, accumulate, dx, k);
}

void Products::linear_backward_weight(cudaStream_t stream, const float *dy, const float *x, int64_t rows, int32_t n,
                                      int32_t k, float *scratch, float *dweight, float *dbias) {
  if (handle_ == nullptr) {
    return cuda::linear_backward_weight(stream, dy, x, rows, n, k, scratch, dweight, dbias);
  }
  multiply(kCublasNone, kCublasTransposed, k, n, rows, x, k, dy, n, true, dweight, k);
  if (dbias != nullptr) add_column_sums(stream, dy, rows, n, dbias);
}

}  // namespace rmt::cuda
