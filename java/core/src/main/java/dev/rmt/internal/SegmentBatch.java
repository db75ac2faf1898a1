package dev.rmt.internal;

/**
 * One segment of several documents, in arrays that are filled anew for each call: nothing is allocated on the way from
 * text to device. Rows of {@code ids} are T long; entry {@code b} of the other arrays belongs to row {@code b}.
 */
public final class SegmentBatch {
    private final int inputLength;
    private final int[] ids;
    private final int[] lengths;
    private final int[] slots;
    private final int[] readMemoryStart;
    private final int[] writeMemoryStart;
    private final int[] headPosition;
    private boolean allRows;
    private int size;

    /** @param inputLength T */
    public SegmentBatch(int maxBatchSize, int inputLength) {
        if (maxBatchSize < 1 || inputLength < 1) {
            throw new IllegalArgumentException("A batch needs at least one document and one position, not "
                    + maxBatchSize + " and " + inputLength + ".");
        }
        this.inputLength = inputLength;
        ids = new int[Math.multiplyExact(maxBatchSize, inputLength)];
        lengths = new int[maxBatchSize];
        slots = new int[maxBatchSize];
        readMemoryStart = new int[maxBatchSize];
        writeMemoryStart = new int[maxBatchSize];
        headPosition = new int[maxBatchSize];
    }

    /** Documents in this call. */
    public int size() {
        return size;
    }

    public int inputLength() {
        return inputLength;
    }

    /** (B, T). */
    public int[] ids() {
        return ids;
    }

    /** (B): valid positions, 1 ... T. */
    public int[] lengths() {
        return lengths;
    }

    /** (B): whose memory is read and replaced, all different. */
    public int[] slots() {
        return slots;
    }

    /** (B): first position that takes the memory rows; -1: none. */
    public int[] readMemoryStart() {
        return readMemoryStart;
    }

    /** (B): first position whose outputs become the new memory; -1: it stays as it is. */
    public int[] writeMemoryStart() {
        return writeMemoryStart;
    }

    /** (B): position that the classifier reads; -1: none. */
    public int[] headPosition() {
        return headPosition;
    }

    /** Whether every row of the last layer is computed although nobody reads it: for checks and comparisons. */
    public boolean allRows() {
        return allRows;
    }

    public void allRows(boolean every) {
        allRows = every;
    }

    public void clear() {
        size = 0;
    }

    /** Takes the next row; its entries are then set by {@link SegmentLayout}. */
    int addRow(int slot) {
        if (size == lengths.length) {
            throw new IllegalStateException("The batch holds " + size + " documents already.");
        }
        slots[size] = slot;
        return size++;
    }

    /**
     * Checks every entry against what a backend can take.
     *
     * @param numMemTokens M
     * @throws IllegalArgumentException naming the row and the value that is wrong
     */
    public void check(int vocabSize, int numMemTokens, int numSlots, int maxBatchSize, int maxInputLength) {
        if (size < 1 || size > maxBatchSize) {
            throw new IllegalArgumentException(
                    "A segment of " + size + " documents does not fit a memory made for 1 to " + maxBatchSize + ".");
        }
        if (inputLength > maxInputLength) {
            throw new IllegalArgumentException("A segment of " + inputLength
                    + " positions does not fit a memory made for " + maxInputLength + ".");
        }
        for (int b = 0; b < size; b++) {
            checkRow(b, vocabSize, numMemTokens, numSlots);
        }
    }

    private void checkRow(int b, int vocabSize, int numMemTokens, int numSlots) {
        int length = lengths[b];
        require(length >= 1 && length <= inputLength, b, "length", length);
        require(slots[b] >= 0 && slots[b] < numSlots, b, "slot", slots[b]);
        for (int other = 0; other < b; other++) {
            require(slots[other] != slots[b], b, "slot (already taken)", slots[b]);
        }
        require(blockFits(readMemoryStart[b], numMemTokens, length), b, "read memory start", readMemoryStart[b]);
        require(blockFits(writeMemoryStart[b], numMemTokens, length), b, "write memory start", writeMemoryStart[b]);
        require(headPosition[b] >= -1 && headPosition[b] < length, b, "head position", headPosition[b]);
        int memoryBegin = readMemoryStart[b];
        int memoryEnd = memoryBegin < 0 ? -1 : memoryBegin + numMemTokens;
        for (int t = 0; t < length; t++) {
            int id = ids[b * inputLength + t];
            boolean isMemory = t >= memoryBegin && t < memoryEnd;
            if (!isMemory && (id < 0 || id >= vocabSize)) {
                throw new IllegalArgumentException("Token id " + id + " at position " + t + " of document " + b
                        + " is outside the vocabulary of " + vocabSize + ".");
            }
        }
    }

    private static boolean blockFits(int start, int numMemTokens, int length) {
        return start == -1 || (start >= 0 && start <= length - numMemTokens);
    }

    private static void require(boolean condition, int row, String what, int value) {
        if (!condition) {
            throw new IllegalArgumentException(
                    "Document " + row + " of the segment has the wrong " + what + " " + value + ".");
        }
    }
}
