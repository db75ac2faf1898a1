package dev.rmt.internal;

import java.util.Objects;

/**
 * Where things stand in a segment, as data: fixed ids before the memory, between memory and content, and after the
 * content. The encoder's is {@code [CLS] mem_1 ... mem_M [SEP] content [SEP]}.
 */
public final class SegmentLayout {
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
        if (count > segmentSize()) {
            throw new IllegalArgumentException(
                    count + " content tokens do not fit a segment that holds " + segmentSize() + ".");
        }
        int row = batch.addRow(slot);
        int[] ids = batch.ids();
        int start = row * batch.inputLength();
        int at = put(ids, start, beforeMemory);
        // Ids at memory positions are not read; a fixed one keeps the array free of what was there before.
        for (int i = 0; i < numMemTokens; i++) {
            ids[at++] = 0;
        }
        at = put(ids, at, beforeContent);
        System.arraycopy(content, offset, ids, at, count);
        at = put(ids, at + count, afterContent);
        boolean hasMemory = numMemTokens > 0;
        batch.lengths()[row] = at - start;
        batch.readMemoryStart()[row] = hasMemory ? beforeMemory.length : -1;
        batch.writeMemoryStart()[row] = hasMemory && writeMemory ? beforeMemory.length : -1;
        batch.headPosition()[row] = readHead ? 0 : -1;
    }

    private static int put(int[] ids, int at, int[] fixed) {
        System.arraycopy(fixed, 0, ids, at, fixed.length);
        return at + fixed.length;
    }
}
