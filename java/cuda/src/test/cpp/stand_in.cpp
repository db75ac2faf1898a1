// stand_in.cpp - the few functions of a driver, a CUDA runtime and cuBLAS that the presets are asked for, so that they can be
// loaded where there is no GPU. One source for the three libraries; nothing computes.
#include <cstddef>
#include <cstring>

extern "C" {

int cuDeviceGetName(char *name, int size, int) {
  std::strncpy(name, "Stand-in GPU", size);
  return 0;
}

int cudaRuntimeGetVersion(int *version) { return *version = 12090, 0; }
int cudaDriverGetVersion(int *version) { return *version = 13000, 0; }
int cudaGetDeviceCount(int *count) { return *count = 1, 0; }
int cudaSetDevice(int) { return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int) { return *value = attribute == 75 ? 6 : 1, 0; }
int cudaMemGetInfo(size_t *free, size_t *total) {
  *free = size_t{10} << 30;
  *total = size_t{11} << 30;
  return 0;
}

int cublasGetProperty(int type, int *value) { return *value = type == 0 ? 12 : 9, 0; }

}  // extern "C"
