// recordings.h - work that comes again and again, as CUDA graphs: one launch instead of one for each kernel.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "kernels/cuda/place.h"

namespace rmt::cuda {

// The first time, work runs as it is: kernels are loaded then, which a recording does not allow. The second time it is
// recorded, from then on replayed. Of work that reads one of two buffers by turns there are two recordings.
class Recordings {
 public:
  // Everything that tells kernels and their arguments apart, but the turn.
  using Key = std::vector<int64_t>;

  explicit Recordings(Place &place) : place_(place) {}
  ~Recordings();  // nothing of them runs any more
  Recordings(const Recordings &) = delete;
  Recordings &operator=(const Recordings &) = delete;

  // Returns whether the caller is to enqueue the work; else end() replays it. Between the two the caller holds the lock
  // of the place.
  bool begin(const Key &key, int32_t turn /* 0 or 1 */);
  void end();

 private:
  // Shapes come and go; beyond so many, that which was not used for the longest time is forgotten.
  static constexpr size_t kMost = 32;

  struct Recording {
    cudaGraphExec_t graphs[2] = {};
    int64_t last_use = 0;
  };

  void forget(std::map<Key, Recording>::iterator recording);

  Place &place_;
  std::map<Key, Recording> recordings_;
  int64_t uses_ = 0;
  cudaGraphExec_t *graph_ = nullptr;  // of what goes on now; null: it runs as it is
};

}  // namespace rmt::cuda
