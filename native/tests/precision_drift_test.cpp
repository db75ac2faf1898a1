// How far TF32 and BF16 products carry a memory away over many segments, against the reference in double. On a device
// with cuBLAS; it is also how one sees that a precision that was asked for is the one that computes.

#include "fixtures.h"

namespace {

using test::Batch;
using test::DevicePtr;
using test::get_memory;
using test::make_device;
using test::make_memory;
using test::make_model;
using test::MemoryPtr;
using test::ModelPtr;
using test::Random;
using test::random_ids;
using test::small_config;
using test::Want;

constexpr int32_t kNumSegments = 64;
constexpr int32_t kLength = 40;

// The memory after each of 64 segments, one behind the other.
std::vector<float> read_chain(rmt_device *device) {
  rmt_model_config config = small_config();
  config.hidden_size = 64;  // cuBLAS has tensor cores for rows of whole 16 bytes alone
  config.num_heads = 4;
  config.intermediate_size = 128;
  const ModelPtr model = make_model(device, config);
  const MemoryPtr memory = make_memory(model.get(), 1, 1, kLength);
  const int64_t memory_size = int64_t{config.num_mem_tokens} * config.hidden_size;
  std::vector<float> memories;
  Random random(64);
  for (int32_t s = 0; s < kNumSegments; ++s) {
    Batch batch(kLength);
    batch.add(random_ids(kLength, config.vocab_size, random), 0, 1, 1, 0);
    forward(memory.get(), batch, config, Want::kNothing);
    const std::vector<float> after = get_memory(memory.get(), 0, memory_size);
    memories.insert(memories.end(), after.begin(), after.end());
  }
  return memories;
}

// The largest difference after segments [begin, end), relative to the largest magnitude of all memories.
double drift(const std::vector<float> &actual, const std::vector<float> &expected, int32_t begin, int32_t end) {
  const size_t memory_size = expected.size() / kNumSegments;
  double largest = 0;
  double magnitude = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    magnitude = std::max(magnitude, std::abs(static_cast<double>(expected[i])));
    if (i / memory_size >= static_cast<size_t>(begin) && i / memory_size < static_cast<size_t>(end)) {
      largest = std::max(largest, std::abs(static_cast<double>(actual[i]) - expected[i]));
    }
  }
  return largest / magnitude;
}

TEST("over 64 segments TF32 and BF16 stay as near to the reference as their mantissas say") {
  if (test::cuda_library() == nullptr) SKIP("only CUDA devices compute in TF32 or BF16");
  const std::vector<float> expected = read_chain(make_device("reference").get());
  const struct {
    const char *name;
    rmt_precision precision;
    double unit;  // half a unit in the last place of an operand
  } precisions[] = {{"fp32", RMT_FP32, 6e-8}, {"tf32", RMT_TF32, 4.9e-4}, {"bf16", RMT_BF16, 3.9e-3}};
  for (const auto &entry : precisions) {
    const std::vector<float> actual = read_chain(make_device("cuda", 1, entry.precision).get());
    const double first = drift(actual, expected, 0, 1);
    const double all = drift(actual, expected, 0, kNumSegments);
    const double late = drift(actual, expected, kNumSegments / 2, kNumSegments);
    std::printf("  %s: after 1 segment %.1e, over 64 %.1e, over the last 32 %.1e\n", entry.name, first, all, late);
    CHECK_THAT(first >= entry.unit / 20, entry.name);  // the next finer precision would be nearer
    CHECK_THAT(all <= entry.unit * 30, entry.name);
    CHECK_THAT(late <= 2 * drift(actual, expected, 0, kNumSegments / 2), entry.name);  // nothing adds up
  }
}

}  // namespace

RMT_TEST_MAIN()
