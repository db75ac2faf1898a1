#!/usr/bin/env bash
# Memory and time of a training step by depth: documents of 1, 2, 4 and 8 full segments, with and without recompute, beside
# three times the time of the forward alone. Needs the packaged program and GNU time.
#   benchmarks/training_depth.sh [hidden_size [num_layers [batch]]]
set -euo pipefail
cd "$(dirname "$0")/.."
jar=java/cli/target/rmt.jar
hidden=${1:-128} layers=${2:-3} batch=${3:-8} steps=24
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

recipe() { # segments, recompute
  cat <<YAML
description: One length, one task.
seed: 1
model: {hidden_size: $hidden, num_layers: $layers, num_heads: 8, intermediate_size: $((4 * hidden)), num_mem_tokens: 10, input_length: 512}
stages:
  - {name: depth, steps: $steps, recompute: $2, bptt_depth: -1, learning_rate: {peak: 1.0e-5},
     samples: {segments: $1, batch: $batch, tasks: {memorize: 1}}}
YAML
}
# Second column named by the header: median of the rows but the first ones, in which the JVM warms up.
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

java -jar $jar init "$work/model" --hidden-size "$hidden" --num-layers "$layers" --num-heads 8 >"$work/init.log"
printf '%d layers of %d, %d documents of full segments, %s threads\n\n' "$layers" "$hidden" "$batch" "$(nproc)"
printf '%8s  %-9s %12s %14s %18s\n' segments recompute "peak MiB" "ms per step" "3 x forward, ms"
for segments in 1 2 4 8; do
  forward=$(java -jar $jar eval --model "$work/model" --task memorize --segments "$segments" --samples $((64 / segments * batch)) --batch "$batch" \
    --json "$work/eval.json" >/dev/null 2>&1; sed -n 's/.*"ms_per_segment" *: *\([0-9.eE+-]*\).*/\1/p' "$work/eval.json")
  for recompute in true false; do
    recipe "$segments" $recompute >"$work/recipe.yaml"
    rm -rf "$work/run"
    /usr/bin/time -f '%M' -o "$work/peak" java -jar $jar train --recipe "$work/recipe.yaml" --out "$work/run" --log-every 1 >"$work/train.log" 2>&1
    ms=$(awk -F, -v tokens=$((499 * segments * batch)) 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "tokens_per_second") c = i }
      NR > 9 { print 1000 * tokens / $c }' "$work/run/training.csv" | median)
    printf '%8d  %-9s %12d %14.1f %18.1f\n' "$segments" $recompute $(($(tail -1 "$work/peak") / 1024)) "$ms" \
      "$(awk -v f="$forward" -v n=$((3 * segments * batch)) 'BEGIN { print f * n }')"
  done
done
