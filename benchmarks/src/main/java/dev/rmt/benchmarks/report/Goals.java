package dev.rmt.benchmarks.report;

import java.util.Map;
import java.util.OptionalDouble;

/** What was set out to reach, with 2 threads: beside each figure the page says whether it was. */
final class Goals {
    static final double TOKENIZER_TOKENS_PER_SECOND = 5e6;
    static final double SCALING_EXPONENT = 1;
    static final double SCALING_TOLERANCE = 0.02;

    /** Smallest ratio of the peer's time and ours, by benchmark, peer, model. */
    private static final Map<String, Double> SPEED = Map.ofEntries(
            Map.entry("SegmentForward.full onnxruntime tiny", 1.3),
            Map.entry("SegmentForward.full onnxruntime mini", 1.2),
            Map.entry("SegmentForward.full onnxruntime minilm", 1.2),
            Map.entry("SegmentForward.full onnxruntime base", 1.15),
            Map.entry("SegmentForward.recurrence onnxruntime tiny", 2.0),
            Map.entry("SegmentForward.recurrence onnxruntime mini", 1.5),
            Map.entry("SegmentForward.recurrence onnxruntime minilm", 1.35),
            Map.entry("SegmentForward.recurrence onnxruntime base", 1.2),
            Map.entry("SegmentTraining.saving libtorch tiny", 1.7),
            Map.entry("SegmentTraining.saving libtorch mini", 1.5),
            Map.entry("SegmentTraining.saving libtorch minilm", 1.4),
            Map.entry("SegmentTraining.allRows libtorch tiny", 1.3),
            Map.entry("SegmentTraining.allRows libtorch mini", 1.2),
            Map.entry("SegmentTraining.allRows libtorch minilm", 1.2));

    /** Largest share of the peer's memory. */
    private static final Map<String, Double> MEMORY = Map.of("tiny", 0.7, "mini", 0.7, "minilm", 0.8, "base", 0.9);

    private Goals() {}

    static OptionalDouble speed(String benchmark, String peer, String model) {
        return of(SPEED.get(benchmark + " " + peer + " " + model));
    }

    static OptionalDouble memory(String model) {
        return of(MEMORY.get(model));
    }

    private static OptionalDouble of(Double goal) {
        return goal == null ? OptionalDouble.empty() : OptionalDouble.of(goal);
    }
}
