# Fails unless a library exports exactly the functions that a header declares with RMT_API, or one function that is
# named, and needs no C++ runtime beside it.
#   cmake -DNM=<nm> -DREADELF=<readelf> -DLIBRARY=<library> -DHEADER=<rmt.h>|-DFUNCTION=<name> -P exported_symbols.cmake

execute_process(COMMAND "${NM}" -D --defined-only "${LIBRARY}" OUTPUT_VARIABLE listing RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} cannot read ${LIBRARY}")
endif()
string(REGEX MATCHALL "[^ \n]+\n" exported "${listing}")
list(TRANSFORM exported STRIP)
list(SORT exported)

if(FUNCTION)
  set(declared "${FUNCTION}")
else()
  file(READ "${HEADER}" header)
  string(REGEX MATCHALL "RMT_API [^(]*[ *]rmt_[a-z0-9_]+\\(" declared "${header}")
  list(TRANSFORM declared REPLACE ".*(rmt_[a-z0-9_]+)\\($" "\\1")
  list(SORT declared)
endif()

if(NOT exported OR NOT exported STREQUAL declared)
  message(FATAL_ERROR "exported:\n${exported}\nexpected:\n${declared}")
endif()

execute_process(COMMAND "${READELF}" -d "${LIBRARY}" OUTPUT_VARIABLE dynamic RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${READELF} cannot read ${LIBRARY}")
endif()
string(REPLACE "[" "<" dynamic "${dynamic}") # an open bracket would join the elements of a list
string(REGEX MATCHALL "NEEDED[^\n]*<[^]]+" needed "${dynamic}")
list(TRANSFORM needed REPLACE ".*<" "")
foreach(name IN LISTS needed)
  if(NOT name MATCHES "^(libc|libm|libpthread|libdl|ld-linux[-a-z0-9_]*)\\.so")
    message(FATAL_ERROR "${LIBRARY} needs ${name}")
  endif()
endforeach()
list(LENGTH exported count)
message("${count} functions exported; needs ${needed}")
