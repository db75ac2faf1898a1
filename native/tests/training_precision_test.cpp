// How far gradients of a whole training step are from those in double: at most twice as far as plain loops in single
// precision are, with a floor of 1e-6 of a tensor's largest magnitude. Some weights and masks amplify every rounding
// ten times, now for one way to round and now for another: medians over several of them are compared.

#include <algorithm>

#include "api/handles.h"
#include "kernels/reference/plain_backend.h"
#include "training_tree.h"

namespace {

using test::DevicePtr;
using test::TrainerPtr;

struct Gradients {
  double loss;
  std::vector<std::string> names;
  std::vector<std::vector<float>> tensors;
};

Gradients train(rmt_device *device, bool with_dropout, uint64_t stream) {
  const rmt_model_config config = test::small_config();
  const TrainerPtr trainer = test::make_filled(device, config, 0, stream);
  std::vector<test::TrainingSegment> calls = test::tree(config);
  if (with_dropout) test::drop(calls);
  Gradients result;
  result.loss = test::forward_all(trainer.get(), calls, config);
  test::backward_all(trainer.get(), calls);
  for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer.get()); ++i) {
    const std::string name = test::parameter_info(trainer.get(), i).name;
    if (test::ends_with(name, "key.bias")) continue;  // zero in theory, noise in practice
    result.names.push_back(name);
    result.tensors.push_back(test::get_values(trainer.get(), RMT_GRADIENTS, i));
  }
  result.names.push_back("start state");
  result.tensors.push_back(test::get_state_gradient(trainer.get(), test::kStartState, test::state_size(config)));
  return result;
}

// The largest error of a tensor, relative to its largest magnitude.
double largest_error(const Gradients &actual, const Gradients &expected) {
  double largest = 0;
  for (size_t i = 0; i < expected.tensors.size(); ++i) {
    const double error = test::relative_error(actual.tensors[i], expected.tensors[i]);
    CHECK_THAT(error < 1e-4, expected.names[i]);
    largest = std::max(largest, error);
  }
  CHECK(std::abs(actual.loss - expected.loss) < 5e-6 * expected.loss);
  return largest;
}

constexpr uint64_t kStreams = 11;

double median_error(rmt_device *device, bool with_dropout, const std::vector<Gradients> &expected) {
  std::vector<double> errors;
  for (uint64_t stream = 0; stream < kStreams; ++stream) {
    errors.push_back(largest_error(train(device, with_dropout, stream), expected[stream]));
  }
  std::sort(errors.begin(), errors.end());
  return errors[kStreams / 2];
}

TEST("every instruction set gives the reference's losses and gradients, with and without dropout") {
  static const rmt::Backend naive = rmt::PlainBackend<float>::make("naive");
  const DevicePtr naive_device(new rmt_device{std::make_shared<const rmt::Device>(naive, 1)});
  const DevicePtr reference = test::make_device("reference");
  for (const bool with_dropout : {false, true}) {
    std::vector<Gradients> expected;
    for (uint64_t stream = 0; stream < kStreams; ++stream) {
      expected.push_back(train(reference.get(), with_dropout, stream));
    }
    const double yardstick = median_error(naive_device.get(), with_dropout, expected);
    for (const std::string &isa : test::training_isas()) {
      const DevicePtr device = test::make_device(isa, 2);
      const double error = median_error(device.get(), with_dropout, expected);
      std::printf("  %s%s: %.1e, plain loops in float: %.1e\n", isa.c_str(), with_dropout ? " with dropout" : "", error,
                  yardstick);
      CHECK_THAT(error <= std::max(1e-6, 2 * yardstick), isa);
    }
  }
}

}  // namespace

RMT_TEST_MAIN()
