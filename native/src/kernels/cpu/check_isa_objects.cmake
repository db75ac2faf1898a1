# Fails where an object that was compiled for one instruction set holds a symbol that the linker may merge with one of
# the same name from another object: it would keep one copy, perhaps the one that an older processor cannot run.
#   cmake -DNM=<nm> -DOBJECTS=<paths joined by |> -P check_isa_objects.cmake
# Of OBJECTS, those made from avx512.cpp, avx2.cpp and portable.cpp are looked at.

string(REPLACE "|" ";" objects "${OBJECTS}")
list(FILTER objects INCLUDE REGEX "kernels/cpu/(avx512|avx2|portable)\\.cpp\\.")
if(NOT objects)
  message(FATAL_ERROR "none of the objects is of an instruction set: ${OBJECTS}")
endif()
foreach(object IN LISTS objects)
  execute_process(COMMAND "${NM}" "${object}" OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${NM} cannot read ${object}")
  endif()
  string(REGEX MATCHALL "[^\n]* [VvWwu] [^\n]*" shared "${symbols}")
  if(shared)
    string(REPLACE ";" "\n" shared "${shared}")
    message(FATAL_ERROR "${object} holds symbols that the linker may share with objects for other processors; "
                        "give them internal linkage:\n${shared}")
  endif()
  string(REGEX MATCHALL "[^\n]* [TDBR] [^\n]*" exported "${symbols}")
  list(LENGTH exported count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "${object} exports ${count} symbols, expected its backend function alone:\n${exported}")
  endif()
endforeach()
