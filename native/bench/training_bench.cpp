// training_bench - how long a segment of a batch takes in training, by model, batch, instruction set and threads.
//
//   training_bench [--models h128,h256] [--batches short,long] [--isas avx512,avx2] [--threads 1,2] [--rounds 7]
//                  [--clock wall|processor]
//
// First the gradients of every instruction set are compared with those of the reference on a small batch; a difference
// ends the program with exit code 1. Then it measures, with memory and head rows alone in the last layer:
//  - inference: rmt_segment_forward, without a tape;
//  - forward, backward: rmt_trainer_forward and rmt_trainer_backward of the same documents;
//  - step: rmt_trainer_step, AdamW with clipping by norm.
// Times are the best of all rounds: on a machine that does other things too, the others say more about those. Where it
// never rests, --clock processor counts the time of the process alone, divided by the threads.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "peak.h"
#include "rmt/rmt.h"

namespace rmt::bench {
namespace {

constexpr int32_t kMemTokens = 10;
constexpr int32_t kLabels = 6;
constexpr int32_t kVocabSize = 6000;
constexpr int32_t kMaxPositions = 512;
constexpr double kTolerance = 5e-6;  // of the largest magnitude of a gradient

struct ModelSize {
  const char *name;
  int32_t hidden_size, num_layers, num_heads, intermediate_size;
};
constexpr ModelSize kModels[] = {{"h128", 128, 3, 8, 512}, {"h256", 256, 4, 8, 1024}};

// Document b has shortest + b x 7 mod (longest - shortest + 1) positions.
struct BatchSize {
  const char *name;
  int32_t batch_size, shortest, longest;

  int32_t length(int32_t document) const { return shortest + document * 7 % (longest - shortest + 1); }
  int64_t total_length() const {
    int64_t total = 0;
    for (int32_t b = 0; b < batch_size; ++b) total += length(b);
    return total;
  }
};
constexpr BatchSize kBatches[] = {{"short", 96, 37, 61}, {"long", 12, 512, 512}};
constexpr BatchSize kChecked = {"checked", 3, 37, 43};

// Of the forward; a backward has two products for each of a linear, and five for the two of attention.
struct Work {
  double linear = 0;
  double attention = 0;

  Work(const ModelSize &model, const BatchSize &batch) {
    const double h = model.hidden_size;
    const double f = model.intermediate_size;
    for (int32_t b = 0; b < batch.batch_size; ++b) {
      const double t = batch.length(b);
      const double rows = 1 + kMemTokens;  // of the last layer
      const double layers = model.num_layers - 1;
      linear += 2 * layers * t * (4 * h * h + 2 * h * f) + 2 * (t * 2 * h * h + rows * (2 * h * h + 2 * h * f));
      attention += layers * 4 * t * t * h + 4 * t * rows * h;
    }
  }
  double gflop() const { return (3 * linear + 3.5 * attention) * 1e-9; }
};

char error_text[256];

void check(rmt_status status) {
  if (status != RMT_OK) throw std::runtime_error(error_text);
}

template <typename T>
using Handle = std::unique_ptr<T, void (*)(T *)>;

bool uses_processor_clock = false;

double now() {
  if (uses_processor_clock) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A model and a trainer with the same random weights for every instruction set, and a batch of documents.
class Setup {
 public:
  Setup(const ModelSize &size, const BatchSize &batch, const std::string &cpu_isa, int32_t threads)
      : batch_(batch),
        divisor_(uses_processor_clock ? threads : 1),
        device_(nullptr, rmt_device_destroy),
        model_(nullptr, rmt_model_destroy),
        memory_(nullptr, rmt_memory_destroy),
        trainer_(nullptr, rmt_trainer_destroy) {
    rmt_device_options device_options{sizeof(device_options), threads, cpu_isa.c_str()};
    rmt_device *device;
    check(rmt_device_create_cpu(&device_options, &device, error_text, sizeof(error_text)));
    device_.reset(device);
    rmt_model_config config{};
    config.struct_size = sizeof(config);
    config.architecture = RMT_BERT;
    config.hidden_size = size.hidden_size;
    config.num_layers = size.num_layers;
    config.num_heads = size.num_heads;
    config.intermediate_size = size.intermediate_size;
    config.vocab_size = kVocabSize;
    config.max_positions = kMaxPositions;
    config.type_vocab_size = 2;
    config.num_mem_tokens = kMemTokens;
    config.num_labels = kLabels;
    config.layer_norm_eps = 1e-12f;
    rmt_model *model;
    check(rmt_model_create(device, &config, &model, error_text, sizeof(error_text)));
    model_.reset(model);
    rmt_trainer_options options{};
    options.struct_size = sizeof(options);
    options.max_batch_size = batch.batch_size;
    options.max_input_length = batch.longest;
    options.max_total_length = batch.total_length();
    options.num_states = 2 * batch.batch_size;
    options.num_tapes = 1;
    rmt_trainer *trainer;
    check(rmt_trainer_create(device, &config, &options, &trainer, error_text, sizeof(error_text)));
    trainer_.reset(trainer);
    set_parameters();
    check(rmt_model_finish(model, error_text, sizeof(error_text)));
    rmt_memory_options memory_options{sizeof(memory_options), batch.batch_size, batch.batch_size, batch.longest};
    rmt_memory *memory;
    check(rmt_memory_create(model, &memory_options, &memory, error_text, sizeof(error_text)));
    memory_.reset(memory);
    set_documents();
  }

  double inference() {
    rmt_segment segment{};
    segment.struct_size = sizeof(segment);
    segment.batch_size = batch_.batch_size;
    segment.input_length = batch_.longest;
    segment.ids = ids_.data();
    segment.lengths = lengths_.data();
    segment.slots = read_states_.data();
    segment.read_memory_start = ones_.data();
    segment.write_memory_start = ones_.data();
    segment.head_position = zeros_.data();
    rmt_segment_output output{};
    output.struct_size = sizeof(output);
    output.logits = logits_.data();
    const double start = now();
    check(rmt_segment_forward(memory_.get(), &segment, &output, error_text, sizeof(error_text)));
    return (now() - start) / divisor_;
  }

  double forward() {
    const rmt_training_segment segment = training_segment();
    const double start = now();
    check(rmt_trainer_forward(trainer_.get(), 0, &segment, nullptr, error_text, sizeof(error_text)));
    return (now() - start) / divisor_;
  }

  double backward() {
    const rmt_training_segment segment = training_segment();
    const double start = now();
    check(rmt_trainer_backward(trainer_.get(), 0, &segment, 1, 0, error_text, sizeof(error_text)));
    return (now() - start) / divisor_;
  }

  double step() {
    const rmt_adamw options{sizeof(options), 1e-5, 0.9, 0.98, 1e-8, 0.01, 0, 1.0, 0.0, 1.0, 0.0, ++steps_};
    double norm;
    const double start = now();
    check(rmt_trainer_step(trainer_.get(), &options, &norm, error_text, sizeof(error_text)));
    return (now() - start) / divisor_;
  }

  // Gradients of all parameters, one after the other.
  std::vector<std::vector<float>> gradients() {
    std::vector<std::vector<float>> gradients;
    for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer_.get()); ++i) {
      std::vector<float> values(static_cast<size_t>(count_of(i, nullptr)));
      check(rmt_trainer_get_values(trainer_.get(), RMT_GRADIENTS, i, values.data(), 0,
                                   static_cast<int64_t>(values.size()), error_text, sizeof(error_text)));
      std::string name;
      count_of(i, &name);
      // Zero but for rounding: what is added to all scores of a query makes no difference.
      if (name.find("self.key.bias") == std::string::npos) gradients.push_back(values);
    }
    return gradients;
  }

 private:
  rmt_training_segment training_segment() {
    rmt_training_segment segment{};
    segment.struct_size = sizeof(segment);
    segment.batch_size = batch_.batch_size;
    segment.input_length = batch_.longest;
    segment.ids = ids_.data();
    segment.lengths = lengths_.data();
    segment.read_state = read_states_.data();
    segment.write_state = write_states_.data();
    segment.read_memory_start = ones_.data();
    segment.write_memory_start = ones_.data();
    segment.head_position = zeros_.data();
    segment.labels = labels_.data();
    return segment;
  }

  int64_t count_of(int32_t parameter, std::string *name) {
    rmt_parameter_info info{};
    info.struct_size = sizeof(info);
    check(rmt_trainer_get_parameter_info(trainer_.get(), parameter, &info, error_text, sizeof(error_text)));
    if (name != nullptr) *name = info.name;
    return info.dims[0] * (info.num_dims == 2 ? info.dims[1] : 1);
  }

  void set_parameters() {
    std::mt19937 random(42);
    for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer_.get()); ++i) {
      std::string name;
      std::vector<float> values(static_cast<size_t>(count_of(i, &name)));
      const bool norm_weight = name.find("LayerNorm.weight") != std::string::npos;
      for (float &value : values) {
        value = static_cast<float>(random()) * (0.2f / 4294967296.0f) - 0.1f + (norm_weight ? 1.0f : 0.0f);
      }
      const int64_t count = static_cast<int64_t>(values.size());
      check(rmt_trainer_set_values(trainer_.get(), RMT_WEIGHTS, i, values.data(), 0, count, error_text,
                                   sizeof(error_text)));
      check(rmt_model_set_parameter(model_.get(), i, values.data(), 0, count, error_text, sizeof(error_text)));
    }
  }

  void set_documents() {
    std::mt19937 random(7);
    const int32_t count = batch_.batch_size;
    ids_.resize(static_cast<size_t>(count) * static_cast<size_t>(batch_.longest));
    for (int32_t &id : ids_) id = static_cast<int32_t>(random() % kVocabSize);
    for (int32_t b = 0; b < count; ++b) {
      lengths_.push_back(batch_.length(b));
      read_states_.push_back(b);
      write_states_.push_back(count + b);
      labels_.push_back(b % kLabels);
    }
    ones_.assign(static_cast<size_t>(count), 1);
    zeros_.assign(static_cast<size_t>(count), 0);
    logits_.resize(static_cast<size_t>(count) * kLabels);
    std::vector<float> values(static_cast<size_t>(count_of_state()));
    for (int32_t state = 0; state < 2 * count; ++state) {
      for (float &value : values) value = static_cast<float>(random()) * (0.2f / 4294967296.0f) - 0.1f;
      const int64_t size = static_cast<int64_t>(values.size());
      check(rmt_trainer_set_state(trainer_.get(), state, values.data(), size, error_text, sizeof(error_text)));
      check(rmt_trainer_set_state_gradient(trainer_.get(), state, values.data(), size, error_text, sizeof(error_text)));
    }
  }

  int64_t count_of_state() {
    std::string name;
    for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer_.get()); ++i) {
      const int64_t count = count_of(i, &name);
      if (name == "memory") return count;
    }
    throw std::runtime_error("the model has no memory");
  }

  BatchSize batch_;
  int32_t divisor_;
  Handle<rmt_device> device_;
  Handle<rmt_model> model_;
  Handle<rmt_memory> memory_;
  Handle<rmt_trainer> trainer_;
  std::vector<int32_t> ids_, lengths_, read_states_, write_states_, labels_, ones_, zeros_;
  std::vector<float> logits_;
  int64_t steps_ = 0;
};

// One line of the table while it is being measured: seconds, the best so far.
struct Row {
  const ModelSize *model;
  const BatchSize *batch;
  std::string cpu_isa;
  int32_t threads;
  double error;
  std::unique_ptr<Setup> setup;
  double inference = INFINITY;
  double forward = INFINITY;
  double backward = INFINITY;
  double step = INFINITY;
  double peak = 0;  // GFLOP/s

  void measure(int repeats) {
    for (int i = 0; i < repeats; ++i) inference = std::min(inference, setup->inference());
    for (int i = 0; i < repeats; ++i) {
      forward = std::min(forward, setup->forward());
      backward = std::min(backward, setup->backward());
      step = std::min(step, setup->step());
    }
    peak = std::max(peak, peak_gflops(cpu_isa, threads));
  }

  void print() const {
    const double gflops = Work(*model, *batch).gflop() / (forward + backward);
    std::printf("%-6s %-6s %-9s %7d %9.1e %10.3f %9.3f %9.3f %6.2f %8.3f %9.1f %6.0f %%\n", model->name, batch->name,
                cpu_isa.c_str(), threads, error, inference * 1e3, forward * 1e3, backward * 1e3,
                (forward + backward) / inference, step * 1e3, gflops, 100 * gflops / peak);
    std::fflush(stdout);
  }
};

struct Options {
  std::string models = "h128,h256";
  std::string batches = "short,long";
  std::string isas;
  std::string threads;
  int rounds = 7;
};

std::vector<std::string> split(const std::string &list) {
  std::vector<std::string> parts;
  std::stringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

template <typename T, size_t N>
const T &find(const T (&all)[N], const std::string &name) {
  for (const T &one : all) {
    if (name == one.name) return one;
  }
  throw std::runtime_error("unknown name " + name);
}

std::vector<std::vector<float>> checked_gradients(const ModelSize &model, const std::string &cpu_isa) {
  Setup setup(model, kChecked, cpu_isa, 2);
  setup.forward();
  setup.backward();
  return setup.gradients();
}

// Largest error of a gradient against the reference, relative to its largest magnitude.
double verify(const ModelSize &model, const std::string &cpu_isa, const std::vector<std::vector<float>> &expected) {
  const std::vector<std::vector<float>> actual = checked_gradients(model, cpu_isa);
  double worst = 0;
  for (size_t p = 0; p < expected.size(); ++p) {
    double error = 0;
    double magnitude = 0;
    for (size_t i = 0; i < expected[p].size(); ++i) {
      const double difference = std::fabs(static_cast<double>(actual[p][i]) - expected[p][i]);
      if (!(difference <= error)) error = difference;  // a NaN stays
      magnitude = std::max(magnitude, std::fabs(static_cast<double>(expected[p][i])));
    }
    if (!(error <= worst * magnitude)) worst = error / magnitude;
  }
  if (!(worst <= kTolerance)) {
    std::ostringstream text;
    text << model.name << " on " << cpu_isa << ": relative error " << worst << ", expected at most " << kTolerance;
    throw std::runtime_error(text.str());
  }
  return worst;
}

Options parse(int argc, char **argv) {
  Options options;
  options.isas = rmt_cpu_isas();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--models") {
      options.models = argv[i + 1];
    } else if (name == "--batches") {
      options.batches = argv[i + 1];
    } else if (name == "--isas") {
      options.isas = argv[i + 1];
    } else if (name == "--threads") {
      options.threads = argv[i + 1];
    } else if (name == "--clock") {
      uses_processor_clock = std::string(argv[i + 1]) == "processor";
    } else if (name == "--rounds") {
      options.rounds = std::max(1, std::atoi(argv[i + 1]));
    } else {
      throw std::runtime_error("unknown option " + name);
    }
  }
  if (argc % 2 == 0) throw std::runtime_error(std::string("option without a value: ") + argv[argc - 1]);
  if (options.threads.empty()) options.threads = "1,2";
  return options;
}

void run(const Options &options) {
  std::printf("One segment of a batch, forward and backward; best of %d rounds.\n\n", options.rounds);
  std::printf("%-6s %-6s %-9s %7s %9s %10s %9s %9s %6s %8s %9s %8s\n", "model", "batch", "isa", "threads", "error",
              "infer. ms", "forw. ms", "backw. ms", "ratio", "step ms", "GFLOP/s", "of peak");
  for (const std::string &model_name : split(options.models)) {
    const ModelSize &model = find(kModels, model_name);
    const std::vector<std::vector<float>> expected = checked_gradients(model, "reference");
    for (const std::string &batch_name : split(options.batches)) {
      const BatchSize &batch = find(kBatches, batch_name);
      std::vector<Row> rows;
      for (const std::string &cpu_isa : split(options.isas)) {
        if (cpu_isa == "reference") continue;
        const double error = verify(model, cpu_isa, expected);
        for (const std::string &threads : split(options.threads)) {
          const int32_t count = std::atoi(threads.c_str());
          rows.push_back(
              {&model, &batch, cpu_isa, count, error, std::make_unique<Setup>(model, batch, cpu_isa, count)});
        }
      }
      for (int round = 0; round < options.rounds; ++round) {
        for (Row &row : rows) row.measure(batch.longest > 100 ? 1 : 4);
      }
      for (const Row &row : rows) row.print();
    }
  }
}

}  // namespace
}  // namespace rmt::bench

int main(int argc, char **argv) {
  try {
    rmt::bench::run(rmt::bench::parse(argc, argv));
    return 0;
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "training_bench: %s\n", failure.what());
    return 1;
  }
}
