package dev.rmt.train;

import java.util.Map;

/**
 * Where the batches of a stage come from. Everything random in them depends on a seed, the stage and the step, or on what
 * {@link #save} writes down, so that a run that was stopped and resumed sees the same batches as one that never was.
 */
public interface TrainingData {
    /**
     * The batch of one step, or of one part of it where gradients of several batches are accumulated.
     *
     * @param index batches given out before this one within the stage: counted from 0, no gap. Step and part follow from it:
     *     index = step x accumulation + part
     */
    TrainingBatch next(long index);

    /**
     * After the forward and backward of a batch: carries memories on, restarts documents that lost their way, counts what was
     * right.
     */
    default void learned(TrainingBatch batch, TrainingOutcome outcome) {}

    /** Figures for whoever watches, by name: accuracies of late by task, for example. In a fixed order. */
    default Map<String, Double> metrics() {
        return Map.of();
    }

    /** All that {@link #next} and {@link #metrics} depend on besides seed, stage and index. */
    default byte[] save() {
        return new byte[0];
    }

    /**
     * Goes on from what {@link #save} wrote.
     *
     * @throws dev.rmt.ModelFormatException if it cannot be read
     */
    default void restore(byte[] state) {
        if (state.length > 0) {
            throw new dev.rmt.ModelFormatException(
                    "The checkpoint holds " + state.length + " bytes of data state, but this data keeps none.");
        }
    }
}
