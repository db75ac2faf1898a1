#!/bin/sh
# Runs the native tests on an emulated x86-64 of 2008, which has neither AVX nor FMA: nothing outside the kernels chosen
# at run time may use them. Needs qemu-x86_64 (Debian: apt install qemu-user).
#   native/tests/run_on_old_cpu.sh [build folder, native/build by default]
set -eu

build=${1:-$(dirname "$0")/../build}
cpu=Nehalem
if ! command -v qemu-x86_64 >/dev/null; then
  echo "qemu-x86_64 is missing: apt install qemu-user" >&2
  exit 2
fi

run() {
  echo "== $*"
  status=0
  # qemu warns of features that it does not emulate; they do not matter here.
  qemu-x86_64 -cpu $cpu "$build/tests/$1" ${2:+"$2"} || status=$?
  # 77: skipped, a file is absent.
  [ $status -eq 0 ] || [ $status -eq 77 ] || exit $status
}

# An emulated processor is some thirty times slower: golden cases of real size are left out.
run isa_test
run system_test
run api_test
run properties_test
run lifecycle_test
run ops_test
run golden_test "bert-small plain"
run golden_test forward-right
