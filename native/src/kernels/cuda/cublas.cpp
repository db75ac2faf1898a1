#include "kernels/cuda/cublas.h"

#include <dlfcn.h>

#include <cstring>

namespace rmt::cuda {

namespace {

#ifdef RMT_CUDA_EMULATED
// The emulated GPU has a cuBLAS of its own, under this name (tests/emulation/cublas.cpp).
void *open_library(const char *path) {
  return std::strcmp(path, "emulated") == 0 ? rmt::emulation::cublas_library() : nullptr;
}
void *find_symbol(void *library, const char *name) { return rmt::emulation::cublas_symbol(library, name); }
std::string path_of(void *) { return "the emulation"; }
std::string reason() { return "the emulated GPU has only the one called \"emulated\""; }
#else
// Once loaded it stays, as the driver's part of it does.
void *open_library(const char *path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
void *find_symbol(void *library, const char *name) { return dlsym(library, name); }
std::string path_of(void *symbol) {
  Dl_info info{};
  return dladdr(symbol, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "an unknown place";
}
std::string reason() {
  const char *text = dlerror();
  return text == nullptr ? "no reason given" : text;
}
#endif

}  // namespace

std::string load_cublas(const char *path, Cublas *cublas, std::string *problem) {
  void *library = open_library(path);
  if (library == nullptr) {
    *problem = reason();
    return "";
  }
  const char *missing = nullptr;
  const auto find = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(find_symbol(library, name));
    if (function == nullptr) missing = name;
  };
  find(cublas->create, "cublasCreate_v2");
  find(cublas->destroy, "cublasDestroy_v2");
  find(cublas->get_version, "cublasGetVersion_v2");
  find(cublas->set_stream, "cublasSetStream_v2");
  find(cublas->set_workspace, "cublasSetWorkspace_v2");
  find(cublas->gemm, "cublasGemmEx");
  if (missing != nullptr) {
    *problem = std::string("it has no function ") + missing;
    return "";
  }
  return path_of(reinterpret_cast<void *>(cublas->gemm));
}

}  // namespace rmt::cuda
