# rmt_enable_warnings(<target>): the warnings that our own code must be free of.

function(rmt_enable_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wundef -Wvla -Wnon-virtual-dtor)
  if(RMT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
