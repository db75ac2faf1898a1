#include "model/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "kernels/reference/reference_backend.h"
#include "model/config.h"
#include "model/error.h"
#include "model/system.h"

#if RMT_HAVE_CPU_BACKENDS
#include "kernels/cpu/cpu_features.h"
#endif

namespace rmt {

namespace {

const Backend &find_backend(const char *name, const char *who) {
  for (const Backend *backend : cpu_backends()) {
    if (std::strcmp(backend->name, name) == 0) return *backend;
  }
  fail(RMT_DEVICE, who, " is \"", name, "\"; this build on this processor has ", cpu_backend_names());
}

}  // namespace

const std::vector<const Backend *> &cpu_backends() {
#if RMT_HAVE_CPU_BACKENDS
  static const std::vector<const Backend *> backends = runnable_backends();
#else
  static const std::vector<const Backend *> backends = {reference_backend()};
#endif
  return backends;
}

const std::string &cpu_backend_names() {
  static const std::string names = [] {
    std::string joined;
    for (const Backend *backend : cpu_backends()) joined += (joined.empty() ? "" : ",") + std::string(backend->name);
    return joined;
  }();
  return names;
}

int64_t Device::available_bytes() const {
  const auto asked = backend_.memory->available_bytes;
  return asked == nullptr ? available_memory_bytes() : asked(place_.get());
}

void Device::require_memory(int64_t needed, const char *what) const {
  const int64_t available = available_bytes();
  if (needed > available) {
    fail(RMT_OUT_OF_MEMORY, what, " needs ", needed, " bytes, and ", available, " bytes are available");
  }
}

void Device::require_working() const {
  if (backend_.memory->failure == nullptr) return;
  const char *reason = backend_.memory->failure(place_.get());
  if (reason != nullptr) fail(RMT_DEVICE, reason);
}

int64_t Device::operations() const {
  return operations_counter() == nullptr ? -1 : __atomic_load_n(&operations_, __ATOMIC_RELAXED);
}

void Device::describe(rmt_device_info *info) const {
  const size_t struct_size = info->struct_size;
  *info = rmt_device_info{};
  info->struct_size = struct_size;
  copy_text(info->name, "cpu");
  copy_text(info->cpu_isa, backend_.name);
  copy_text(info->products, "own");
  copy_text(info->precision, "fp32");
  info->threads = threads();
  info->available_bytes = available_bytes();
  info->index = -1;
}

DeviceFloats::DeviceFloats(std::shared_ptr<const Device> device, int64_t count, const char *what)
    : values_(nullptr, Release{device}) {
  values_.reset(device->backend().memory->allocate(device->place(), count));
  if (values_ == nullptr) {
    fail(RMT_OUT_OF_MEMORY, what, " need ", count * static_cast<int64_t>(sizeof(float)),
         " bytes, and the device refused them");
  }
}

void DeviceFloats::write(int64_t offset, const float *host, int64_t count) {
  const Device &device = *values_.get_deleter().device;
  device.backend().memory->write(device.place(), data() + offset, host, count);
}

void DeviceFloats::read(int64_t offset, float *host, int64_t count) const {
  const Device &device = *values_.get_deleter().device;
  device.backend().memory->read(device.place(), data() + offset, host, count);
}

void DeviceFloats::copy(int64_t to, int64_t from, int64_t count) {
  const Device &device = *values_.get_deleter().device;
  device.backend().memory->copy(device.place(), data() + to, data() + from, count);
}

std::shared_ptr<const Device> make_cpu_device(const rmt_device_options *options) {
  require_struct(options, "rmt_device_options");
  require(options->threads >= 0 && options->threads <= Limits::kThreads, "threads is ", options->threads,
          ", expected 0 (as many as the process may use) to ", Limits::kThreads);
  const int32_t threads =
      options->threads > 0 ? options->threads : std::min<int32_t>(usable_threads(), Limits::kThreads);

  const char *environment = std::getenv("RMT_CPU_ISA");
  const Backend *backend = cpu_backends().front();
  if (options->cpu_isa != nullptr) {
    backend = &find_backend(options->cpu_isa, "cpu_isa");
  } else if (environment != nullptr && *environment != '\0') {
    backend = &find_backend(environment, "the environment variable RMT_CPU_ISA");
  }
  try {
    return std::make_shared<const Device>(*backend, threads);
  } catch (const std::system_error &refusal) {
    fail(RMT_DEVICE, "the system does not start ", threads, " threads (", refusal.what(), "): ask for fewer");
  }
}

}  // namespace rmt
