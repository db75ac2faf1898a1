// backend.cpp - the table of kernels.h on a GPU.
//
// A segment is recorded as a CUDA graph for each shape (documents, positions, chosen rows), twice, and the two are
// replayed by turns: what differs between segments of a shape (ids, lengths, memory) is read from tables that lie at
// one of two places.

#include <algorithm>
#include <memory>
#include <new>

#include "kernels/cuda/library.h"
#include "kernels/cuda/place.h"
#include "kernels/cuda/recordings.h"
#include "kernels/cuda/segment.h"
#include "kernels/cuda/slab.h"
#include "kernels/cuda/training.h"
#include "kernels/reference/plain_tensors.h"

namespace rmt::cuda {

namespace {

constexpr int64_t kFloat = sizeof(float);

Place &place_of(void *device) { return *static_cast<Place *>(device); }

// ---- memory states ----

float *allocate_floats(void *device, int64_t count) {
  return static_cast<float *>(place_of(device).allocate(count * kFloat));
}
void release_floats(void *device, float *values) { place_of(device).release(values); }
void write_floats(void *device, float *to, const float *host, int64_t count) {
  place_of(device).upload(to, host, count * kFloat);
}
void read_floats(void *device, const float *from, float *host, int64_t count) {
  place_of(device).download(host, from, count * kFloat);
}
void copy_floats(void *device, float *to, const float *from, int64_t count) {
  place_of(device).copy(to, from, count * kFloat);
}
void add_floats(void *device, float *to, const float *from, int64_t count) {
  Place &place = place_of(device);
  const Place::Lock lock(place.mutex());
  place.enter();
  add(place.stream(), from, count, to);
}
int64_t available_bytes(void *device) { return place_of(device).available_bytes(); }
const char *failure(void *device) { return place_of(device).failure(); }

const DeviceMemory kMemory = {allocate_floats, release_floats, write_floats,    read_floats,
                              copy_floats,     add_floats,     available_bytes, failure};

// ---- weights ----

struct Weights {
  Place &place;
  SlabLayout layout;
  float *slab;

  const float *at(Tensor tensor, int32_t layer = 0) const { return slab + layout.at(tensor, layer); }
  NormWeights norm(Tensor weight, Tensor bias, int32_t layer, float eps) const {
    return {at(weight, layer), at(bias, layer), eps};
  }
};

int64_t weights_bytes(const ModelShape &shape) { return SlabLayout(shape).floats() * kFloat; }

void *create_weights(void *device, const ModelShape &shape) {
  Place &place = place_of(device);
  SlabLayout layout(shape);
  float *slab = allocate_floats(device, layout.floats());
  return slab == nullptr ? nullptr : new Weights{place, std::move(layout), slab};
}

void destroy_weights(void *weights) {
  auto *w = static_cast<Weights *>(weights);
  if (w == nullptr) return;
  w->place.release(w->slab);
  delete w;
}

void write_tensor(const ModelShape &, void *weights, Tensor tensor, int32_t layer, const float *values, int64_t offset,
                  int64_t count) {
  auto &w = *static_cast<Weights *>(weights);
  w.place.upload(w.slab + w.layout.at(tensor, layer) + offset, values, count * kFloat);
}

void read_tensor(const ModelShape &, const void *weights, Tensor tensor, int32_t layer, float *values, int64_t offset,
                 int64_t count) {
  auto &w = *static_cast<const Weights *>(weights);
  w.place.download(values, w.at(tensor, layer) + offset, count * kFloat);
}

// ---- workspace ----

struct Workspace {
  Workspace(Place &the_place, const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length)
      : place(the_place), tables(the_place, max_batch_size, max_input_length, false), recordings(the_place) {
    floats = static_cast<float *>(place.allocate(num_floats(shape, max_batch_size, max_input_length) * kFloat));
    if (floats == nullptr) return;
    const int64_t rows = int64_t{max_batch_size} * max_input_length;
    const int64_t hidden = rows * shape.hidden_size;
    float *next = floats;
    const auto take = [&](int64_t count) {
      float *taken = next;
      next += count;
      return taken;
    };
    x = take(hidden);
    projections = take(3 * hidden);
    attended = take(hidden);
    added = take(hidden);
    chosen_x = take(hidden);
    inner = take(rows * shape.intermediate_size);
    head = take(2 * shape.hidden_size + shape.num_labels);
  }

  static int64_t num_floats(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length) {
    const int64_t rows = int64_t{max_batch_size} * max_input_length;
    return rows * (7 * shape.hidden_size + shape.intermediate_size) + 2 * shape.hidden_size + shape.num_labels;
  }

  ~Workspace() { place.release(floats); }

  bool granted() const { return floats != nullptr && tables.granted(); }

  Place &place;
  SegmentTables tables;
  float *floats = nullptr;
  float *x = nullptr;            // (rows, H)
  float *projections = nullptr;  // (rows, 3H): query, key, value; with chosen rows (rows, 2H) and then (chosen, H)
  float *attended = nullptr;     // (rows, H)
  float *added = nullptr;        // (rows, H): what a half-layer adds to its input
  float *chosen_x = nullptr;     // (chosen, H)
  float *inner = nullptr;        // (rows, F)
  float *head = nullptr;         // (2H + num_labels)
  Recordings recordings;
  // Of the running segment.
  Recordings::Key key;
  bool recorded = false;  // it goes through `recordings`
  bool replayed = false;  // and there is nothing to enqueue for it
};

Workspace &workspace_of(const SegmentContext &context) { return *static_cast<Workspace *>(context.workspace); }

int64_t workspace_bytes(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length, int32_t) {
  return Workspace::num_floats(shape, max_batch_size, max_input_length) * kFloat +
         SegmentTables::bytes(max_batch_size, max_input_length, false);
}

void *create_workspace(void *device, const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
                       int32_t) {
  auto workspace = std::make_unique<Workspace>(place_of(device), shape, max_batch_size, max_input_length);
  return workspace->granted() ? workspace.release() : nullptr;
}

void destroy_workspace(void *workspace) { delete static_cast<Workspace *>(workspace); }

// ---- a segment ----

void begin_segment(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks,
                   const RowBlock *last_blocks, int32_t num_last_blocks) {
  Workspace &workspace = workspace_of(context);
  Place &place = workspace.place;
  place.mutex().lock();  // until end_segment: nothing of another thread may get into a recording
  place.enter();
  SegmentTables &tables = workspace.tables;
  tables.fill(blocks, num_blocks, last_blocks, num_last_blocks, context.shape->num_mem_tokens);
  workspace.recorded = !context.stepwise;
  if (workspace.recorded) {
    workspace.key = {tables.batch_size(), tables.stride(), tables.chosen() ? tables.last_rows().count : -1,
                     int64_t{num_last_blocks > 0}, int64_t{context.causal}};
  }
  workspace.replayed = workspace.recorded && !workspace.recordings.begin(workspace.key, tables.turn());
}

void end_segment(const SegmentContext &context) {
  Workspace &workspace = workspace_of(context);
  if (workspace.recorded) workspace.recordings.end();
  workspace.place.mutex().unlock();
}

// What an operation works with.
struct Job {
  explicit Job(const SegmentContext &segment_context)
      : context(segment_context),
        shape(*segment_context.shape),
        weights(*static_cast<const Weights *>(segment_context.weights)),
        workspace(workspace_of(segment_context)),
        tables(workspace.tables),
        stream(workspace.place.stream()),
        products(workspace.place.products()) {}

  bool replayed() const { return workspace.replayed; }
  AttentionShape attention() const { return {shape.num_heads, shape.head_size, context.causal}; }

  const SegmentContext &context;
  const ModelShape &shape;
  const Weights &weights;
  Workspace &workspace;
  const SegmentTables &tables;
  cudaStream_t stream;
  Products &products;
};

constexpr Mask kNothingDropped = {0, 0, 1.0f};
constexpr NormTape kNotKept = {nullptr, nullptr};

void embed(const SegmentContext &context, const RowBlock *, int32_t) {
  const Job job(context);
  if (job.replayed()) return;
  const Weights &w = job.weights;
  embed(job.stream, job.tables.documents(), job.shape.hidden_size, job.shape.num_mem_tokens,
        w.at(Tensor::kWordEmbeddings), w.at(Tensor::kPositionEmbeddings), w.at(Tensor::kTypeEmbeddings),
        w.norm(Tensor::kEmbeddingNormWeight, Tensor::kEmbeddingNormBias, 0, job.shape.layer_norm_eps), kNothingDropped,
        kNotKept, job.workspace.x);
}

void attention_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  const Job job(context);
  if (job.replayed() || num_blocks == 0) return;
  const int32_t layer = blocks[0].layer;
  const bool chosen = blocks[0].num_rows > 0;
  const Rows &rows = chosen ? job.tables.last_rows() : job.tables.all_rows();
  const int64_t all = job.tables.num_rows();
  const int32_t hidden = job.shape.hidden_size;
  const Weights &w = job.weights;
  Workspace &space = job.workspace;
  HeadRows q{};
  HeadRows k{};
  if (chosen) {
    job.products.linear(job.stream, space.x, w.at(Tensor::kKeyWeight, layer), w.at(Tensor::kKeyBias, layer), all,
                        2 * hidden, hidden, Activation::kNone, nullptr, space.projections);
    gather(job.stream, space.x, rows.rows, rows.count, hidden, space.chosen_x);
    q = {space.projections + 2 * hidden * all, hidden};
    k = {space.projections, 2 * hidden};
    job.products.linear(job.stream, space.chosen_x, w.at(Tensor::kQueryWeight, layer), w.at(Tensor::kQueryBias, layer),
                        rows.count, hidden, hidden, Activation::kNone, nullptr, q.values);
  } else {
    job.products.linear(job.stream, space.x, w.at(Tensor::kQueryWeight, layer), w.at(Tensor::kQueryBias, layer), all,
                        3 * hidden, hidden, Activation::kNone, nullptr, space.projections);
    q = {space.projections, 3 * hidden};
    k = {space.projections + hidden, 3 * hidden};
  }
  const HeadRows v{k.values + hidden, k.row_stride};
  attention(job.stream, job.tables.documents(), rows, job.attention(), q, k, v, kNothingDropped, nullptr,
            space.attended);
  job.products.linear(job.stream, space.attended, w.at(Tensor::kAttentionOutputWeight, layer),
                      w.at(Tensor::kAttentionOutputBias, layer), rows.count, hidden, hidden, Activation::kNone, nullptr,
                      space.added);
  float *x = chosen ? space.chosen_x : space.x;
  add_norm(job.stream, job.tables.documents(), rows, hidden, x, space.added,
           w.norm(Tensor::kAttentionNormWeight, Tensor::kAttentionNormBias, layer, job.shape.layer_norm_eps),
           kNothingDropped, kNotKept, x);
}

void feed_forward_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  const Job job(context);
  if (job.replayed() || num_blocks == 0) return;
  const int32_t layer = blocks[0].layer;
  const bool chosen = blocks[0].num_rows > 0;
  const Rows &rows = chosen ? job.tables.last_rows() : job.tables.all_rows();
  const int32_t hidden = job.shape.hidden_size;
  const Weights &w = job.weights;
  Workspace &space = job.workspace;
  float *x = chosen ? space.chosen_x : space.x;
  job.products.linear(job.stream, x, w.at(Tensor::kIntermediateWeight, layer), w.at(Tensor::kIntermediateBias, layer),
                      rows.count, job.shape.intermediate_size, hidden, Activation::kGelu, nullptr, space.inner);
  job.products.linear(job.stream, space.inner, w.at(Tensor::kOutputWeight, layer), w.at(Tensor::kOutputBias, layer),
                      rows.count, hidden, job.shape.intermediate_size, Activation::kNone, nullptr, space.added);
  add_norm(job.stream, job.tables.documents(), rows, hidden, x, space.added,
           w.norm(Tensor::kOutputNormWeight, Tensor::kOutputNormBias, layer, job.shape.layer_norm_eps), kNothingDropped,
           kNotKept, x);
  if (chosen) scatter(job.stream, x, rows.rows, rows.count, hidden, false, space.x);
}

void write_memory(const SegmentContext &context, const RowBlock *, int32_t) {
  const Job job(context);
  if (job.replayed() || job.shape.num_mem_tokens == 0) return;
  read_memory_rows(job.stream, job.workspace.x, job.tables.write_rows(), job.tables.batch_size(),
                   job.shape.num_mem_tokens, job.shape.hidden_size, job.tables.write_memory());
}

void read_rows(const SegmentContext &context, const RowBlock &block, RowRange rows, float *values) {
  Workspace &workspace = workspace_of(context);
  const int64_t hidden = context.shape->hidden_size;
  const int64_t first = int64_t{block.index} * workspace.tables.stride() + rows.begin;
  workspace.place.download(values, workspace.x + first * hidden, (rows.end - rows.begin) * hidden * kFloat);
}

void classify(const SegmentContext &context, const float *hidden, float *pooled, float *logits) {
  const Job job(context);
  Place &place = job.workspace.place;
  const int32_t size = job.shape.hidden_size;
  float *in = job.workspace.head;
  float *out = in + size;
  float *scores = out + size;
  const Place::Lock lock(place.mutex());
  place.upload(in, hidden, size * kFloat);
  head_linear(job.stream, in, job.weights.at(Tensor::kPoolerWeight), job.weights.at(Tensor::kPoolerBias), 1, size, size,
              Activation::kTanh, out);
  head_linear(job.stream, out, job.weights.at(Tensor::kClassifierWeight), job.weights.at(Tensor::kClassifierBias), 1,
              job.shape.num_labels, size, Activation::kNone, scores);
  if (pooled != nullptr) place.download(pooled, out, size * kFloat);
  if (logits != nullptr) place.download(logits, scores, job.shape.num_labels * kFloat);
}

const Backend kBackend = {
    "cuda",       &kMemory,    &kTraining,      weights_bytes,      create_weights,    destroy_weights,
    write_tensor, read_tensor, workspace_bytes, create_workspace,   destroy_workspace, begin_segment,
    end_segment,  embed,       attention_block, feed_forward_block, write_memory,      read_rows,
    classify,
};

// ---- the library ----

void *open_device(const CudaOptions *options, char *error, int32_t error_size) {
  return Place::open(*options, error, error_size);
}
void close_device(void *device) { delete static_cast<Place *>(device); }
void describe_device(void *device, CudaDeviceInfo *info) { place_of(device).describe(info); }

const CudaLibrary kLibrary = {get_info, open_device, close_device, describe_device, &kBackend};

}  // namespace

}  // namespace rmt::cuda

const rmt::CudaLibrary *rmt_cuda_library(int32_t version) {
  return version == rmt::kCudaLibraryVersion ? &rmt::cuda::kLibrary : nullptr;
}
