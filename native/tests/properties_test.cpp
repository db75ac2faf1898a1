// Properties that hold whatever the weights: what a document's result depends on, to the bit, and what it does not.

#include <array>

#include "fixtures.h"

namespace {

using test::Batch;
using test::DevicePtr;
using test::forward;
using test::get_memory;
using test::make_device;
using test::make_memory;
using test::make_model;
using test::MemoryPtr;
using test::ModelPtr;
using test::Output;
using test::Random;
using test::random_ids;
using test::same_bits;
using test::slice;
using test::small_config;
using test::Want;

constexpr int32_t kInputLength = 130;

// Five documents of three segments of unequal lengths in the encoder's layout: [CLS] memory [SEP] content [SEP].
std::vector<std::vector<int32_t>> make_segments(const rmt_model_config &config, uint64_t stream) {
  std::vector<std::vector<int32_t>> segments;
  Random random(stream);
  for (const int32_t content : {123, 1, 60, 90, 17}) {
    segments.push_back(random_ids(1 + config.num_mem_tokens + content + 2, config.vocab_size, random));
  }
  return segments;
}

// What a document ends with.
struct Result {
  std::vector<float> memory;
  std::vector<float> logits;
  std::vector<float> head_hidden;

  bool operator==(const Result &other) const {
    return same_bits(memory, other.memory) && same_bits(logits, other.logits) &&
           same_bits(head_hidden, other.head_hidden);
  }
};

struct Setting {
  std::string isa;
  int32_t threads = 1;
  std::vector<std::vector<int32_t>> batches = {{0, 1, 2, 3, 4}};  // documents of each call, in their order
  int32_t input_length = kInputLength;
  int32_t padding_id = -7;
  Want want = Want::kHeads;
  int32_t all_rows = 0;
};

// Reads three segments of each document and gives out what each of the five ends with.
std::vector<Result> read_documents(const Setting &setting, const rmt_model_config &config = small_config()) {
  const DevicePtr device = make_device(setting.isa, setting.threads);
  const ModelPtr model = make_model(device.get(), config);
  const MemoryPtr memory = make_memory(model.get(), 5, 5, kInputLength);
  const int64_t memory_size = int64_t{config.num_mem_tokens} * config.hidden_size;
  std::vector<Result> results(5);
  for (uint64_t step = 0; step < 3; ++step) {
    const auto segments = make_segments(config, step);
    for (const std::vector<int32_t> &documents : setting.batches) {
      Batch batch(setting.input_length);
      batch.padding_id = setting.padding_id;
      batch.all_rows = setting.all_rows;
      for (const int32_t document : documents) batch.add(segments[document], document, 1, 1, 0);
      const Output output = forward(memory.get(), batch, config, setting.want);
      for (size_t b = 0; b < documents.size(); ++b) {
        results[documents[b]].logits = slice(output.logits, b, 1, config.num_labels);
        results[documents[b]].head_hidden = slice(output.head_hidden, b, 1, config.hidden_size);
      }
    }
  }
  for (int32_t document = 0; document < 5; ++document) {
    if (memory_size > 0) results[document].memory = get_memory(memory.get(), document, memory_size);
  }
  return results;
}

Setting of(const std::string &isa) {
  Setting setting;
  setting.isa = isa;
  return setting;
}

TEST("every instruction set gives what the reference gives") {
  const std::vector<Result> expected = read_documents(of("reference"));
  for (const std::string &isa : test::isas()) {
    const std::vector<Result> actual = read_documents(of(isa));
    for (size_t i = 0; i < expected.size(); ++i) {
      CHECK_THAT(test::relative_error(actual[i].memory, expected[i].memory) <= 2e-6, isa);
      CHECK_THAT(test::relative_error(actual[i].logits, expected[i].logits) <= 4e-6, isa);
    }
  }
}

TEST("the number of threads changes no bit") {
  for (const std::string &isa : test::isas()) {
    const std::vector<Result> expected = read_documents(of(isa));
    for (const int32_t threads : {2, 3}) {
      Setting setting = of(isa);
      setting.threads = threads;
      CHECK_THAT(read_documents(setting) == expected, isa);
    }
    // A document alone has fewer rows than would go round: threads share the columns.
    for (const int32_t threads : {2, 3, 16}) {
      Setting setting = of(isa);
      setting.threads = threads;
      setting.batches = {{0}, {1}, {2}, {3}, {4}};
      CHECK_THAT(read_documents(setting) == expected, isa);
    }
  }
}

TEST("a document alone has the bits that it has in a batch") {
  for (const std::string &isa : test::isas()) {
    Setting alone = of(isa);
    alone.batches = {{0}, {1}, {2}, {3}, {4}};
    CHECK_THAT(read_documents(alone) == read_documents(of(isa)), isa);
  }
}

TEST("permuting the batch permutes the result and changes no bit") {
  for (const std::string &isa : test::isas()) {
    Setting permuted = of(isa);
    permuted.batches = {{3, 0, 4, 2, 1}};
    CHECK_THAT(read_documents(permuted) == read_documents(of(isa)), isa);
    permuted.batches = {{4, 2}, {1, 3, 0}};
    CHECK_THAT(read_documents(permuted) == read_documents(of(isa)), isa);
  }
}

TEST("padding changes no bit: neither its ids nor how much of it there is") {
  for (const std::string &isa : test::isas()) {
    const std::vector<Result> expected = read_documents(of(isa));
    Setting padded = of(isa);
    padded.padding_id = 3;
    CHECK_THAT(read_documents(padded) == expected, isa);
    // Each document alone at its own length; the bits are those in rows of 130.
    const DevicePtr device = make_device(isa);
    const rmt_model_config config = small_config();
    const ModelPtr model = make_model(device.get(), config);
    const auto segments = make_segments(config, 0);
    for (const std::vector<int32_t> &ids : segments) {
      const int32_t length = static_cast<int32_t>(ids.size());
      const MemoryPtr tight = make_memory(model.get(), 1, 1, length);
      const MemoryPtr wide = make_memory(model.get(), 1, 1, kInputLength);
      const Output a = forward(tight.get(), Batch(length).add(ids, 0, 1, 1, 0), config, Want::kEverything);
      const Output b = forward(wide.get(), Batch(kInputLength).add(ids, 0, 1, 1, 0), config, Want::kEverything);
      CHECK_THAT(same_bits(a.logits, b.logits), isa);
      for (int32_t entry = 0; entry <= config.num_layers; ++entry) {
        CHECK_THAT(same_bits(slice(a.hidden, entry * length, length, config.hidden_size),
                             slice(b.hidden, entry * kInputLength, length, config.hidden_size)),
                   isa);
      }
    }
  }
}

TEST("rows beyond a document's length are zero in the hidden states") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    const ModelPtr model = make_model(device.get(), config);
    const MemoryPtr memory = make_memory(model.get(), 2, 2, kInputLength);
    Batch batch(kInputLength);
    batch.add(std::vector<int32_t>(97, 4), 0, 1, 1, 0).add(std::vector<int32_t>(130, 4), 1, 1, 1, 0);
    const Output output = forward(memory.get(), batch, config, Want::kEverything);
    for (int32_t entry = 0; entry <= config.num_layers; ++entry) {
      for (int32_t t = 0; t < kInputLength; ++t) {
        const std::vector<float> row = slice(output.hidden, entry * 2 * kInputLength + t, 1, config.hidden_size);
        const bool zero = std::all_of(row.begin(), row.end(), [](float value) { return value == 0; });
        CHECK_EQUAL(zero, t >= 97);
      }
    }
  }
}

TEST("computing only the rows that are read changes no bit") {
  for (const std::string &isa : test::isas()) {
    const std::vector<Result> expected = read_documents(of(isa));
    Setting all_rows = of(isa);
    all_rows.all_rows = 1;
    CHECK_THAT(read_documents(all_rows) == expected, isa);
    Setting everything = of(isa);
    everything.want = Want::kEverything;
    CHECK_THAT(read_documents(everything) == expected, isa);
  }
}

TEST("memory and head may lie anywhere: the rows are those of the hidden states") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    const ModelPtr model = make_model(device.get(), config);
    Random random(21);
    const std::vector<int32_t> ids = random_ids(100, config.vocab_size, random);
    // Head before, inside, directly behind and far behind the memory that is written; read memory elsewhere.
    for (const auto &[read, write, head] : {std::array<int32_t, 3>{-1, 1, 0},
                                            {0, 0, 2},
                                            {1, 10, 14},
                                            {96, 90, 99},
                                            {50, 96, 95},
                                            {3, 40, 2},
                                            {1, -1, 60},
                                            {1, 30, -1}}) {
      const auto run = [&](Want want) {
        const MemoryPtr memory = make_memory(model.get(), 1, 1, kInputLength);
        const Output output = forward(memory.get(), Batch(kInputLength).add(ids, 0, read, write, head), config, want);
        return std::pair(output, get_memory(memory.get(), 0, 4 * 30));
      };
      const auto [all, all_memory] = run(Want::kEverything);
      const auto [few, few_memory] = run(Want::kHeads);
      const auto [none, none_memory] = run(Want::kNothing);
      CHECK(same_bits(all_memory, few_memory) && same_bits(all_memory, none_memory));
      CHECK(same_bits(all.logits, few.logits) && same_bits(all.pooled, few.pooled));
      const std::vector<float> last(all.hidden.begin() + int64_t{2} * kInputLength * 30, all.hidden.end());
      if (head >= 0) CHECK(same_bits(few.head_hidden, slice(last, head, 1, 30)));
      if (write >= 0) CHECK(same_bits(few_memory, slice(last, write, 4, 30)));
    }
  }
}

TEST("without memory tokens a segment is the plain encoder") {
  // The plain encoder: a model that has memory tokens and does not place them.
  rmt_model_config with = small_config();
  rmt_model_config without = small_config();
  without.num_mem_tokens = 0;
  Random random(4);
  const std::vector<int32_t> ids = random_ids(111, with.vocab_size, random);
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    const ModelPtr model_with = make_model(device.get(), with);
    const ModelPtr model_without = make_model(device.get(), without);
    const MemoryPtr memory_with = make_memory(model_with.get(), 1, 1, kInputLength);
    const MemoryPtr memory_without = make_memory(model_without.get(), 1, 1, kInputLength);
    const Output a = forward(memory_with.get(), Batch(kInputLength).add(ids, 0, -1, -1, 0), with, Want::kEverything);
    // Where memory of no rows is said to lie makes no difference.
    for (const int32_t start : {-1, 1}) {
      const Output b =
          forward(memory_without.get(), Batch(kInputLength).add(ids, 0, start, start, 0), without, Want::kEverything);
      CHECK_THAT(same_bits(a.hidden, b.hidden) && same_bits(a.logits, b.logits), isa);
    }
  }
}

TEST("memory that equals a word's row acts as that word") {
  // Memory enters below the LayerNorm, as a row of the word embeddings would.
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    const ModelPtr model = make_model(device.get(), config);
    const MemoryPtr memory = make_memory(model.get(), 1, 1, kInputLength);
    std::vector<float> rows(4 * 30);
    OK(rmt_model_get_parameter, model.get(), 0, rows.data(), 20 * 30, 4 * 30);
    OK(rmt_memory_set, memory.get(), 0, 0, rows.data(), 4 * 30);
    Random random(4);
    std::vector<int32_t> ids = random_ids(50, config.vocab_size, random);
    const Output as_memory =
        forward(memory.get(), Batch(kInputLength).add(ids, 0, 1, -1, 0), config, Want::kEverything);
    for (int32_t m = 0; m < 4; ++m) ids[1 + m] = 20 + m;
    const Output as_words =
        forward(memory.get(), Batch(kInputLength).add(ids, 0, -1, -1, 0), config, Want::kEverything);
    CHECK_THAT(same_bits(as_memory.hidden, as_words.hidden), isa);
  }
}

// The memory of three documents of unequal lengths after many segments; `looks` reads it after each of them too.
std::vector<float> read_in_one_go(const std::string &isa, bool looks) {
  constexpr uint64_t kSegments = 14;
  const rmt_model_config config = small_config();
  const int64_t memory_size = int64_t{config.num_mem_tokens} * config.hidden_size;
  const DevicePtr device = make_device(isa);
  const ModelPtr model = make_model(device.get(), config);
  const MemoryPtr memory = make_memory(model.get(), 3, 3, 24);
  Random random(17);
  std::vector<float> all;
  for (uint64_t step = 0; step < kSegments; ++step) {
    Batch batch(24);
    for (int32_t slot = 0; slot < (step == 9 ? 2 : 3); ++slot) {  // one stays out once
      const int32_t length = slot == 0 ? 22 : random.integer(7, 22);
      batch.add(random_ids(length, config.vocab_size, random), slot, 1, 1, -1);
    }
    forward(memory.get(), batch, config, Want::kNothing);
    if (!looks && step + 1 < kSegments) continue;
    all.clear();
    for (int32_t slot = 0; slot < 3; ++slot) {
      const std::vector<float> values = get_memory(memory.get(), slot, memory_size);
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  return all;
}

TEST("segments that are enqueued one behind another give the bits of segments that are waited for") {
  for (const std::string &isa : test::isas()) {
    CHECK_THAT(same_bits(read_in_one_go(isa, false), read_in_one_go(isa, true)), isa);
  }
}

TEST("stopping and resuming through get and set changes no bit") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    const ModelPtr model = make_model(device.get(), config);
    const MemoryPtr memory = make_memory(model.get(), 1, 1, kInputLength);
    const auto step = [&](rmt_memory *target, uint64_t index) {
      return forward(target, Batch(kInputLength).add(make_segments(config, index)[0], 0, 1, 1, 0), config,
                     Want::kHeads);
    };
    step(memory.get(), 0);
    const std::vector<float> saved = get_memory(memory.get(), 0, 4 * 30);
    const MemoryPtr resumed = make_memory(model.get(), 1, 1, kInputLength);
    OK(rmt_memory_set, resumed.get(), 0, 0, saved.data(), 4 * 30);
    CHECK_THAT(same_bits(step(memory.get(), 1).logits, step(resumed.get(), 1).logits), isa);
    CHECK_THAT(same_bits(get_memory(memory.get(), 0, 4 * 30), get_memory(resumed.get(), 0, 4 * 30)), isa);
  }
}

TEST("a head wider than a GPU's kernels take is refused there, and computed on the CPU") {
  rmt_model_config config = small_config();
  config.num_heads = 1;
  config.hidden_size = 257;
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    int64_t bytes = 0;
    if (test::cuda_library() == nullptr) {
      OK(rmt_model_required_bytes, device.get(), &config, &bytes);
      continue;
    }
    rmt_model *model = nullptr;
    REFUSED(RMT_INVALID_ARGUMENT, "hidden_size 257 / num_heads 1 is 257, expected at most 256 on a GPU",
            rmt_model_create, device.get(), &config, &model);
    REFUSED(RMT_INVALID_ARGUMENT, "257", rmt_model_required_bytes, device.get(), &config, &bytes);
  }
}

}  // namespace

RMT_TEST_MAIN()
