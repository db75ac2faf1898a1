package dev.rmt.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where a run stands, beside weights and moments: everything that the next step depends on.
 *
 * @param stage counted from 0
 * @param step steps taken in it
 * @param stageEnded whether it has come to its end
 * @param totalStep steps taken in all stages
 * @param optimizerStep steps since the moments were zero
 * @param tokens content tokens read
 * @param seconds of training
 * @param bestScore of the validations of this stage; NaN: there was none
 * @param bestFigures of that validation
 * @param bestStep step of this stage after which it was made
 * @param data what the data of this stage saved
 */
record TrainingState(
        int stage,
        long step,
        boolean stageEnded,
        long totalStep,
        long optimizerStep,
        long tokens,
        double seconds,
        double bestScore,
        Map<String, Double> bestFigures,
        long bestStep,
        byte[] data) {
    TrainingState {
        bestFigures = Collections.unmodifiableMap(new LinkedHashMap<>(bestFigures));
    }
}
