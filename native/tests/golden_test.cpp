// The outputs of the public PyTorch implementations, for every instruction set that can run here.
//
// Files come from the folder RMT_GOLDEN_DIR, else from shared/data/golden beside the project, else from the small set
// in native/tests/golden. Every size is read from them. A tensor is right when its error relative to its largest
// magnitude is at most the larger of 1e-6 and twice the error of PyTorch in float32, where the file names that; 2e-6
// where it does not. Some segments amplify what enters them: where the file names no error and 2e-6 is exceeded, a
// tensor is right too when the reference, in double, is as far off once the memory that enters is off by 1e-6 (or by
// as much as it was).

#include <filesystem>
#include <map>

#include "golden_fixtures.h"

namespace {

using test::Batch;
using test::cross_entropy;
using test::cut;
using test::DevicePtr;
using test::Errors;
using test::golden;
using test::golden_folders;
using test::Json;
using test::lay_out;
using test::make_device;
using test::make_golden_model;
using test::make_memory;
using test::member;
using test::MemoryPtr;
using test::ModelPtr;
using test::Output;
using test::Safetensors;
using test::Source;
using test::SpecialTokens;
using test::Want;

// The name, without ".safetensors", of the chain in a folder: its number of segments belongs to it.
std::string chain_name(const std::string &folder) {
  for (const std::string &golden_folder : golden_folders()) {
    std::error_code missing;
    for (const auto &entry : std::filesystem::directory_iterator(golden_folder + "/" + folder, missing)) {
      const std::filesystem::path name = entry.path().filename();
      if (name.string().compare(0, 6, "chain-") == 0 && name.extension() == ".safetensors") return name.stem().string();
    }
  }
  SKIP("there is no chain in " + golden_folders().front() + "/" + folder);
}

// The largest error of memory and logits after a segment of one document, on the reference, when the memory that enters
// is off by `noise` of its largest magnitude.
struct Amplification {
  double memory = 0;
  double logits = 0;
};

Amplification amplification(const Source &source, const Batch &batch, const std::vector<double> &incoming,
                            double noise) {
  const DevicePtr device = make_device("reference", 1);
  const ModelPtr model = make_golden_model(device.get(), source);
  const MemoryPtr memory = make_memory(model.get(), 1, 1, batch.segment().input_length);
  const int64_t memory_size = static_cast<int64_t>(incoming.size());
  double largest = 0;
  for (const double value : incoming) largest = std::max(largest, std::abs(value));
  test::Random random(1);
  const auto run = [&](double relative) {
    std::vector<float> values(incoming.begin(), incoming.end());
    for (float &value : values) value += static_cast<float>(relative * largest * random.uniform());
    OK(rmt_memory_set, memory.get(), 0, 0, values.data(), memory_size);
    const Output output = test::forward(memory.get(), batch, source.shape, Want::kHeads);
    return std::pair(test::get_memory(memory.get(), 0, memory_size), output.logits);
  };
  const auto exact = run(0);
  Amplification result;
  for (int round = 0; round < 2; ++round) {
    const auto off = run(noise);
    result.memory = std::max(result.memory, test::relative_error(off.first, exact.first));
    result.logits = std::max(result.logits, test::relative_error(off.second, exact.second));
  }
  return result;
}

// ---- cases ----

// The plain encoder: all hidden states, pooler, logits; all texts of the file in one batch.
void check_plain(const std::string &folder) {
  Source source(folder);
  source.resolve(0);
  const Safetensors file(golden(folder + "/plain.safetensors"));
  const Json yardsticks = file.metadata("float32_error_of_pytorch");
  std::vector<std::vector<int32_t>> texts;
  int32_t input_length = 0;
  while (file.has(std::to_string(texts.size()) + ".ids")) {
    texts.push_back(file.read<int32_t>(std::to_string(texts.size()) + ".ids"));
    input_length = std::max(input_length, static_cast<int32_t>(texts.back().size()));
  }
  CHECK(!texts.empty());
  const int32_t batch_size = static_cast<int32_t>(texts.size());
  const int64_t hidden_size = source.shape.hidden_size;
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa, 2);
    const ModelPtr model = make_golden_model(device.get(), source);
    const MemoryPtr memory = make_memory(model.get(), batch_size, batch_size, input_length);
    Batch batch(input_length);
    for (const auto &ids : texts) batch.add(ids, batch.size(), -1, -1, 0);
    const Output output = test::forward(memory.get(), batch, source.shape, Want::kEverything);
    Errors errors(folder + "/plain", isa);
    for (int32_t b = 0; b < batch_size; ++b) {
      const std::string text = std::to_string(b);
      const Json yardstick = member(yardsticks, text);
      const bool one_for_all = yardstick.kind() == Json::Kind::kNumber;
      for (int64_t entry = 0; entry <= source.shape.num_layers; ++entry) {
        const std::string name = text + ".hidden." + std::to_string(entry);
        const int64_t begin = (entry * batch_size + b) * input_length;
        errors.add(name, test::slice(output.hidden, begin, static_cast<int64_t>(texts[b].size()), hidden_size),
                   file.read<double>(name), one_for_all ? yardstick : member(yardstick, "hidden"));
      }
      errors.add(text + ".pooled", test::slice(output.pooled, b, 1, hidden_size), file.read<double>(text + ".pooled"),
                 one_for_all ? yardstick : member(yardstick, "pooled"));
      if (file.has(text + ".logits")) {
        errors.add(text + ".logits", test::slice(output.logits, b, 1, source.shape.num_labels),
                   file.read<double>(text + ".logits"), one_for_all ? yardstick : member(yardstick, "logits"));
      }
    }
    errors.report();
  }
}

// Several documents of different length; those that are shorter begin later.
void check_forward(const std::string &folder, const std::string &file_name) {
  const Safetensors file(golden(folder + "/" + file_name + ".safetensors"));
  const SpecialTokens tokens(folder);
  Source source(folder);
  source.resolve(file.metadata("num_mem_tokens").integer());
  CHECK(source.read("memory") == file.read<float>("initial_memory"));
  const Json yardsticks = file.metadata("float32_error_of_pytorch");
  const int32_t input_length = static_cast<int32_t>(file.metadata("input_length").integer());
  const int64_t segment_size = file.metadata("segment_size").integer();
  const int64_t memory_size = source.num_mem_tokens * source.shape.hidden_size;

  std::vector<std::vector<std::vector<int32_t>>> documents;
  size_t num_segments = 0;
  while (file.has("doc." + std::to_string(documents.size()) + ".ids")) {
    const auto content = file.read<int32_t>("doc." + std::to_string(documents.size()) + ".ids");
    documents.push_back(cut(content, segment_size, file.metadata("segment_alignment").string()));
    num_segments = std::max(num_segments, documents.back().size());
  }
  const std::vector<int32_t> labels = file.read<int32_t>("labels");
  const int32_t num_documents = static_cast<int32_t>(documents.size());
  CHECK(num_documents > 0);

  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa, 2);
    const ModelPtr model = make_golden_model(device.get(), source);
    const MemoryPtr memory = make_memory(model.get(), num_documents, num_documents, input_length);
    Errors errors(folder + "/" + file_name, isa);
    for (size_t s = 0; s < num_segments; ++s) {
      const std::string segment = "segment." + std::to_string(s) + ".";
      const std::vector<int32_t> taking_part = file.read<int32_t>(segment + "documents");
      const std::vector<int32_t> padded = file.read<int32_t>(segment + "ids");
      Batch batch(input_length);
      for (size_t b = 0; b < taking_part.size(); ++b) {
        const auto &segments = documents[taking_part[b]];
        CHECK(segments.size() + s >= num_segments);
        const std::vector<int32_t> ids = lay_out(segments[segments.size() + s - num_segments], source, tokens);
        std::vector<int32_t> row = ids;
        row.resize(input_length, tokens.pad);
        CHECK(row == std::vector<int32_t>(padded.begin() + b * input_length, padded.begin() + (b + 1) * input_length));
        batch.add(ids, taking_part[b], 1, 1, 0);
      }
      const Output output = test::forward(memory.get(), batch, source.shape, Want::kHeads);
      std::vector<float> states;
      double loss = 0;
      for (size_t b = 0; b < taking_part.size(); ++b) {
        const std::vector<float> state = test::get_memory(memory.get(), taking_part[b], memory_size);
        states.insert(states.end(), state.begin(), state.end());
        loss += cross_entropy(test::slice(output.logits, b, 1, source.shape.num_labels), labels[taking_part[b]]) /
                static_cast<double>(taking_part.size());
      }
      const std::vector<double> losses = {loss};
      const auto compare = [&](const std::string &name, const auto &actual) {
        errors.add(name, actual, file.read<double>(name), member(yardsticks, name));
      };
      compare(segment + "memory", states);
      compare(segment + "cls", output.head_hidden);
      compare(segment + "logits", output.logits);
      compare(segment + "loss", losses);
      if (s + 1 == num_segments) compare("loss", losses);
    }
    errors.report();
  }
}

// One document of many segments; after each of them, memory and logits.
void check_chain(const std::string &folder, const std::string &file_name) {
  const Safetensors file(golden(folder + "/" + file_name + ".safetensors"));
  const SpecialTokens tokens(folder);
  Source source(folder);
  const std::vector<int64_t> memory_shape = file.shape("memory");  // (segments, M, H)
  source.resolve(memory_shape.at(1));
  const std::vector<int32_t> content = file.read<int32_t>("ids");
  const int64_t num_segments = memory_shape.at(0);
  CHECK_EQUAL(static_cast<int64_t>(content.size()) % num_segments, 0);
  const auto segments = cut(content, static_cast<int64_t>(content.size()) / num_segments, "left");
  const int64_t memory_size = source.num_mem_tokens * source.shape.hidden_size;
  const int32_t input_length = static_cast<int32_t>(lay_out(segments[0], source, tokens).size());
  const std::vector<double> memories = file.read<double>("memory");
  const std::vector<double> logits = file.read<double>("logits");
  const std::vector<Json> yardsticks = file.metadata("float32_error_of_pytorch_by_segment").elements();
  const auto entry = [](const std::vector<double> &values, int64_t index, int64_t size) {
    return std::vector<double>(values.begin() + index * size, values.begin() + (index + 1) * size);
  };
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa, 2);
    const ModelPtr model = make_golden_model(device.get(), source);
    const MemoryPtr memory = make_memory(model.get(), 1, 1, input_length);
    Errors errors(folder + "/" + file_name, isa);
    for (int64_t s = 0; s < num_segments; ++s) {
      Batch batch(input_length);
      batch.add(lay_out(segments[s], source, tokens), 0, 1, 1, 0);
      const Output output = test::forward(memory.get(), batch, source.shape, Want::kHeads);
      const Json yardstick = s < static_cast<int64_t>(yardsticks.size()) ? yardsticks[s] : Json();
      errors.add("memory " + std::to_string(s), test::get_memory(memory.get(), 0, memory_size),
                 entry(memories, s, memory_size), yardstick);
      // PyTorch's errors by segment are those of the memory: its logits are off by up to 1.1e-6.
      errors.add("logits " + std::to_string(s), output.logits, entry(logits, s, source.shape.num_labels), Json());
    }
    errors.report();
  }
}

// Real weights in the geometry of the paper, with memory rows and a classifier of their own.
void check_real_rmt(const std::string &folder) {
  const Safetensors file(golden(folder + "/rmt.safetensors"));
  const SpecialTokens tokens(folder);
  Source source(folder);
  source.extra = &file;
  source.resolve(file.metadata("num_mem_tokens").integer());
  const int32_t input_length = static_cast<int32_t>(file.metadata("input_length").integer());
  const int64_t label = file.metadata("label").integer();
  const int64_t segment_size = input_length - source.num_mem_tokens - 3;
  const auto segments = cut(file.read<int32_t>("ids"), segment_size, file.metadata("segment_alignment").string());
  const int64_t memory_size = source.num_mem_tokens * source.shape.hidden_size;
  const std::vector<double> memories = file.read<double>("memory");
  const std::vector<double> logits = file.read<double>("logits");
  CHECK_EQUAL(static_cast<int64_t>(segments.size()), file.shape("memory").at(0));
  const auto entry = [](const std::vector<double> &values, int64_t index, int64_t size) {
    return std::vector<double>(values.begin() + index * size, values.begin() + (index + 1) * size);
  };
  std::map<std::pair<size_t, double>, Amplification> amplifications;  // by segment and error of what enters
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa, 2);
    const ModelPtr model = make_golden_model(device.get(), source);
    const MemoryPtr memory = make_memory(model.get(), 1, 1, input_length);
    Errors errors(folder + "/rmt", isa);
    Output output;
    double incoming_error = 1e-6;
    for (size_t s = 0; s < segments.size(); ++s) {
      Batch batch(input_length);
      batch.add(lay_out(segments[s], source, tokens), 0, 1, 1, 0);
      output = test::forward(memory.get(), batch, source.shape, Want::kHeads);
      const auto amplified = [&] {
        const std::pair<size_t, double> key(s, incoming_error);
        if (amplifications.count(key) == 0) {
          const std::vector<float> &initial = source.read("memory");
          amplifications[key] = amplification(source, batch,
                                              s == 0 ? std::vector<double>(initial.begin(), initial.end())
                                                     : entry(memories, static_cast<int64_t>(s) - 1, memory_size),
                                              incoming_error);
        }
        return amplifications[key];
      };
      const double memory_error =
          errors.add("memory " + std::to_string(s), test::get_memory(memory.get(), 0, memory_size),
                     entry(memories, static_cast<int64_t>(s), memory_size), Json(), [&] { return amplified().memory; });
      errors.add("logits " + std::to_string(s), output.logits,
                 entry(logits, static_cast<int64_t>(s), source.shape.num_labels), Json(),
                 [&] { return amplified().logits; });
      incoming_error = memory_error <= 2e-6 ? 1e-6 : memory_error;
    }
    errors.add("loss", std::vector<double>{cross_entropy(output.logits, label)}, file.read<double>("loss"), Json());
    errors.report();
  }
}

TEST("bert-small plain: hidden states, pooler and logits") { check_plain("bert-small"); }
TEST("rmt-bert-small forward-right: memory and logits of six documents") {
  check_forward("rmt-bert-small", "forward-right");
}
TEST("rmt-bert-small forward-left: memory and logits of six documents") {
  check_forward("rmt-bert-small", "forward-left");
}
TEST("rmt-bert-small forward-center: memory and logits of six documents") {
  check_forward("rmt-bert-small", "forward-center");
}
TEST("rmt-bert-small chain: memory and logits after each segment") {
  check_chain("rmt-bert-small", chain_name("rmt-bert-small"));
}
TEST("minilm plain: hidden states and pooler of real texts") { check_plain("minilm"); }
TEST("minilm rmt: memory and logits over segments of a novel") { check_real_rmt("minilm"); }

}  // namespace

RMT_TEST_MAIN()
