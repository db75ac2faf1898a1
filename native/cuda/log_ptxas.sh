#!/bin/sh
# Runs nvcc and keeps what ptxas says of each kernel (-Xptxas=-v) beside the object, in OBJECT.ptxas, where
# check_resources.cmake reads it; all else is shown.
#   log_ptxas.sh nvcc ARGUMENTS... -o OBJECT
object=""
previous=""
for argument in "$@"; do
  if [ "$previous" = "-o" ]; then object=$argument; fi
  previous=$argument
done
if [ -z "$object" ]; then exec "$@"; fi

"$@" >"$object.ptxas" 2>&1
status=$?
grep -v -e '^ptxas info' -e '^ *[0-9]* bytes stack frame' "$object.ptxas" >&2
exit $status
