package dev.rmt.train;

import dev.rmt.task.Placement;
import java.util.Objects;

/**
 * What {@link SampleBatches} makes: whole samples of the tasks, as evaluation reads them and the paper trained on them.
 *
 * @param segments of a sample, all full
 * @param varied whether a batch has 1 ... {@code segments} of them, drawn uniformly
 * @param batch samples of a batch
 * @param memorize share of the batches' samples that are of this task; shares are divided by their sum
 * @param detect the same
 * @param reason the same
 * @param placement where facts lie
 * @param loss of which segments
 */
public record SampleSettings(
        int segments,
        boolean varied,
        int batch,
        double memorize,
        double detect,
        double reason,
        Placement placement,
        Loss loss)
        implements StageData {
    /** Which segments are to answer. */
    public enum Loss {
        /** The last one, where the question is. */
        LAST,
        /** All of them: the mean over the segments. */
        MEAN
    }

    public SampleSettings {
        if (segments < 1 || batch < 1) {
            throw new IllegalArgumentException("There are " + batch + " samples of " + segments
                    + " segments in a batch; both numbers must be 1 or more.");
        }
        if (!(memorize >= 0 && detect >= 0 && reason >= 0 && memorize + detect + reason > 0)) {
            throw new IllegalArgumentException("The tasks have the shares " + memorize + ", " + detect + " and "
                    + reason + "; none may be less than 0, and their sum must be more.");
        }
        Objects.requireNonNull(placement, "placement");
        Objects.requireNonNull(loss, "loss");
    }

    @Override
    public TrainingData batches(Source source) {
        return new SampleBatches(this, source);
    }
}
