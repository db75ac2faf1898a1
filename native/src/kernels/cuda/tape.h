// tape.h - activations of one segment of a batch on a GPU, from its forward to its backward.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda/place.h"
#include "kernels/cuda/recordings.h"
#include "kernels/cuda/segment.h"
#include "kernels/training.h"

namespace rmt::cuda {

// What the backward of a layer needs. In the last layer everything but keys, values and x lies on chosen rows alone.
struct LayerTape {
  float *x;            // (rows, H): its input
  float *projections;  // (rows, 3H): query, key, value; with chosen rows (rows, 2H) and then (chosen, H)
  float *log_sum_exp;  // (rows, NH)
  float *attended;     // (rows, H)
  NormTape attention_norm;
  float *a;      // (rows, H): output of the attention block
  float *inner;  // (rows, F): before GELU
  NormTape output_norm;
};

struct TapeBuffers {
  std::vector<LayerTape> layers;
  float *output;  // (rows, H): x behind the last layer
  NormTape embedding_norm;
  float *dx;          // (rows, H): the gradient at the level that the backward has reached
  float *chosen_dx;   // (rows, H): the same on chosen rows
  float *chosen_x;    // (rows, H)
  float *added;       // (rows, H): what a half-layer adds to its input; backwards the gradient of that
  float *activation;  // (rows, F)
  float *dinner;      // (rows, F)
  float *dprojections;
  float *dattended;     // (rows, H)
  float *row_scratch;   // (2, rows, NH): for attention_backward
  float *sum_scratch;   // for sums over rows
  float *gathered;      // (gathered rows, H): in rows_linear, read_rows and add_to_dx
  float *gathered_out;  // (gathered rows, most outputs)
  float *gathered_din;  // (gathered rows, H)

  // Places every buffer from `begin` on (null: nowhere, to count) and returns their number of floats.
  int64_t lay_out(const ModelShape &shape, const TapeLimits &limits, float *begin);
};

class Tape : public TapeBuffers {
 public:
  static int64_t bytes(const ModelShape &shape, const TapeLimits &limits);

  Tape(Place &place, const ModelShape &shape, const TapeLimits &limits);
  ~Tape();
  Tape(const Tape &) = delete;
  Tape &operator=(const Tape &) = delete;

  bool granted() const { return floats_ != nullptr && places != nullptr && tables.granted(); }
  int64_t max_gathered() const { return max_gathered_; }

  Place &place;
  SegmentTables tables;
  int32_t *places = nullptr;  // (gathered rows)

  // Operations of a pass that wait until the host wants to see something of them or the pass ends: all of them are
  // recorded as one.
  struct Operation {
    void (*run)(const TrainingContext &context, int32_t layer);
    int32_t layer;
  };
  std::vector<Operation> waiting;
  Recordings recordings;
  Recordings::Key key;  // of what is started, kept so that starting allocates nothing in the long run

 private:
  int64_t max_gathered_;
  float *floats_;
};

}  // namespace rmt::cuda
