package dev.rmt.internal;

import dev.rmt.InputException;
import dev.rmt.SegmentAlignment;
import dev.rmt.Segmentation;
import dev.rmt.text.TokenSource;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Documents of known lengths, side by side, each with its own number of segments. All end together: a document with fewer
 * segments waits at the start, its memory untouched. Where there are more documents than slots, one that has ended makes
 * room for the next, see {@link DocumentSchedule}.
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
         * @param heads of each of them, whether the classifier read it
         * @param logits (count, labels), in that order; null if the classifier read none
         */
        default void afterStep(long step, long steps, int[] documents, int count, boolean[] heads, float[] logits) {}
    }

    private static final int NOBODY = -1;

    private final SegmentBackend backend;
    private final SegmentLayout layout;
    private final SegmentBatch batch;
    private final int[] content;
    private final float[] logits;
    private final int[] taking; // documents of this step, in the order of the batch
    private final boolean[] heads;
    private final int[] lastIn; // document whose memory a slot holds

    public BatchRecurrence(SegmentBackend backend, SegmentLayout layout) {
        this.backend = backend;
        this.layout = layout;
        batch = new SegmentBatch(backend.maxBatchSize(), layout.inputLength());
        content = new int[layout.segmentSize()];
        logits = new float[backend.maxBatchSize() * backend.numLabels()];
        taking = new int[backend.maxBatchSize()];
        heads = new boolean[backend.maxBatchSize()];
        lastIn = IntStream.range(0, backend.maxBatchSize()).toArray();
    }

    /**
     * Slot that holds the memory of a document.
     *
     * @throws IllegalStateException if another document took its place since
     */
    public int slotOf(int document) {
        for (int slot = 0; slot < lastIn.length; slot++) {
            if (lastIn[slot] == document) {
                return slot;
            }
        }
        throw new IllegalStateException(
                "Document " + document + " has no memory here: " + lastIn.length
                        + " documents are kept, and another one took its place or it has not begun; ask right after the step that you want.");
    }

    /**
     * Reads documents from their start, each with the initial memory.
     *
     * @param lengths tokens of each document, 1 or more; its source must give that many
     * @param everyHead whether the classifier reads every segment, or each document's last one only
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
        long[] segments = new long[lengths.length];
        for (int d = 0; d < lengths.length; d++) {
            segmentations[d] = new Segmentation(lengths[d], layout.segmentSize(), alignment);
            segments[d] = segmentations[d].count();
        }
        DocumentSchedule schedule = new DocumentSchedule(segments, backend.maxBatchSize());
        List<Place> places = IntStream.range(0, schedule.slots())
                .mapToObj(slot -> new Place(slot, schedule.start(slot), schedule.documents(slot)))
                .toList();
        // From here on memories are new.
        Arrays.fill(lastIn, NOBODY);
        places.forEach(Place::next);

        int labels = backend.numLabels();
        float[][] result = new float[lengths.length][labels];
        for (long step = 0; step < schedule.steps(); step++) {
            listener.beforeStep(step, schedule.steps());
            boolean anyHead = fillBatch(step, places, documents, segmentations, labels > 0, everyHead);
            backend.forward(batch, anyHead ? logits : null);
            listener.afterStep(step, schedule.steps(), taking, batch.size(), heads, anyHead ? logits : null);
            for (int row = 0; row < batch.size(); row++) {
                Place place = places.get(batch.slots()[row]);
                place.segment++;
                if (place.segment == segments[place.document]) {
                    System.arraycopy(logits, row * labels, result[place.document], 0, labels);
                    place.next();
                }
            }
        }
        return result;
    }

    /** One segment of each document that is being read; returns whether the classifier reads one of them. */
    private boolean fillBatch(
            long step,
            List<Place> places,
            List<? extends TokenSource> documents,
            Segmentation[] segmentations,
            boolean hasHead,
            boolean everyHead) {
        batch.clear();
        boolean anyHead = false;
        for (Place place : places) {
            int document = place.document;
            if (step >= place.start) {
                int count = segmentations[document].length(place.segment);
                boolean last = place.segment == segmentations[document].count() - 1;
                boolean readHead = hasHead && (everyHead || last);
                taking[batch.size()] = document;
                heads[batch.size()] = readHead;
                anyHead |= readHead;
                fill(documents.get(document), document, count);
                layout.addTo(batch, place.slot, content, 0, count, true, readHead);
            }
        }
        return anyHead;
    }

    /** A slot and what is read in it. */
    private final class Place {
        private final int slot;
        private final long start;
        private final Iterator<Integer> waiting;
        private int document;
        private long segment;

        Place(int slot, long start, List<Integer> documents) {
            this.slot = slot;
            this.start = start;
            waiting = documents.iterator();
        }

        /** The next document begins, if there is one; all slots run out of documents after the last step. */
        void next() {
            if (waiting.hasNext()) {
                document = waiting.next();
                segment = 0;
                lastIn[slot] = document;
                backend.reset(slot);
            }
        }
    }

    private void checkArguments(List<? extends TokenSource> documents, long[] lengths) {
        if (documents.isEmpty()) {
            throw new IllegalArgumentException("There is no document to read.");
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
