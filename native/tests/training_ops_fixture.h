// training_ops_fixture.h - one backend with a trainer and a tape, for tests of its training operations.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/training.h"
#include "ops_fixture.h"

namespace test {

// Gradients by name of parameter, and what else a backward gives out.
using Gradients = std::map<std::string, std::vector<float>>;

class TrainingRunner {
 public:
  TrainingRunner(const rmt::Backend *backend, const rmt::ModelShape &shape, const Documents &documents,
                 int32_t threads = 2, bool keep_average = false)
      : backend_(*backend->training), shape_(shape), parameters_(rmt::make_parameters(shape)), pool_(threads) {
    rmt::TapeLimits limits{static_cast<int32_t>(documents.size()), 1, 0};
    for (const auto &document : documents) {
      limits.max_input_length = std::max(limits.max_input_length, document->length);
      limits.max_total_length += document->length;
    }
    trainer_ = {backend_.create_trainer(nullptr, shape, keep_average), backend_.destroy_trainer};
    tape_ = {backend_.create_tape(nullptr, shape, limits, threads), backend_.destroy_tape};
    CHECK(trainer_ != nullptr && tape_ != nullptr);
    for (const rmt::Parameter &parameter : parameters_) {
      write(rmt::Values::kWeights, parameter, OpRunner::parameter_values(parameter));
    }
    set_documents(documents);
  }

  // Other documents than those before, not more and not longer.
  void set_documents(const Documents &documents) {
    blocks_.clear();
    dread_memory_.clear();
    for (const auto &document : documents) {
      dread_memory_.push_back(std::make_unique<GuardedBuffer<float>>(static_cast<size_t>(shape_.num_mem_tokens) *
                                                                     static_cast<size_t>(shape_.hidden_size)));
      rmt::TrainingBlock block{};
      block.ids = document->ids.data();
      block.length = document->length;
      block.read_memory_start = document->read_memory_start;
      block.read_memory = document->memory.data();
      block.index = static_cast<int32_t>(blocks_.size());
      block.dread_memory = document->read_memory_start >= 0 ? dread_memory_.back()->data() : nullptr;
      block.dropout_key = 0x123456789abcdefu * (blocks_.size() + 1);
      blocks_.push_back(block);
    }
  }

  std::vector<rmt::TrainingBlock> at_layer(int32_t layer, bool chosen) const {
    std::vector<rmt::TrainingBlock> blocks = blocks_;
    for (rmt::TrainingBlock &block : blocks) {
      block.layer = layer;
      if (!chosen) block.num_rows = 0;
    }
    return blocks;
  }

  void write(rmt::Values which, const rmt::Parameter &parameter, const std::vector<float> &values) {
    // In pieces that end in the middle of rows.
    const int64_t piece = parameter.count() / 3 + 1;
    for (int64_t offset = 0; offset < parameter.count(); offset += piece) {
      const int64_t end = std::min(parameter.count(), offset + piece);
      GuardedBuffer<float> guarded(std::vector<float>(values.begin() + offset, values.begin() + end));
      backend_.write_values(shape_, trainer_.get(), which, parameter.tensor, parameter.layer, guarded.data(), offset,
                            end - offset);
    }
  }

  std::vector<float> read(rmt::Values which, const rmt::Parameter &parameter) {
    GuardedBuffer<float> guarded(static_cast<size_t>(parameter.count()));
    backend_.read_values(shape_, trainer_.get(), which, parameter.tensor, parameter.layer, guarded.data(), 0,
                         parameter.count());
    CHECK(guarded.intact());
    return guarded.values();
  }

  // The gradients of all parameters, and of the memory of each document.
  Gradients gradients() {
    Gradients gradients;
    for (const rmt::Parameter &parameter : parameters_) {
      gradients[parameter.name] = read(rmt::Values::kGradients, parameter);
    }
    for (size_t i = 0; i < blocks_.size(); ++i) {
      CHECK(dread_memory_[i]->intact());
      if (blocks_[i].dread_memory != nullptr) {
        gradients["memory of document " + std::to_string(i)] = dread_memory_[i]->values();
      }
    }
    return gradients;
  }

  std::vector<float> row(int32_t document, int32_t level, int32_t position) {
    GuardedBuffer<float> guarded(static_cast<size_t>(shape_.hidden_size));
    const rmt::RowPlace place{&blocks_[static_cast<size_t>(document)], level, position};
    backend_.read_rows(context(), &place, 1, guarded.data());
    CHECK(guarded.intact());
    return guarded.values();
  }

  // Rows [range.begin, range.end) of a level.
  std::vector<float> rows(int32_t document, int32_t level, rmt::RowRange range) {
    std::vector<float> values;
    for (int32_t t = range.begin; t < range.end; ++t) {
      const std::vector<float> one = row(document, level, t);
      values.insert(values.end(), one.begin(), one.end());
    }
    return values;
  }

  // Adds random gradients to the rows of the last level that are chosen, of all documents or of those in `documents`.
  void add_random_dx(uint64_t stream, const std::vector<int32_t> &documents = {}) {
    for (const rmt::TrainingBlock &block : blocks_) {
      if (!documents.empty() && std::find(documents.begin(), documents.end(), block.index) == documents.end()) continue;
      Random random(stream * 100 + static_cast<uint64_t>(block.index));
      for (int32_t r = 0; r < std::max(1, block.num_rows); ++r) {
        const rmt::RowRange range = block.num_rows == 0 ? rmt::RowRange{0, block.length} : block.rows[r];
        for (int32_t t = range.begin; t < range.end; ++t) {
          GuardedBuffer<float> values(static_cast<size_t>(shape_.hidden_size));
          for (int32_t h = 0; h < shape_.hidden_size; ++h) values.data()[h] = random.uniform();
          const rmt::RowPlace place{&block, shape_.num_layers, t};
          backend_.add_to_dx(context(), &place, 1, values.data());
        }
      }
    }
  }

  using BlockOperation = void (*)(const rmt::TrainingContext &, const rmt::TrainingBlock *, int32_t);
  void apply(BlockOperation rmt::TrainingBackend::*operation, int32_t layer, bool chosen = false) {
    const std::vector<rmt::TrainingBlock> blocks = at_layer(layer, chosen);
    (backend_.*operation)(context(), blocks.data(), static_cast<int32_t>(blocks.size()));
  }

  // Everything up to the output of layer `layers` - 1; in that the chosen rows, or all.
  void forward(int32_t layers, bool choose = true) {
    const std::vector<rmt::TrainingBlock> last = at_layer(std::max(0, layers - 1), choose);
    const int32_t count = static_cast<int32_t>(last.size());
    backend_.begin_segment(context(), blocks_.data(), count, last.data(), count);
    apply(&rmt::TrainingBackend::embed, 0);
    for (int32_t layer = 0; layer < layers; ++layer) {
      apply(&rmt::TrainingBackend::attention_block, layer, choose && layer == layers - 1);
      apply(&rmt::TrainingBackend::feed_forward_block, layer, choose && layer == layers - 1);
    }
  }

  void backward(int32_t layers, uint64_t stream = 5) {
    apply(&rmt::TrainingBackend::clear_dx, 0);
    add_random_dx(stream);
    for (int32_t layer = layers - 1; layer >= 0; --layer) {
      apply(&rmt::TrainingBackend::feed_forward_backward, layer, layer == layers - 1);
      apply(&rmt::TrainingBackend::attention_backward, layer, layer == layers - 1);
    }
    apply(&rmt::TrainingBackend::embed_backward, 0);
  }

  rmt::TrainingContext context() { return {&shape_, trainer_.get(), tape_.get(), &pool_, nullptr, causal, dropout}; }
  const rmt::TrainingBackend &backend() const { return backend_; }
  const rmt::ModelShape &shape() const { return shape_; }
  const std::vector<rmt::Parameter> &parameters() const { return parameters_; }
  std::vector<rmt::TrainingBlock> &blocks() { return blocks_; }

  bool causal = false;
  rmt::Dropout dropout{0, 0};

 private:
  const rmt::TrainingBackend &backend_;
  rmt::ModelShape shape_;
  std::vector<rmt::Parameter> parameters_;
  rmt::ThreadPool pool_;
  std::unique_ptr<void, void (*)(void *)> trainer_{nullptr, nullptr};
  std::unique_ptr<void, void (*)(void *)> tape_{nullptr, nullptr};
  std::vector<rmt::TrainingBlock> blocks_;
  std::vector<std::unique_ptr<GuardedBuffer<float>>> dread_memory_;
};

// Largest error of each gradient, relative to its largest magnitude. The gradient of a key bias is zero but for
// rounding, since softmax does not see what is added to all scores: its errors are measured by the weights beside it.
inline std::map<std::string, double> errors_of(const Gradients &actual, const Gradients &expected) {
  std::map<std::string, double> errors;
  for (const auto &[name, values] : expected) {
    std::string measure = name;
    const size_t key = name.find("self.key.bias");
    if (key != std::string::npos) measure.replace(key, std::string::npos, "self.key.weight");
    double largest = 0;
    for (const float value : expected.at(measure)) largest = std::max(largest, std::fabs(double{value}));
    double error = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double difference = std::fabs(double{actual.at(name)[i]} - double{values[i]});
      error = difference <= 1e300 ? std::max(error, difference) : INFINITY;
    }
    errors[name] = error == 0 ? 0 : error / largest;
  }
  return errors;
}

inline double largest_of(const std::map<std::string, double> &errors) {
  double largest = 0;
  for (const auto &[name, error] : errors) largest = std::max(largest, error);
  return largest;
}

}  // namespace test
