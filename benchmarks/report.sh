#!/usr/bin/env bash
# Builds everything and makes the report on the speed of the CPU: all benchmarks, beside ONNX Runtime and libtorch.
#   benchmarks/report.sh                # about half an hour; benchmarks/results/<today>/cpu.md
#   benchmarks/report.sh --quick        # a few minutes, shows that all works; benchmarks/target/quick/<today>/cpu.md
#   benchmarks/report.sh --no-peers ... # without the others, whose libraries are a download of 300 MB
# All other options are those of the report: benchmarks/report.sh --help. The machine should have nothing else to do.
set -euo pipefail
cd "$(dirname "$0")/.."
profiles=(-Ppeers) modules=native,java/core,benchmarks,benchmarks/peers
if [[ ${1:-} == --no-peers ]]; then
  shift
  profiles=() modules=native,java/core,benchmarks
  rm -f benchmarks/peers/target/peers.classpath
fi
mvn -q "${profiles[@]}" -DskipTests package -pl "$modules" -am
# The peak of fused multiply-adds and the kernels alone, in a build of its own: that of the library stays as it is.
bench=benchmarks/target/native
{ cmake -S native -B $bench -DCMAKE_BUILD_TYPE=Release -DRMT_BUILD_BENCH=ON -DRMT_BUILD_TESTS=OFF &&
  cmake --build $bench --target fma_peak segment_bench; } >benchmarks/target/native-bench.log ||
  echo "report.sh: fma_peak and segment_bench could not be built (benchmarks/target/native-bench.log); shares of peak and the kernels will be missing" >&2
exec java -jar benchmarks/target/benchmarks.jar report "$@"
