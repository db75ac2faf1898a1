#!/usr/bin/env bash
# On a machine with a GPU: builds librmt_cuda, checks every kernel and whole chains against the CPU reference and PyTorch,
# times ours and PyTorch's in one run, and prints a short table last. Needs nvcc, CMake, g++, python3 with torch, numpy and
# transformers. Logs and results go to OUT (default: gpu-results).
#   benchmarks/gpu.sh [OUT [tests|peers]]   # both, or one part alone; options of the peers: RMT_GPU_PEERS="--models base"
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mkdir -p "${1:-gpu-results}" && cd "${1:-gpu-results}" && pwd)
part=${2:-both}
build=$(mktemp -d) # not in OUT, which may be fetched whole
trap 'rm -rf "$build"' EXIT
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/gpu.txt"

cmake -S native -B "$build" -DRMT_CUDA=ON -DRMT_CUDA_ARCHITECTURES="$capability-real" >"$out/cmake.log"
cmake --build "$build" --parallel "$(nproc)" >"$out/build.log" 2>&1 || { tail -40 "$out/build.log"; exit 1; }

# PyTorch brings a cuBLAS of its own, which serves where the system has none.
if ! ldconfig -p | grep -q 'libcublas\.so\.1[123]'; then
  packages=$(python3 -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])')
  LD_LIBRARY_PATH=$(printf '%s:' "$packages"/nvidia/*/lib)${LD_LIBRARY_PATH:-}
  export LD_LIBRARY_PATH
fi

status=0
# Tests on the device: kernels against plain loops, whole segments and training through rmt.h against the reference.
if [[ $part != peers ]]; then
  ctest --test-dir "$build" -L '^cuda$' --parallel 4 --output-on-failure >"$out/ctest.log" 2>&1 || status=$?
  grep -E "tests passed|tests failed|Failed|Skipped|\*\*\*" "$out/ctest.log" || true
  if command -v compute-sanitizer >/dev/null; then
    RMT_TEST_CUDA_LIBRARY=$build/librmt_cuda.so compute-sanitizer --error-exitcode 9 "$build/tests/training_test" \
      "recomputing the forward" >"$out/sanitizer.log" 2>&1 && echo "compute-sanitizer: clean" ||
      { echo "compute-sanitizer: see $out/sanitizer.log"; status=1; }
  fi
fi

if [[ $part != tests ]]; then
  # shellcheck disable=SC2086 # several options
  PYTHONPATH=benchmarks/peers python3 benchmarks/peers/compare_pytorch_cuda.py --library "$build/librmt.so" \
    --cuda-library "$build/librmt_cuda.so" --json "$out/pytorch_cuda.json" ${RMT_GPU_PEERS:-} \
    2>"$out/pytorch.log" | tee "$out/pytorch.txt" || { tail -20 "$out/pytorch.log"; status=1; }
fi
exit "$status"
