package dev.rmt.eval;

/** Watches an evaluation, on the thread that runs it. */
public interface ProgressListener {
    /** Before each step: segments read so far by all samples, of how many. */
    default void onSegments(long done, long total) {}

    /** After each batch of samples: the row as it would be if it ended here. */
    default void onBatch(EvaluationRow soFar) {}
}
