// Work that comes again is replayed from CUDA graphs, on the emulated GPU: to the same bits as launched directly,
// whatever differs between segments of a shape, and for training as well. Through rmt.h, in one process with the
// emulation, so that graphs can be counted.
#include <functional>

#include "api/handles.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/recordings.h"
#include "training_tree.h"

namespace {

using rmt::emulation::num_graph_launches;
using rmt::emulation::num_graphs;
using test::DevicePtr;
using test::Random;
using test::random_ids;
using test::same_bits;
using test::small_config;
using test::TrainerPtr;
using test::TrainingSegment;

DevicePtr make_emulated_device() {
  const rmt::CudaLibrary &library = *rmt_cuda_library(rmt::kCudaLibraryVersion);
  const rmt::CudaOptions options{0, rmt::Precision::kFp32, ""};
  char error[256] = "";
  void *place = library.open_device(&options, error, sizeof(error));
  CHECK_THAT(place != nullptr, error);
  return DevicePtr(new rmt_device{
      std::make_shared<const rmt::Device>(*library.backend, 1, std::shared_ptr<void>(place, library.close_device))});
}

// How many graphs `work` launches, and how many it makes.
struct Count {
  int64_t launches;
  int64_t graphs;
};
Count count(const std::function<void()> &work) {
  const int64_t launches = num_graph_launches();
  const int64_t graphs = num_graphs();
  work();
  return {num_graph_launches() - launches, num_graphs() - graphs};
}

// ---- reading ----

TEST("a segment of a known shape is one launch, and each shape has two graphs at most") {
  const rmt_model_config config = small_config();
  {
    const DevicePtr device = make_emulated_device();
    const test::ModelPtr model = test::make_model(device.get(), config);
    const test::MemoryPtr memory = test::make_memory(model.get(), 2, 2, 20);
    Random random(3);
    const auto read = [&](int32_t length) {
      test::Batch batch(20);
      batch.add(random_ids(length, config.vocab_size, random), 0, 1, 1, -1);
      batch.add(random_ids(7, config.vocab_size, random), 1, 1, 1, -1);
      return count([&] { test::forward(memory.get(), batch, config, test::Want::kNothing); });
    };
    const int64_t expected[][2] = {{0, 0}, {1, 1}, {1, 1}, {1, 0}, {1, 0}, {1, 0}};
    for (const auto &[launches, graphs] : expected) {
      const Count counted = read(20);
      CHECK_EQUAL(counted.launches, launches);
      CHECK_EQUAL(counted.graphs, graphs);
    }
    CHECK_EQUAL(read(13).launches, 0);
    CHECK_EQUAL(read(13).launches, 1);
  }
  CHECK_EQUAL(num_graphs(), 0);
}

TEST("a segment whose last layer nobody reads is not taken for one that is read whole") {
  const rmt_model_config config = small_config();
  const DevicePtr device = make_emulated_device();
  const test::ModelPtr model = test::make_model(device.get(), config);
  const auto read = [&](rmt_memory *memory, bool whole) {
    Random random(4);
    test::Batch batch(12);
    batch.all_rows = whole ? 1 : 0;
    batch.add(random_ids(12, config.vocab_size, random), 0, 1, -1, whole ? 5 : -1);
    return test::forward(memory, batch, config, whole ? test::Want::kHeads : test::Want::kNothing).head_hidden;
  };
  const test::MemoryPtr memory = test::make_memory(model.get(), 1, 1, 12);
  for (int i = 0; i < 4; ++i) read(memory.get(), false);
  const test::MemoryPtr fresh = test::make_memory(model.get(), 1, 1, 12);
  CHECK(same_bits(read(memory.get(), true), read(fresh.get(), true)));
}

// ---- training ----

// The tree with other words, lengths, states and masks at every step, all of the same shape.
std::vector<TrainingSegment> tree_of_step(const rmt_model_config &config, int64_t step, bool with_dropout) {
  std::vector<TrainingSegment> calls = test::tree(config);
  Random random(static_cast<uint64_t>(step));
  for (TrainingSegment &call : calls) {
    for (int32_t &id : call.ids) {
      if (id >= 0) id = random.integer(0, config.vocab_size - 1);
    }
    for (uint64_t &key : call.dropout_keys) key += static_cast<uint64_t>(step);
  }
  if (step % 2 == 0) {
    calls[2].lengths[1] -= 3;
    calls[2].write_state[2] = 4;
  }
  if (with_dropout) test::drop(calls);
  return calls;
}

void take_step(rmt_trainer *trainer, int64_t number, bool recompute, bool with_dropout) {
  const rmt_model_config config = small_config();
  const std::vector<TrainingSegment> calls = tree_of_step(config, number, with_dropout);
  OK(rmt_trainer_clear_state_gradient, trainer, -1);
  test::forward_all(trainer, calls, config);
  test::backward_all(trainer, calls, recompute);
  rmt_adamw options = test::adamw_options(number);
  options.clip_norm = 1;
  OK(rmt_trainer_step, trainer, &options, nullptr);
}

TEST("steps of training are replayed, to the bits of steps that are launched directly") {
  constexpr int64_t kSteps = 4;
  for (const bool recompute : {false, true}) {
    for (const bool with_dropout : {false, true}) {
      const DevicePtr device = make_emulated_device();
      const TrainerPtr trainer = test::make_filled(device.get(), small_config());
      TrainerPtr direct;
      Count earlier{};
      for (int64_t step = 1; step <= kSteps; ++step) {
        const Count counted = count([&] { take_step(trainer.get(), step, recompute, with_dropout); });
        CHECK((counted.launches == 0) == (step == 1));
        CHECK(counted.graphs > 0 || step != 2);
        CHECK(counted.graphs == 0 || step < kSteps);  // by then there are those of both turns
        if (step > 2) CHECK_EQUAL(counted.launches, earlier.launches);
        earlier = counted;

        // Each step on a trainer of its own, which knows no shape yet.
        TrainerPtr next = test::make_filled(device.get(), small_config());
        for (const rmt_values which : {RMT_WEIGHTS, RMT_FIRST_MOMENT, RMT_SECOND_MOMENT}) {
          for (int32_t i = 0; direct != nullptr && i < rmt_trainer_num_parameters(next.get()); ++i) {
            test::set_values(next.get(), which, i, test::get_values(direct.get(), which, i));
          }
        }
        direct = std::move(next);
        CHECK_EQUAL(count([&] { take_step(direct.get(), step, recompute, with_dropout); }).launches, 0);
        CHECK(same_bits(test::all_values(trainer.get(), RMT_WEIGHTS), test::all_values(direct.get(), RMT_WEIGHTS)));
      }
    }
  }
  CHECK_EQUAL(num_graphs(), 0);
}

TEST("segments of one size that need other kernels, or other arguments, are not taken for one another") {
  using Change = std::function<void(TrainingSegment &)>;
  const std::vector<Change> changes = {
      [](TrainingSegment &) {},
      [](TrainingSegment &call) { call.hidden_dropout = 0.2f; },
      [](TrainingSegment &call) { call.attention_dropout = 0.2f; },
      [](TrainingSegment &call) { call.all_rows = 1; },
      [](TrainingSegment &call) { call.probes.clear(); },
      [](TrainingSegment &call) {
        call.probes.clear();
        call.head_position.back() = call.labels.back() = -1;
      },
  };
  const rmt_model_config config = small_config();
  const auto gradients = [&](rmt_trainer *trainer, const Change &change, bool with_loss) {
    std::vector<TrainingSegment> calls = test::tree(config);
    for (TrainingSegment &call : calls) change(call);
    OK(rmt_trainer_clear_gradients, trainer);
    OK(rmt_trainer_clear_state_gradient, trainer, -1);
    test::forward_all(trainer, calls, config);
    for (int32_t i = 2; i >= 0; --i)
      test::backward(trainer, i, calls[static_cast<size_t>(i)], with_loss || i < 2, false);
    return test::all_values(trainer, RMT_GRADIENTS);
  };
  const DevicePtr device = make_emulated_device();
  const TrainerPtr trainer = test::make_filled(device.get(), config);
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < changes.size(); ++i) {
      for (const bool with_loss : {true, false}) {
        const TrainerPtr fresh = test::make_filled(device.get(), config);
        CHECK_THAT(
            same_bits(gradients(trainer.get(), changes[i], with_loss), gradients(fresh.get(), changes[i], with_loss)),
            "change " + test::show(i) + " in round " + test::show(round));
      }
    }
  }
}

// ---- any work ----

TEST("of many shapes the last ones are kept, and one that was forgotten is recorded anew") {
  const rmt::CudaOptions options{0, rmt::Precision::kFp32, ""};
  char error[256] = "";
  const std::unique_ptr<rmt::cuda::Place> place(rmt::cuda::Place::open(options, error, sizeof(error)));
  CHECK_THAT(place != nullptr, error);
  auto *values = static_cast<float *>(place->allocate(2 * sizeof(float)));  // a one, and how often it was added
  const float one = 1;
  place->upload(values, &one, sizeof(one));
  float added = 0;
  const auto add_one = [&](rmt::cuda::Recordings &recordings, int64_t shape) {
    const int64_t launches = num_graph_launches();
    if (recordings.begin({shape}, 0)) rmt::cuda::add(place->stream(), values, 1, values + 1);
    recordings.end();
    ++added;
    return num_graph_launches() > launches;
  };
  {
    rmt::cuda::Recordings recordings(*place);
    for (int64_t shape = 0; shape < 100; ++shape) {
      CHECK(!add_one(recordings, shape));
      CHECK(add_one(recordings, shape));
      CHECK(num_graphs() <= 32);
    }
    CHECK(add_one(recordings, 99));
    CHECK(add_one(recordings, 70));
    CHECK(!add_one(recordings, 0));
    CHECK(add_one(recordings, 0));
    CHECK(add_one(recordings, 70));
    CHECK(!add_one(recordings, 68));
    float sum = 0;
    place->download(&sum, values + 1, sizeof(sum));
    CHECK_EQUAL(sum, added);
  }
  CHECK_EQUAL(num_graphs(), 0);
  place->release(values);
  CHECK(place->failure() == nullptr);
}

}  // namespace

RMT_TEST_MAIN()
