// golden_fixtures.h - the golden set: where its files are, its models and documents, and the errors against it.
#pragma once

#include <functional>
#include <map>

#include "fixtures.h"
#include "safetensors.h"

namespace test {

// The folders in which files of the golden set are looked for.
inline std::vector<std::string> golden_folders() {
  const char *chosen = std::getenv("RMT_GOLDEN_DIR");
  if (chosen != nullptr && *chosen != '\0') return {chosen};
  return {RMT_SHARED_GOLDEN_DIR, RMT_SMALL_GOLDEN_DIR};
}

// The path of a file of the golden set; the test is skipped where it is in no folder.
inline std::string golden(const std::string &file) {
  for (const std::string &folder : golden_folders()) {
    const std::string path = folder + "/" + file;
    if (file_exists(path)) return path;
  }
  SKIP(file + " is not in " + golden_folders().front() + ": name the folder of the golden set in RMT_GOLDEN_DIR");
}

// ---- the largest error of a case ----

class Errors {
 public:
  // `usual` is allowed where no yardstick is named.
  Errors(std::string name, std::string isa, double usual = 2e-6)
      : name_(std::move(name)), isa_(std::move(isa)), usual_(usual) {}

  // `yardstick` is the error of PyTorch in float32; null: not named. `amplified` gives the error that is to be expected
  // where rounding is amplified; it is asked only where that matters, and each use is printed. Returns the error.
  template <typename A, typename B>
  double add(const std::string &tensor, const std::vector<A> &actual, const std::vector<B> &expected,
             const Json &yardstick, const std::function<double()> &amplified = nullptr) {
    const double error = relative_error(actual, expected);
    double allowed = yardstick.kind() == Json::Kind::kNumber ? std::max(1e-6, 2 * yardstick.number()) : usual_;
    // The yardstick is PyTorch on a CPU, whose products are sums of many partial sums; on a GPU an element of a product
    // is summed term after term.
    if (isa_ == "cuda") allowed *= 2.5;
    if (!(error <= allowed) && amplified) {
      allowed = std::max(allowed, amplified());
      std::printf("  %s on %s: %s has error %.1e; allowed, since rounding is amplified there: %.1e\n", name_.c_str(),
                  isa_.c_str(), tensor.c_str(), error, allowed);
    }
    if (!(error <= allowed)) {
      failure_ += " " + tensor + " has error " + show(error) + ", allowed " + show(allowed) + ";";
    }
    if (!(error <= largest_)) {
      largest_ = error;
      largest_tensor_ = tensor;
    }
    if (error / allowed > closest_) {
      closest_ = error / allowed;
      closest_tensor_ = tensor;
    }
    ++count_;
    return error;
  }

  // Prints a line of the table.
  void print() const {
    std::printf("  %-32s %-10s %4d tensors, largest error %.1e (%s), at most %3.0f %% of what is allowed (%s)\n",
                name_.c_str(), isa_.c_str(), count_, largest_, largest_tensor_.c_str(), 100 * closest_,
                closest_tensor_.c_str());
  }

  // Fails the test where a tensor was not right.
  void require() const {
    CHECK(count_ > 0);
    CHECK_THAT(failure_.empty(), name_ + " on " + isa_ + ":" + failure_);
  }

  void report() const {
    print();
    require();
  }

 private:
  std::string name_;
  std::string isa_;
  double usual_;
  std::string failure_;
  std::string largest_tensor_;
  std::string closest_tensor_;
  double largest_ = 0;
  double closest_ = 0;
  int count_ = 0;
};

inline Json member(const Json &json, const std::string &name) { return json.has(name) ? json[name] : Json(); }

// ---- models ----

// A Hugging Face folder and, for some, rows of memory and a classifier from elsewhere.
struct Source {
  explicit Source(const std::string &folder)
      : config(Json::parse(read_file(golden(folder + "/config.json")))),
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
    shape = sized<rmt_model_config>();
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

inline ModelPtr make_golden_model(rmt_device *device, const Source &source) {
  ModelPtr model = make_unfilled_model(device, source.shape);
  for (int32_t i = 0; i < rmt_model_num_parameters(model.get()); ++i) {
    const rmt_parameter_info info = parameter_info(model.get(), i);
    const std::string name = info.name;
    const int64_t count = count_of(info);
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
    const std::string text = read_file(golden(folder + "/vocab.txt"));
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
inline std::vector<std::vector<int32_t>> cut(const std::vector<int32_t> &content, int64_t segment_size,
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
inline std::vector<int32_t> lay_out(const std::vector<int32_t> &content, const Source &source,
                                    const SpecialTokens &tokens) {
  std::vector<int32_t> ids = {tokens.cls};
  for (int32_t m = 0; m < source.num_mem_tokens; ++m) ids.push_back(source.shape.vocab_size + m);
  ids.push_back(tokens.sep);
  ids.insert(ids.end(), content.begin(), content.end());
  ids.push_back(tokens.sep);
  return ids;
}

inline double cross_entropy(const std::vector<float> &logits, int64_t label) {
  double largest = logits[0];
  for (const float logit : logits) largest = std::max(largest, static_cast<double>(logit));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[label];
}

}  // namespace test
