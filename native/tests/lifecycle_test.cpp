// Objects made and destroyed in any order, and threads that share a device, a model, or (in vain) a memory.

#include <atomic>
#include <thread>

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
using test::same_bits;
using test::small_config;
using test::Want;

constexpr int64_t kMemorySize = 4 * 30;  // of small_config()

// A document of ten segments, from a generator of its own.
std::vector<float> read_document(rmt_memory *memory, uint64_t stream) {
  Random random(stream);
  OK(rmt_memory_reset, memory, -1);
  for (int s = 0; s < 10; ++s) {
    Batch batch(130);
    batch.add(random_ids(random.integer(10, 130), 50, random), 0, 1, 1, 0);
    test::forward(memory, batch, small_config(), Want::kHeads);
  }
  return get_memory(memory, 0, kMemorySize);
}

TEST("a device, a model and a memory may be destroyed in any order") {
  for (const std::string &isa : test::isas()) {
    std::vector<float> expected;
    for (int order = 0; order < 2; ++order) {
      DevicePtr device = make_device(isa, 2);
      ModelPtr model = make_model(device.get(), small_config());
      if (order == 1) device.reset();
      MemoryPtr memory = make_memory(model.get(), 1, 1, 130);
      if (order == 1) model.reset();
      const std::vector<float> result = read_document(memory.get(), 1);
      if (order == 0) expected = result;
      CHECK(same_bits(result, expected));
    }
  }
}

TEST("an unfinished model is destroyed like a finished one") {
  const DevicePtr device = make_device(test::isas().front());
  const ModelPtr model = test::make_unfilled_model(device.get(), small_config());
}

TEST("thousands of objects come and go, and the process does not grow") {
  const auto resident_kilobytes = [] {
    long size = 0;
    long resident = 0;
    std::FILE *file = std::fopen("/proc/self/statm", "r");
    if (file == nullptr) SKIP("there is no /proc/self/statm here");
    const bool read = std::fscanf(file, "%ld %ld", &size, &resident) == 2;
    std::fclose(file);
    CHECK(read);
    return resident * 4;
  };
  rmt_model_config config = small_config();
  const auto cycle = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const DevicePtr device = make_device(test::isas()[i % test::isas().size()], 1 + i % 3);
      const ModelPtr model = make_model(device.get(), config);
      const MemoryPtr memory = make_memory(model.get(), 4, 2, 130);
      Batch batch(130);
      batch.add({1, 0, 0, 0, 0, 3}, 0, 1, 1, 0);
      test::forward(memory.get(), batch, config, Want::kHeads);
    }
  };
  cycle(100);
  const long before = resident_kilobytes();
  cycle(1000);
  // Half of what would be left behind if each cycle lost its model. Sanitizers keep freed memory back for a while, and
  // find smaller leaks themselves.
  int64_t model_bytes = 0;
  OK(rmt_model_required_bytes, make_device("reference").get(), &config, &model_bytes);
  const long limit = 1000 * model_bytes / 1024 / 2;
#if !defined(RMT_TEST_SANITIZED)
  CHECK_THAT(resident_kilobytes() - before < limit, test::show(resident_kilobytes() - before) + " kB more");
#else
  (void)before;
  (void)limit;
#endif
}

TEST("two threads with two memories share a model, and each gets the bits that it gets alone") {
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa, 2);
    const ModelPtr model = make_model(device.get(), small_config());
    const MemoryPtr alone = make_memory(model.get(), 1, 1, 130);
    std::vector<float> expected[4];
    for (uint64_t i = 0; i < 4; ++i) expected[i] = read_document(alone.get(), i);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        try {
          for (int round = 0; round < 3; ++round) {
            const MemoryPtr memory = make_memory(model.get(), 1, 1, 130);
            if (!same_bits(read_document(memory.get(), i), expected[i])) ++wrong;
          }
        } catch (const test::Failure &failure) {
          std::printf("%s\n", failure.message.c_str());
          ++wrong;
        }
      });
    }
    for (std::thread &thread : threads) thread.join();
    CHECK_THAT(wrong == 0, isa);
  }
}

TEST("a second thread in a memory gets an error, and the first does not notice") {
  rmt_model_config config = small_config();
  config.hidden_size = 96;
  config.intermediate_size = 384;
  config.max_positions = 512;
  const DevicePtr device = make_device("reference");
  const ModelPtr model = make_model(device.get(), config);
  const MemoryPtr memory = make_memory(model.get(), 2, 2, 512);
  Random random(8);
  Batch batch(512);
  batch.add(random_ids(512, 50, random), 0, 1, 1, 0).add(random_ids(512, 50, random), 1, 1, 1, 0);
  const MemoryPtr undisturbed = make_memory(model.get(), 2, 2, 512);
  test::forward(undisturbed.get(), batch, config, Want::kNothing);

  // The segment takes a while; the other thread tries to look into the memory all the time.
  const int64_t size = int64_t{4} * 96;
  std::atomic<bool> done{false};
  std::atomic<int> refusals{0};
  std::atomic<int> other_statuses{0};
  std::thread intruder([&] {
    std::vector<float> values(size);
    while (!done) {
      char error[256] = "";
      const rmt_status status = rmt_memory_get(memory.get(), 0, 0, values.data(), size, error, sizeof(error));
      if (status == RMT_FAILED_PRECONDITION && std::strstr(error, "in use by another thread") != nullptr) {
        ++refusals;
      } else if (status != RMT_OK) {
        ++other_statuses;
      }
    }
  });
  int rounds = 0;
  rmt_status status = RMT_OK;
  const rmt_segment segment = batch.segment();
  // The intruder holds the memory for moments too: then it is this thread that is refused, and tries again.
  do {
    status = rmt_segment_forward(memory.get(), &segment, nullptr, nullptr, 0);
    ++rounds;
  } while (status == RMT_FAILED_PRECONDITION && rounds < 1000000);
  done = true;
  intruder.join();
  CHECK_EQUAL(static_cast<int>(status), static_cast<int>(RMT_OK));
  CHECK(refusals > 0);
  CHECK_EQUAL(other_statuses.load(), 0);
  for (int32_t slot = 0; slot < 2; ++slot) {
    CHECK(same_bits(get_memory(memory.get(), slot, size), get_memory(undisturbed.get(), slot, size)));
  }
}

TEST("threads may fill one model together, each its parameters") {
  const DevicePtr device = make_device(test::isas().front());
  const ModelPtr expected = make_model(device.get(), small_config());
  const ModelPtr model = test::make_unfilled_model(device.get(), small_config());
  const int32_t count = rmt_model_num_parameters(model.get());
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int32_t i = t; i < count; i += 3) {
        auto info = test::sized<rmt_parameter_info>();
        if (rmt_model_get_parameter_info(model.get(), i, &info, nullptr, 0) != RMT_OK) ++failures;
        std::vector<float> values(test::count_of(info));
        const int64_t size = static_cast<int64_t>(values.size());
        if (rmt_model_get_parameter(expected.get(), i, values.data(), 0, size, nullptr, 0) != RMT_OK ||
            rmt_model_set_parameter(model.get(), i, values.data(), 0, size, nullptr, 0) != RMT_OK) {
          ++failures;
        }
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
  CHECK_EQUAL(failures.load(), 0);
  OK(rmt_model_finish, model.get());
  const MemoryPtr a = make_memory(model.get(), 1, 1, 130);
  const MemoryPtr b = make_memory(expected.get(), 1, 1, 130);
  CHECK(same_bits(read_document(a.get(), 2), read_document(b.get(), 2)));
}

}  // namespace

RMT_TEST_MAIN()
