package dev.rmt.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes down what a run does, a row every so many steps: loss and accuracy are means over the steps since the row before,
 * everything else is as it was at the row's step.
 *
 * <p>A run that goes on from a checkpoint goes on with its log: rows of steps after the checkpoint, which will be taken again,
 * are dropped first. So the log tells nothing of how often the run was stopped. A log that cannot be written ends the run: it
 * would be missed only when it is too late.
 */
public abstract class TrainingLog implements TrainingListener, AutoCloseable {
    private final int every;
    private final Mean loss = new Mean();
    private final Mean accuracy = new Mean();
    private TrainingProgress pending; // the last step that no row tells of yet; null: none
    private boolean open;

    /**
     * A row of the log.
     *
     * @param progress where the run stood at the row's step
     * @param loss mean over the steps of the row
     * @param accuracy mean over those steps of the row that had labels; NaN: none had
     */
    protected record Row(TrainingProgress progress, double loss, double accuracy) {}

    /** @param every steps for each row, 1 or more; the last step of a stage always ends a row */
    protected TrainingLog(int every) {
        if (every < 1) {
            throw new IllegalArgumentException("A log has a row every " + every + " steps; it must be 1 or more.");
        }
        this.every = every;
    }

    /** Opens what is written; what it holds of steps after {@code lastStep}, counted over all stages, is dropped. */
    protected abstract void open(long lastStep) throws IOException;

    /** Writes a row; it must be out of this process when this returns. */
    protected abstract void write(Row row) throws IOException;

    /** Writes the figures of a validation; it must be out of this process when this returns. */
    protected abstract void write(TrainingProgress progress, Map<String, Double> figures, boolean best)
            throws IOException;

    /** Closes what {@link #open} opened, as far as it came. */
    protected abstract void closeFiles() throws IOException;

    /** What is written, for messages. */
    protected abstract Path path();

    @Override
    public final void stageStarted(TrainingProgress progress) {
        if (!open) {
            open = true;
            run(() -> open(progress.totalStep()));
        }
    }

    @Override
    public final void stepTaken(TrainingProgress progress) {
        pending = progress;
        loss.add(progress.loss());
        accuracy.add(progress.accuracy());
        if (progress.totalStep() % every == 0) {
            writePending();
        }
    }

    @Override
    public final void validated(TrainingProgress progress, Map<String, Double> figures, boolean best) {
        run(() -> write(progress, new LinkedHashMap<>(figures), best));
    }

    @Override
    public final void stageEnded(TrainingProgress progress, boolean early) {
        writePending();
    }

    /** Writes what is pending and closes the files. */
    @Override
    public final void close() {
        if (open) {
            open = false;
            try {
                writePending();
            } finally {
                run(this::closeFiles);
            }
        }
    }

    private void writePending() {
        if (pending != null) {
            Row row = new Row(pending, loss.take(), accuracy.take());
            pending = null;
            run(() -> write(row));
        }
    }

    private interface Action {
        void run() throws IOException;
    }

    private void run(Action action) {
        try {
            action.run();
        } catch (IOException e) {
            throw new UncheckedIOException("The log " + path() + " cannot be written: " + e.getMessage(), e);
        }
    }

    /** A mean of numbers that leaves out those that are none. */
    private static final class Mean {
        private double sum;
        private int count;

        private void add(double value) {
            if (!Double.isNaN(value)) {
                sum += value;
                count++;
            }
        }

        private double take() {
            double mean = count == 0 ? Double.NaN : sum / count;
            sum = 0;
            count = 0;
            return mean;
        }
    }
}
