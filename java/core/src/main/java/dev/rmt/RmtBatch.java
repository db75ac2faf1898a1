package dev.rmt;

import dev.rmt.internal.BatchRecurrence;
import dev.rmt.internal.SegmentBackend;
import dev.rmt.text.TokenSource;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * Reads documents of known length side by side, each with its own number of segments: all end together, one with fewer
 * segments waits at the start. Where there are more documents than places, the longest begin, and one that has ended makes
 * room for the next. What a document gets does not depend on the others. One thread at a time.
 */
public final class RmtBatch implements AutoCloseable {
    /**
     * Watches the reading, on the thread that reads. It may call {@link #memory} and {@link #resetMemories}, no other
     * method of the batch. An exception ends the reading.
     */
    public interface Listener {
        /** Before step {@code step} of {@code steps}, counted from 0: the step runs one segment of each document. */
        default void beforeStep(RmtBatch batch, long step, long steps) {}

        /** After a step. */
        default void afterStep(RmtBatch batch, Step step) {}
    }

    /**
     * One step that was run.
     *
     * @param index counted from 0
     * @param count number of steps of this reading
     * @param documents those that took part, as numbered in the reading
     * @param logits of each of them in that order, (documents, labels); a document that the classifier did not read has an
     *     empty row
     */
    public record Step(long index, long count, List<Integer> documents, List<float[]> logits) {}

    private static final Listener NOBODY = new Listener() {};
    private static final float[] NOT_READ = {};

    private final RmtModel model;
    private final SegmentBackend backend;
    private final BatchRecurrence recurrence;
    private final Occupancy occupancy;

    RmtBatch(RmtModel model, SegmentBackend backend) {
        this.model = model;
        this.backend = backend;
        recurrence = new BatchRecurrence(backend, model.layout());
        occupancy = new Occupancy("batch", backend::close);
    }

    public RmtModel model() {
        return model;
    }

    /** Places: the most documents at once. */
    public int batchSize() {
        return backend.maxBatchSize();
    }

    /** Bytes that memories and workspace take on the device; they never grow. */
    public long nativeBytes() {
        return backend.bytes();
    }

    /** {@link #read(List, long[], SegmentAlignment, boolean, Listener)} without a listener; only last segments are classified. */
    public float[][] read(List<? extends TokenSource> documents, long[] lengths, SegmentAlignment alignment) {
        return read(documents, lengths, alignment, false, NOBODY);
    }

    /**
     * Reads documents from their start, each with a fresh memory, to their end.
     *
     * @param documents 1 or more, {@link #batchSize} at a time; each must give as many tokens as its length says
     * @param lengths content tokens of each, 1 or more
     * @param alignment where the short segment goes
     * @param everySegment whether the classifier reads every segment, for the listener, or the last ones only
     * @return logits of each document's last segment, (documents, labels)
     * @throws InputException if a document ends before its length
     * @throws ReadInterruptedException if the thread is interrupted; the reading cannot go on
     */
    public float[][] read(
            List<? extends TokenSource> documents,
            long[] lengths,
            SegmentAlignment alignment,
            boolean everySegment,
            Listener listener) {
        Objects.requireNonNull(listener, "listener");
        occupancy.enter();
        try {
            return recurrence.run(documents, lengths, alignment, everySegment, new Watch(listener));
        } finally {
            occupancy.leave();
        }
    }

    /**
     * The memory of a document after what has been read of it, (M, H), a copy.
     *
     * @throws IllegalStateException if another document took its place, or it has not begun
     */
    public float[] memory(int document) {
        return inside(() -> {
            float[] values = new float[backend.memorySize()];
            backend.getMemory(recurrence.slotOf(document), values);
            return values;
        });
    }

    /** Makes every document forget what it has read: all memories are again those that reading starts with. */
    public void resetMemories() {
        inside(() -> {
            backend.reset(-1);
            return null;
        });
    }

    /** Frees the batch. A reading on another thread ends with {@link IllegalStateException}. Never throws. */
    @Override
    public void close() {
        occupancy.close();
    }

    /** Runs an action now if the caller is a listener of this batch, else as a call of its own. */
    private <T> T inside(Supplier<T> action) {
        if (occupancy.isMine()) {
            return action.get();
        }
        occupancy.enter();
        try {
            return action.get();
        } finally {
            occupancy.leave();
        }
    }

    /** Translates for the user's listener, and ends the reading where it must end. */
    private final class Watch implements BatchRecurrence.Listener {
        private final Listener listener;

        Watch(Listener listener) {
            this.listener = listener;
        }

        @Override
        public void beforeStep(long step, long steps) {
            occupancy.requireOpen();
            if (Thread.currentThread().isInterrupted()) {
                throw new ReadInterruptedException(step, steps);
            }
            listener.beforeStep(RmtBatch.this, step, steps);
        }

        @Override
        public void afterStep(long step, long steps, int[] documents, int count, boolean[] heads, float[] logits) {
            if (listener != NOBODY) {
                listener.afterStep(RmtBatch.this, step(step, steps, documents, count, heads, logits));
            }
        }

        private Step step(long step, long steps, int[] documents, int count, boolean[] heads, float[] logits) {
            List<Integer> which = Arrays.stream(documents, 0, count).boxed().toList();
            int labels = model.config().numLabels();
            List<float[]> rows = IntStream.range(0, count)
                    .mapToObj(i -> heads[i] ? Arrays.copyOfRange(logits, i * labels, (i + 1) * labels) : NOT_READ)
                    .toList();
            return new Step(step, steps, which, rows);
        }
    }
}
