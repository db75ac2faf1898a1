# The CUDA side: librmt_cuda, a library of its own that librmt loads where a CUDA device is asked for.
#
#   RMT_CUDA                 ON: needs nvcc 11.8 or later; AUTO: where there is one; OFF (default)
#   RMT_CUDA_ARCHITECTURES   other architectures than those that suit the compiler
#
#   include(RmtCuda)            finds the compiler; RMT_HAVE_CUDA says whether the CUDA side is built
#   rmt_add_cuda_library()      target rmt_cuda
#   rmt_add_cuda_emulation()    target rmt_cuda_emulated, the same sources on the CPU, for tests (native/tests/emulation)
#   rmt_add_cuda_test(<name>)   <name>.cpp with all kernels under the emulation, CTest label `cuda-emulated`; with
#                               RMT_CUDA also <name>_device on a GPU, label `cuda`, skipped where there is none.
#                               EMULATION_ONLY: without kernels and device, for tests of the emulation itself
#
# Call the last two in one directory, and not in that of rmt_add_cuda_library(): there the .cu files are plain C++.

set(RMT_CUDA OFF CACHE STRING "Build librmt_cuda: AUTO, ON or OFF")
set_property(CACHE RMT_CUDA PROPERTY STRINGS AUTO ON OFF)
set(RMT_CUDA_ARCHITECTURES "" CACHE STRING "CUDA architectures; empty: those that suit the compiler")

get_filename_component(RMT_CUDA_DIR "${CMAKE_CURRENT_LIST_DIR}/../native/src/kernels/cuda" ABSOLUTE)
get_filename_component(RMT_EMULATION_DIR "${CMAKE_CURRENT_LIST_DIR}/../native/tests/emulation" ABSOLUTE)
get_filename_component(RMT_CUDA_TOOLS_DIR "${CMAKE_CURRENT_LIST_DIR}/../native/cuda" ABSOLUTE)
set(RMT_CUDA_MAP "${RMT_CUDA_DIR}/../../rmt_cuda.map")

# What librmt_cuda is made of. Kernels see operations.h and launch.h alone, host files the rest of rmt as well.
set(RMT_CUDA_KERNEL_SOURCES
  attention.cu attention_backward.cu bias.cu embedding_backward.cu heads.cu linear.cu linear_backward.cu norm.cu
  norm_backward.cu optimizer.cu rows.cu)
set(RMT_CUDA_HOST_SOURCES
  backend.cpp cublas.cpp place.cpp products.cpp recordings.cpp segment.cpp slab.cpp tape.cpp trainer.cpp training.cpp)
list(TRANSFORM RMT_CUDA_KERNEL_SOURCES PREPEND "${RMT_CUDA_DIR}/")
list(TRANSFORM RMT_CUDA_HOST_SOURCES PREPEND "${RMT_CUDA_DIR}/")

set(RMT_HAVE_CUDA OFF)
if(RMT_CUDA)
  include(CheckLanguage)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES OFF) # chosen below, when the compiler is known
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    set(RMT_HAVE_CUDA ON)
  elseif(RMT_CUDA STREQUAL "AUTO")
    message(STATUS "librmt_cuda is not built: no nvcc was found")
  else()
    message(FATAL_ERROR "RMT_CUDA=ON needs nvcc, and none was found: put it on the PATH or set CUDACXX, and start from "
                        "an empty build folder")
  endif()
endif()
if(RMT_HAVE_CUDA)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 11.8)
    message(FATAL_ERROR "librmt_cuda needs CUDA 11.8 or later; ${CMAKE_CUDA_COMPILER} is ${CMAKE_CUDA_COMPILER_VERSION}")
  endif()
  if(RMT_CUDA_ARCHITECTURES)
    set(rmt_cuda_architectures "${RMT_CUDA_ARCHITECTURES}")
  elseif(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13.0)
    set(rmt_cuda_architectures 61 90)
  else()
    set(rmt_cuda_architectures 75 90) # 13.0 has forgotten Pascal
  endif()
endif()

function(rmt_set_cuda_properties target)
  set_target_properties(${target} PROPERTIES
    CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF CUDA_VISIBILITY_PRESET hidden
    CUDA_ARCHITECTURES "${rmt_cuda_architectures}" CUDA_RUNTIME_LIBRARY Static)
  if(RMT_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
  endif()
endfunction()

function(rmt_add_cuda_library)
  add_library(rmt_cuda_kernels OBJECT ${RMT_CUDA_KERNEL_SOURCES})
  target_include_directories(rmt_cuda_kernels PUBLIC "${RMT_CUDA_DIR}/../..")
  rmt_set_cuda_properties(rmt_cuda_kernels)
  # What each kernel takes is kept beside its object, and has to be registers alone.
  set_target_properties(rmt_cuda_kernels PROPERTIES CUDA_COMPILER_LAUNCHER "${RMT_CUDA_TOOLS_DIR}/log_ptxas.sh")
  target_compile_options(rmt_cuda_kernels PRIVATE -Xptxas=-v)
  if(RMT_BUILD_TESTS)
    add_test(NAME cuda_resources
             COMMAND "${CMAKE_COMMAND}" "-DLOGS=$<JOIN:$<TARGET_OBJECTS:rmt_cuda_kernels>,.ptxas|>.ptxas"
                     -P "${RMT_CUDA_TOOLS_DIR}/check_resources.cmake")
  endif()

  add_library(rmt_cuda SHARED $<TARGET_OBJECTS:rmt_cuda_kernels> ${RMT_CUDA_HOST_SOURCES})
  target_include_directories(rmt_cuda PRIVATE
    "${RMT_CUDA_DIR}/../.." "${RMT_CUDA_DIR}/../../../include" ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  rmt_set_cuda_properties(rmt_cuda)
  set_target_properties(rmt_cuda PROPERTIES LINKER_LANGUAGE CUDA LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
  rmt_seal_shared_library(rmt_cuda "${RMT_CUDA_MAP}")
  target_link_libraries(rmt_cuda PRIVATE ${CMAKE_DL_LIBS} Threads::Threads)
  install(TARGETS rmt_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

function(rmt_add_cuda_emulation)
  add_library(rmt_emulation OBJECT
    "${RMT_EMULATION_DIR}/cublas.cpp" "${RMT_EMULATION_DIR}/device.cpp" "${RMT_EMULATION_DIR}/fiber.cpp"
    "${RMT_EMULATION_DIR}/queue.cpp" "${RMT_EMULATION_DIR}/simt.cpp" "${RMT_EMULATION_DIR}/stream.cpp")
  target_include_directories(rmt_emulation PUBLIC "${RMT_EMULATION_DIR}" "${RMT_CUDA_DIR}/../..")
  target_compile_definitions(rmt_emulation PUBLIC RMT_CUDA_EMULATED)
  target_compile_options(rmt_emulation PUBLIC -Wno-unknown-pragmas) # `#pragma unroll`

  set_source_files_properties(${RMT_CUDA_KERNEL_SOURCES} PROPERTIES LANGUAGE CXX)
  add_library(rmt_emulated_kernels OBJECT ${RMT_CUDA_KERNEL_SOURCES})
  target_link_libraries(rmt_emulated_kernels PUBLIC rmt_emulation)
  target_compile_options(rmt_emulated_kernels PRIVATE -fno-math-errno -Wno-maybe-uninitialized)
  foreach(target IN ITEMS rmt_emulation rmt_emulated_kernels)
    # Optimised in every build: a kernel is run by thousands of threads, one after another.
    target_compile_options(${target} PRIVATE $<$<NOT:$<CONFIG:Release>>:-O2>)
    rmt_enable_warnings(${target})
    rmt_enable_sanitizers(${target})
  endforeach()

  # The host's part, an object library for tests that look behind the library.
  add_library(rmt_emulated_host OBJECT ${RMT_CUDA_HOST_SOURCES})
  target_include_directories(rmt_emulated_host PRIVATE "${RMT_CUDA_DIR}/../../../include")
  target_link_libraries(rmt_emulated_host PUBLIC rmt_emulation)

  add_library(rmt_cuda_emulated SHARED)
  target_link_libraries(rmt_cuda_emulated PRIVATE
    rmt_emulated_host rmt_emulation rmt_emulated_kernels ${CMAKE_DL_LIBS} Threads::Threads)
  set_target_properties(rmt_cuda_emulated PROPERTIES
    LINKER_LANGUAGE CXX LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
  rmt_seal_shared_library(rmt_cuda_emulated "${RMT_CUDA_MAP}")
  foreach(target IN ITEMS rmt_emulated_host rmt_cuda_emulated)
    rmt_enable_warnings(${target})
    rmt_enable_sanitizers(${target})
  endforeach()
endfunction()

function(rmt_add_cuda_test name)
  cmake_parse_arguments(ARG "EMULATION_ONLY" "" "" ${ARGN})
  add_executable(${name} ${name}.cpp)
  target_link_libraries(${name} PRIVATE rmt_emulation Threads::Threads)
  if(NOT ARG_EMULATION_ONLY)
    target_link_libraries(${name} PRIVATE rmt_emulated_kernels)
  endif()
  rmt_enable_warnings(${name})
  rmt_enable_sanitizers(${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS cuda-emulated)

  if(RMT_HAVE_CUDA AND NOT ARG_EMULATION_ONLY)
    set(device_source "${CMAKE_CURRENT_BINARY_DIR}/${name}_device.cu")
    file(CONFIGURE OUTPUT "${device_source}" CONTENT "#include \"${CMAKE_CURRENT_SOURCE_DIR}/${name}.cpp\"\n")
    add_executable(${name}_device ${device_source} $<TARGET_OBJECTS:rmt_cuda_kernels>)
    target_include_directories(${name}_device PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}" "${RMT_CUDA_DIR}/../..")
    target_link_libraries(${name}_device PRIVATE Threads::Threads)
    rmt_set_cuda_properties(${name}_device)
    add_test(NAME ${name}_device COMMAND ${name}_device)
    set_tests_properties(${name}_device PROPERTIES LABELS cuda SKIP_REGULAR_EXPRESSION "skipped: no device")
  endif()
endfunction()
