package dev.rmt.train;

import java.nio.file.Path;
import java.util.Map;

/**
 * Watches a training run, on the thread that trains. What it throws ends the run; the last checkpoint stays as it is. It may
 * call {@link RmtTrainer#cancel}.
 */
public interface TrainingListener {
    /** Something that whoever started the run should know: one sentence. */
    default void noticed(String notice) {}

    /** Before the first step of a stage, and where a run goes on in the midst of one. */
    default void stageStarted(TrainingProgress progress) {}

    /** After each step. */
    default void stepTaken(TrainingProgress progress) {}

    /**
     * After a validation.
     *
     * @param figures what {@link Validation} returned
     * @param best whether the score is the best so far, so that these weights are kept
     */
    default void validated(TrainingProgress progress, Map<String, Double> figures, boolean best) {}

    /** After a checkpoint has taken its place on the disk. */
    default void checkpointSaved(TrainingProgress progress, Path folder) {}

    /** @param early whether its criterion ended it before its last step */
    default void stageEnded(TrainingProgress progress, boolean early) {}
}
