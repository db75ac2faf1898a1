# rmt_seal_shared_library(<target> <version script>): the shared library lives in somebody else's process. It shows the
# symbols of the version script and no others, and brings its own C++ runtime, so that neither the process nor an
# older system can give it another one.

include(CheckLinkerFlag)

function(rmt_seal_shared_library target version_script)
  check_linker_flag(CXX "-Wl,--version-script=${version_script}" RMT_LINKER_HAS_VERSION_SCRIPT)
  if(RMT_LINKER_HAS_VERSION_SCRIPT)
    target_link_options(${target} PRIVATE "-Wl,--version-script=${version_script}" "-Wl,-z,relro,-z,now")
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${version_script}")
  endif()
  if(RMT_SANITIZE)
    return() # sanitizers bring a run-time library of their own, which wants the usual one beside it
  endif()
  if(RMT_LINKER_HAS_VERSION_SCRIPT)
    target_link_options(${target} PRIVATE "-Wl,-z,defs")
  endif()
  check_linker_flag(CXX "-static-libstdc++" RMT_LINKER_HAS_STATIC_RUNTIME)
  if(RMT_LINKER_HAS_STATIC_RUNTIME)
    target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()
