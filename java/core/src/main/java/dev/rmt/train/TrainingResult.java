package dev.rmt.train;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * How a run came to its end.
 *
 * @param model the folder of the trained model; empty: the run was cancelled and can be resumed
 * @param steps taken in all stages
 * @param tokens content tokens read
 * @param seconds of training
 * @param bestScore of the validations of the last stage; NaN: there were none
 * @param bestFigures of that validation
 */
public record TrainingResult(
        Optional<Path> model,
        long steps,
        long tokens,
        double seconds,
        double bestScore,
        Map<String, Double> bestFigures) {
    public TrainingResult {
        bestFigures = Collections.unmodifiableMap(new LinkedHashMap<>(bestFigures));
    }

    /** Whether the run was cancelled before its end. */
    public boolean cancelled() {
        return model.isEmpty();
    }
}
