package dev.rmt.train;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * One stage of a training run: what is trained on, for how long, and how.
 *
 * @param name for messages and logs
 * @param data where batches come from
 * @param steps optimizer steps, 1 or more
 * @param learningRate within this stage
 * @param accumulation batches whose gradients make one step; their mean is taken
 * @param bpttDepth how many earlier segments a loss may reach; -1: all
 * @param recompute whether activations are made again before a backward, so that depth costs time and not memory; if not,
 *     all of a batch are kept
 * @param hiddenDropout probability of dropping a hidden value
 * @param attentionDropout probability of dropping an attention weight
 * @param stopWhen may end the stage early, asked after each step
 * @param carryOver what of the stage before goes on
 * @param start which weights of the stage before it starts from
 * @param validation measures now and then; null: never
 * @param validateEvery steps between two validations; one more follows the last step
 */
public record TrainingStage(
        String name,
        TrainingData data,
        long steps,
        LearningRate learningRate,
        OptimizerSettings optimizer,
        int accumulation,
        int bpttDepth,
        boolean recompute,
        float hiddenDropout,
        float attentionDropout,
        Criterion stopWhen,
        CarryOver carryOver,
        Start start,
        Validation validation,
        long validateEvery) {
    /** What goes on from the stage before besides the weights. */
    public enum CarryOver {
        /** Nothing: the optimizer starts afresh, as in the paper. */
        WEIGHTS,
        /** The moments of the optimizer and the average of the weights. */
        OPTIMIZER
    }

    /** Weights of the stage before. */
    public enum Start {
        /** Those after its last step. */
        LAST,
        /** The best of its validations. */
        BEST,
        /** Their moving average; the last ones where none was kept. */
        AVERAGE
    }

    public TrainingStage {
        Objects.requireNonNull(data, "data");
        Objects.requireNonNull(learningRate, "learningRate");
        Objects.requireNonNull(optimizer, "optimizer");
        Objects.requireNonNull(stopWhen, "stopWhen");
        Objects.requireNonNull(carryOver, "carryOver");
        Objects.requireNonNull(start, "start");
        require(!name.isBlank(), name, "has no name", "give it one");
        require(steps >= 1, name, "has " + steps + " steps", "it must have 1 or more");
        require(accumulation >= 1, name, "accumulates " + accumulation + " batches", "it must be 1 or more");
        require(bpttDepth >= -1, name, "has the bptt_depth " + bpttDepth, "it must be 0 or more, or -1 for all");
        require(probability(hiddenDropout), name, "drops " + hiddenDropout, "it must be 0 or more and below 1");
        require(probability(attentionDropout), name, "drops " + attentionDropout, "it must be 0 or more and below 1");
        require(
                validation == null || validateEvery >= 1,
                name,
                "validates every " + validateEvery + " steps",
                "it must be 1 or more");
        require(
                start == Start.LAST || carryOver == CarryOver.WEIGHTS,
                name,
                "starts from other than the last weights and carries the optimizer over",
                "the optimizer belongs to the last weights: choose one of them");
    }

    private static boolean probability(float value) {
        return value >= 0 && value < 1;
    }

    private static void require(boolean condition, String stage, String what, String wanted) {
        if (!condition) {
            throw new IllegalArgumentException("Stage \"" + stage + "\" " + what + "; " + wanted + ".");
        }
    }

    /** All that decides the bits of the weights, by name, but for the data. */
    Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("name", name);
        settings.put("steps", Long.toString(steps));
        settings.put("learning rate", learningRate.toString());
        settings.put("optimizer", optimizer.toString());
        settings.put("accumulation", Integer.toString(accumulation));
        settings.put("bptt_depth", Integer.toString(bpttDepth));
        settings.put("recompute", Boolean.toString(recompute));
        settings.put("hidden dropout", Float.toString(hiddenDropout));
        settings.put("attention dropout", Float.toString(attentionDropout));
        settings.put("criterion", stopWhen.toString());
        settings.put("carry over", carryOver.toString());
        settings.put("start", start.toString());
        settings.put("validation", validation == null ? "none" : "every " + validateEvery + " steps");
        return settings;
    }

    public static Builder builder(String name, TrainingData data, long steps) {
        return new Builder(name, data, steps);
    }

    /** Starts from the usual settings: constant rate 1e-4, one batch for each step, all depth, recompute, no dropout. */
    public static final class Builder {
        private final String name;
        private final TrainingData data;
        private final long steps;
        private LearningRate learningRate = LearningRate.constant(1e-4, 0);
        private OptimizerSettings optimizer = OptimizerSettings.usual();
        private int accumulation = 1;
        private int bpttDepth = Backpropagation.ALL;
        private boolean recompute = true;
        private float hiddenDropout;
        private float attentionDropout;
        private Criterion stopWhen = Criterion.NEVER;
        private CarryOver carryOver = CarryOver.WEIGHTS;
        private Start start = Start.LAST;
        private Validation validation;
        private long validateEvery;

        private Builder(String name, TrainingData data, long steps) {
            this.name = Objects.requireNonNull(name, "name");
            this.data = data;
            this.steps = steps;
        }

        public Builder learningRate(LearningRate value) {
            learningRate = value;
            return this;
        }

        public Builder optimizer(OptimizerSettings value) {
            optimizer = value;
            return this;
        }

        public Builder accumulation(int batches) {
            accumulation = batches;
            return this;
        }

        public Builder bpttDepth(int segments) {
            bpttDepth = segments;
            return this;
        }

        public Builder recompute(boolean value) {
            recompute = value;
            return this;
        }

        /** Probabilities of dropping hidden values and attention weights. */
        public Builder dropout(float hidden, float attention) {
            hiddenDropout = hidden;
            attentionDropout = attention;
            return this;
        }

        public Builder stopWhen(Criterion value) {
            stopWhen = value;
            return this;
        }

        public Builder carryOver(CarryOver value) {
            carryOver = value;
            return this;
        }

        public Builder start(Start value) {
            start = value;
            return this;
        }

        public Builder validation(Validation value, long everySteps) {
            validation = value;
            validateEvery = everySteps;
            return this;
        }

        /** @throws IllegalArgumentException naming what is wrong */
        public TrainingStage build() {
            return new TrainingStage(
                    name,
                    data,
                    steps,
                    learningRate,
                    optimizer,
                    accumulation,
                    bpttDepth,
                    recompute,
                    hiddenDropout,
                    attentionDropout,
                    stopWhen,
                    carryOver,
                    start,
                    validation,
                    validateEvery);
        }
    }
}
