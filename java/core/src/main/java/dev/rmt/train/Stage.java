package dev.rmt.train;

import java.util.List;
import java.util.Objects;

/**
 * One stage of a curriculum: what is learned, for how long, and how.
 *
 * @param name for people
 * @param data what batches are made of
 * @param probes that count in this stage; all others rest
 * @param steps of the optimizer, at most
 * @param accumulation batches whose gradients are added up for one step; each counts 1 / accumulation
 * @param learningRate over the stage
 * @param optimizer its settings
 * @param hiddenDropout share of the hidden values that are dropped
 * @param attentionDropout share of the attention weights that are dropped
 * @param bpttDepth how many segments before its own a loss reaches; -1: all
 * @param recompute whether the forward of a segment is run again before its backward
 * @param until when the stage may end early
 * @param validation how the model is measured in between
 * @param carryOver what comes from the stage before
 */
public record Stage(
        String name,
        StageData data,
        List<ProbeSpec.Use> probes,
        long steps,
        int accumulation,
        LearningRate learningRate,
        OptimizerSettings optimizer,
        double hiddenDropout,
        double attentionDropout,
        int bpttDepth,
        Recompute recompute,
        Criterion until,
        ValidationSettings validation,
        CarryOver carryOver) {
    /** Whether activations are kept from forward to backward, or made again: same gradients, less memory, more time. */
    public enum Recompute {
        /** Kept where a batch has one segment, or where there is room for all of it; else made again. */
        AUTO,
        ALWAYS,
        NEVER
    }

    /** Which weights the next stage starts from. */
    public enum Weights {
        /** Those of the best validation; the last ones where there was none. */
        BEST,
        LAST,
        /** The moving average of the last step. */
        AVERAGE
    }

    /**
     * What a stage takes over from the one before; the probes' weights always come along.
     *
     * @param weights where it starts from
     * @param optimizer whether it goes on with the moments of the optimizer and their count of steps, or begins anew. Only
     *     with {@link Weights#LAST}
     */
    public record CarryOver(Weights weights, boolean optimizer) {
        public CarryOver {
            Objects.requireNonNull(weights, "weights");
            if (optimizer && weights != Weights.LAST) {
                throw new IllegalArgumentException(
                        "The optimizer belongs to the last weights; to carry it over, carry over those.");
            }
        }
    }

    public Stage {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(data, "data");
        probes = List.copyOf(probes);
        if (steps < 1 || accumulation < 1) {
            throw new IllegalArgumentException("A stage of " + steps + " steps of " + accumulation
                    + " batches each is not possible; both must be 1 or more.");
        }
        if (!(hiddenDropout >= 0 && hiddenDropout < 1 && attentionDropout >= 0 && attentionDropout < 1)) {
            throw new IllegalArgumentException("Dropout is " + hiddenDropout + " and " + attentionDropout
                    + "; it must be 0 or more, less than 1.");
        }
        if (bpttDepth < -1) {
            throw new IllegalArgumentException(
                    "The depth of back-propagation is " + bpttDepth + "; it must be 0 or more, or -1 for all.");
        }
        if (learningRate.warmup() > steps) {
            throw new IllegalArgumentException("The warm-up of " + learningRate.warmup()
                    + " steps is longer than the stage of " + steps + " steps.");
        }
    }
}
