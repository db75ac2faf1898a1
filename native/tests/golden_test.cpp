// The outputs of the public PyTorch implementations, for every instruction set that can run here.
//
// Files come from the folder RMT_GOLDEN_DIR, else from shared/data/golden beside the project, else from the small set
// in native/tests/golden. Every size is read from them. A tensor is right when its error relative to its largest
// magnitude is at most the larger of 1e-6 and twice the error of PyTorch in float32, where the file names that; 2e-6
// where it does not. Some segments amplify what enters them: where the file names no error and 2e-6 is exceeded, a
// tensor is right too when the reference, in double, is as far off once the memory that enters is off by 1e-6 (or by
// as much as it was).

#include <filesystem>
#include <functional>
#include <map>

#include "fixtures.h"
#include "safetensors.h"

namespace {

using test::Batch;
using test::DevicePtr;
using test::Json;
using test::make_device;
using test::make_memory;
using test::MemoryPtr;
using test::ModelPtr;
using test::Output;
using test::Safetensors;
using test::Want;

// The folders in which files of the golden set are looked for.
std::vector<std::string> golden_folders() {
  const char *chosen = std::getenv("RMT_GOLDEN_DIR");
  if (chosen != nullptr && *chosen != '\0') return {chosen};
  return {RMT_SHARED_GOLDEN_DIR, RMT_SMALL_GOLDEN_DIR};
}

// The path of a file of the golden set; the test is skipped where it is in no folder.
std::string golden(const std::string &file) {
  for (const std::string &folder : golden_folders()) {
    const std::string path = folder + "/" + file;
    if (test::file_exists(path)) return path;
  }
  SKIP(file + " is not in " + golden_folders().front() + ": name the folder of the golden set in RMT_GOLDEN_DIR");
}

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

// ---- the largest error of a case ----

class Errors {
 public:
  Errors(std::string name, std::string isa) : name_(std::move(name)), isa_(std::move(isa)) {}

  // `yardstick` is the error of PyTorch in float32; null: not named. `amplified` gives the error that the reference has
  // when its incoming memory is off by 1e-6; it is asked only where that matters. Returns the error.
  template <typename A, typename B>
  double add(const std::string &tensor, const std::vector<A> &actual, const std::vector<B> &expected,
             const Json &yardstick, const std::function<double()> &amplified = nullptr) {
    const double error = test::relative_error(actual, expected);
    double allowed = yardstick.kind() == Json::Kind::kNumber ? std::max(1e-6, 2 * yardstick.number()) : 2e-6;
    if (!(error <= allowed) && amplified) {
      allowed = std::max(allowed, amplified());
      std::printf("  %s on %s: %s has error %.1e; allowed, since the reference amplifies that much: %.1e\n",
                  name_.c_str(), isa_.c_str(), tensor.c_str(), error, allowed);
    }
    if (!(error <= allowed)) {
      failure_ += " " + tensor + " has error " + test::show(error) + ", allowed " + test::show(allowed) + ";";
    }
    if (!(error <= largest_)) {
      largest_ = error;
      largest_tensor_ = tensor;
    }
    closest_ = std::max(closest_, error / allowed);
    ++count_;
    return error;
  }

  // Prints a line of the table; fails the test where a tensor was not right.
  void report() const {
    std::printf("  %-32s %-10s %4d tensors, largest error %.1e (%s), at most %3.0f %% of what is allowed\n",
                name_.c_str(), isa_.c_str(), count_, largest_, largest_tensor_.c_str(), 100 * closest_);
    CHECK(count_ > 0);
    CHECK_THAT(failure_.empty(), name_ + " on " + isa_ + ":" + failure_);
  }

 private:
  std::string name_;
  std::string isa_;
  std::string failure_;
  std::string largest_tensor_;
  double largest_ = 0;
  double closest_ = 0;
  int count_ = 0;
};

Json member(const Json &json, const std::string &name) { return json.has(name) ? json[name] : Json(); }

// ---- models ----

// A Hugging Face folder and, for some, rows of memory and a classifier from elsewhere.
struct Source {
  explicit Source(const std::string &folder)
      : config(Json::parse(test::read_file(golden(folder + "/config.json")))),
        weights(golden(folder + "/model.safetensors")) {
    prefix = weights.has("bert.embeddings.word_embeddings.weight") ? "bert." : "";
  }

  // Read once, used for every instruction set.
  const std::vector<float> &read(const std::string &name) const {
    auto cached = tensors.find(name);
    if (cached == tensors.end()) cached = tensors.emplace(name, read_anew(name)).first;
    return cached->second;
  }

  std::vector<float> read_anew(const std::string &name) const {
    if (name == "memory") {
      if (extra != nullptr && extra->has("memory_rows")) return extra->read<float>("memory_rows");
      // The public implementation keeps the initial memory as the last rows of the word embeddings.
      const std::vector<float> rows = weights.read<float>(prefix + kWords);
      return std::vector<float>(rows.end() - num_mem_tokens * shape.hidden_size, rows.end());
    }
    if (extra != nullptr && extra->has(name)) return extra->read<float>(name);
    if (weights.has(prefix + name)) return weights.read<float>(prefix + name);
    return weights.read<float>(name);
  }

  // Fixes the shape; `memory` says whether the word embeddings end with `mem_tokens` rows of memory.
  void resolve(int64_t mem_tokens) {
    num_mem_tokens = mem_tokens;
    const bool rows_in_words = mem_tokens > 0 && (extra == nullptr || !extra->has("memory_rows"));
    shape = test::sized<rmt_model_config>();
    shape.architecture = RMT_BERT;
    shape.hidden_size = integer("hidden_size");
    shape.num_layers = integer("num_hidden_layers");
    shape.num_heads = integer("num_attention_heads");
    shape.intermediate_size = integer("intermediate_size");
    shape.vocab_size = static_cast<int32_t>(weights.shape(prefix + kWords)[0] - (rows_in_words ? mem_tokens : 0));
    shape.max_positions = integer("max_position_embeddings");
    shape.type_vocab_size = integer("type_vocab_size");
    shape.num_mem_tokens = static_cast<int32_t>(mem_tokens);
    shape.num_labels = num_labels();
    shape.layer_norm_eps = static_cast<float>(config["layer_norm_eps"].number());
  }

  int32_t num_labels() const {
    for (const Safetensors *file : {extra, &weights}) {
      if (file != nullptr && file->has("classifier.weight")) {
        return static_cast<int32_t>(file->shape("classifier.weight")[0]);
      }
    }
    return 1;  // no classifier: one of zeros, so that the pooler can be looked at
  }

  int32_t integer(const char *name) const { return static_cast<int32_t>(config[name].integer()); }

  static constexpr const char *kWords = "embeddings.word_embeddings.weight";
  Json config;
  Safetensors weights;
  mutable std::map<std::string, std::vector<float>> tensors;
  const Safetensors *extra = nullptr;
  std::string prefix;
  int64_t num_mem_tokens = 0;
  rmt_model_config shape{};
};

ModelPtr make_golden_model(rmt_device *device, const Source &source) {
  ModelPtr model = test::make_unfilled_model(device, source.shape);
  for (int32_t i = 0; i < rmt_model_num_parameters(model.get()); ++i) {
    const rmt_parameter_info info = test::parameter_info(model.get(), i);
    const std::string name = info.name;
    const int64_t count = test::count_of(info);
    const bool made_up = name.compare(0, 11, "classifier.") == 0 && !source.weights.has(name) &&
                         (source.extra == nullptr || !source.extra->has(name));
    const std::vector<float> zeros(made_up ? count : 0);
    const std::vector<float> &values = made_up ? zeros : source.read(name);
    // The word embeddings may hold memory rows behind those of the vocabulary.
    CHECK_THAT(static_cast<int64_t>(values.size()) == count || name == Source::kWords, name);
    OK(rmt_model_set_parameter, model.get(), i, values.data(), 0, count);
  }
  OK(rmt_model_finish, model.get());
  return model;
}

// ---- documents ----

struct SpecialTokens {
  explicit SpecialTokens(const std::string &folder) {
    const std::string text = test::read_file(golden(folder + "/vocab.txt"));
    int32_t line = 0;
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string piece = text.substr(begin, end - begin);
      if (piece == "[PAD]") pad = line;
      if (piece == "[CLS]") cls = line;
      if (piece == "[SEP]") sep = line;
      begin = end + 1;
      ++line;
    }
    CHECK(pad >= 0 && cls >= 0 && sep >= 0);
  }
  int32_t pad = -1;
  int32_t cls = -1;
  int32_t sep = -1;
};

// The content of each segment of a document, by the published rules.
std::vector<std::vector<int32_t>> cut(const std::vector<int32_t> &content, int64_t segment_size,
                                      const std::string &alignment) {
  const int64_t length = static_cast<int64_t>(content.size());
  const int64_t segments = (length + segment_size - 1) / segment_size;
  const int64_t size = alignment == "center" ? (length + segments - 1) / segments : segment_size;
  std::vector<std::vector<int32_t>> result;
  int64_t begin = 0;
  while (begin < length) {
    const int64_t first = length % size == 0 ? size : length % size;
    const int64_t end = std::min(length, begin + (alignment == "right" && begin == 0 ? first : size));
    result.emplace_back(content.begin() + begin, content.begin() + end);
    begin = end;
  }
  return result;
}

// [CLS] memory [SEP] content [SEP]; memory positions have the ids that the public implementation gives them.
std::vector<int32_t> lay_out(const std::vector<int32_t> &content, const Source &source, const SpecialTokens &tokens) {
  std::vector<int32_t> ids = {tokens.cls};
  for (int32_t m = 0; m < source.num_mem_tokens; ++m) ids.push_back(source.shape.vocab_size + m);
  ids.push_back(tokens.sep);
  ids.insert(ids.end(), content.begin(), content.end());
  ids.push_back(tokens.sep);
  return ids;
}

double cross_entropy(const std::vector<float> &logits, int64_t label) {
  double largest = logits[0];
  for (const float logit : logits) largest = std::max(largest, static_cast<double>(logit));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[label];
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
