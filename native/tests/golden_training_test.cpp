// Gradients and AdamW trajectories of the public PyTorch implementations, for every instruction set that can train.
//
// Files come from where golden_test.cpp finds them. A tensor is right when its error relative to its largest magnitude
// is at most the larger of 1e-6 and twice the error of PyTorch in float32, where the file names that; 5e-6 where it
// does not. Gradients of key biases are zero in theory and noise in practice: they are left out.

#include "golden_fixtures.h"
#include "training_fixtures.h"

namespace {

using test::cut;
using test::DevicePtr;
using test::Errors;
using test::golden;
using test::Json;
using test::lay_out;
using test::make_device;
using test::member;
using test::Safetensors;
using test::Source;
using test::SpecialTokens;
using test::TrainerPtr;
using test::TrainingDocument;
using test::TrainingOutput;
using test::TrainingSegment;

constexpr const char *kFolder = "rmt-bert-small";
constexpr int32_t kInputLength = 512;
constexpr int64_t kSegmentSize = 499;

// A file with documents and what came out of training on them, and a trainer with the weights that it began from.
class Training {
 public:
  Training(const Safetensors &file, const Source &source, const std::string &isa)
      : file_(file), source_(source), isa_(isa), device_(make_device(isa, 2)) {
    const SpecialTokens tokens(kFolder);
    std::vector<std::vector<std::vector<int32_t>>> documents;
    while (file.has("doc." + std::to_string(documents.size()) + ".ids")) {
      documents.push_back(cut(file.read<int32_t>("doc." + std::to_string(documents.size()) + ".ids"), kSegmentSize,
                              file.metadata("segment_alignment").string()));
    }
    labels_ = file.read<int32_t>("labels");
    const int32_t num_documents = static_cast<int32_t>(documents.size());
    const int64_t num_segments = file.metadata("max_segments").integer();
    CHECK(num_documents > 0);
    trainer_ = test::make_trainer(
        device_.get(), source.shape,
        test::trainer_options(num_documents, kInputLength, static_cast<int32_t>(num_documents * num_segments),
                              static_cast<int32_t>(num_segments)));
    for (int64_t s = 0; s < num_segments; ++s) {
      TrainingSegment segment(kInputLength);
      std::vector<int32_t> taking_part;
      for (int32_t d = 0; d < num_documents; ++d) {
        const int64_t own = static_cast<int64_t>(documents[d].size()) - num_segments + s;
        if (own < 0) continue;
        TrainingDocument document;
        document.ids = lay_out(documents[d][own], source, tokens);
        document.read = document.write = 1;
        document.read_state = own == 0 ? -1 : static_cast<int32_t>(d * num_segments + s - 1);
        document.write_state = s + 1 == num_segments ? -1 : static_cast<int32_t>(d * num_segments + s);
        document.head = 0;
        document.label = labels_[d];
        segment.add(document);
        taking_part.push_back(d);
      }
      segments_.push_back(segment);
    }
    fill();
  }

  rmt_trainer *trainer() { return trainer_.get(); }
  size_t num_segments() const { return segments_.size(); }

  // The loss of a segment is the mean over the documents that take part, times `weight`; weight 0: it has no loss.
  void weigh(size_t segment, double weight) {
    TrainingSegment &documents = segments_[segment];
    std::fill(documents.label_weights.begin(), documents.label_weights.end(),
              static_cast<float>(weight / documents.size()));
  }

  // All segments forward; the weighted loss.
  double forward() {
    double loss = 0;
    for (size_t s = 0; s < segments_.size(); ++s) {
      const TrainingOutput output =
          test::forward(trainer(), static_cast<int32_t>(s), segments_[s], source_.shape.num_labels);
      loss += output.total(segments_[s]);
    }
    return loss;
  }

  // Each loss reaches its own segment and at most `depth` earlier ones; -1: all.
  void backward(int64_t depth, bool recompute) {
    const int64_t last = static_cast<int64_t>(segments_.size()) - 1;
    OK(rmt_trainer_clear_state_gradient, trainer(), -1);
    for (int64_t loss = last; loss >= 0; --loss) {
      if (depth < 0 && loss < last) break;  // one sweep is enough
      if (segments_[loss].label_weights[0] == 0) continue;
      const int64_t oldest = depth < 0 ? 0 : std::max<int64_t>(0, loss - depth);
      for (int64_t s = loss; s >= oldest; --s) {
        const bool with_loss = depth < 0 ? segments_[s].label_weights[0] > 0 : s == loss;
        // Where the window does not begin with the last segment, nothing has come into the states that are written.
        test::backward(trainer(), static_cast<int32_t>(recompute ? 0 : s), segments_[s], with_loss, recompute);
      }
      // What has come into the oldest memory goes no further.
      OK(rmt_trainer_clear_state_gradient, trainer(), -1);
    }
  }

  // Compares `which` of each parameter, called prefix + its public name in the file.
  void compare(rmt_values which, const std::string &prefix, const Json &yardsticks, Errors &errors) {
    for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer()); ++i) {
      const std::string name = test::parameter_info(trainer(), i).name;
      if (name == "memory" || test::ends_with(name, "key.bias")) continue;
      std::vector<float> values = test::get_values(trainer(), which, i);
      if (name == Source::kWords) {
        // The public implementation keeps the initial memory as the last rows of the word embeddings.
        const std::vector<float> memory =
            test::get_values(trainer(), which, test::parameter_index(trainer(), "memory"));
        values.insert(values.end(), memory.begin(), memory.end());
      }
      const std::string there = file_.has(prefix + name) ? name : "bert." + name;
      const Json yardstick = member(yardsticks, there);
      // Without a fused multiply-add every product is rounded before it is summed, as it is not in PyTorch; and AdamW
      // divides a gradient that nearly cancels by its own size, so that what was rounded away moves a weight by a whole
      // step.
      const bool amplified = which == RMT_WEIGHTS && isa_ == "portable";
      const double rounded = yardstick.kind() == Json::Kind::kNumber ? 4 * yardstick.number() : 0;
      errors.add(name, values, file_.read<double>(prefix + there), yardstick,
                 amplified ? std::function<double()>([rounded] { return rounded; }) : nullptr);
    }
  }

 private:
  void fill() {
    for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer()); ++i) {
      const rmt_parameter_info info = test::parameter_info(trainer(), i);
      OK(rmt_trainer_set_values, trainer(), RMT_WEIGHTS, i, source_.read(info.name).data(), 0, test::count_of(info));
    }
  }

  const Safetensors &file_;
  const Source &source_;
  const std::string isa_;
  DevicePtr device_;
  TrainerPtr trainer_;
  std::vector<int32_t> labels_;
  std::vector<TrainingSegment> segments_;
};

// Rows of the word embeddings that the vocabulary does not name are memory.
Source make_source() {
  Source source(kFolder);
  const std::string vocabulary = test::read_file(golden(std::string(kFolder) + "/vocab.txt"));
  source.resolve(source.weights.shape(source.prefix + Source::kWords)[0] -
                 std::count(vocabulary.begin(), vocabulary.end(), '\n'));
  return source;
}

void check_gradients(const std::string &file_name) {
  const Safetensors file(golden(std::string(kFolder) + "/" + file_name + ".safetensors"));
  const Source source = make_source();
  const Json yardsticks = file.metadata("float32_error_of_pytorch");
  const int64_t depth = file.metadata("bptt_depth").integer();
  const bool mean = file.metadata("loss_over").string() == "mean";
  std::vector<Errors> table;
  for (const std::string &isa : test::training_isas()) {
    Training training(file, source, isa);
    Errors errors(std::string(kFolder) + "/" + file_name, isa, 5e-6);
    const size_t last = training.num_segments() - 1;
    for (size_t s = 0; s <= last; ++s) {
      training.weigh(s, mean ? 1.0 / static_cast<double>(training.num_segments()) : (s == last ? 1.0 : 0.0));
    }
    errors.add("loss", std::vector<double>{training.forward()}, file.read<double>("loss"), Json());
    training.backward(depth, false);
    training.compare(RMT_GRADIENTS, "grad.", yardsticks, errors);
    const std::vector<float> kept = test::all_values(training.trainer(), RMT_GRADIENTS);
    OK(rmt_trainer_clear_gradients, training.trainer());
    training.backward(depth, true);
    CHECK(test::same_bits(test::all_values(training.trainer(), RMT_GRADIENTS), kept));
    errors.print();
    table.push_back(errors);
  }
  for (const Errors &errors : table) errors.require();
}

void check_adamw(const std::string &file_name) {
  const Safetensors file(golden(std::string(kFolder) + "/" + file_name + ".safetensors"));
  const Source source = make_source();
  const Json setting = file.metadata("setting");
  const auto number_or_0 = [&](const char *name) {
    return setting[name].kind() == Json::Kind::kNumber ? setting[name].number() : 0.0;
  };
  const std::vector<double> rates = file.read<double>("learning_rates");
  const std::vector<double> expected_losses = file.read<double>("losses");
  std::vector<double> single_losses;
  const Json single = file.metadata("float32_losses_of_pytorch");
  for (const Json &loss : single.elements()) single_losses.push_back(loss.number());
  const Json losses_yardstick = Json::parse(test::show(test::relative_error(single_losses, expected_losses)));
  std::vector<Errors> table;
  for (const std::string &isa : test::training_isas()) {
    Training training(file, source, isa);
    Errors errors(std::string(kFolder) + "/" + file_name, isa, 5e-6);
    for (size_t s = 0; s < training.num_segments(); ++s) training.weigh(s, s + 1 == training.num_segments() ? 1 : 0);
    auto adamw = test::sized<rmt_adamw>();
    adamw.beta1 = 0.9;
    adamw.beta2 = 0.999;
    adamw.epsilon = 1e-8;
    adamw.weight_decay = setting["wd"].number();
    adamw.decay_everything = setting["decay"].string() == "all" ? 1 : 0;
    adamw.gradient_scale = 1;
    adamw.clip_value = number_or_0("clip_value");
    adamw.clip_norm = number_or_0("clip_norm");
    std::vector<double> losses;
    std::vector<double> norms;
    for (size_t step = 0; step < rates.size(); ++step) {
      losses.push_back(training.forward());
      training.backward(-1, step % 2 == 1);
      adamw.learning_rate = rates[step];
      adamw.step = static_cast<int64_t>(step) + 1;
      norms.emplace_back();
      OK(rmt_trainer_step, training.trainer(), &adamw, &norms.back());
    }
    errors.add("losses", losses, expected_losses, losses_yardstick);
    errors.add("gradient norms", norms, file.read<double>("gradient_norms"), Json());
    training.compare(RMT_WEIGHTS, "final.", file.metadata("float32_error_of_pytorch"), errors);
    errors.print();
    table.push_back(errors);
  }
  for (const Errors &errors : table) errors.require();
}

TEST("gradients-last: the last segment's loss through all segments") { check_gradients("gradients-last"); }
TEST("gradients-mean: the mean of all segments' losses through all segments") { check_gradients("gradients-mean"); }
TEST("gradients-last-depth0: no earlier segment is reached") { check_gradients("gradients-last-depth0"); }
TEST("gradients-last-depth1: one earlier segment is reached") { check_gradients("gradients-last-depth1"); }
TEST("gradients-mean-depth0: no earlier segment is reached by any loss") { check_gradients("gradients-mean-depth0"); }
TEST("gradients-mean-depth1: one earlier segment is reached by each loss") { check_gradients("gradients-mean-depth1"); }
TEST("adamw-paper: decay of everything, clipping by value") { check_adamw("adamw-paper"); }
TEST("adamw-usual: decay of matrices, clipping by norm") { check_adamw("adamw-usual"); }

}  // namespace

RMT_TEST_MAIN()
