// ops_fixture.h - one backend with weights and a workspace, for tests of its operations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "fixtures.h"
#include "guarded_buffer.h"
#include "kernels/kernels.h"
#include "kernels/reference/plain_backend.h"
#include "kernels/reference/reference_backend.h"
#include "kernels/thread_pool.h"
#include "model/device.h"
#include "model/parameters.h"

namespace test {

// The same plain loops in single precision: the yardstick for what error a float backend may have.
inline const rmt::Backend *naive_backend() {
  static const rmt::Backend backend = rmt::PlainBackend<float>::make("naive");
  return &backend;
}

inline rmt::ModelShape op_shape(int32_t hidden_size, int32_t num_heads, int32_t intermediate_size) {
  rmt::ModelShape shape{};
  shape.hidden_size = hidden_size;
  shape.num_layers = 2;
  shape.num_heads = num_heads;
  shape.head_size = hidden_size / num_heads;
  shape.intermediate_size = intermediate_size;
  shape.vocab_size = 70;
  shape.max_positions = 512;
  shape.type_vocab_size = 2;
  shape.num_mem_tokens = 5;
  shape.num_labels = 7;
  shape.layer_norm_eps = 1e-12f;
  return shape;
}

// A document: ids behind a guard page, memory rows behind another.
struct Document {
  Document(const rmt::ModelShape &shape, int32_t num_positions, uint64_t stream)
      : ids(num_positions),
        memory(static_cast<size_t>(shape.num_mem_tokens) * shape.hidden_size),
        length(num_positions) {
    Random random(stream);
    for (int32_t t = 0; t < length; ++t) ids.data()[t] = random.integer(0, shape.vocab_size - 1);
    for (int64_t i = 0; i < int64_t{shape.num_mem_tokens} * shape.hidden_size; ++i) memory.data()[i] = random.uniform();
    // Memory where it fits, as in a segment; its ids are not to be read.
    read_memory_start = length > shape.num_mem_tokens ? 1 : -1;
    if (read_memory_start >= 0) {
      for (int32_t m = 0; m < shape.num_mem_tokens; ++m) ids.data()[read_memory_start + m] = 1 << 30;
    }
  }
  Document(const Document &) = delete;

  GuardedBuffer<int32_t> ids;
  GuardedBuffer<float> memory;
  int32_t length;
  int32_t read_memory_start;
};

using Documents = std::vector<std::unique_ptr<Document>>;

inline Documents make_documents(const rmt::ModelShape &shape, const std::vector<int32_t> &lengths) {
  Documents documents;
  for (size_t i = 0; i < lengths.size(); ++i) {
    documents.push_back(std::make_unique<Document>(shape, lengths[i], 7000 + i));
  }
  return documents;
}

class OpRunner {
 public:
  OpRunner(const rmt::Backend *backend, const rmt::ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
           int32_t threads = 2)
      : backend_(*backend), shape_(shape), pool_(threads) {
    weights_ = {backend->create_weights(nullptr, shape), backend->destroy_weights};
    workspace_ = {backend->create_workspace(nullptr, shape, max_batch_size, max_input_length, threads),
                  backend->destroy_workspace};
    CHECK(weights_ != nullptr && workspace_ != nullptr);
    for (const rmt::Parameter &parameter : rmt::make_parameters(shape)) write_randomly(parameter);
  }

  static std::vector<float> parameter_values(const rmt::Parameter &parameter) {
    Random random(static_cast<uint64_t>(parameter.tensor) * 100 + static_cast<uint64_t>(parameter.layer));
    return random_parameter(parameter.name, parameter.count(), parameter.num_dims == 2 ? parameter.dims[1] : 1, random);
  }

  void write(rmt::Tensor tensor, int32_t layer, const std::vector<float> &values, int64_t offset) {
    GuardedBuffer<float> guarded(values);
    backend_.write_tensor(shape_, weights_.get(), tensor, layer, guarded.data(), offset,
                          static_cast<int64_t>(values.size()));
  }

  std::vector<float> read(rmt::Tensor tensor, int32_t layer, int64_t offset, int64_t count) {
    GuardedBuffer<float> guarded(count);
    backend_.read_tensor(shape_, weights_.get(), tensor, layer, guarded.data(), offset, count);
    CHECK(guarded.intact());
    return guarded.values();
  }

  std::vector<rmt::RowBlock> blocks(const Documents &documents, int32_t layer) const {
    std::vector<rmt::RowBlock> blocks;
    for (const auto &document : documents) {
      rmt::RowBlock block{};
      block.ids = document->ids.data();
      block.length = document->length;
      block.layer = layer;
      block.read_memory_start = document->read_memory_start;
      block.read_memory = document->memory.data();
      block.index = static_cast<int32_t>(blocks.size());
      blocks.push_back(block);
    }
    return blocks;
  }

  void embed(const std::vector<rmt::RowBlock> &blocks) {
    backend_.embed(context(false), blocks.data(), static_cast<int32_t>(blocks.size()));
  }
  void attention(const std::vector<rmt::RowBlock> &blocks, bool causal) {
    backend_.attention_block(context(causal), blocks.data(), static_cast<int32_t>(blocks.size()));
  }
  void feed_forward(const std::vector<rmt::RowBlock> &blocks) {
    backend_.feed_forward_block(context(false), blocks.data(), static_cast<int32_t>(blocks.size()));
  }
  std::vector<float> rows(const rmt::RowBlock &block, rmt::RowRange range) {
    GuardedBuffer<float> guarded(static_cast<size_t>(range.end - range.begin) * shape_.hidden_size);
    backend_.read_rows(context(false), block, range, guarded.data());
    CHECK(guarded.intact());
    return guarded.values();
  }
  std::vector<float> all_rows(const rmt::RowBlock &block) { return rows(block, {0, block.length}); }

  // (pooled, logits)
  std::pair<std::vector<float>, std::vector<float>> classify(const std::vector<float> &hidden) {
    GuardedBuffer<float> in(hidden);
    GuardedBuffer<float> pooled(shape_.hidden_size);
    GuardedBuffer<float> logits(shape_.num_labels);
    backend_.classify(context(false), in.data(), pooled.data(), logits.data());
    CHECK(in.values() == hidden && in.intact() && pooled.intact() && logits.intact());
    // Either may be left out.
    GuardedBuffer<float> again(shape_.num_labels);
    backend_.classify(context(false), in.data(), nullptr, again.data());
    CHECK(same_bits(again.values(), logits.values()));
    backend_.classify(context(false), in.data(), pooled.data(), nullptr);
    return {pooled.values(), logits.values()};
  }

  const rmt::ModelShape &shape() const { return shape_; }

 private:
  rmt::SegmentContext context(bool causal) {
    return {&shape_, weights_.get(), workspace_.get(), &pool_, nullptr, causal, true};
  }

  // In pieces that end in the middle of rows, as a loader may do it.
  void write_randomly(const rmt::Parameter &parameter) {
    const std::vector<float> values = parameter_values(parameter);
    const int64_t piece = std::max<int64_t>(1, parameter.count() / 3 + 1);
    for (int64_t offset = 0; offset < parameter.count(); offset += piece) {
      const int64_t end = std::min(parameter.count(), offset + piece);
      write(parameter.tensor, parameter.layer, std::vector<float>(values.begin() + offset, values.begin() + end),
            offset);
    }
  }

  const rmt::Backend &backend_;
  rmt::ModelShape shape_;
  rmt::ThreadPool pool_;
  std::unique_ptr<void, void (*)(void *)> weights_{nullptr, nullptr};
  std::unique_ptr<void, void (*)(void *)> workspace_{nullptr, nullptr};
};

}  // namespace test
