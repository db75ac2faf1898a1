// Every training operation of every backend that can run here, against the reference in double.

#include "training_ops_fixture.h"

namespace {

using rmt::Backend;
using rmt::ModelShape;
using rmt::TrainingBackend;
using rmt::Values;
using test::Documents;
using test::errors_of;
using test::Gradients;
using test::same_bits;
using test::TrainingRunner;

// Sizes of which nothing is a multiple of a vector, heads of 4, 5, 16 and 32, and the usual ones.
struct Size {
  int32_t hidden_size;
  int32_t num_heads;
  int32_t intermediate_size;
};
const Size kSizes[] = {{1, 1, 1}, {7, 1, 3}, {30, 6, 33}, {33, 3, 65}, {64, 16, 70}, {96, 3, 127}, {128, 8, 256}};
// More than a chunk of 1024 rows, so that gradients are added up over chunks.
const std::vector<int32_t> kLengths = {127, 1, 511, 3, 97, 512, 64};

const std::vector<int32_t> kFewLengths = {127, 1, 3, 97, 257};

const Backend *const kReference = rmt::reference_backend();

ModelShape shape_of(const Size &size) {
  return test::op_shape(size.hidden_size, size.num_heads, size.intermediate_size);
}

std::string text_of(const Size &size) {
  return "H " + test::show(size.hidden_size) + ", heads " + test::show(size.num_heads) + ", F " +
         test::show(size.intermediate_size);
}

// At most twice the error of plain loops in single precision; a floor, since those are exact now and then.
double tolerance(double naive_error) { return std::max(1e-6, 2 * naive_error); }

// Errors of what backends compute, over all cases of a test. The worst error of plain loops in single precision is the
// yardstick for all cases: in a single one they may be lucky.
class Comparison {
 public:
  // Calls run(backend) on the reference, on plain loops in single precision and on all backends.
  template <typename Run>
  void add(const std::string &what, Run run) {
    const Gradients expected = run(kReference);
    naive_error_ = std::max(naive_error_, test::largest_of(errors_of(run(test::naive_backend()), expected)));
    for (const Backend *backend : rmt::cpu_backends()) {
      if (backend == kReference) continue;
      Worst &worst = worst_[backend->name];
      for (const auto &[name, error] : errors_of(run(backend), expected)) {
        if (error <= worst.error) continue;
        worst.error = error;
        worst.where = what + ": " + name;
      }
    }
  }

  void check() const {
    const double allowed = tolerance(naive_error_);
    for (const auto &[backend, worst] : worst_) {
      std::printf("  %-10s largest error %.2e, allowed %.2e\n", backend.c_str(), worst.error, allowed);
      CHECK_THAT(worst.error <= allowed, backend + ", " + worst.where + ": error " + test::show(worst.error) +
                                             ", allowed " + test::show(allowed));
    }
  }

 private:
  struct Worst {
    double error = 0;
    std::string where;
  };
  double naive_error_ = 0;
  std::map<std::string, Worst> worst_;  // by name of the backend
};

// One or two ranges of each document, at the ends and in the middle, sometimes touching, sometimes of one row.
void choose_rows(TrainingRunner &runner, int round) {
  test::Random random(static_cast<uint64_t>(round) + 31);
  for (rmt::TrainingBlock &block : runner.blocks()) {
    int32_t cuts[4];
    for (int32_t &cut : cuts) cut = random.integer(0, block.length);
    std::sort(cuts, cuts + 4);
    if (round == 0) cuts[0] = 0, cuts[1] = std::min(11, block.length), cuts[2] = cuts[3] = block.length;
    if (round == 1) cuts[0] = 0, cuts[1] = 1, cuts[2] = block.length - 1, cuts[3] = block.length;
    block.num_rows = 0;
    for (const int i : {0, 2}) {
      if (cuts[i] < cuts[i + 1] && (block.num_rows == 0 || block.rows[0].end <= cuts[i])) {
        block.rows[block.num_rows++] = {cuts[i], cuts[i + 1]};
      }
    }
    if (block.num_rows == 0) block.rows[block.num_rows++] = {block.length - 1, block.length};
  }
}

// The rows of the last level that were computed.
void add_rows(TrainingRunner &runner, int32_t level, Gradients *values) {
  for (const rmt::TrainingBlock &block : runner.blocks()) {
    for (int32_t r = 0; r < std::max(1, block.num_rows); ++r) {
      const rmt::RowRange range = block.num_rows == 0 ? rmt::RowRange{0, block.length} : block.rows[r];
      (*values)["rows of document " + std::to_string(block.index) + ", range " + std::to_string(r)] =
          runner.rows(block.index, level, range);
    }
  }
}

struct Options {
  bool causal = false;
  rmt::Dropout dropout{0, 0};
  int chosen = -1;  // round of choose_rows(); -1: all rows
};

// Forward and backward through two layers.
Gradients run_layers(const Backend *backend, const ModelShape &shape, const Documents &documents,
                     const Options &options, int32_t threads = 2) {
  TrainingRunner runner(backend, shape, documents, threads);
  runner.causal = options.causal;
  runner.dropout = options.dropout;
  if (options.chosen >= 0) choose_rows(runner, options.chosen);
  runner.forward(2);
  runner.backward(2);
  Gradients values = runner.gradients();
  add_rows(runner, 2, &values);
  return values;
}

}  // namespace

TEST("the backward of the embedding is that of the reference") {
  Comparison comparison;
  for (const Size &size : kSizes) {
    const Documents documents = test::make_documents(shape_of(size), kLengths);
    comparison.add(text_of(size), [&](const Backend *backend) {
      TrainingRunner runner(backend, shape_of(size), documents);
      runner.forward(0);
      runner.backward(0);
      Gradients values = runner.gradients();
      add_rows(runner, 0, &values);
      return values;
    });
  }
  comparison.check();
}

TEST("the backward of the feed-forward block is that of the reference") {
  Comparison comparison;
  for (const Size &size : kSizes) {
    const Documents documents = test::make_documents(shape_of(size), kFewLengths);
    comparison.add(text_of(size), [&](const Backend *backend) {
      TrainingRunner runner(backend, shape_of(size), documents);
      runner.forward(1);
      runner.apply(&TrainingBackend::clear_dx, 0);
      runner.add_random_dx(3);
      runner.apply(&TrainingBackend::feed_forward_backward, 0);
      runner.apply(&TrainingBackend::embed_backward, 0);  // shows what dx was
      return runner.gradients();
    });
  }
  comparison.check();
}

TEST("the backward of attention is that of the reference, causal or not") {
  Comparison comparison;
  for (const bool causal : {false, true}) {
    for (const Size &size : kSizes) {
      const Documents documents = test::make_documents(shape_of(size), kFewLengths);
      comparison.add(text_of(size) + (causal ? ", causal" : ""), [&](const Backend *backend) {
        TrainingRunner runner(backend, shape_of(size), documents);
        runner.causal = causal;
        runner.forward(1);
        runner.apply(&TrainingBackend::clear_dx, 0);
        runner.add_random_dx(3);
        runner.apply(&TrainingBackend::attention_backward, 0);
        runner.apply(&TrainingBackend::embed_backward, 0);
        return runner.gradients();
      });
    }
  }
  comparison.check();
}

TEST("forward and backward through two layers are those of the reference") {
  Comparison comparison;
  for (const Size &size : kSizes) {
    const Documents documents = test::make_documents(shape_of(size), kLengths);
    comparison.add(text_of(size),
                   [&](const Backend *backend) { return run_layers(backend, shape_of(size), documents, Options{}); });
  }
  comparison.check();
}

TEST("with chosen rows in the last layer gradients are those of the reference") {
  Comparison comparison;
  for (const Size &size : {Size{30, 6, 33}, Size{64, 16, 70}, Size{128, 8, 256}}) {
    const Documents documents = test::make_documents(shape_of(size), kFewLengths);
    for (int round = 0; round < 4; ++round) {
      Options options;
      options.chosen = round;
      options.causal = round == 3;
      comparison.add(text_of(size) + ", round " + test::show(round),
                     [&](const Backend *backend) { return run_layers(backend, shape_of(size), documents, options); });
    }
  }
  comparison.check();
}

TEST("dropout drops what the reference drops, forward and backward") {
  Comparison comparison;
  for (const Size &size : {Size{30, 6, 33}, Size{96, 3, 127}}) {
    const Documents documents = test::make_documents(shape_of(size), {127, 1, 200, 3, 97});
    for (const rmt::Dropout dropout : {rmt::Dropout{0.25f, 0}, rmt::Dropout{0, 0.25f}, rmt::Dropout{0.1f, 0.5f}}) {
      for (const int chosen : {-1, 0, 2}) {
        Options options;
        options.dropout = dropout;
        options.chosen = chosen;
        options.causal = chosen == 2;
        comparison.add(text_of(size) + ", dropout " + test::show(dropout.hidden) + " and " +
                           test::show(dropout.attention) + ", chosen " + test::show(chosen),
                       [&](const Backend *backend) { return run_layers(backend, shape_of(size), documents, options); });
      }
    }
  }
  comparison.check();
}

TEST("gradients have the same bits with one, two and three threads") {
  const ModelShape shape = test::op_shape(33, 3, 65);
  const Documents documents = test::make_documents(shape, kLengths);
  for (const Backend *backend : rmt::cpu_backends()) {
    for (const int chosen : {-1, 2}) {
      Options options;
      options.chosen = chosen;
      options.dropout = {0.1f, 0.1f};
      const Gradients one = run_layers(backend, shape, documents, options, 1);
      for (const int32_t threads : {2, 3}) {
        for (const auto &[name, values] : run_layers(backend, shape, documents, options, threads)) {
          CHECK_THAT(same_bits(values, one.at(name)),
                     name + " of " + backend->name + " with " + test::show(threads) + " threads");
        }
      }
    }
  }
}

TEST("a forward without dropout has the bits of the inference kernels") {
  for (const Size &size : {Size{30, 6, 33}, Size{128, 8, 256}, Size{33, 3, 1600}}) {
    const ModelShape shape = shape_of(size);
    const Documents documents = test::make_documents(shape, kLengths);
    for (const Backend *backend : rmt::cpu_backends()) {
      if (backend == kReference) continue;
      for (const int chosen : {-1, 1, 2}) {
        TrainingRunner runner(backend, shape, documents);
        if (chosen >= 0) choose_rows(runner, chosen);
        runner.forward(2);
        test::OpRunner inference(backend, shape, static_cast<int32_t>(documents.size()), 512);
        for (const int32_t layer : {0, 1}) {
          std::vector<rmt::RowBlock> blocks;
          for (const rmt::TrainingBlock &block : runner.at_layer(layer, layer == 1)) blocks.push_back(block);
          if (layer == 0) inference.embed(blocks);
          inference.attention(blocks, false);
          inference.feed_forward(blocks);
          if (layer == 0) continue;
          for (const rmt::RowBlock &block : blocks) {
            for (int32_t r = 0; r < std::max(1, block.num_rows); ++r) {
              const rmt::RowRange range = block.num_rows == 0 ? rmt::RowRange{0, block.length} : block.rows[r];
              CHECK_THAT(same_bits(runner.rows(block.index, 2, range), inference.rows(block, range)),
                         std::string(backend->name) + ", document " + test::show(block.index));
            }
          }
        }
      }
    }
  }
}

TEST("gradients add up over calls, and a tape keeps nothing of earlier, longer documents, not even their NaN") {
  const ModelShape shape = test::op_shape(30, 6, 33);
  const Documents first = test::make_documents(shape, {512, 511, 100});
  const Documents second = test::make_documents(shape, {98, 3});
  for (const Backend *backend : rmt::cpu_backends()) {
    TrainingRunner fresh(backend, shape, second);
    fresh.forward(2);
    fresh.backward(2);
    const Gradients once = fresh.gradients();

    TrainingRunner runner(backend, shape, first);
    const auto &words = runner.parameters().front();
    const std::vector<float> values = runner.read(Values::kWeights, words);
    runner.write(Values::kWeights, words, std::vector<float>(values.size(), NAN));
    runner.forward(2);
    runner.backward(2);
    CHECK(!std::isfinite(runner.backend().gradient_norm(runner.context(), 1)));
    runner.write(Values::kWeights, words, values);
    runner.backend().clear_gradients(runner.context());
    CHECK_EQUAL(runner.backend().gradient_norm(runner.context(), 1), 0.0);
    runner.set_documents(second);
    runner.forward(2);
    runner.backward(2);
    for (const auto &[name, gradient] : runner.gradients()) {
      CHECK_THAT(same_bits(gradient, once.at(name)), name + " of " + backend->name);
    }
    // The same documents once more, with the same gradients coming in.
    runner.forward(2);
    runner.backward(2);
    Gradients twice = runner.gradients();
    for (const auto &[name, gradient] : once) {
      const bool is_memory = name.find("memory of") == 0;  // overwritten
      std::vector<float> doubled = gradient;
      for (float &value : doubled) value *= is_memory ? 1 : 2;
      if (name.find("self.key.bias") != std::string::npos) continue;  // rounding errors alone
      CHECK_THAT(test::relative_error(twice.at(name), doubled) < 2e-6, name + " of " + backend->name);
    }
  }
}

TEST("documents may stay out of the last layer, and those without a gradient out of the backward") {
  Comparison comparison;
  const ModelShape shape = test::op_shape(33, 3, 65);
  const Documents documents = test::make_documents(shape, {97, 33, 128, 5, 60, 1});
  for (const bool chosen : {false, true}) {
    comparison.add(chosen ? "chosen rows" : "all rows", [&](const Backend *backend) {
      TrainingRunner runner(backend, shape, documents);
      if (chosen) choose_rows(runner, 2);
      runner.forward(1, false);
      std::vector<rmt::TrainingBlock> blocks = runner.at_layer(1, true);
      blocks.erase(blocks.begin() + 2);
      const TrainingBackend &training = runner.backend();
      training.attention_block(runner.context(), blocks.data(), 5);
      training.feed_forward_block(runner.context(), blocks.data(), 5);
      runner.apply(&TrainingBackend::clear_dx, 0);
      // Gradients come to two of the documents.
      blocks = {blocks[1], blocks[3]};
      runner.add_random_dx(8, {blocks[0].index, blocks[1].index});
      training.feed_forward_backward(runner.context(), blocks.data(), 2);
      training.attention_backward(runner.context(), blocks.data(), 2);
      for (rmt::TrainingBlock &block : blocks) {
        block.layer = 0;
        block.num_rows = 0;
      }
      training.feed_forward_backward(runner.context(), blocks.data(), 2);
      training.attention_backward(runner.context(), blocks.data(), 2);
      training.embed_backward(runner.context(), blocks.data(), 2);
      Gradients values = runner.gradients();
      for (size_t i = 0; i < documents.size(); ++i) {
        const int32_t index = static_cast<int32_t>(i);
        if (index != blocks[0].index && index != blocks[1].index) {
          values.erase("memory of document " + std::to_string(i));
        }
      }
      return values;
    });
  }
  comparison.check();
}

TEST("small linears on gathered rows and their backward are those of the reference") {
  Comparison comparison;
  struct Linear {
    rmt::Tensor weight, bias;
    int32_t first, count;
  };
  for (const int32_t hidden_size : {1, 7, 30, 64, 131}) {
    ModelShape shape = test::op_shape(hidden_size, 1, 3);
    shape.num_probe_outputs = 21;
    const Documents documents = test::make_documents(shape, {1});
    comparison.add("H " + test::show(hidden_size), [&](const Backend *backend) {
      TrainingRunner runner(backend, shape, documents);
      Gradients values;
      test::Random random(77);
      for (const Linear &linear : {Linear{rmt::Tensor::kPoolerWeight, rmt::Tensor::kPoolerBias, 0, hidden_size},
                                   Linear{rmt::Tensor::kClassifierWeight, rmt::Tensor::kClassifierBias, 0, 7},
                                   Linear{rmt::Tensor::kProbeWeight, rmt::Tensor::kProbeBias, 3, 1},
                                   Linear{rmt::Tensor::kProbeWeight, rmt::Tensor::kProbeBias, 4, 17}}) {
        for (const int32_t rows : {1, 5, 64, 301}) {
          const size_t inputs = static_cast<size_t>(rows) * static_cast<size_t>(hidden_size);
          const size_t outputs = static_cast<size_t>(rows) * static_cast<size_t>(linear.count);
          test::GuardedBuffer<float> in(inputs);
          test::GuardedBuffer<float> din(inputs);
          test::GuardedBuffer<float> out(outputs);
          test::GuardedBuffer<float> dout(outputs);
          for (size_t i = 0; i < inputs; ++i) in.data()[i] = random.uniform();
          for (size_t i = 0; i < outputs; ++i) dout.data()[i] = random.uniform();
          runner.backend().rows_linear(runner.context(), linear.weight, linear.bias, linear.first, linear.count,
                                       in.data(), rows, out.data());
          runner.backend().rows_linear_backward(runner.context(), linear.weight, linear.bias, linear.first,
                                                linear.count, in.data(), dout.data(), rows, din.data());
          CHECK(out.intact() && din.intact());
          const std::string call = std::to_string(linear.first) + " " + std::to_string(outputs);
          values["out " + call] = out.values();
          values["din " + call] = din.values();
        }
      }
      values.merge(runner.gradients());
      return values;
    });
  }
  comparison.check();
}

TEST("steps of AdamW are those of the reference, clipped or not, with and without an average") {
  Comparison comparison;
  const ModelShape shape = test::op_shape(30, 6, 33);
  const Documents documents = test::make_documents(shape, {97, 128});
  struct Case {
    double clip_value, clip_norm, scale;
    bool decay_everything, average;
  };
  for (const Case &one : {Case{0, 0, 1, true, false}, Case{0.5, 0, 0.25, false, true}, Case{0, 1, 0.5, true, true},
                          Case{0.3, 2, 1, false, false}}) {
    const auto run = [&](const Backend *backend) {
      TrainingRunner runner(backend, shape, documents, 2, one.average);
      Gradients values;
      for (int64_t step = 1; step <= 4; ++step) {
        // Gradients of backwards through weights that were just updated: the updated ones have to be in use.
        runner.backend().clear_gradients(runner.context());
        runner.forward(1);
        runner.backward(1, static_cast<uint64_t>(step));
        const rmt::AdamW options{1e-3,           0.9,           0.98, 1e-6, 0.1, one.decay_everything, one.scale,
                                 one.clip_value, one.clip_norm, 0.9,  step};
        values["norm " + std::to_string(step)] = {
            static_cast<float>(runner.backend().gradient_norm(runner.context(), one.scale))};
        runner.backend().update(runner.context(), options);
      }
      for (const rmt::Parameter &parameter : runner.parameters()) {
        // What a step makes of rounding errors alone may be anything.
        if (parameter.name.find("self.key.bias") != std::string::npos) continue;
        values[parameter.name] = runner.read(Values::kWeights, parameter);
        values[parameter.name + ", first moment"] = runner.read(Values::kFirstMoment, parameter);
        values[parameter.name + ", second moment"] = runner.read(Values::kSecondMoment, parameter);
        if (one.average) values[parameter.name + ", average"] = runner.read(Values::kAverage, parameter);
      }
      return values;
    };
    comparison.add("clip " + test::show(one.clip_value) + " and " + test::show(one.clip_norm), run);
  }
  comparison.check();
}

TEST("values come back as they were written, of every kind") {
  ModelShape shape = test::op_shape(30, 3, 33);
  shape.num_probe_outputs = 5;
  const Documents documents = test::make_documents(shape, {1});
  for (const Backend *backend : rmt::cpu_backends()) {
    TrainingRunner runner(backend, shape, documents, 1, true);
    uint64_t stream = 0;
    std::map<std::pair<Values, std::string>, std::vector<float>> written;
    for (const Values which :
         {Values::kWeights, Values::kGradients, Values::kFirstMoment, Values::kSecondMoment, Values::kAverage}) {
      for (const rmt::Parameter &parameter : runner.parameters()) {
        test::Random random(++stream);
        std::vector<float> values(static_cast<size_t>(parameter.count()));
        for (float &value : values) value = random.uniform();
        runner.write(which, parameter, values);
        written[{which, parameter.name}] = values;
      }
    }
    for (const auto &[key, values] : written) {
      for (const rmt::Parameter &parameter : runner.parameters()) {
        if (parameter.name == key.second) CHECK_THAT(same_bits(runner.read(key.first, parameter), values), key.second);
      }
    }
  }
}

TEST("the bytes of trainer and tape grow with every size that they are given") {
  const ModelShape shape = test::op_shape(64, 4, 160);
  ModelShape deeper = shape;
  deeper.num_layers *= 2;
  for (const Backend *backend : rmt::cpu_backends()) {
    const TrainingBackend &training = *backend->training;
    int64_t elements = 0;
    for (const rmt::Parameter &parameter : rmt::make_parameters(shape)) elements += parameter.count();
    const int64_t bytes = training.trainer_bytes(shape, false);
    CHECK(bytes >= 4 * elements * static_cast<int64_t>(sizeof(float)));
    CHECK(training.trainer_bytes(shape, true) >= bytes + elements * static_cast<int64_t>(sizeof(float)));
    CHECK(training.trainer_bytes(deeper, false) > bytes);
    const int64_t tape = training.tape_bytes(shape, {4, 512, 1024}, 2);
    CHECK(training.tape_bytes(deeper, {4, 512, 1024}, 2) > tape);
    CHECK(training.tape_bytes(shape, {4, 512, 2048}, 2) > tape);
  }
}

RMT_TEST_MAIN()
