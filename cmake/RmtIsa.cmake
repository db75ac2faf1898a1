# The CPU kernels: one source, compiled once per instruction set; which one runs is decided at run time.
#
#   include(RmtIsa)
#   rmt_add_cpu_kernels(<target>)
#
# adds to <target>, whose include directories must hold native/src:
#  - kernels/cpu/cpu_features.cpp, which offers rmt::runnable_backends() and needs the reference backend beside it;
#  - kernels/cpu/portable.cpp, the baseline of the architecture;
#  - on x86-64, where the compiler knows their flags, kernels/cpu/avx2.cpp and kernels/cpu/avx512.cpp.
# Call it in the directory that makes <target>: properties of source files do not reach further. With RMT_BUILD_TESTS it
# registers the test `isa_objects_share_no_code` (the directory calls enable_testing()). kernels/thread_pool.cpp is not added: the reference backend needs it too.

include(CheckCXXCompilerFlag)

set(RMT_KERNELS_DIR "${CMAKE_CURRENT_LIST_DIR}/../native/src/kernels")
get_filename_component(RMT_KERNELS_DIR "${RMT_KERNELS_DIR}" ABSOLUTE)

function(rmt_add_cpu_kernels target)
  set(cpu "${RMT_KERNELS_DIR}/cpu")
  # The kernels say themselves where a product and a sum are rounded once; a compiler that decides it per loop would
  # make the bits depend on how rows were grouped. -O2 at least: without it a test of a few shapes takes minutes.
  set(common -ffp-contract=off -fno-math-errno $<$<CONFIG:Debug>:-O2>)

  target_sources(${target} PRIVATE "${cpu}/cpu_features.cpp" "${cpu}/memory.cpp" "${cpu}/portable.cpp")
  set_source_files_properties("${cpu}/portable.cpp" PROPERTIES COMPILE_OPTIONS "${common}")

  set(features "")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    set(avx2_flags -mavx2 -mfma)
    set(avx512_flags -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq)
    foreach(isa avx2 avx512)
      string(TOUPPER ${isa} name)
      string(REPLACE ";" " " flags "${${isa}_flags}")
      check_cxx_compiler_flag("${flags}" RMT_COMPILER_HAS_${name})
      if(RMT_COMPILER_HAS_${name})
        target_sources(${target} PRIVATE "${cpu}/${isa}.cpp")
        set_source_files_properties("${cpu}/${isa}.cpp" PROPERTIES COMPILE_OPTIONS "${common};${${isa}_flags}")
        list(APPEND features RMT_HAVE_${name}=1)
      else()
        list(APPEND features RMT_HAVE_${name}=0)
      endif()
    endforeach()
  else()
    set(features RMT_HAVE_AVX2=0 RMT_HAVE_AVX512=0)
  endif()
  set_source_files_properties("${cpu}/cpu_features.cpp" PROPERTIES COMPILE_DEFINITIONS "${features}")

  if(RMT_BUILD_TESTS AND NOT RMT_SANITIZE) # sanitizers add symbols of their own
    add_test(NAME isa_objects_share_no_code
             COMMAND "${CMAKE_COMMAND}" "-DNM=${CMAKE_NM}" "-DOBJECTS=$<JOIN:$<TARGET_OBJECTS:${target}>,|>"
                     -P "${cpu}/check_isa_objects.cmake")
  endif()
endfunction()
