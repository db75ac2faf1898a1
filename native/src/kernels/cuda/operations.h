// operations.h - what the CUDA kernels do: one function for each launch, on device memory, enqueued on a stream.
//
// Nothing here waits, allocates or fails by itself: an error of the device is found by cudaGetLastError and where the
// stream is waited for. All matrices are row-major fp32; linear weights are (out, in). No kernel uses atomics on
// floating-point numbers: every sum has one order, which depends on the shapes alone. The bits of a document's row
// depend neither on the other documents of the batch nor on how many there are.
//
// Activations of a segment lie in rows: position t of document b is row b x stride + t. Rows from a document's length
// on hold finite numbers that nobody reads, and gradients of zero.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace rmt::cuda {

// The documents of a segment. All pointers are to device memory.
struct Documents {
  int32_t count;                    // B
  int32_t stride;                   // T: rows that each document has
  const int32_t *ids;               // (B, T)
  const int32_t *lengths;           // (B): 1 ... T
  const int32_t *read_start;        // (B): first position that takes the M memory rows; -1: none
  const float *const *read_memory;  // (B): (M, H) each; null where read_start is -1
  const uint64_t *dropout_keys;     // (B)
};

// Chosen rows of the documents, in a compact buffer: compact row i is row rows[i] of the documents. They ascend.
struct Rows {
  int64_t count;         // compact rows, those without a row included
  const int32_t *rows;   // (count): b x stride + t; -1: none (its values are finite and nobody reads them)
  const int32_t *first;  // (B): first compact row of each document
  const int32_t *num;    // (B): its compact rows; may be 0
};

// Dropout at one site (kernels/dropout.h): threshold 0 drops nothing. Rows are hashed by their position t in their
// document, columns by their index (of the key position, for attention weights).
struct Mask {
  uint32_t site;
  uint32_t threshold;
  float kept_scale;
};

// ---- linear.cu, linear_backward.cu: own fp32 matrix products ----

enum class Activation : int32_t { kNone, kGelu /* with erf */, kTanh };

// y = activation(x W^T + bias); `bias` may be null. Where `before` is not null it takes x W^T + bias.
void linear(cudaStream_t stream, const float *x /* (rows, k) */, const float *weight /* (n, k) */,
            const float *bias /* (n) */, int64_t rows, int32_t n, int32_t k, Activation activation,
            float *before /* (rows, n) */, float *y /* (rows, n) */);

// dx = dy W, or dx += dy W.
void linear_backward_input(cudaStream_t stream, const float *dy /* (rows, n) */, const float *weight /* (n, k) */,
                           int64_t rows, int32_t n, int32_t k, bool accumulate, float *dx /* (rows, k) */);

// dW += dy^T x and dbias += column sums of dy; `dbias` may be null. `scratch` has linear_scratch(rows, n, k) floats.
void linear_backward_weight(cudaStream_t stream, const float *dy /* (rows, n) */, const float *x /* (rows, k) */,
                            int64_t rows, int32_t n, int32_t k, float *scratch, float *dweight /* (n, k) */,
                            float *dbias /* (n) */);
int64_t linear_scratch(int64_t rows, int32_t n, int32_t k);

// out = GELU(before), for the weight gradient of the linear behind it; and dy x= GELU'(before).
void gelu(cudaStream_t stream, const float *before, int64_t count, float *out);
void gelu_backward(cudaStream_t stream, const float *before, int64_t count, float *dy);

// ---- bias.cu: around a product that another library computes ----

// y = activation(y + bias); `bias` may be null. Where `before` is not null it takes y + bias.
void add_bias(cudaStream_t stream, const float *bias /* (n) */, int64_t rows, int32_t n, Activation activation,
              float *before /* (rows, n) */, float *y /* (rows, n) */);
// dbias += column sums of dy.
void add_column_sums(cudaStream_t stream, const float *dy /* (rows, n) */, int64_t rows, int32_t n,
                     float *dbias /* (n) */);

// ---- heads.cu ----

// y = activation(x W^T + bias) for few rows, summed in double; kNone or kTanh.
void head_linear(cudaStream_t stream, const float *x /* (rows, k) */, const float *weight /* (n, k) */,
                 const float *bias /* (n) */, int64_t rows, int32_t n, int32_t k, Activation activation,
                 float *y /* (rows, n) */);

// ---- norm.cu, norm_backward.cu ----

struct NormWeights {
  const float *weight;  // (H)
  const float *bias;    // (H)
  float eps;
};

// What a backward needs of a LayerNorm; both null: not kept.
struct NormTape {
  float *normalized;  // (rows, H): (x - mean) x scale
  float *scale;       // (rows): 1 / sqrt(variance + eps)
};

// x = dropped(LayerNorm(word or memory + position + type 0)) on the valid rows; zero on the others.
void embed(cudaStream_t stream, const Documents &documents, int32_t hidden_size, int32_t num_mem_tokens,
           const float *word, const float *position, const float *type, const NormWeights &norm, const Mask &mask,
           const NormTape &tape, float *x /* (B x T, H) */);

// out = LayerNorm(residual + dropped(in)) on compact rows; `out` may be `residual` or `in`.
void add_norm(cudaStream_t stream, const Documents &documents, const Rows &rows, int32_t hidden_size,
              const float *residual, const float *in, const NormWeights &norm, const Mask &mask, const NormTape &tape,
              float *out);

// Turns dy into dx in place; dweight and dbias are added to. `scratch` has norm_scratch(rows, H) floats.
void norm_backward(cudaStream_t stream, int64_t rows, int32_t hidden_size, const float *weight, const NormTape &tape,
                   float *scratch, float *dy, float *dweight, float *dbias);
int64_t norm_scratch(int64_t rows, int32_t hidden_size);

// out = dropped(in) on compact rows.
void drop(cudaStream_t stream, const Documents &documents, const Rows &rows, int32_t hidden_size, const Mask &mask,
          const float *in, float *out);

// ---- attention.cu, attention_backward.cu: softmax(q k / sqrt(HS)) v for each head, T x T never in device memory ----

struct AttentionShape {
  int32_t num_heads;
  int32_t head_size;  // 1 ... 256
  bool causal;        // position t sees positions 0 ... t; else all valid ones
};

// One of q, k, v or a gradient of theirs: row r, head h, element e at [r x row_stride + h x head_size + e].
struct HeadRows {
  float *values;
  int64_t row_stride;
};

// `q` and `out` are on compact rows, `k` and `v` on all rows. `mask` drops attention weights; its site is that of head
// 0. out is zero where a compact row has no row. `log_sum_exp` (rows, NH) may be null.
void attention(cudaStream_t stream, const Documents &documents, const Rows &rows, const AttentionShape &shape,
               const HeadRows &q, const HeadRows &k, const HeadRows &v, const Mask &mask, float *log_sum_exp,
               float *out /* (rows, H) */);

// dq on compact rows, dk and dv on all rows (zero beyond a document's length): overwritten. `scratch` has 2 x
// rows.count x num_heads floats.
void attention_backward(cudaStream_t stream, const Documents &documents, const Rows &rows, const AttentionShape &shape,
                        const HeadRows &q, const HeadRows &k, const HeadRows &v, const Mask &mask,
                        const float *log_sum_exp, const float *out, const float *dout, float *scratch,
                        const HeadRows &dq, const HeadRows &dk, const HeadRows &dv);

// ---- rows.cu: rows of H floats ----

// out[i] = x[rows[i]]; zero where rows[i] is -1.
void gather(cudaStream_t stream, const float *x, const int32_t *rows, int64_t count, int32_t hidden_size, float *out);
// x[rows[i]] = in[i], or += ; nothing where rows[i] is -1. The rows differ.
void scatter(cudaStream_t stream, const float *in, const int32_t *rows, int64_t count, int32_t hidden_size,
             bool accumulate, float *x);
// x[rows[i]] += in[i] in the order of i; rows may repeat.
void scatter_add_in_order(cudaStream_t stream, const float *in, const int32_t *rows, int64_t count, int32_t hidden_size,
                          float *x);
// target[b] = the M rows of x from row memory_row[b] on; nothing where memory_row[b] is -1.
void read_memory_rows(cudaStream_t stream, const float *x, const int32_t *memory_row /* (count) */, int32_t count,
                      int32_t num_mem_tokens, int32_t hidden_size, float *const *target /* (count): (M, H) */);
// The M rows of x from row memory_row[b] on += source[b]; nothing where memory_row[b] is -1.
void add_memory_rows(cudaStream_t stream, float *x, const int32_t *memory_row, int32_t count, int32_t num_mem_tokens,
                     int32_t hidden_size, const float *const *source);
// to += from.
void add(cudaStream_t stream, const float *from, int64_t count, float *to);

// ---- embedding_backward.cu ----

// The words of a segment, sorted by id and then by row; memory rows and rows beyond a document's length are not in it.
// There may be fewer of them than there is room for: the launch is the same for any number.
struct SortedWords {
  int32_t most;          // room for so many ids
  const int32_t *ids;    // (most): different ones, ascending
  const int32_t *first;  // (most + 1): where the rows of each id begin in `rows`; behind the last id, their number
  const int32_t *rows;   // b x stride + t
};

// Adds dx (behind the LayerNorm's backward) to the gradients of the tables; dtype has one row, that of type 0.
// `scratch` has T x H floats.
void embedding_backward(cudaStream_t stream, const Documents &documents, const SortedWords &words, int32_t hidden_size,
                        const float *dx, float *scratch, float *dword, float *dposition, float *dtype);

// ---- optimizer.cu ----

// result[0] = sum of clipped(scale x gradient)^2, in double. `partials` has kSquareSums doubles.
constexpr int32_t kSquareSums = 1024;
void sum_of_squares(cudaStream_t stream, const float *gradient, int64_t count, double scale, double clip_value,
                    double *partials, double *result);

struct AdamWStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double decay;  // learning_rate x weight_decay; 0 for tensors that are spared
  double gradient_scale;
  double clip_value;         // 0: not
  double clip_norm;          // 0: not; else `squares` holds the sum of squares behind clip_value
  double first_correction;   // 1 - beta1^step
  double second_correction;  // 1 - beta2^step
  double average_decay;
};
// One step on `count` neighbours; `average` may be null.
void adamw(cudaStream_t stream, const AdamWStep &step, const double *squares, const float *gradient, int64_t count,
           float *weight, float *first_moment, float *second_moment, float *average);

}  // namespace rmt::cuda
