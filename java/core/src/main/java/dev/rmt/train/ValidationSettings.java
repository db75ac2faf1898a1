package dev.rmt.train;

import dev.rmt.task.Placement;
import dev.rmt.task.TaskKind;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How a model is measured during training; {@link TaskValidation} does it.
 *
 * @param every steps between two measurements; 0: none
 * @param samples by number of segments: how many samples of each task
 * @param tasks that are measured
 * @param placement of the facts
 * @param batch samples that are read side by side
 */
public record ValidationSettings(
        int every, Map<Integer, Integer> samples, List<TaskKind> tasks, Placement placement, int batch) {
    public ValidationSettings {
        samples = Collections.unmodifiableMap(new LinkedHashMap<>(samples));
        tasks = List.copyOf(tasks);
        if (every < 0 || batch < 1) {
            throw new IllegalArgumentException("A validation every " + every + " steps with batches of " + batch
                    + " is not possible; give 0 or more steps, and batches of 1 or more.");
        }
        samples.forEach((segments, count) -> {
            if (segments < 1 || count < 1) {
                throw new IllegalArgumentException("A validation with " + count + " samples of " + segments
                        + " segments is not possible; give 1 or more of each.");
            }
        });
        if (every > 0 && (samples.isEmpty() || tasks.isEmpty())) {
            throw new IllegalArgumentException(
                    "A validation needs at least one number of segments and one task; give them, or say \"every: 0\".");
        }
    }

    /** No validation. */
    public static ValidationSettings none() {
        return new ValidationSettings(0, Map.of(), List.of(), Placement.ANY, 1);
    }
}
