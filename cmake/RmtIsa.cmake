# The CPU kernels: one source, compiled once per instruction set; which one runs is decided at run time.
#
#   include(RmtIsa)
#   rmt_add_cpu_kernels(<target>)
#
# adds to <target>, whose include directories must hold native/src, the folder kernels/cpu: the kernels for every
# instruction set, and cpu_features.cpp, which offers rmt::runnable_backends() and needs the reference backend beside it.
# With RMT_BUILD_TESTS it registers the test `isa_objects_share_no_code` (the directory calls enable_testing()).
# kernels/thread_pool.cpp is not added: the reference backend needs it too.
#
#   rmt_add_isa_sources(<target> <folder>)
#
# adds <folder>/portable.cpp, the baseline of the architecture, and on x86-64, where the compiler knows their flags,
# <folder>/avx2.cpp and <folder>/avx512.cpp, each with the flags of its instruction set; RMT_HAVE_AVX2 and
# RMT_HAVE_AVX512 are defined as 0 or 1 for the target.
#
# Call both in the directory that makes <target>: properties of source files do not reach further.

include(CheckCXXCompilerFlag)

get_filename_component(RMT_CPU_KERNELS_DIR "${CMAKE_CURRENT_LIST_DIR}/../native/src/kernels/cpu" ABSOLUTE)
set(RMT_AVX2_FLAGS -mavx2 -mfma)
set(RMT_AVX512_FLAGS -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq)

function(rmt_add_isa_sources target folder)
  # The kernels say themselves where a product and a sum are rounded once; a compiler that decides it per loop would
  # make the bits depend on how rows were grouped. -O2 at least: without it a test of a few shapes takes minutes.
  set(common -ffp-contract=off -fno-math-errno $<$<NOT:$<CONFIG:Release>>:-O2>)

  target_sources(${target} PRIVATE "${folder}/portable.cpp")
  set_source_files_properties("${folder}/portable.cpp" PROPERTIES COMPILE_OPTIONS "${common}")
  foreach(isa IN ITEMS AVX2 AVX512)
    set(have 0)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
      string(REPLACE ";" " " flags "${RMT_${isa}_FLAGS}")
      check_cxx_compiler_flag("${flags}" RMT_COMPILER_HAS_${isa})
      if(RMT_COMPILER_HAS_${isa})
        set(have 1)
        string(TOLOWER ${isa} file)
        target_sources(${target} PRIVATE "${folder}/${file}.cpp")
        set_source_files_properties("${folder}/${file}.cpp" PROPERTIES COMPILE_OPTIONS "${common};${RMT_${isa}_FLAGS}")
      endif()
    endif()
    target_compile_definitions(${target} PRIVATE RMT_HAVE_${isa}=${have})
  endforeach()
endfunction()

function(rmt_add_cpu_kernels target)
  rmt_add_isa_sources(${target} "${RMT_CPU_KERNELS_DIR}")
  target_sources(${target} PRIVATE "${RMT_CPU_KERNELS_DIR}/cpu_features.cpp" "${RMT_CPU_KERNELS_DIR}/memory.cpp")
  if(RMT_BUILD_TESTS AND NOT RMT_SANITIZE) # sanitizers add symbols of their own
    add_test(NAME isa_objects_share_no_code
             COMMAND "${CMAKE_COMMAND}" "-DNM=${CMAKE_NM}" "-DOBJECTS=$<JOIN:$<TARGET_OBJECTS:${target}>,|>"
                     -P "${RMT_CPU_KERNELS_DIR}/check_isa_objects.cmake")
  endif()
endfunction()
