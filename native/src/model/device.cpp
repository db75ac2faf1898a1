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
