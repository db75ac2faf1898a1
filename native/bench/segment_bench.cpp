// segment_bench - how long one segment of 512 positions takes, by model, instruction set and number of threads.
//
//   segment_bench [--models tiny,mini,minilm,base] [--isas avx512,avx2] [--threads 1,2] [--rounds 7] [--batch 1]
//                 [--json FILE]
//
// First every instruction set is compared with the reference kernels on short documents; a difference ends the program
// with exit code 1. Then the combinations are timed in turn, round after round, so that a disturbance hits all of them:
//  - full: every row of every layer is computed;
//  - recurrent: only memory and head rows of the last layer, which is what reading a long document costs.
// The peak is that of a loop of multiply-adds on registers, measured between the rounds. A second table says what a
// full segment on one thread is made of: every kernel alone, and what the segment takes beyond their sum.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel_times.h"
#include "peak.h"
#include "rmt/rmt.h"

namespace rmt::bench {
namespace {

constexpr int32_t kInputLength = 512;
constexpr int32_t kMemTokens = 10;
constexpr double kTolerance = 2e-6;  // of the largest magnitude of a hidden state

struct ModelSize {
  const char *name;
  int32_t hidden_size, num_layers, num_heads, intermediate_size;
  int32_t checked_length;  // positions of the document that is compared with the reference, which is slow

  double gflop(int32_t batch_size) const {
    const double h = hidden_size;
    const double t = kInputLength;
    return batch_size * num_layers * (2 * (4 * h * h + 2 * h * intermediate_size) * t + 4 * t * t * h) * 1e-9;
  }
};

constexpr ModelSize kModels[] = {
    {"tiny", 128, 2, 2, 512, 512},
    {"mini", 256, 4, 4, 1024, 200},
    {"minilm", 384, 6, 12, 1536, 97},
    {"base", 768, 12, 12, 3072, 33},
};

char error_text[256];

void check(rmt_status status) {
  if (status != RMT_OK) throw std::runtime_error(error_text);
}

template <typename T>
using Handle = std::unique_ptr<T, void (*)(T *)>;

// A model with random weights, the same for every instruction set, and a memory of `batch_size` documents.
class Setup {
 public:
  Setup(const ModelSize &size, const std::string &cpu_isa, int32_t threads, int32_t batch_size)
      : size_(size),
        batch_size_(batch_size),
        device_(nullptr, rmt_device_destroy),
        model_(nullptr, rmt_model_destroy),
        memory_(nullptr, rmt_memory_destroy) {
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
    config.max_positions = kInputLength;
    config.type_vocab_size = 2;
    config.num_mem_tokens = kMemTokens;
    config.num_labels = 6;
    config.layer_norm_eps = 1e-12f;
    rmt_model *model;
    check(rmt_model_create(device, &config, &model, error_text, sizeof(error_text)));
    model_.reset(model);
    set_parameters();
    check(rmt_model_finish(model, error_text, sizeof(error_text)));
    rmt_memory_options memory_options{sizeof(memory_options), batch_size, batch_size, kInputLength};
    rmt_memory *memory;
    check(rmt_memory_create(model, &memory_options, &memory, error_text, sizeof(error_text)));
    memory_.reset(memory);
  }

  // One segment for every document; document b has max_length - b positions. All but `all_rows` computes what the
  // recurrence needs.
  void run(int32_t max_length, bool all_rows, float *hidden) {
    std::mt19937 random(7);
    std::vector<int32_t> ids(static_cast<size_t>(batch_size_) * max_length);
    for (int32_t &id : ids) id = static_cast<int32_t>(random() % kVocabSize);
    std::vector<int32_t> lengths, slots;
    for (int32_t b = 0; b < batch_size_; ++b) {
      lengths.push_back(hidden != nullptr ? max_length - b : max_length);
      slots.push_back(b);
    }
    const std::vector<int32_t> ones(batch_size_, 1);
    const std::vector<int32_t> zeros(batch_size_, 0);
    const rmt_segment segment{sizeof(rmt_segment), batch_size_, max_length,   ids.data(), lengths.data(), slots.data(),
                              ones.data(),         ones.data(), zeros.data(), 0,          all_rows};
    std::vector<float> logits(static_cast<size_t>(batch_size_) * 6);
    rmt_segment_output output{};
    output.struct_size = sizeof(output);
    output.hidden = hidden;
    output.logits = logits.data();
    check(rmt_segment_forward(memory_.get(), &segment, &output, error_text, sizeof(error_text)));
  }

  void reset_memory() { check(rmt_memory_reset(memory_.get(), -1, error_text, sizeof(error_text))); }

  // Hidden states (L+1, B, length, H) of a short segment.
  std::vector<float> hidden_states(int32_t length) {
    std::vector<float> hidden(static_cast<size_t>(size_.num_layers + 1) * batch_size_ * length * size_.hidden_size);
    reset_memory();
    run(length, true, hidden.data());
    return hidden;
  }

 private:
  static constexpr int32_t kVocabSize = 1000;

  void set_parameters() {
    std::mt19937 random(42);
    std::vector<float> values;
    for (int32_t i = 0; i < rmt_model_num_parameters(model_.get()); ++i) {
      rmt_parameter_info info{};
      info.struct_size = sizeof(info);
      check(rmt_model_get_parameter_info(model_.get(), i, &info, error_text, sizeof(error_text)));
      values.resize(static_cast<size_t>(info.dims[0]) * (info.num_dims == 2 ? info.dims[1] : 1));
      const bool norm_weight = std::strstr(info.name, "LayerNorm.weight") != nullptr;
      for (float &value : values) {
        value = static_cast<float>(random()) * (0.2f / 4294967296.0f) - 0.1f + (norm_weight ? 1.0f : 0.0f);
      }
      check(rmt_model_set_parameter(model_.get(), i, values.data(), 0, static_cast<int64_t>(values.size()), error_text,
                                    sizeof(error_text)));
    }
  }

  const ModelSize &size_;
  int32_t batch_size_;
  Handle<rmt_device> device_;
  Handle<rmt_model> model_;
  Handle<rmt_memory> memory_;
};

double relative_error(const std::vector<float> &values, const std::vector<float> &expected) {
  double error = 0;
  double magnitude = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(values[i]) - expected[i]);
    if (!(difference <= error)) error = difference;  // a NaN stays
    magnitude = std::max(magnitude, std::fabs(static_cast<double>(expected[i])));
  }
  return error / magnitude;
}

double median(std::vector<double> values) { return median_of(values.data(), static_cast<int32_t>(values.size())); }

// One line of the table while it is being measured.
struct Row {
  std::string cpu_isa;
  int32_t threads;
  double error;
  std::unique_ptr<Setup> setup;
  std::vector<double> full;       // seconds
  std::vector<double> recurrent;  // seconds
  double peak = 0;                // GFLOP/s
};

double time(Setup *setup, int32_t length, bool all_rows) {
  const auto start = std::chrono::steady_clock::now();
  setup->run(length, all_rows, nullptr);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Options {
  std::string models = "tiny,mini,minilm,base";
  std::string isas;
  std::string threads;
  int rounds = 7;
  int32_t batch_size = 1;
  std::string json;  // file for the second table
};

std::vector<std::string> split(const std::string &list) {
  std::vector<std::string> parts;
  std::stringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

// Largest error of an instruction set against the reference, on two documents of different length.
double verify(const ModelSize &size, const std::string &cpu_isa, const std::vector<float> &expected) {
  const double error = relative_error(Setup(size, cpu_isa, 2, 2).hidden_states(size.checked_length), expected);
  if (!(error <= kTolerance)) {
    std::ostringstream text;
    text << size.name << " on " << cpu_isa << ": relative error " << error << ", expected at most " << kTolerance;
    throw std::runtime_error(text.str());
  }
  return error;
}

// A line of the second table.
struct Parts {
  std::string model, cpu_isa;
  KernelTimes alone;
  double full;  // seconds
  double peak;  // GFLOP/s

  double sum() const { return alone.linears + alone.attention + alone.gelu + alone.norms; }
  double attention_products() const { return alone.attention - alone.softmax; }
  double linears_share() const { return 1e-9 * alone.linear_operations / alone.linears / peak; }
  double attention_share() const { return 1e-9 * alone.attention_operations / attention_products() / peak; }
};

void print(const std::vector<Parts> &parts) {
  std::printf("\nA full segment on one thread, ms: its kernels alone, their sum, and what it takes beyond that.\n\n");
  std::printf("%-7s %-9s %9s %8s %9s %8s %9s %9s %9s %9s %9s %8s\n", "model", "isa", "linears", "of peak", "attention",
              "of peak", "softmax", "GELU", "norms", "sum", "full", "beyond");
  for (const Parts &p : parts) {
    std::printf("%-7s %-9s %9.3f %6.0f %% %9.3f %6.0f %% %9.3f %9.3f %9.3f %9.3f %9.3f %6.1f %%\n", p.model.c_str(),
                p.cpu_isa.c_str(), p.alone.linears * 1e3, 100 * p.linears_share(), p.attention_products() * 1e3,
                100 * p.attention_share(), p.alone.softmax * 1e3, p.alone.gelu * 1e3, p.alone.norms * 1e3,
                p.sum() * 1e3, p.full * 1e3, 100 * (p.full - p.sum()) / p.full);
  }
}

void write_json(const std::vector<Parts> &parts, const std::string &file) {
  std::ofstream out(file);
  out << "[";
  for (const Parts &p : parts) {
    out << (&p == parts.data() ? "\n" : ",\n") << "  {\"model\": \"" << p.model << "\", \"isa\": \"" << p.cpu_isa
        << "\", \"linears_ms\": " << p.alone.linears * 1e3 << ", \"linears_share_of_peak\": " << p.linears_share()
        << ", \"attention_ms\": " << p.attention_products() * 1e3
        << ", \"attention_share_of_peak\": " << p.attention_share() << ", \"softmax_ms\": " << p.alone.softmax * 1e3
        << ", \"gelu_ms\": " << p.alone.gelu * 1e3 << ", \"norms_ms\": " << p.alone.norms * 1e3
        << ", \"sum_ms\": " << p.sum() * 1e3 << ", \"full_ms\": " << p.full * 1e3 << "}";
  }
  out << "\n]\n";
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

void measure(const ModelSize &size, const Options &options, std::vector<Parts> *parts) {
  const std::vector<float> expected = Setup(size, "reference", 1, 2).hidden_states(size.checked_length);
  std::vector<Row> rows;
  for (const std::string &cpu_isa : split(options.isas)) {
    if (cpu_isa == "reference") continue;
    const double error = verify(size, cpu_isa, expected);
    for (const std::string &threads : split(options.threads)) {
      Row row;
      row.cpu_isa = cpu_isa;
      row.threads = std::atoi(threads.c_str());
      row.error = error;
      row.setup = std::make_unique<Setup>(size, cpu_isa, row.threads, options.batch_size);
      rows.push_back(std::move(row));
    }
  }
  const double gflop = size.gflop(options.batch_size);
  const int repeats = std::max(1, static_cast<int>(5 / gflop));
  for (int round = 0; round < options.rounds; ++round) {
    for (Row &row : rows) {
      time(row.setup.get(), kInputLength, true);  // brings weights and threads back
      for (int i = 0; i < repeats; ++i) row.full.push_back(time(row.setup.get(), kInputLength, true));
      for (int i = 0; i < repeats; ++i) row.recurrent.push_back(time(row.setup.get(), kInputLength, false));
      row.peak = std::max(row.peak, peak_gflops(row.cpu_isa, row.threads));
    }
  }
  for (const Row &row : rows) {
    const double full = median(row.full);
    std::printf("%-7s %-9s %7d %10.1e %10.3f %10.3f %10.3f %9.1f %9.1f %6.0f %%\n", size.name, row.cpu_isa.c_str(),
                row.threads, row.error, full * 1e3, *std::min_element(row.full.begin(), row.full.end()) * 1e3,
                median(row.recurrent) * 1e3, gflop / full, row.peak, 100 * gflop / full / row.peak);
  }
  std::fflush(stdout);
  for (const Row &row : rows) {
    if (row.threads != 1 || options.batch_size != 1) continue;
    const EncoderSize encoder{size.hidden_size, size.num_layers, size.num_heads, size.intermediate_size, kInputLength};
    parts->push_back({size.name, row.cpu_isa, kernel_times(row.cpu_isa.c_str(), encoder), median(row.full), row.peak});
  }
}

Options parse(int argc, char **argv) {
  Options options;
  options.isas = rmt_cpu_isas();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--models") {
      options.models = argv[i + 1];
    } else if (name == "--isas") {
      options.isas = argv[i + 1];
    } else if (name == "--threads") {
      options.threads = argv[i + 1];
    } else if (name == "--rounds") {
      options.rounds = std::max(1, std::atoi(argv[i + 1]));
    } else if (name == "--batch") {
      options.batch_size = std::max(1, std::atoi(argv[i + 1]));
    } else if (name == "--json") {
      options.json = argv[i + 1];
    } else {
      throw std::runtime_error("unknown option " + name);
    }
  }
  if (argc % 2 == 0) throw std::runtime_error(std::string("option without a value: ") + argv[argc - 1]);
  if (options.threads.empty()) {
    rmt_device *device;
    rmt_device_options defaults{sizeof(defaults), 0, nullptr};
    check(rmt_device_create_cpu(&defaults, &device, error_text, sizeof(error_text)));
    rmt_device_info info{};
    info.struct_size = sizeof(info);
    check(rmt_device_get_info(device, &info, error_text, sizeof(error_text)));
    rmt_device_destroy(device);
    options.threads = info.threads > 1 ? "1," + std::to_string(info.threads) : "1";
  }
  return options;
}

void run(const Options &options) {
  std::printf("One segment of %d positions, %d document(s); medians of %d rounds.\n\n", kInputLength,
              options.batch_size, options.rounds);
  std::printf("%-7s %-9s %7s %10s %10s %10s %10s %9s %9s %8s\n", "model", "isa", "threads", "error", "full ms",
              "best ms", "recur. ms", "GFLOP/s", "peak", "of peak");
  std::vector<Parts> parts;
  for (const std::string &name : split(options.models)) {
    const auto *size = std::find_if(std::begin(kModels), std::end(kModels),
                                    [&name](const ModelSize &model) { return name == model.name; });
    if (size == std::end(kModels)) throw std::runtime_error("unknown model " + name + ": tiny, mini, minilm or base");
    measure(*size, options, &parts);
  }
  if (!parts.empty()) print(parts);
  if (!options.json.empty()) write_json(parts, options.json);
}

}  // namespace
}  // namespace rmt::bench

int main(int argc, char **argv) {
  try {
    rmt::bench::run(rmt::bench::parse(argc, argv));
    return 0;
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "segment_bench: %s\n", failure.what());
    return 1;
  }
}
