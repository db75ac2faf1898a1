package dev.rmt.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where a training run stands.
 *
 * @param stage index of the stage, counted from 0
 * @param stages number of stages
 * @param stageName its name
 * @param step steps taken in this stage
 * @param stageSteps the most steps that this stage takes
 * @param totalStep steps taken in all stages
 * @param totalSteps the most steps that the stages take from here to the end, and those that were taken
 * @param learningRate of the last step
 * @param loss of the last step: of its batches, added up
 * @param accuracy share of the labels of the last step that were right; NaN: there were none
 * @param gradientNorm of the last step, before clipping
 * @param tokens content tokens read since the run began, resumed parts included
 * @param tokensPerSecond content tokens of the last step, divided by its time
 * @param seconds of training since the run began, resumed parts included
 * @param metrics what the data says, in its order
 */
public record TrainingProgress(
        int stage,
        int stages,
        String stageName,
        long step,
        long stageSteps,
        long totalStep,
        long totalSteps,
        double learningRate,
        double loss,
        double accuracy,
        double gradientNorm,
        long tokens,
        double tokensPerSecond,
        double seconds,
        Map<String, Double> metrics) {
    public TrainingProgress {
        metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    }
}
