package dev.rmt.train;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * When a stage may end before its last step: as soon as, over the last steps, each metric named here is known and at least what
 * is asked of it.
 *
 * @param window steps over which metrics are taken, 1 or more; also the fewest steps of the stage
 * @param atLeast by name of a metric of {@link TrainingData#metrics}, 0 ... 1; empty: never
 */
public record Criterion(int window, Map<String, Double> atLeast) {
    /** The steps that metrics are taken over where nothing is said. */
    public static final int DEFAULT_WINDOW = 20;

    /** The stage takes all its steps. */
    public static final Criterion NEVER = new Criterion(DEFAULT_WINDOW, Map.of());

    public Criterion {
        if (window < 1) {
            throw new IllegalArgumentException(
                    "The window of a criterion is " + window + " steps; it must be 1 or more.");
        }
        // In order: Map.copyOf has another one in each JVM, and a run that is resumed compares how settings read.
        atLeast = Collections.unmodifiableMap(new TreeMap<>(atLeast));
    }

    /**
     * @param step steps taken in the stage
     * @param metrics of the data
     */
    public boolean isMet(long step, Map<String, Double> metrics) {
        return !atLeast.isEmpty()
                && step >= window
                && atLeast.entrySet().stream()
                        .allMatch(asked -> metrics.getOrDefault(asked.getKey(), Double.NaN) >= asked.getValue());
    }
}
