# rmt_enable_sanitizers(<target>): builds the target with the sanitizers named by RMT_SANITIZE; the first finding ends
# the program, so that a test cannot pass over it.

function(rmt_enable_sanitizers target)
  if(RMT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${RMT_SANITIZE} -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer -g1)
    target_link_options(${target} PRIVATE -fsanitize=${RMT_SANITIZE})
  endif()
endfunction()
