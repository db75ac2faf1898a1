// Every operation of every backend that can run here, against the reference in double.

#include "ops_fixture.h"

namespace {

using rmt::Backend;
using rmt::ModelShape;
using rmt::RowBlock;
using test::Documents;
using test::OpRunner;
using test::relative_error;
using test::same_bits;

// Hidden sizes, heads and inner sizes of which nothing is a multiple of a vector, and the usual ones.
struct Size {
  int32_t hidden_size;
  int32_t num_heads;
  int32_t intermediate_size;
};
const Size kSizes[] = {{1, 1, 1},   {7, 1, 3},    {8, 2, 5},    {30, 2, 33},  {30, 3, 7},
                       {33, 3, 65}, {64, 4, 160}, {96, 3, 127}, {128, 2, 256}};
const std::vector<int32_t> kLengths = {127, 1, 512, 3, 97, 511, 128};

const Backend *const kReference = rmt::reference_backend();

enum class Op { kEmbed, kAttention, kCausalAttention, kFeedForward };

const char *name_of(Op op) {
  switch (op) {
    case Op::kEmbed:
      return "embed";
    case Op::kAttention:
      return "attention";
    case Op::kCausalAttention:
      return "causal attention";
    case Op::kFeedForward:
      return "feed-forward";
  }
  return "";
}

void apply(OpRunner &runner, Op op, const std::vector<RowBlock> &blocks) {
  if (op == Op::kAttention || op == Op::kCausalAttention) runner.attention(blocks, op == Op::kCausalAttention);
  if (op == Op::kFeedForward) runner.feed_forward(blocks);
}

// The rows of each document after embedding and one operation of layer 1.
std::vector<std::vector<float>> run(const Backend *backend, const ModelShape &shape, const Documents &documents, Op op,
                                    int32_t threads = 2) {
  OpRunner runner(backend, shape, static_cast<int32_t>(documents.size()), 512, threads);
  const std::vector<RowBlock> blocks = runner.blocks(documents, 1);
  runner.embed(blocks);
  apply(runner, op, blocks);
  std::vector<std::vector<float>> rows;
  for (const RowBlock &block : blocks) rows.push_back(runner.all_rows(block));
  return rows;
}

// At most twice the error of plain loops in single precision; a floor, since those are exact now and then.
double tolerance(double naive_error) { return std::max(1e-6, 2 * naive_error); }

void check_against_reference(Op op) {
  for (const Size &size : kSizes) {
    const ModelShape shape = test::op_shape(size.hidden_size, size.num_heads, size.intermediate_size);
    const Documents documents = test::make_documents(shape, kLengths);
    const auto expected = run(kReference, shape, documents, op);
    const auto naive = run(test::naive_backend(), shape, documents, op);
    // One yardstick for all lengths: a single document may be lucky.
    double naive_error = 0;
    for (size_t i = 0; i < documents.size(); ++i) {
      naive_error = std::max(naive_error, relative_error(naive[i], expected[i]));
    }
    const double allowed = tolerance(naive_error);
    for (const Backend *backend : rmt::cpu_backends()) {
      const auto actual = run(backend, shape, documents, op);
      for (size_t i = 0; i < documents.size(); ++i) {
        const double error = relative_error(actual[i], expected[i]);
        CHECK_THAT(error <= allowed, std::string(name_of(op)) + " of " + backend->name + " at H " +
                                         test::show(size.hidden_size) + ", heads " + test::show(size.num_heads) +
                                         ", F " + test::show(size.intermediate_size) + ", length " +
                                         test::show(kLengths[i]) + ": error " + test::show(error) + ", allowed " +
                                         test::show(allowed));
      }
    }
  }
}

TEST("embedding with memory rows in place is that of the reference") { check_against_reference(Op::kEmbed); }
TEST("attention is that of the reference") { check_against_reference(Op::kAttention); }
TEST("causal attention is that of the reference") { check_against_reference(Op::kCausalAttention); }
TEST("feed-forward is that of the reference") { check_against_reference(Op::kFeedForward); }

TEST("the classifier is that of the reference") {
  for (const Size &size : kSizes) {
    const ModelShape shape = test::op_shape(size.hidden_size, size.num_heads, size.intermediate_size);
    test::Random random(99);
    std::vector<float> hidden(shape.hidden_size);
    for (float &value : hidden) value = random.uniform() * 2;
    const auto expected = OpRunner(kReference, shape, 1, 1).classify(hidden);
    const auto naive = OpRunner(test::naive_backend(), shape, 1, 1).classify(hidden);
    for (const Backend *backend : rmt::cpu_backends()) {
      const auto actual = OpRunner(backend, shape, 1, 1).classify(hidden);
      CHECK_THAT(relative_error(actual.first, expected.first) <= tolerance(relative_error(naive.first, expected.first)),
                 std::string(backend->name) + " at H " + test::show(size.hidden_size));
      CHECK_THAT(
          relative_error(actual.second, expected.second) <= tolerance(relative_error(naive.second, expected.second)),
          std::string(backend->name) + " at H " + test::show(size.hidden_size));
    }
  }
}

TEST("chosen rows have the bits that they have among all rows") {
  const ModelShape shape = test::op_shape(30, 3, 33);
  const Documents documents = test::make_documents(shape, kLengths);
  for (const Backend *backend : rmt::cpu_backends()) {
    for (const Op op : {Op::kAttention, Op::kCausalAttention, Op::kFeedForward}) {
      const auto all = run(backend, shape, documents, op);
      OpRunner runner(backend, shape, static_cast<int32_t>(documents.size()), 512);
      test::Random random(5);
      for (int round = 0; round < 8; ++round) {
        std::vector<RowBlock> blocks = runner.blocks(documents, 1);
        runner.embed(blocks);
        for (RowBlock &block : blocks) {
          // One or two ranges, at the ends and in the middle, sometimes touching, sometimes of one row.
          int32_t cuts[4];
          for (int32_t &cut : cuts) cut = random.integer(0, block.length);
          std::sort(cuts, cuts + 4);
          if (round == 0) cuts[0] = 0, cuts[1] = 1, cuts[2] = block.length - 1, cuts[3] = block.length;
          block.num_rows = 0;
          for (const int i : {0, 2}) {
            if (cuts[i] < cuts[i + 1] && (block.num_rows == 0 || block.rows[0].end <= cuts[i])) {
              block.rows[block.num_rows++] = {cuts[i], cuts[i + 1]};
            }
          }
        }
        apply(runner, op, blocks);
        for (size_t i = 0; i < blocks.size(); ++i) {
          for (int32_t r = 0; r < blocks[i].num_rows; ++r) {
            const rmt::RowRange range = blocks[i].rows[r];
            CHECK_THAT(same_bits(runner.rows(blocks[i], range),
                                 test::slice(all[i], range.begin, range.end - range.begin, shape.hidden_size)),
                       std::string(name_of(op)) + " of " + backend->name + ", rows " + test::show(range.begin) +
                           " to " + test::show(range.end) + " of " + test::show(blocks[i].length));
          }
        }
      }
    }
  }
}

TEST("a document has the bits that it has alone, whatever the neighbours and the threads") {
  const ModelShape shape = test::op_shape(33, 3, 65);
  const Documents documents = test::make_documents(shape, kLengths);
  for (const Backend *backend : rmt::cpu_backends()) {
    for (const Op op : {Op::kEmbed, Op::kAttention, Op::kFeedForward}) {
      const auto together = run(backend, shape, documents, op);
      CHECK(run(backend, shape, documents, op, 1) == together);
      CHECK(run(backend, shape, documents, op, 3) == together);
      for (size_t i = 0; i < kLengths.size(); ++i) {
        Documents alone;
        alone.push_back(std::make_unique<test::Document>(shape, kLengths[i], 7000 + i));
        CHECK_THAT(same_bits(run(backend, shape, alone, op)[0], together[i]),
                   std::string(name_of(op)) + " of " + backend->name + ", length " + test::show(kLengths[i]));
      }
    }
  }
}

TEST("a workspace keeps nothing of earlier, longer documents, not even their NaN") {
  const ModelShape shape = test::op_shape(30, 2, 33);
  for (const Backend *backend : rmt::cpu_backends()) {
    const Documents first = test::make_documents(shape, {512, 511});
    const Documents second = test::make_documents(shape, {98, 3});
    const auto expected = run(backend, shape, second, Op::kAttention);
    OpRunner runner(backend, shape, 2, 512);
    const std::vector<float> words = runner.read(rmt::Tensor::kWordEmbeddings, 0, 0, int64_t{70} * 30);
    std::vector<std::vector<float>> rows;
    for (const Documents *documents : {&first, &second}) {
      const bool poisoned = documents == &first;
      runner.write(rmt::Tensor::kWordEmbeddings, 0, poisoned ? std::vector<float>(70 * 30, NAN) : words, 0);
      const std::vector<RowBlock> blocks = runner.blocks(*documents, 1);
      runner.embed(blocks);
      runner.attention(blocks, false);
      rows = {runner.all_rows(blocks[0]), runner.all_rows(blocks[1])};
      if (poisoned) CHECK(std::isnan(rows[0][0]));
      runner.feed_forward(blocks);
    }
    CHECK_THAT(rows == expected, backend->name);
  }
}

TEST("weights come back as they were written, in pieces of any size") {
  const ModelShape shape = test::op_shape(30, 3, 33);
  test::Random random(11);
  for (const Backend *backend : rmt::cpu_backends()) {
    OpRunner runner(backend, shape, 1, 1);
    for (const rmt::Parameter &parameter : rmt::make_parameters(shape)) {
      const std::vector<float> written = OpRunner::parameter_values(parameter);
      const auto read = [&](int64_t offset, int64_t count) {
        return runner.read(parameter.tensor, parameter.layer, offset, count);
      };
      CHECK_THAT(same_bits(read(0, parameter.count()), written), parameter.name);
      const int64_t begin = random.integer(0, static_cast<int32_t>(parameter.count() - 1));
      const int64_t count = random.integer(0, static_cast<int32_t>(parameter.count() - begin));
      CHECK_THAT(
          same_bits(read(begin, count), std::vector<float>(written.begin() + begin, written.begin() + begin + count)),
          parameter.name);
    }
  }
}

TEST("rows far from zero are normalized as well as plain loops do it") {
  const ModelShape shape = test::op_shape(96, 3, 8);
  const Documents documents = test::make_documents(shape, {128, 97, 33});
  const auto run_shifted = [&](const Backend *backend) {
    OpRunner runner(backend, shape, static_cast<int32_t>(documents.size()), 128);
    runner.write(rmt::Tensor::kTypeEmbeddings, 0, std::vector<float>(96, 300.0f), 0);
    const std::vector<RowBlock> blocks = runner.blocks(documents, 1);
    runner.embed(blocks);
    std::vector<float> rows;
    for (const RowBlock &block : blocks) {
      const std::vector<float> some = runner.all_rows(block);
      rows.insert(rows.end(), some.begin(), some.end());
    }
    return rows;
  };
  const auto expected = run_shifted(kReference);
  const double allowed = tolerance(relative_error(run_shifted(test::naive_backend()), expected));
  for (const Backend *backend : rmt::cpu_backends()) {
    const double error = relative_error(run_shifted(backend), expected);
    CHECK_THAT(error <= allowed,
               std::string(backend->name) + ": error " + test::show(error) + ", allowed " + test::show(allowed));
  }
}

TEST("scores of a thousand do not overflow: attention looks at one position then") {
  const ModelShape shape = test::op_shape(32, 2, 8);
  const Documents documents = test::make_documents(shape, {128, 97, 127, 64, 33, 111, 90, 80});
  // The rows of all documents.
  const auto run_scaled = [&](const Backend *backend) {
    OpRunner runner(backend, shape, static_cast<int32_t>(documents.size()), 128);
    for (const rmt::Tensor tensor : {rmt::Tensor::kQueryWeight, rmt::Tensor::kKeyWeight}) {
      std::vector<float> values = runner.read(tensor, 1, 0, 32 * 32);
      for (float &value : values) value *= 20;
      runner.write(tensor, 1, values, 0);
    }
    const std::vector<RowBlock> blocks = runner.blocks(documents, 1);
    runner.embed(blocks);
    runner.attention(blocks, false);
    std::vector<float> rows;
    for (const RowBlock &block : blocks) {
      const std::vector<float> some = runner.all_rows(block);
      rows.insert(rows.end(), some.begin(), some.end());
    }
    return rows;
  };
  const auto expected = run_scaled(kReference);
  const double naive_error = relative_error(run_scaled(test::naive_backend()), expected);
  CHECK(std::isfinite(naive_error));
  // Scores of a thousand are off by some 3e-5 each, and exp makes an absolute error of its argument a relative one.
  const double allowed = std::max(1e-4, tolerance(naive_error));
  for (const Backend *backend : rmt::cpu_backends()) {
    const double error = relative_error(run_scaled(backend), expected);
    CHECK_THAT(error <= allowed,
               std::string(backend->name) + ": error " + test::show(error) + ", allowed " + test::show(allowed));
  }
}

TEST("NaN spreads to every row that sees it and to no other document") {
  const ModelShape shape = test::op_shape(30, 3, 33);
  const int32_t nan_position = 50;
  for (const Backend *backend : rmt::cpu_backends()) {
    for (const bool causal : {false, true}) {
      const Documents documents = test::make_documents(shape, {97, 128});
      OpRunner clean(backend, shape, 2, 128);
      OpRunner poisoned(backend, shape, 2, 128);
      // One word that only the first document has, and only once.
      const int32_t word = 69;
      for (int32_t t = 0; t < 97; ++t) {
        if (documents[0]->ids.data()[t] == word) documents[0]->ids.data()[t] = 0;
      }
      for (int32_t t = 0; t < 128; ++t) {
        if (documents[1]->ids.data()[t] == word) documents[1]->ids.data()[t] = 0;
      }
      documents[0]->ids.data()[nan_position] = word;
      poisoned.write(rmt::Tensor::kWordEmbeddings, 0, {NAN}, int64_t{word} * shape.hidden_size + 3);
      std::vector<std::vector<float>> rows[2];
      for (OpRunner *runner : {&clean, &poisoned}) {
        const std::vector<RowBlock> blocks = runner->blocks(documents, 1);
        runner->embed(blocks);
        runner->attention(blocks, causal);
        runner->feed_forward(blocks);
        rows[runner == &poisoned] = {runner->all_rows(blocks[0]), runner->all_rows(blocks[1])};
      }
      for (int32_t t = 0; t < 97; ++t) {
        const std::vector<float> row = test::slice(rows[1][0], t, 1, shape.hidden_size);
        // A causal mask may be a weight of 0, and 0 x NaN is NaN: rows before the NaN are left open.
        if (!causal || t >= nan_position) {
          for (const float value : row) {
            CHECK_THAT(std::isnan(value), std::string(backend->name) + ", row " + test::show(t));
          }
        }
      }
      CHECK(same_bits(rows[1][1], rows[0][1]));
    }
  }
}

TEST("the bytes a backend announces grow with every size that it is given") {
  const ModelShape shape = test::op_shape(64, 4, 160);
  ModelShape wider = shape;
  wider.intermediate_size *= 2;
  ModelShape deeper = shape;
  deeper.num_layers *= 2;
  for (const Backend *backend : rmt::cpu_backends()) {
    int64_t elements = 0;
    for (const rmt::Parameter &parameter : rmt::make_parameters(shape)) elements += parameter.count();
    const int64_t bytes = backend->weights_bytes(shape);
    CHECK(bytes >= elements * static_cast<int64_t>(sizeof(float)));
    CHECK(backend->weights_bytes(wider) > bytes);
    CHECK(backend->weights_bytes(deeper) > bytes);
    CHECK(backend->workspace_bytes(shape, 1, 512, 1) >= int64_t{512} * 64 * 4);
    CHECK(backend->workspace_bytes(shape, 2, 512, 1) > backend->workspace_bytes(shape, 1, 512, 1));
    CHECK(backend->workspace_bytes(shape, 1, 512, 1) > backend->workspace_bytes(shape, 1, 128, 1));
  }
}

}  // namespace

RMT_TEST_MAIN()
