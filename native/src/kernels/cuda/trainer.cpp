#include "kernels/cuda/trainer.h"

#include <cmath>
#include <memory>

#include "kernels/cuda/operations.h"

namespace rmt::cuda {

namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kSumsBytes = (kSquareSums + 1) * static_cast<int64_t>(sizeof(double));

int64_t num_slabs(bool keep_average) { return keep_average ? 5 : 4; }

Trainer &trainer_of(const TrainingContext &context) { return *static_cast<Trainer *>(context.trainer); }

int64_t memory_floats(const ModelShape &shape) { return int64_t{shape.num_mem_tokens} * shape.hidden_size; }

// Enqueues the sum; it comes to lie behind the partial sums.
const double *enqueue_sum_of_squares(const Trainer &trainer, double scale, double clip_value) {
  double *result = trainer.sums + kSquareSums;
  sum_of_squares(trainer.place.stream(), trainer.slab(Values::kGradients), trainer.layout.floats(), scale, clip_value,
                 trainer.sums, result);
  return result;
}

}  // namespace

int64_t Trainer::bytes(const ModelShape &shape, bool keep_average) {
  return num_slabs(keep_average) * SlabLayout(shape).floats() * kFloat + kSumsBytes;
}

Trainer::Trainer(Place &the_place, const ModelShape &shape, bool keeps_average)
    : place(the_place),
      layout(shape),
      keep_average(keeps_average),
      slabs(static_cast<float *>(place.allocate(num_slabs(keep_average) * layout.floats() * kFloat))),
      sums(static_cast<double *>(place.allocate(kSumsBytes))) {}

Trainer::~Trainer() {
  place.release(slabs);
  place.release(sums);
}

float *Trainer::slab(Values which) const {
  if (which == Values::kAverage && !keep_average) return nullptr;
  return slabs + static_cast<int64_t>(which) * layout.floats();
}

int64_t trainer_bytes(const ModelShape &shape, bool keep_average) { return Trainer::bytes(shape, keep_average); }

void *create_trainer(void *device, const ModelShape &shape, bool keep_average) {
  auto trainer = std::make_unique<Trainer>(*static_cast<Place *>(device), shape, keep_average);
  return trainer->granted() ? trainer.release() : nullptr;
}

void destroy_trainer(void *trainer) { delete static_cast<Trainer *>(trainer); }

void write_values(const ModelShape &, void *trainer, Values which, Tensor tensor, int32_t layer, const float *values,
                  int64_t offset, int64_t count) {
  auto &t = *static_cast<Trainer *>(trainer);
  t.place.upload(t.at(which, tensor, layer) + offset, values, count * kFloat);
}

void read_values(const ModelShape &, const void *trainer, Values which, Tensor tensor, int32_t layer, float *values,
                 int64_t offset, int64_t count) {
  auto &t = *static_cast<const Trainer *>(trainer);
  t.place.download(values, t.at(which, tensor, layer) + offset, count * kFloat);
}

void read_initial_memory(const TrainingContext &context, float *state) {
  const Trainer &trainer = trainer_of(context);
  trainer.place.copy(state, trainer.weight(Tensor::kMemory), memory_floats(*context.shape) * kFloat);
}

void add_initial_memory_gradient(const TrainingContext &context, const float *dstate) {
  const Trainer &trainer = trainer_of(context);
  const Place::Lock lock(trainer.place.mutex());
  trainer.place.enter();
  add(trainer.place.stream(), dstate, memory_floats(*context.shape), trainer.gradient(Tensor::kMemory));
}

void clear_gradients(const TrainingContext &context) {
  const Trainer &trainer = trainer_of(context);
  trainer.place.clear(trainer.slab(Values::kGradients), trainer.layout.floats() * kFloat);
}

double gradient_norm(const TrainingContext &context, double scale) {
  const Trainer &trainer = trainer_of(context);
  double sum = 0;
  const Place::Lock lock(trainer.place.mutex());
  trainer.place.enter();
  trainer.place.download(&sum, enqueue_sum_of_squares(trainer, scale, 0), sizeof(sum));
  return std::sqrt(sum);
}

void update(const TrainingContext &context, const AdamW &options) {
  const Trainer &trainer = trainer_of(context);
  const Place::Lock lock(trainer.place.mutex());
  trainer.place.enter();
  AdamWStep step{};
  step.learning_rate = options.learning_rate;
  step.beta1 = options.beta1;
  step.beta2 = options.beta2;
  step.epsilon = options.epsilon;
  step.gradient_scale = options.gradient_scale;
  step.clip_value = options.clip_value;
  step.clip_norm = options.clip_norm;
  step.first_correction = 1 - std::pow(options.beta1, static_cast<double>(options.step));
  step.second_correction = 1 - std::pow(options.beta2, static_cast<double>(options.step));
  step.average_decay = options.average_decay;
  const double *squares =
      options.clip_norm > 0 ? enqueue_sum_of_squares(trainer, options.gradient_scale, options.clip_value) : nullptr;
  for (const SlabLayout::Run &run : trainer.layout.runs()) {
    const bool decays = options.decay_everything || !run.is_bias_or_norm;
    step.decay = decays ? options.learning_rate * options.weight_decay : 0;
    const auto part = [&](Values which) { return trainer.slab(which) + run.begin; };
    adamw(trainer.place.stream(), step, squares, part(Values::kGradients), run.end - run.begin, part(Values::kWeights),
          part(Values::kFirstMoment), part(Values::kSecondMoment),
          trainer.keep_average ? part(Values::kAverage) : nullptr);
  }
}

}  // namespace rmt::cuda
