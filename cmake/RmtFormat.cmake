# Targets `format` and `format-check` for the C++ sources, with clang-format 14: other versions break lines elsewhere.

find_program(RMT_CLANG_FORMAT NAMES clang-format-14)
if(RMT_CLANG_FORMAT)
  file(GLOB_RECURSE rmt_formatted_files CONFIGURE_DEPENDS
       "${CMAKE_CURRENT_SOURCE_DIR}/include/*.h" "${CMAKE_CURRENT_SOURCE_DIR}/src/*.h"
       "${CMAKE_CURRENT_SOURCE_DIR}/src/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/tests/*.h"
       "${CMAKE_CURRENT_SOURCE_DIR}/tests/*.cpp" "${CMAKE_CURRENT_SOURCE_DIR}/bench/*.h"
       "${CMAKE_CURRENT_SOURCE_DIR}/bench/*.cpp")
  add_custom_target(format COMMAND ${RMT_CLANG_FORMAT} -i ${rmt_formatted_files} VERBATIM)
  add_custom_target(format-check COMMAND ${RMT_CLANG_FORMAT} --dry-run --Werror ${rmt_formatted_files} VERBATIM)
else()
  # The check stays a target, so that Maven's verify can always call it.
  add_custom_target(format-check COMMAND ${CMAKE_COMMAND} -E echo
    "clang-format-14 is not installed: the format of the C++ files is not checked (sudo apt-get install clang-format-14)")
endif()
