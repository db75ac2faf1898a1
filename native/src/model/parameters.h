// parameters.h - the parameters of a model in the order of the C interface, and which elements have been set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace rmt {

struct Parameter {
  std::string name;  // that of Hugging Face BERT without "bert."; "memory" for the initial memory
  Tensor tensor;
  int32_t layer;  // 0 for tensors outside the layers
  int32_t num_dims;
  int64_t dims[2];

  int64_t count() const { return num_dims == 2 ? dims[0] * dims[1] : dims[0]; }
};

// Embeddings, layers, pooler and classifier (where there are labels), memory (where M > 0), probes
// (where there are any).
std::vector<Parameter> make_parameters(const ModelShape &shape);

// Which elements of a tensor of `count` elements have been set: a sorted list of disjoint intervals, one long as a
// rule.
class Coverage {
 public:
  explicit Coverage(int64_t count) : count_(count) {}
  void add(int64_t begin, int64_t end);
  bool covers(int64_t begin, int64_t end) const;
  // The first element that has not been set; `count` where there is none.
  int64_t first_missing() const;
  int64_t num_missing() const;

 private:
  struct Interval {
    int64_t begin;
    int64_t end;
  };
  int64_t count_;
  std::vector<Interval> intervals_;
};

}  // namespace rmt
