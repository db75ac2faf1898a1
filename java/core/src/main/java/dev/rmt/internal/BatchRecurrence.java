package dev.rmt.internal;

import dev.rmt.InputException;
import dev.rmt.SegmentAlignment;
import dev.rmt.Segmentation;
import dev.rmt.text.TokenSource;
import java.util.List;

/**
 * Documents of known lengths, side by side, each with its own number of segments. All end together: a document with
 * fewer segments than the longest waits at the start, its memory untouched. Slot d of the backend is document d's.
 */
public final class BatchRecurrence {
    /** Sees the recurrence between segments; it may read or change memories in the backend. */
    public interface Listener {
        /** Before step {@code step} of {@code steps}, counted from 0. Throwing here stops the recurrence. */
        default void beforeStep(long step, long steps) {}

        /**
         * After a step.
         *
         * @param documents indices of the {@code count} documents that took part
         * @param logits (count, labels), in that order; null if the classifier was not read
         */
        default void afterStep(long step, long steps, int[] documents, int count, float[] logits) {}
    }

    private final SegmentBackend backend;
    private final SegmentLayout layout;
    private final SegmentBatch batch;
    private final int[] content;
    private final float[] logits;

    public BatchRecurrence(SegmentBackend backend, SegmentLayout layout) {
        this.backend = backend;
        this.layout = layout;
        batch = new SegmentBatch(backend.maxBatchSize(), layout.inputLength());
        content = new int[layout.segmentSize()];
        logits = new float[backend.maxBatchSize() * backend.numLabels()];
    }

    /**
     * Reads documents from their start; their memories are reset first.
     *
     * @param documents at most as many as the backend takes in one call
     * @param lengths tokens of each document, 1 or more; its source must give that many
     * @param everyHead whether the classifier reads every segment, or the last one only
     * @return logits of each document's last segment, (documents, labels)
     */
    public float[][] run(
            List<? extends TokenSource> documents,
            long[] lengths,
            SegmentAlignment alignment,
            boolean everyHead,
            Listener listener) {
        checkArguments(documents, lengths);
        Segmentation[] segmentations = new Segmentation[lengths.length];
        long steps = 0;
        for (int d = 0; d < lengths.length; d++) {
            segmentations[d] = new Segmentation(lengths[d], layout.segmentSize(), alignment);
            steps = Math.max(steps, segmentations[d].count());
            backend.reset(d);
        }
        boolean hasHead = backend.numLabels() > 0;
        for (long step = 0; step < steps; step++) {
            listener.beforeStep(step, steps);
            boolean readHead = hasHead && (everyHead || step == steps - 1);
            batch.clear();
            for (int d = 0; d < lengths.length; d++) {
                long segment = step - (steps - segmentations[d].count());
                if (segment >= 0) {
                    int count = segmentations[d].length(segment);
                    fill(documents.get(d), d, count);
                    layout.addTo(batch, d, content, 0, count, true, readHead);
                }
            }
            backend.forward(batch, readHead ? logits : null);
            listener.afterStep(step, steps, batch.slots(), batch.size(), readHead ? logits : null);
        }
        // Every document takes part in the last step, in order.
        int labels = backend.numLabels();
        float[][] result = new float[lengths.length][labels];
        for (int d = 0; d < lengths.length; d++) {
            System.arraycopy(logits, d * labels, result[d], 0, labels);
        }
        return result;
    }

    private void checkArguments(List<? extends TokenSource> documents, long[] lengths) {
        if (documents.isEmpty() || documents.size() > backend.maxBatchSize()) {
            throw new IllegalArgumentException(
                    "A batch takes 1 to " + backend.maxBatchSize() + " documents, not " + documents.size() + ".");
        }
        if (documents.size() != lengths.length) {
            throw new IllegalArgumentException(
                    documents.size() + " documents came with " + lengths.length + " lengths.");
        }
        for (int d = 0; d < lengths.length; d++) {
            if (lengths[d] < 1) {
                throw new IllegalArgumentException(
                        "Document " + d + " has " + lengths[d] + " tokens; it needs at least one.");
            }
        }
    }

    private void fill(TokenSource source, int document, int count) {
        int filled = 0;
        while (filled < count) {
            int read = source.read(content, filled, count - filled);
            if (read < 1) {
                throw new InputException("Document " + document + " ended " + (count - filled)
                        + " tokens before the end of its segment; its source must give the length that was announced.");
            }
            filled += read;
        }
    }
}
