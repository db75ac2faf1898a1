#include "kernels/reference/reference_backend.h"

#include "kernels/reference/plain_backend.h"

namespace rmt {

const Backend *reference_backend() {
  static const Backend backend = PlainBackend<double>::make("reference");
  return &backend;
}

}  // namespace rmt
