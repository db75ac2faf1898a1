// Which instruction set runs: the best by default, the one that was asked for, or none at all.

#include "fixtures.h"

namespace {

using test::DevicePtr;
using test::sized;

rmt_device_info info_of(const rmt_device *device) {
  auto info = sized<rmt_device_info>();
  OK(rmt_device_get_info, device, &info);
  return info;
}

DevicePtr make_default_device() {
  auto options = sized<rmt_device_options>();
  options.threads = 1;
  rmt_device *device = nullptr;
  OK(rmt_device_create_cpu, &options, &device);
  return DevicePtr(device);
}

// Sets RMT_CPU_ISA while it lives.
class Environment {
 public:
  explicit Environment(const std::string &value) { setenv("RMT_CPU_ISA", value.c_str(), 1); }
  ~Environment() { unsetenv("RMT_CPU_ISA"); }
};

std::vector<float> run_a_segment(rmt_device *device) {
  const rmt_model_config config = test::small_config();
  const test::ModelPtr model = test::make_model(device, config);
  const test::MemoryPtr memory = test::make_memory(model.get(), 1, 1, 130);
  test::Random random(1);
  test::Batch batch(130);
  batch.add(test::random_ids(130, 50, random), 0, 1, 1, 0);
  return test::forward(memory.get(), batch, config, test::Want::kEverything).hidden;
}

TEST("the best instruction set runs where none is named") {
  unsetenv("RMT_CPU_ISA");
  CHECK_EQUAL(std::string(info_of(make_default_device().get()).cpu_isa), test::isas().front());
  const Environment empty("");
  CHECK_EQUAL(std::string(info_of(make_default_device().get()).cpu_isa), test::isas().front());
}

TEST("RMT_CPU_ISA forces each instruction set that can run here, and its code runs") {
  const std::vector<float> reference = run_a_segment(test::make_device("reference").get());
  for (const std::string &isa : test::isas()) {
    const Environment environment(isa);
    const DevicePtr device = make_default_device();
    CHECK_EQUAL(std::string(info_of(device.get()).cpu_isa), isa);
    CHECK_EQUAL(std::string(info_of(device.get()).name), std::string("cpu"));
    // Only the reference calculates in double: all others differ from it in some last bits.
    CHECK_EQUAL(test::same_bits(run_a_segment(device.get()), reference), isa == "reference");
  }
}

TEST("the option cpu_isa goes before the environment") {
  const Environment environment("reference");
  for (const std::string &isa : test::isas()) {
    CHECK_EQUAL(std::string(info_of(test::make_device(isa).get()).cpu_isa), isa);
  }
}

TEST("an unknown instruction set is refused with the list of those there are") {
  auto options = sized<rmt_device_options>();
  rmt_device *device = nullptr;
  {
    const Environment environment("sse9");
    REFUSED(RMT_DEVICE, "RMT_CPU_ISA is \"sse9\"", rmt_device_create_cpu, &options, &device);
    REFUSED(RMT_DEVICE, rmt_cpu_isas(), rmt_device_create_cpu, &options, &device);
  }
  options.cpu_isa = "AVX2";
  REFUSED(RMT_DEVICE, "cpu_isa is \"AVX2\"", rmt_device_create_cpu, &options, &device);
  REFUSED(RMT_DEVICE, rmt_cpu_isas(), rmt_device_create_cpu, &options, &device);
  options.cpu_isa = "";
  REFUSED(RMT_DEVICE, "cpu_isa is \"\"", rmt_device_create_cpu, &options, &device);
  CHECK(device == nullptr);
}

TEST("a device has as many threads as it was asked for, and at least one where it may choose") {
  auto options = sized<rmt_device_options>();
  rmt_device *device = nullptr;
  for (const int32_t threads : {1, 2, 5}) {
    options.threads = threads;
    OK(rmt_device_create_cpu, &options, &device);
    CHECK_EQUAL(info_of(DevicePtr(device).get()).threads, threads);
  }
  options.threads = 0;
  OK(rmt_device_create_cpu, &options, &device);
  const rmt_device_info info = info_of(DevicePtr(device).get());
  CHECK(info.threads >= 1);
  CHECK(info.available_bytes > 0);
  options.threads = -1;
  REFUSED(RMT_INVALID_ARGUMENT, "threads is -1", rmt_device_create_cpu, &options, &device);
  options.threads = 1 << 30;
  REFUSED(RMT_INVALID_ARGUMENT, "threads is 1073741824", rmt_device_create_cpu, &options, &device);
}

// Operations of a segment of 130 positions with memory at 1 and the head at 0, as rmt.h defines them.
int64_t count_a_segment(const std::string &isa, int32_t threads, const rmt_model_config &config) {
  const DevicePtr device = test::make_device(isa, threads);
  const test::ModelPtr model = test::make_model(device.get(), config);
  const test::MemoryPtr memory = test::make_memory(model.get(), 1, 1, 130);
  int64_t before = -1;
  OK(rmt_device_get_operations, device.get(), &before);
  CHECK_EQUAL(before, int64_t{0});
  test::Random random(1);
  test::Batch batch(130);
  batch.add(test::random_ids(130, 50, random), 0, 1, 1, 0);
  test::forward(memory.get(), batch, config, test::Want::kHeads);
  int64_t after = -1;
  OK(rmt_device_get_operations, device.get(), &after);
  return after;
}

TEST("the reference counts the products of the rows that are read, the others what fills up their tiles too") {
  const rmt_model_config config = test::small_config();
  const int64_t h = config.hidden_size;
  const int64_t positions = 130;
  int64_t expected = 2 * h * (h + config.num_labels);
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    const int64_t rows = layer + 1 < config.num_layers ? positions : config.num_mem_tokens + 1;
    expected += positions * 4 * h * h + rows * (4 * h * h + 4 * positions * h + 4 * h * config.intermediate_size);
  }
  CHECK_EQUAL(count_a_segment("reference", 1, config), expected);
  for (const std::string &isa : test::isas()) {
    if (isa == "reference") continue;
    const int64_t counted = count_a_segment(isa, 1, config);
    CHECK(counted > expected);
    CHECK(counted < 2 * expected);
    CHECK_EQUAL(count_a_segment(isa, 3, config), counted);
  }
}

}  // namespace

RMT_TEST_MAIN()
