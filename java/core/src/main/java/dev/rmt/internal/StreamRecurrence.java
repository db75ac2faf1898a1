package dev.rmt.internal;

import java.util.Objects;

/**
 * One document of unknown length, cut LEFT: every S tokens are a segment, run as soon as it is full; up to S - 1 tokens
 * wait. Slot 0 of the backend holds the document's memory; slot 1 is the copy on which questions are asked.
 */
public final class StreamRecurrence {
    private static final int MEMORY = 0;
    private static final int PROBE = 1;
    /** Slots that the backend must have. */
    public static final int NUM_SLOTS = 2;

    private static final Runnable NOTHING = () -> {};

    private final SegmentBackend backend;
    private final SegmentLayout layout;
    private final SegmentBatch batch;
    private final int[] pending;
    private int pendingCount;
    private long tokens;
    private long segments;
    private SegmentWatch watch;

    public StreamRecurrence(SegmentBackend backend, SegmentLayout layout) {
        if (backend.numSlots() < NUM_SLOTS) {
            throw new IllegalArgumentException(
                    "A stream needs " + NUM_SLOTS + " slots, not " + backend.numSlots() + ".");
        }
        this.backend = backend;
        this.layout = layout;
        batch = new SegmentBatch(1, layout.inputLength());
        pending = new int[layout.segmentSize()];
    }

    /** @param wanted sees every segment that runs from now on; null: nobody does */
    public void watch(SegmentWatch wanted) {
        watch = wanted;
    }

    /** Tokens read since the document began, the pending ones included. */
    public long tokens() {
        return tokens;
    }

    /** Segments run since the document began. */
    public long segments() {
        return segments;
    }

    /** Tokens that wait for their segment to be full. */
    public int pendingCount() {
        return pendingCount;
    }

    /** A copy of the tokens that wait. */
    public int[] pendingIds() {
        return java.util.Arrays.copyOf(pending, pendingCount);
    }

    /** Goes on where another stream stopped; the memory itself is set in the backend. */
    public void restore(int[] pendingIds, long tokensRead, long segmentsRun) {
        if (pendingIds.length >= pending.length) {
            throw new IllegalArgumentException(
                    pendingIds.length + " pending tokens are not fewer than the " + pending.length + " of a segment.");
        }
        System.arraycopy(pendingIds, 0, pending, 0, pendingIds.length);
        pendingCount = pendingIds.length;
        tokens = tokensRead;
        segments = segmentsRun;
    }

    /** Where the next ids go: {@link #room()} of them, from {@link #pendingCount()} on; then {@link #added}. */
    public int[] buffer() {
        return pending;
    }

    /** Tokens that the segment still takes; 0 only after a device failed to run a full one. */
    public int room() {
        return pending.length - pendingCount;
    }

    /** Says that {@code count} ids were written to {@link #buffer()}. */
    public void added(int count) {
        Objects.checkFromIndexSize(pendingCount, count, pending.length);
        pendingCount += count;
        tokens += count;
    }

    /**
     * Runs the segment if it is full.
     *
     * @return whether one was run. If the device fails, the tokens go on waiting.
     */
    public boolean runIfFull() {
        if (pendingCount < pending.length) {
            return false;
        }
        Runnable show = run(MEMORY, segments, pending, 0, pendingCount, true, null);
        pendingCount = 0;
        segments++;
        show.run();
        return true;
    }

    /**
     * Asks on a copy of the memory: the tokens that wait, {@code tail} and the question are read on it, as many full
     * segments as there are, the question never cut.
     *
     * @param tail ids that would follow if the text ended here, {@code tailCount} of them
     * @param question 1 ... S ids
     * @return logits, one for each label
     */
    public float[] ask(int[] tail, int tailCount, int[] question) {
        int segmentSize = layout.segmentSize();
        if (question.length < 1 || question.length > segmentSize) {
            throw new IllegalArgumentException(
                    "A question must have 1 to " + segmentSize + " tokens, not " + question.length + ".");
        }
        float[] logits = new float[backend.numLabels()];
        probe(tail, tailCount, question, logits);
        return logits;
    }

    /**
     * Runs what waits and {@code tail} as the end of the document, on a copy of the memory: for who watches. Nothing where
     * nothing waits.
     */
    public void peek(int[] tail, int tailCount) {
        if (pendingCount + tailCount > 0) {
            probe(tail, tailCount, new int[0], null);
        }
    }

    private void probe(int[] tail, int tailCount, int[] question, float[] logits) {
        int segmentSize = layout.segmentSize();
        int total = Math.addExact(pendingCount, tailCount);
        int[] text = new int[Math.addExact(total, question.length)];
        System.arraycopy(pending, 0, text, 0, pendingCount);
        System.arraycopy(tail, 0, text, pendingCount, tailCount);
        System.arraycopy(question, 0, text, total, question.length);

        backend.copy(MEMORY, PROBE);
        int at = 0;
        long segment = segments;
        while (text.length - at > segmentSize) {
            int count = Math.min(segmentSize, total - at);
            run(PROBE, segment, text, at, count, true, null).run();
            at += count;
            segment++;
        }
        run(PROBE, segment, text, at, text.length - at, logits == null, logits).run();
    }

    /** Runs a segment; what comes back shows it to who watches, to be called when the stream is whole again. */
    private Runnable run(
            int slot, long segment, int[] content, int offset, int count, boolean writeMemory, float[] logits) {
        batch.clear();
        layout.addTo(batch, slot, content, offset, count, writeMemory, logits != null);
        if (watch == null) {
            backend.forward(batch, logits);
            return NOTHING;
        }
        return watch.run(backend, batch, segment, logits);
    }

    /** @param values (M, H), written */
    public void getMemory(float[] values) {
        backend.getMemory(MEMORY, values);
    }

    /** @param values (M, H), copied */
    public void setMemory(float[] values) {
        backend.setMemory(MEMORY, values);
    }
}
