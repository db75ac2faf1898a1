package dev.rmt.internal;

import java.util.Objects;

/**
 * Where things stand in a segment, as data: fixed ids before the memory, between memory and content, and after the
 * content. The encoder's is {@code [CLS] mem_1 ... mem_M [SEP] content [SEP]}.
 */
public final class SegmentLayout {
    private static final int NOWHERE = -1;
    /** Where the classifier reads: [CLS]. */
    private static final int HEAD_POSITION = 0;

    private final int inputLength;
    private final int numMemTokens;
    private final int[] beforeMemory;
    private final int[] beforeContent;
    private final int[] afterContent;

    private SegmentLayout(
            int inputLength, int numMemTokens, int[] beforeMemory, int[] beforeContent, int[] afterContent) {
        this.inputLength = inputLength;
        this.numMemTokens = numMemTokens;
        this.beforeMemory = beforeMemory;
        this.beforeContent = beforeContent;
        this.afterContent = afterContent;
        if (segmentSize() < 1) {
            throw new IllegalArgumentException("An input length of " + inputLength
                    + " leaves no room for content beside " + numMemTokens + " memory tokens.");
        }
    }

    /**
     * {@code [CLS] mem_1 ... mem_M [SEP] content [SEP]}, read by the classifier at [CLS].
     *
     * @param inputLength T
     * @param numMemTokens M
     */
    public static SegmentLayout encoder(int inputLength, int numMemTokens, int clsId, int sepId) {
        return new SegmentLayout(inputLength, numMemTokens, new int[] {clsId}, new int[] {sepId}, new int[] {sepId});
    }

    public int inputLength() {
        return inputLength;
    }

    /** S: content tokens that a segment can hold. */
    public int segmentSize() {
        return inputLength - contentStart() - afterContent.length;
    }

    private int contentStart() {
        return beforeMemory.length + numMemTokens + beforeContent.length;
    }

    /**
     * Adds a document's segment to a batch.
     *
     * @param content ids at {@code offset ... offset + count - 1}; 0 <= count <= S
     * @param writeMemory whether the segment replaces the memory of its slot
     * @param readHead whether the classifier reads it
     */
    public void addTo(
            SegmentBatch batch, int slot, int[] content, int offset, int count, boolean writeMemory, boolean readHead) {
        Objects.checkFromIndexSize(offset, count, content.length);
        int row = batch.addRow(slot);
        batch.lengths()[row] = write(batch.ids(), row * batch.inputLength(), content, offset, count);
        batch.readMemoryStart()[row] = memoryStart(true);
        batch.writeMemoryStart()[row] = memoryStart(writeMemory);
        batch.headPosition()[row] = readHead ? HEAD_POSITION : NOWHERE;
    }

    /**
     * Adds a document's segment to a call in training.
     *
     * @param readState state that is read; -1: the initial memory
     * @param writeState state that takes the new memory; -1: none is made
     * @param label the right class; -1: none, and the classifier does not read the segment
     * @return its row
     */
    public int addTo(
            TrainingSegment segment,
            int[] content,
            int readState,
            int writeState,
            int label,
            float labelWeight,
            long dropoutKey) {
        int row = segment.addRow(readState, writeState, label, labelWeight, dropoutKey);
        segment.lengths()[row] = write(segment.ids(), row * segment.inputLength(), content, 0, content.length);
        segment.readMemoryStart()[row] = memoryStart(true);
        segment.writeMemoryStart()[row] = memoryStart(writeState != NOWHERE);
        segment.headPosition()[row] = label >= 0 ? HEAD_POSITION : NOWHERE;
        return row;
    }

    /**
     * Positions of a segment with that many content tokens.
     *
     * @throws IllegalArgumentException if they do not fit a segment
     */
    public int length(int contentTokens) {
        if (contentTokens < 0 || contentTokens > segmentSize()) {
            throw new IllegalArgumentException(
                    contentTokens + " content tokens do not fit a segment that holds " + segmentSize() + ".");
        }
        return contentStart() + contentTokens + afterContent.length;
    }

    private int memoryStart(boolean wanted) {
        return wanted && numMemTokens > 0 ? beforeMemory.length : NOWHERE;
    }

    /** Writes the ids of a row and returns its length. */
    private int write(int[] ids, int start, int[] content, int offset, int count) {
        int length = length(count);
        int at = put(ids, start, beforeMemory);
        // Ids at memory positions are not read; a fixed one keeps the array free of what was there before.
        for (int i = 0; i < numMemTokens; i++) {
            ids[at++] = 0;
        }
        at = put(ids, at, beforeContent);
        System.arraycopy(content, offset, ids, at, count);
        put(ids, at + count, afterContent);
        return length;
    }

    private static int put(int[] ids, int at, int[] fixed) {
        System.arraycopy(fixed, 0, ids, at, fixed.length);
        return at + fixed.length;
    }
}
