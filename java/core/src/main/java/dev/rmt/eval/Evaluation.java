package dev.rmt.eval;

import dev.rmt.RmtBatch;
import dev.rmt.RmtModel;
import dev.rmt.SegmentAlignment;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.SampleSeeds;
import dev.rmt.task.TaskSample;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;

/**
 * Reads samples of a memory task and counts right answers: one {@link EvaluationRow}. Sample k depends on the seed and k
 * alone, so a row that was broken off can be continued, with any batch size. One run at a time.
 */
public final class Evaluation {
    private final RmtModel model;
    private final MemoryTask task;
    private final int segments;
    private final int samples;
    private final int batchSize;
    private final SegmentAlignment alignment;
    private final long seed;
    private final boolean resetMemory;
    private final ProgressListener progress;
    private final EvaluationRow start;
    private volatile boolean cancelled;

    private Evaluation(Builder builder) {
        model = builder.model;
        task = Objects.requireNonNull(builder.task, "task");
        segments = requirePositive("number of segments", builder.segments);
        samples = requirePositive("number of samples", builder.samples);
        batchSize = requirePositive("batch size", builder.batchSize);
        alignment = builder.alignment;
        seed = builder.seed;
        resetMemory = builder.resetMemory;
        progress = builder.progress;
        start = builder.start == null ? row(0, 0, 0, -1) : builder.start;
        if (task.segmentSize() != model.config().segmentSize()) {
            throw new IllegalArgumentException("The task is made for segments of " + task.segmentSize()
                    + " tokens, the model reads segments of " + model.config().segmentSize() + ".");
        }
        if (!model.config().labels().equals(task.labels())) {
            throw new IllegalArgumentException("The task asks for one of " + task.labels() + ", the model answers "
                    + model.config().labels() + ".");
        }
        if (start.segments() != segments || start.samples() > samples || start.correct() > start.samples()) {
            throw new IllegalArgumentException("A row of " + start.samples() + " samples and " + start.segments()
                    + " segments cannot be continued to " + samples + " samples of " + segments + ".");
        }
    }

    private static int requirePositive(String what, int value) {
        if (value < 1) {
            throw new IllegalArgumentException("The " + what + " is " + value + "; it must be 1 or more.");
        }
        return value;
    }

    public static Builder builder(RmtModel model) {
        return new Builder(model);
    }

    /**
     * Reads the samples that are missing.
     *
     * @throws dev.rmt.MemoryBudgetException if the batch does not fit into memory
     * @throws CancellationException after {@link #cancel}; batches that were complete have been reported
     * @throws dev.rmt.ReadInterruptedException if the thread is interrupted
     */
    public EvaluationRow run() {
        EvaluationRow row = start;
        int wanted = Math.min(batchSize, samples - row.samples());
        if (wanted == 0) {
            return row;
        }
        PeakMemory peak = PeakMemory.start();
        try (RmtBatch batch = model.newBatch(wanted)) {
            while (row.samples() < samples) {
                long begin = System.nanoTime();
                int count = Math.min(wanted, samples - row.samples());
                int correct = row.correct() + correct(batch, row.samples(), count);
                double seconds = row.seconds() + (System.nanoTime() - begin) * 1e-9;
                long peakBytes = Math.max(start.peakRssBytes(), peak.bytes());
                row = row(row.samples() + count, correct, seconds, peakBytes);
                progress.onBatch(row);
            }
        }
        return row;
    }

    /** Ends a run before its next segment. May be called by any thread. */
    public void cancel() {
        cancelled = true;
    }

    /** Samples first ... first + count - 1: how many of them are answered rightly. */
    private int correct(RmtBatch batch, int first, int count) {
        List<TaskSample> documents = new ArrayList<>(count);
        long[] lengths = new long[count];
        for (int i = 0; i < count; i++) {
            TaskSample sample = task.sample(SampleSeeds.of(seed, first + i), segments);
            documents.add(sample);
            lengths[i] = sample.length();
        }
        float[][] logits = batch.read(documents, lengths, alignment, false, new Watch(first, count));
        int correct = 0;
        for (int i = 0; i < count; i++) {
            if (indexOfLargest(logits[i]) == documents.get(i).label()) {
                correct++;
            }
        }
        return correct;
    }

    private static int indexOfLargest(float[] values) {
        int largest = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[largest]) {
                largest = i;
            }
        }
        return largest;
    }

    private EvaluationRow row(int read, int correct, double seconds, long peakBytes) {
        long tokens = (long) task.segmentSize() * segments;
        return new EvaluationRow(
                task.kind().toString(),
                task.placement().toString(),
                alignment.name(),
                segments,
                tokens,
                read,
                correct,
                read == 0 ? 0 : (double) correct / read,
                read == 0 ? 0 : seconds * 1e3 / ((double) read * segments),
                seconds == 0 ? 0 : (double) tokens * read / seconds,
                peakBytes);
    }

    /** Tells the progress, stops when cancelled, and forgets before the last segment if that is wanted. */
    private final class Watch implements RmtBatch.Listener {
        private final int samplesBefore;
        private final int count;

        Watch(int samplesBefore, int count) {
            this.samplesBefore = samplesBefore;
            this.count = count;
        }

        @Override
        public void beforeStep(RmtBatch batch, long step, long steps) {
            if (cancelled) {
                throw new CancellationException("The evaluation was cancelled.");
            }
            if (resetMemory && step == steps - 1) {
                batch.resetMemories();
            }
            progress.onSegments((long) samplesBefore * segments + step * count, (long) samples * segments);
        }
    }

    /** Settings of an evaluation. */
    public static final class Builder {
        private final RmtModel model;
        private MemoryTask task;
        private int segments = 1;
        private int samples = 100;
        private int batchSize = 1;
        private SegmentAlignment alignment = SegmentAlignment.RIGHT;
        private long seed;
        private boolean resetMemory;
        private ProgressListener progress = new ProgressListener() {};
        private EvaluationRow start;

        private Builder(RmtModel model) {
            this.model = Objects.requireNonNull(model, "model");
        }

        public Builder task(MemoryTask value) {
            task = value;
            return this;
        }

        /** Segments of each sample. */
        public Builder segments(int value) {
            segments = value;
            return this;
        }

        /** Samples in all, those of {@link #resumeFrom} included. */
        public Builder samples(int value) {
            samples = value;
            return this;
        }

        /** Samples that are read side by side. */
        public Builder batchSize(int value) {
            batchSize = value;
            return this;
        }

        public Builder alignment(SegmentAlignment value) {
            alignment = Objects.requireNonNull(value, "alignment");
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /** Whether everything is forgotten right before the last segment: the control that shows that memory did it. */
        public Builder resetMemory(boolean value) {
            resetMemory = value;
            return this;
        }

        public Builder progress(ProgressListener value) {
            progress = Objects.requireNonNull(value, "progress");
            return this;
        }

        /** Goes on behind the samples of an earlier run with the same settings. */
        public Builder resumeFrom(EvaluationRow value) {
            start = value;
            return this;
        }

        /** @throws IllegalArgumentException if the settings do not fit the model or each other */
        public Evaluation build() {
            return new Evaluation(this);
        }
    }
}
