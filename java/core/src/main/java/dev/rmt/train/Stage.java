package dev.rmt.train;

import java.util.List;
import java.util.Objects;

/**
 * One stage of a curriculum, as data: what is learned, for how long, and how.
 *
 * @param name for people
 * @param data what batches are made of
 * @param probes that count in this stage; all others rest
 * @param steps of the optimizer, at most
 * @param accumulation batches whose gradients make one step
 * @param learningRate over the stage
 * @param optimizer its settings
 * @param hiddenDropout probability of dropping a hidden value
 * @param attentionDropout probability of dropping an attention weight
 * @param bpttDepth how many segments before its own a loss reaches; -1: all
 * @param recompute whether the forward of a segment is run again before its backward
 * @param until when the stage may end early
 * @param validation how the model is measured in between
 * @param carryOver what goes on from the stage before besides the weights
 * @param start which weights of the stage before it starts from
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
        boolean recompute,
        Criterion until,
        ValidationSettings validation,
        TrainingStage.CarryOver carryOver,
        TrainingStage.Start start) {
    public Stage {
        Objects.requireNonNull(data, "data");
        Objects.requireNonNull(validation, "validation");
        probes = List.copyOf(probes);
        if (learningRate.warmUp() > steps) {
            throw new IllegalArgumentException("The warm-up of " + learningRate.warmUp()
                    + " steps is longer than the stage of " + steps + " steps.");
        }
    }

    /**
     * The stage, ready to run.
     *
     * @param batches made of {@link #data}
     * @param measure made of {@link #validation}; not used where that says never
     * @throws IllegalArgumentException naming what is not possible
     */
    TrainingStage training(TrainingData batches, Validation measure) {
        TrainingStage.Builder stage = TrainingStage.builder(name, batches, steps)
                .learningRate(learningRate)
                .optimizer(optimizer)
                .accumulation(accumulation)
                .bpttDepth(bpttDepth)
                .recompute(recompute)
                .dropout((float) hiddenDropout, (float) attentionDropout)
                .stopWhen(until)
                .carryOver(carryOver)
                .start(start);
        return (validation.every() > 0 ? stage.validation(measure, validation.every()) : stage).build();
    }
}
