// What the C interface refuses, with which words, and that a refusal changes nothing.

#include <climits>

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
using test::Random;
using test::random_ids;
using test::same_bits;
using test::sized;
using test::small_config;
using test::Want;

constexpr int64_t kMemorySize = 4 * 30;  // of small_config()

// A device, a finished model and a memory of three slots, with all three slots at values of their own.
struct Fixture {
  Fixture() {
    memory = make_memory(model.get(), 3, 2, 100);
    Random random(3);
    for (int32_t slot = 0; slot < 3; ++slot) {
      std::vector<float> values(kMemorySize);
      for (float &value : values) value = random.uniform();
      OK(rmt_memory_set, memory.get(), slot, 0, values.data(), kMemorySize);
    }
    before = state();
  }
  std::vector<std::vector<float>> state() const {
    return {get_memory(memory.get(), 0, kMemorySize), get_memory(memory.get(), 1, kMemorySize),
            get_memory(memory.get(), 2, kMemorySize)};
  }
  bool unchanged() const { return state() == before; }

  rmt_model_config config = small_config();
  DevicePtr device = make_device("reference");
  ModelPtr model = make_model(device.get(), config);
  MemoryPtr memory;
  std::vector<std::vector<float>> before;
};

Batch usual_batch() {
  Random random(17);
  Batch batch(100);
  batch.add(random_ids(100, 50, random), 2, 1, 1, 0);
  batch.add(random_ids(9, 50, random), 0, 1, 1, 0);
  return batch;
}

TEST("the version and the words of the library are there") {
  CHECK_EQUAL(rmt_abi_version(), RMT_ABI_VERSION);
  CHECK_EQUAL(std::string(rmt_version()), std::string(RMT_TEST_VERSION));
  CHECK_EQUAL(test::isas().back(), std::string("reference"));
}

TEST("NULL is refused wherever an object or an argument is expected") {
  const Fixture f;
  const rmt_model_config config = small_config();
  const auto device_options = sized<rmt_device_options>();
  const rmt_memory_options options = test::memory_options(1, 1, 10);
  auto device_info = sized<rmt_device_info>();
  auto parameter_info = sized<rmt_parameter_info>();
  auto tensor_info = sized<rmt_memory_tensor_info>();
  int64_t bytes = 0;
  float value = 0;
  rmt_device *device = nullptr;
  rmt_model *model = nullptr;
  rmt_memory *memory = nullptr;
  const rmt_status kInvalid = RMT_INVALID_ARGUMENT;
  REFUSED(kInvalid, "rmt_device_options is NULL", rmt_device_create_cpu, nullptr, &device);
  REFUSED(kInvalid, "device is NULL", rmt_device_create_cpu, &device_options, nullptr);
  REFUSED(kInvalid, "device is NULL", rmt_device_get_info, nullptr, &device_info);
  REFUSED(kInvalid, "rmt_device_info is NULL", rmt_device_get_info, f.device.get(), nullptr);
  REFUSED(kInvalid, "device is NULL", rmt_model_required_bytes, nullptr, &config, &bytes);
  REFUSED(kInvalid, "rmt_model_config is NULL", rmt_model_required_bytes, f.device.get(), nullptr, &bytes);
  REFUSED(kInvalid, "bytes is NULL", rmt_model_required_bytes, f.device.get(), &config, nullptr);
  REFUSED(kInvalid, "device is NULL", rmt_model_create, nullptr, &config, &model);
  REFUSED(kInvalid, "rmt_model_config is NULL", rmt_model_create, f.device.get(), nullptr, &model);
  REFUSED(kInvalid, "model is NULL", rmt_model_create, f.device.get(), &config, nullptr);
  REFUSED(kInvalid, "model is NULL", rmt_model_get_parameter_info, nullptr, 0, &parameter_info);
  REFUSED(kInvalid, "rmt_parameter_info is NULL", rmt_model_get_parameter_info, f.model.get(), 0, nullptr);
  REFUSED(kInvalid, "model is NULL", rmt_model_set_parameter, nullptr, 0, &value, 0, 1);
  REFUSED(kInvalid, "is NULL", rmt_model_set_parameter, f.model.get(), 0, nullptr, 0, 1);
  REFUSED(kInvalid, "model is NULL", rmt_model_get_parameter, nullptr, 0, &value, 0, 1);
  REFUSED(kInvalid, "is NULL", rmt_model_get_parameter, f.model.get(), 0, nullptr, 0, 1);
  REFUSED(kInvalid, "model is NULL", rmt_model_finish, nullptr);
  REFUSED(kInvalid, "model is NULL", rmt_memory_required_bytes, nullptr, &options, &bytes);
  REFUSED(kInvalid, "rmt_memory_options is NULL", rmt_memory_required_bytes, f.model.get(), nullptr, &bytes);
  REFUSED(kInvalid, "bytes is NULL", rmt_memory_required_bytes, f.model.get(), &options, nullptr);
  REFUSED(kInvalid, "model is NULL", rmt_memory_create, nullptr, &options, &memory);
  REFUSED(kInvalid, "rmt_memory_options is NULL", rmt_memory_create, f.model.get(), nullptr, &memory);
  REFUSED(kInvalid, "memory is NULL", rmt_memory_create, f.model.get(), &options, nullptr);
  REFUSED(kInvalid, "memory is NULL", rmt_memory_get_tensor_info, nullptr, 0, &tensor_info);
  REFUSED(kInvalid, "rmt_memory_tensor_info is NULL", rmt_memory_get_tensor_info, f.memory.get(), 0, nullptr);
  REFUSED(kInvalid, "memory is NULL", rmt_memory_reset, nullptr, 0);
  REFUSED(kInvalid, "memory is NULL", rmt_memory_copy, nullptr, 0, 0);
  REFUSED(kInvalid, "memory is NULL", rmt_memory_get, nullptr, 0, 0, &value, 1);
  REFUSED(kInvalid, "values is NULL", rmt_memory_get, f.memory.get(), 0, 0, nullptr, kMemorySize);
  REFUSED(kInvalid, "memory is NULL", rmt_memory_set, nullptr, 0, 0, &value, 1);
  REFUSED(kInvalid, "values is NULL", rmt_memory_set, f.memory.get(), 0, 0, nullptr, kMemorySize);
  const rmt_segment segment = usual_batch().segment();
  REFUSED(kInvalid, "memory is NULL", rmt_segment_forward, nullptr, &segment, nullptr);
  REFUSED(kInvalid, "rmt_segment is NULL", rmt_segment_forward, f.memory.get(), nullptr, nullptr);
  CHECK_EQUAL(rmt_model_num_parameters(nullptr), 0);
  CHECK_EQUAL(rmt_memory_num_tensors(nullptr), 0);
  rmt_device_destroy(nullptr);
  rmt_model_destroy(nullptr);
  rmt_memory_destroy(nullptr);
  CHECK(f.unchanged());
}

TEST("a struct of another size is refused, for it comes from another header") {
  const Fixture f;
  auto device_options = sized<rmt_device_options>();
  device_options.struct_size -= 1;
  rmt_device *device = nullptr;
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_device_options.struct_size is", rmt_device_create_cpu, &device_options, &device);
  rmt_model_config config = small_config();
  config.struct_size = 0;
  rmt_model *model = nullptr;
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_model_config.struct_size is 0", rmt_model_create, f.device.get(), &config, &model);
  rmt_memory_options options = test::memory_options(1, 1, 10);
  options.struct_size += 8;
  rmt_memory *memory = nullptr;
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_memory_options.struct_size is", rmt_memory_create, f.model.get(), &options,
          &memory);
  const Batch batch = usual_batch();
  rmt_segment segment = batch.segment();
  segment.struct_size = 1;
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_segment.struct_size is 1", rmt_segment_forward, f.memory.get(), &segment, nullptr);
  segment = batch.segment();
  rmt_segment_output output{};
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_segment_output.struct_size is 0", rmt_segment_forward, f.memory.get(), &segment,
          &output);
  rmt_device_info info{};
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_device_info.struct_size", rmt_device_get_info, f.device.get(), &info);
  CHECK(f.unchanged());
}

TEST("an error text is cut to the buffer, and no buffer is needed") {
  char text[8];
  std::memset(text, 'x', sizeof(text));
  CHECK_EQUAL(static_cast<int>(rmt_model_finish(nullptr, text, 6)), static_cast<int>(RMT_INVALID_ARGUMENT));
  CHECK_EQUAL(std::string(text), std::string("model"));
  CHECK_EQUAL(text[6], 'x');
  CHECK_EQUAL(static_cast<int>(rmt_model_finish(nullptr, nullptr, 0)), static_cast<int>(RMT_INVALID_ARGUMENT));
  CHECK_EQUAL(static_cast<int>(rmt_model_finish(nullptr, nullptr, 100)), static_cast<int>(RMT_INVALID_ARGUMENT));
  CHECK_EQUAL(static_cast<int>(rmt_model_finish(nullptr, text, 0)), static_cast<int>(RMT_INVALID_ARGUMENT));
}

TEST("a handle is NULL after a create that was refused") {
  rmt_device *device = reinterpret_cast<rmt_device *>(0x10);
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_device_options is NULL", rmt_device_create_cpu, nullptr, &device);
  CHECK(device == nullptr);
}

TEST("each number of a model is checked and named with its value") {
  const DevicePtr device = make_device("reference");
  rmt_model *model = nullptr;
  const auto refuse = [&](const char *part, void (*change)(rmt_model_config &)) {
    rmt_model_config config = small_config();
    change(config);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_model_create, device.get(), &config, &model);
    int64_t bytes = -5;
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_model_required_bytes, device.get(), &config, &bytes);
    CHECK_EQUAL(bytes, -5);
  };
  refuse("architecture is 3", [](rmt_model_config &c) { c.architecture = 3; });
  refuse("hidden_size is 0", [](rmt_model_config &c) { c.hidden_size = 0; });
  refuse("hidden_size is 2147483647", [](rmt_model_config &c) { c.hidden_size = INT_MAX; });
  refuse("num_layers is 0", [](rmt_model_config &c) { c.num_layers = 0; });
  refuse("num_layers is 2147483647", [](rmt_model_config &c) { c.num_layers = INT_MAX; });
  refuse("num_heads is 0", [](rmt_model_config &c) { c.num_heads = 0; });
  refuse("num_heads is -1", [](rmt_model_config &c) { c.num_heads = -1; });
  refuse("hidden_size 30 is not a multiple of num_heads 4", [](rmt_model_config &c) { c.num_heads = 4; });
  refuse("intermediate_size is 0", [](rmt_model_config &c) { c.intermediate_size = 0; });
  refuse("intermediate_size is 2147483647", [](rmt_model_config &c) { c.intermediate_size = INT_MAX; });
  refuse("vocab_size is 0", [](rmt_model_config &c) { c.vocab_size = 0; });
  refuse("vocab_size is 2147483647", [](rmt_model_config &c) { c.vocab_size = INT_MAX; });
  refuse("max_positions is -2147483648", [](rmt_model_config &c) { c.max_positions = INT_MIN; });
  refuse("type_vocab_size is 0", [](rmt_model_config &c) { c.type_vocab_size = 0; });
  refuse("num_mem_tokens is -1", [](rmt_model_config &c) { c.num_mem_tokens = -1; });
  refuse("num_mem_tokens 131 does not fit into max_positions 130", [](rmt_model_config &c) { c.num_mem_tokens = 131; });
  refuse("num_labels is -1", [](rmt_model_config &c) { c.num_labels = -1; });
  refuse("layer_norm_eps is 0", [](rmt_model_config &c) { c.layer_norm_eps = 0; });
  refuse("layer_norm_eps is nan", [](rmt_model_config &c) { c.layer_norm_eps = NAN; });
  refuse("layer_norm_eps is inf", [](rmt_model_config &c) { c.layer_norm_eps = INFINITY; });
  CHECK(model == nullptr);
}

TEST("a model or memory that does not fit is refused with needed and available bytes, before it allocates") {
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    rmt_model_config huge = small_config();
    huge.hidden_size = 65536;
    huge.num_heads = 1024;
    huge.intermediate_size = 262144;
    huge.num_layers = 1024;
    huge.vocab_size = 1 << 24;
    huge.max_positions = 1 << 20;
    int64_t bytes = 0;
    OK(rmt_model_required_bytes, device.get(), &huge, &bytes);
    CHECK(bytes > int64_t{1} << 42);
    rmt_model *model = nullptr;
    // "available": the budget refused, not the system after an attempt to allocate.
    REFUSED(RMT_OUT_OF_MEMORY, " bytes are available", rmt_model_create, device.get(), &huge, &model);
    REFUSED(RMT_OUT_OF_MEMORY, std::to_string(bytes) + " bytes, and ", rmt_model_create, device.get(), &huge, &model);

    rmt_model_config config = small_config();
    config.hidden_size = 8;
    config.num_heads = 2;
    config.max_positions = 1 << 16;
    config.num_mem_tokens = 1 << 16;
    const ModelPtr small_model = make_model(device.get(), config);
    const rmt_memory_options options = test::memory_options(1 << 20, 1, 10);
    OK(rmt_memory_required_bytes, small_model.get(), &options, &bytes);
    CHECK(bytes > int64_t{1} << 42);
    rmt_memory *memory = nullptr;
    REFUSED(RMT_OUT_OF_MEMORY, " bytes are available", rmt_memory_create, small_model.get(), &options, &memory);
    REFUSED(RMT_OUT_OF_MEMORY, std::to_string(bytes) + " bytes, and ", rmt_memory_create, small_model.get(), &options,
            &memory);
  }
}

TEST("parameters have the names and shapes of Hugging Face BERT, and the memory its own") {
  const DevicePtr device = make_device("reference");
  const ModelPtr model = test::make_unfilled_model(device.get(), small_config());
  const int32_t count = rmt_model_num_parameters(model.get());
  CHECK_EQUAL(count, 5 + 2 * 16 + 4 + 1);
  const auto find = [&](const std::string &name) {
    for (int32_t i = 0; i < count; ++i) {
      const rmt_parameter_info info = test::parameter_info(model.get(), i);
      if (name == info.name)
        return test::show(info.dims[0]) + "x" + (info.num_dims == 2 ? test::show(info.dims[1]) : "");
    }
    return std::string("missing");
  };
  CHECK_EQUAL(find("embeddings.word_embeddings.weight"), std::string("50x30"));
  CHECK_EQUAL(find("embeddings.position_embeddings.weight"), std::string("130x30"));
  CHECK_EQUAL(find("embeddings.token_type_embeddings.weight"), std::string("2x30"));
  CHECK_EQUAL(find("embeddings.LayerNorm.weight"), std::string("30x"));
  CHECK_EQUAL(find("encoder.layer.1.attention.self.key.bias"), std::string("30x"));
  CHECK_EQUAL(find("encoder.layer.1.intermediate.dense.weight"), std::string("37x30"));
  CHECK_EQUAL(find("encoder.layer.0.output.dense.weight"), std::string("30x37"));
  CHECK_EQUAL(find("encoder.layer.0.output.LayerNorm.bias"), std::string("30x"));
  CHECK_EQUAL(find("pooler.dense.weight"), std::string("30x30"));
  CHECK_EQUAL(find("classifier.weight"), std::string("5x30"));
  CHECK_EQUAL(find("memory"), std::string("4x30"));
  CHECK_EQUAL(find("encoder.layer.2.output.dense.weight"), std::string("missing"));
  auto info = sized<rmt_parameter_info>();
  REFUSED(RMT_INVALID_ARGUMENT, "parameter index is 42", rmt_model_get_parameter_info, model.get(), count, &info);
  REFUSED(RMT_INVALID_ARGUMENT, "parameter index is -1", rmt_model_get_parameter_info, model.get(), -1, &info);
}

TEST("a model without labels has no head, one without memory tokens no memory") {
  const DevicePtr device = make_device("reference");
  rmt_model_config config = small_config();
  config.num_labels = 0;
  config.num_mem_tokens = 0;
  const ModelPtr model = make_model(device.get(), config);
  CHECK_EQUAL(rmt_model_num_parameters(model.get()), 5 + 2 * 16);
  const MemoryPtr memory = make_memory(model.get(), 1, 1, 10);
  CHECK_EQUAL(rmt_memory_num_tensors(memory.get()), 0);
  float value = 0;
  REFUSED(RMT_INVALID_ARGUMENT, "tensor is 0", rmt_memory_get, memory.get(), 0, 0, &value, 0);
  OK(rmt_memory_reset, memory.get(), -1);
  Batch batch(10);
  batch.add({1, 2, 3}, 0, -1, -1, 0);
  const rmt_segment segment = batch.segment();
  auto output = sized<rmt_segment_output>();
  float logits[5];
  output.logits = logits;
  REFUSED(RMT_INVALID_ARGUMENT, "num_labels of the model is 0", rmt_segment_forward, memory.get(), &segment, &output);
  CHECK_EQUAL(forward(memory.get(), batch, config, Want::kEverything).head_hidden.size(), size_t{30});
}

TEST("a parameter is set in pieces in any order, and finish names the one of which elements are missing") {
  const DevicePtr device = make_device("reference");
  const ModelPtr model = test::make_unfilled_model(device.get(), small_config());
  test::fill_randomly(model.get(), 1);
  const ModelPtr partial = test::make_unfilled_model(device.get(), small_config());
  const int32_t count = rmt_model_num_parameters(partial.get());
  REFUSED(RMT_FAILED_PRECONDITION, "embeddings.word_embeddings.weight lacks 1500 of its 1500 elements",
          rmt_model_finish, partial.get());
  // Every parameter in three pieces, the middle one last; all but one element of the last parameter.
  for (int32_t i = 0; i < count; ++i) {
    const int64_t size = test::count_of(test::parameter_info(partial.get(), i));
    std::vector<float> values(size);
    OK(rmt_model_get_parameter, model.get(), i, values.data(), 0, size);
    const int64_t third = size / 3;
    const int64_t left_out = i == count - 1 ? 1 : 0;
    OK(rmt_model_set_parameter, partial.get(), i, values.data() + 2 * third, 2 * third, size - 2 * third);
    OK(rmt_model_set_parameter, partial.get(), i, values.data(), 0, third);
    OK(rmt_model_set_parameter, partial.get(), i, values.data(), 0, 0);
    OK(rmt_model_set_parameter, partial.get(), i, values.data() + third + left_out, third + left_out, third - left_out);
  }
  REFUSED(RMT_FAILED_PRECONDITION, "parameter memory lacks 1 of its 120 elements, the first of them element 40",
          rmt_model_finish, partial.get());
  float value = 0;
  REFUSED(RMT_FAILED_PRECONDITION, "have not all been set", rmt_model_get_parameter, partial.get(), count - 1, &value,
          40, 1);
  const rmt_memory_options options = test::memory_options(1, 1, 10);
  rmt_memory *memory = nullptr;
  REFUSED(RMT_FAILED_PRECONDITION, "not finished", rmt_memory_create, partial.get(), &options, &memory);
  OK(rmt_model_get_parameter, model.get(), count - 1, &value, 40, 1);
  OK(rmt_model_set_parameter, partial.get(), count - 1, &value, 40, 1);
  OK(rmt_model_finish, partial.get());
  for (int32_t i = 0; i < count; ++i) {
    const int64_t size = test::count_of(test::parameter_info(partial.get(), i));
    std::vector<float> expected(size);
    std::vector<float> actual(size);
    OK(rmt_model_get_parameter, model.get(), i, expected.data(), 0, size);
    OK(rmt_model_get_parameter, partial.get(), i, actual.data(), 0, size);
    CHECK(same_bits(actual, expected));
  }
}

TEST("a finished model cannot be changed, nor finished again") {
  const Fixture f;
  const float value = 1;
  REFUSED(RMT_FAILED_PRECONDITION, "the model is finished", rmt_model_set_parameter, f.model.get(), 0, &value, 0, 1);
  REFUSED(RMT_FAILED_PRECONDITION, "finished already", rmt_model_finish, f.model.get());
}

TEST("NaN and infinity in a parameter are refused and named, and nothing of the piece is taken") {
  const DevicePtr device = make_device("reference");
  const ModelPtr model = test::make_unfilled_model(device.get(), small_config());
  std::vector<float> values(1500, 1.0f);
  values[7] = NAN;
  REFUSED(RMT_INVALID_ARGUMENT, "element 107 of parameter embeddings.word_embeddings.weight is NaN",
          rmt_model_set_parameter, model.get(), 0, values.data(), 100, 50);
  values[7] = -INFINITY;
  REFUSED(RMT_INVALID_ARGUMENT, "element 7 of parameter embeddings.word_embeddings.weight is infinite",
          rmt_model_set_parameter, model.get(), 0, values.data(), 0, 1500);
  REFUSED(RMT_FAILED_PRECONDITION, "lacks 1500 of its 1500", rmt_model_finish, model.get());
}

TEST("elements beyond a parameter are refused, at the edges of 64 bits too") {
  const DevicePtr device = make_device("reference");
  const ModelPtr model = test::make_unfilled_model(device.get(), small_config());
  std::vector<float> values(1500, 1.0f);
  const auto refuse = [&](int64_t offset, int64_t count) {
    REFUSED(RMT_INVALID_ARGUMENT, "do not lie within the 1500 elements of parameter embeddings.word_embeddings.weight",
            rmt_model_set_parameter, model.get(), 0, values.data(), offset, count);
    REFUSED(RMT_INVALID_ARGUMENT, "do not lie within", rmt_model_get_parameter, model.get(), 0, values.data(), offset,
            count);
  };
  refuse(-1, 1);
  refuse(0, 1501);
  refuse(1500, 1);
  refuse(0, -1);
  refuse(INT64_MAX, 1);
  refuse(1, INT64_MAX);
  refuse(INT64_MAX, INT64_MAX);
  refuse(INT64_MIN, INT64_MIN);
  OK(rmt_model_set_parameter, model.get(), 0, values.data(), 1500, 0);
}

TEST("each number of a memory is checked and named with its value") {
  const Fixture f;
  rmt_memory *memory = nullptr;
  const auto refuse = [&](const char *part, int32_t slots, int32_t batch, int32_t length) {
    const rmt_memory_options options = test::memory_options(slots, batch, length);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_memory_create, f.model.get(), &options, &memory);
    CHECK(memory == nullptr);
  };
  refuse("num_slots is 0", 0, 1, 10);
  refuse("num_slots is 2147483647", INT_MAX, 1, 10);
  refuse("max_batch_size is 0", 1, 0, 10);
  refuse("max_batch_size 2 exceeds num_slots 1", 1, 2, 10);
  refuse("max_input_length is 0", 1, 1, 0);
  refuse("max_input_length 131 exceeds max_positions 130", 1, 1, 131);
}

TEST("a slot starts from the initial memory, and can be set, read, copied and reset") {
  const Fixture f;
  const int32_t memory_index = rmt_model_num_parameters(f.model.get()) - 1;
  std::vector<float> initial(kMemorySize);
  OK(rmt_model_get_parameter, f.model.get(), memory_index, initial.data(), 0, kMemorySize);
  const MemoryPtr fresh = make_memory(f.model.get(), 2, 1, 10);
  CHECK(same_bits(get_memory(fresh.get(), 0, kMemorySize), initial));
  CHECK(same_bits(get_memory(fresh.get(), 1, kMemorySize), initial));

  auto info = sized<rmt_memory_tensor_info>();
  CHECK_EQUAL(rmt_memory_num_tensors(f.memory.get()), 1);
  OK(rmt_memory_get_tensor_info, f.memory.get(), 0, &info);
  CHECK_EQUAL(std::string(info.name), std::string("memory_state"));
  CHECK_EQUAL(info.num_dims, 2);
  CHECK_EQUAL(info.dims[0], 4);
  CHECK_EQUAL(info.dims[1], 30);

  OK(rmt_memory_copy, f.memory.get(), 0, 1);
  CHECK(f.state()[1] == f.before[0] && f.state()[0] == f.before[0] && f.state()[2] == f.before[2]);
  OK(rmt_memory_copy, f.memory.get(), 2, 2);
  CHECK(f.state()[2] == f.before[2]);
  OK(rmt_memory_reset, f.memory.get(), 1);
  CHECK(f.state()[1] == initial && f.state()[0] == f.before[0]);
  OK(rmt_memory_reset, f.memory.get(), -1);
  CHECK(f.state()[0] == initial && f.state()[2] == initial);
}

TEST("a slot, tensor or count that is not there is refused, and so is NaN in a memory") {
  const Fixture f;
  std::vector<float> values(kMemorySize, 0.5f);
  const rmt_status kInvalid = RMT_INVALID_ARGUMENT;
  REFUSED(kInvalid, "slot is 3", rmt_memory_get, f.memory.get(), 3, 0, values.data(), kMemorySize);
  REFUSED(kInvalid, "slot is -1", rmt_memory_set, f.memory.get(), -1, 0, values.data(), kMemorySize);
  REFUSED(kInvalid, "tensor is 1", rmt_memory_set, f.memory.get(), 0, 1, values.data(), kMemorySize);
  REFUSED(kInvalid, "tensor is -1", rmt_memory_get, f.memory.get(), 0, -1, values.data(), kMemorySize);
  REFUSED(kInvalid, "count is 119, but memory_state has 120 elements", rmt_memory_set, f.memory.get(), 0, 0,
          values.data(), 119);
  REFUSED(kInvalid, "count is 121", rmt_memory_get, f.memory.get(), 0, 0, values.data(), 121);
  REFUSED(kInvalid, "slot is 3", rmt_memory_reset, f.memory.get(), 3);
  REFUSED(kInvalid, "slot is -2", rmt_memory_reset, f.memory.get(), -2);
  REFUSED(kInvalid, "from_slot is 3", rmt_memory_copy, f.memory.get(), 3, 0);
  REFUSED(kInvalid, "to_slot is -1", rmt_memory_copy, f.memory.get(), 0, -1);
  auto info = sized<rmt_memory_tensor_info>();
  REFUSED(kInvalid, "tensor is 1", rmt_memory_get_tensor_info, f.memory.get(), 1, &info);
  values[33] = NAN;
  REFUSED(kInvalid, "element 33 of memory_state is NaN", rmt_memory_set, f.memory.get(), 0, 0, values.data(),
          kMemorySize);
  CHECK(f.unchanged());
}

TEST("each argument of a segment is checked and named with its value, and a refusal leaves the memory as it was") {
  const Fixture f;
  const auto refuse = [&](const char *part, const std::function<void(Batch &, rmt_segment &)> &change) {
    Batch batch = usual_batch();
    rmt_segment segment = batch.segment();
    change(batch, segment);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_segment_forward, f.memory.get(), &segment, nullptr);
    CHECK(f.unchanged());
  };
  refuse("batch_size is 0", [](Batch &, rmt_segment &s) { s.batch_size = 0; });
  refuse("batch_size is 3, expected 1 to max_batch_size = 2", [](Batch &, rmt_segment &s) { s.batch_size = 3; });
  refuse("batch_size is -1", [](Batch &, rmt_segment &s) { s.batch_size = -1; });
  refuse("input_length is 0", [](Batch &, rmt_segment &s) { s.input_length = 0; });
  refuse("input_length is 101", [](Batch &, rmt_segment &s) { s.input_length = 101; });
  refuse("causal is 1", [](Batch &, rmt_segment &s) { s.causal = 1; });
  refuse("all_rows is 2", [](Batch &, rmt_segment &s) { s.all_rows = 2; });
  refuse("ids is NULL", [](Batch &, rmt_segment &s) { s.ids = nullptr; });
  refuse("lengths is NULL", [](Batch &, rmt_segment &s) { s.lengths = nullptr; });
  refuse("slots is NULL", [](Batch &, rmt_segment &s) { s.slots = nullptr; });
  refuse("read_memory_start is NULL", [](Batch &, rmt_segment &s) { s.read_memory_start = nullptr; });
  refuse("write_memory_start is NULL", [](Batch &, rmt_segment &s) { s.write_memory_start = nullptr; });
  refuse("head_position is NULL", [](Batch &, rmt_segment &s) { s.head_position = nullptr; });
  refuse("slots[1] is 3", [](Batch &b, rmt_segment &) { b.slots[1] = 3; });
  refuse("slots[0] is -1", [](Batch &b, rmt_segment &) { b.slots[0] = -1; });
  refuse("slots[1] is 2, which another document", [](Batch &b, rmt_segment &) { b.slots[1] = 2; });
  refuse("lengths[0] is 0", [](Batch &b, rmt_segment &) { b.lengths[0] = 0; });
  refuse("lengths[1] is 101", [](Batch &b, rmt_segment &) { b.lengths[1] = 101; });
  refuse("read_memory_start[1] is 6", [](Batch &b, rmt_segment &) { b.read_memory_start[1] = 6; });
  refuse("read_memory_start[0] is -2", [](Batch &b, rmt_segment &) { b.read_memory_start[0] = -2; });
  refuse("read_memory_start[0] is 2147483647", [](Batch &b, rmt_segment &) { b.read_memory_start[0] = INT_MAX; });
  refuse("write_memory_start[1] is 6", [](Batch &b, rmt_segment &) { b.write_memory_start[1] = 6; });
  refuse("head_position[1] is 9", [](Batch &b, rmt_segment &) { b.head_position[1] = 9; });
  refuse("head_position[0] is -2", [](Batch &b, rmt_segment &) { b.head_position[0] = -2; });
  std::vector<int32_t> ids(200, 1);
  ids[100 + 5] = 50;
  refuse("ids[1][5] is 50, expected 0 to vocab_size - 1 = 49", [&](Batch &, rmt_segment &s) { s.ids = ids.data(); });
  ids[100 + 5] = -1;
  refuse("ids[1][5] is -1", [&](Batch &, rmt_segment &s) { s.ids = ids.data(); });
  // Slots that were looked at before the refusal are free again.
  forward(f.memory.get(), usual_batch(), f.config, Want::kNothing);
  CHECK(!f.unchanged());
}

TEST("a document as short as its memory, and one without any, are no special case") {
  const Fixture f;
  Batch batch(100);
  batch.add({-1, -1, -1, -1}, 0, 0, 0, 3).add({7}, 1, -1, -1, 0);
  const test::Output output = forward(f.memory.get(), batch, f.config, Want::kHeads);
  for (const float value : output.logits) CHECK(std::isfinite(value));
  CHECK(f.state()[0] != f.before[0]);
  CHECK(f.state()[1] == f.before[1] && f.state()[2] == f.before[2]);
}

TEST("a document without a head gets zeros, one that writes no memory keeps its own") {
  const Fixture f;
  Batch batch = usual_batch();
  batch.head_position[0] = -1;
  batch.write_memory_start[1] = -1;
  const test::Output output = forward(f.memory.get(), batch, f.config, Want::kHeads);
  for (const auto &[values, width] : {std::pair(output.head_hidden, 30), {output.pooled, 30}, {output.logits, 5}}) {
    for (int32_t i = 0; i < width; ++i) CHECK_EQUAL(values[i], 0.0f);
    CHECK(values[width] != 0.0f);
  }
  CHECK(f.state()[2] != f.before[2]);
  CHECK(f.state()[0] == f.before[0] && f.state()[1] == f.before[1]);
}

TEST("a memory and its bytes are what was asked for: more slots take more") {
  const Fixture f;
  int64_t one = 0;
  int64_t many = 0;
  const rmt_memory_options small = test::memory_options(1, 1, 100);
  const rmt_memory_options large = test::memory_options(1001, 1, 100);
  OK(rmt_memory_required_bytes, f.model.get(), &small, &one);
  OK(rmt_memory_required_bytes, f.model.get(), &large, &many);
  CHECK(many - one >= 1000 * 2 * kMemorySize * 4);
  CHECK(many - one < 1000 * (2 * kMemorySize * 4 + 64));
}

}  // namespace

RMT_TEST_MAIN()
