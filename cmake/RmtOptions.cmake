# What can be chosen when the native library is configured, and the settings that every target shares.

option(RMT_BUILD_TESTS "Build the native tests" ${PROJECT_IS_TOP_LEVEL})
option(RMT_BUILD_BENCH "Build the kernel bench" OFF)
option(RMT_CPU_BACKENDS "Build the CPU backends; OFF: the reference alone" ON)
option(RMT_WERROR "Treat compiler warnings as errors" OFF)
set(RMT_SANITIZE "" CACHE STRING "Sanitizers to build with, for example: address,undefined")

# Kernels without optimisation are no use to anybody, so a plain `cmake -S native -B native/build` is a release build.
get_property(rmt_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT rmt_multi_config AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
