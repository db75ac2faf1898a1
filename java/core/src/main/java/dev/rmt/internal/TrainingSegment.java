package dev.rmt.internal;

import java.util.Arrays;

/**
 * One segment of several documents in training, in arrays that are filled anew for each call and grow only for probes.
 * Rows of {@code ids} are {@link #inputLength()} long; entry {@code b} of the other arrays belongs to row {@code b}. A
 * forward fills the outputs.
 */
public final class TrainingSegment {
    /** Integers of one probe: document, level, position, first output, number of outputs, label. */
    public static final int PROBE_INTS = 6;

    private final int maxInputLength;
    private final int[] ids;
    private final int[] lengths;
    private final int[] readState;
    private final int[] writeState;
    private final int[] readMemoryStart;
    private final int[] writeMemoryStart;
    private final int[] headPosition;
    private final int[] labels;
    private final float[] labelWeights;
    private final long[] dropoutKeys;
    private int[] probeRows = new int[0];
    private float[] probeWeights = new float[0];
    private float hiddenDropout;
    private float attentionDropout;
    private boolean allRows;
    private int inputLength;
    private int size;
    private int numProbes;

    private final double[] losses;
    private final float[] logits;
    private double[] probeLosses = new double[0];
    private int[] probePredictions = new int[0];

    /**
     * @param maxInputLength T
     */
    public TrainingSegment(int maxBatchSize, int maxInputLength, int numLabels) {
        if (maxBatchSize < 1 || maxInputLength < 1) {
            throw new IllegalArgumentException("A segment needs at least one document and one position, not "
                    + maxBatchSize + " and " + maxInputLength + ".");
        }
        this.maxInputLength = maxInputLength;
        ids = new int[Math.multiplyExact(maxBatchSize, maxInputLength)];
        lengths = new int[maxBatchSize];
        readState = new int[maxBatchSize];
        writeState = new int[maxBatchSize];
        readMemoryStart = new int[maxBatchSize];
        writeMemoryStart = new int[maxBatchSize];
        headPosition = new int[maxBatchSize];
        labels = new int[maxBatchSize];
        labelWeights = new float[maxBatchSize];
        dropoutKeys = new long[maxBatchSize];
        losses = new double[maxBatchSize];
        logits = new float[Math.multiplyExact(maxBatchSize, numLabels)];
    }

    /**
     * Empties the segment.
     *
     * @param rowLength length of a row of ids from now on: that of the longest document
     * @param hidden probability of dropping a hidden value
     * @param attention probability of dropping an attention weight
     */
    public void begin(int rowLength, float hidden, float attention) {
        if (rowLength < 1 || rowLength > maxInputLength) {
            throw new IllegalArgumentException(
                    "A segment of " + rowLength + " positions does not fit one made for " + maxInputLength + ".");
        }
        inputLength = rowLength;
        hiddenDropout = hidden;
        attentionDropout = attention;
        size = 0;
        numProbes = 0;
    }

    /**
     * Takes the next row; {@link SegmentLayout} sets its ids and positions.
     *
     * @param read state that is read; -1: the initial memory
     * @param write state that takes the new memory; -1: none
     * @param label -1: no loss
     */
    int addRow(int read, int write, int label, float labelWeight, long dropoutKey) {
        if (size == lengths.length) {
            throw new IllegalStateException("The segment holds " + size + " documents already.");
        }
        readState[size] = read;
        writeState[size] = write;
        labels[size] = label;
        labelWeights[size] = labelWeight;
        dropoutKeys[size] = dropoutKey;
        return size++;
    }

    /** Adds a probe on a row of document {@code document}; the outputs of the probe have the index returned. */
    public int addProbe(
            int document, int level, int position, int firstOutput, int numOutputs, int label, float weight) {
        if (numProbes == probeWeights.length) {
            int capacity = Math.max(64, 2 * numProbes);
            probeRows = Arrays.copyOf(probeRows, PROBE_INTS * capacity);
            probeWeights = Arrays.copyOf(probeWeights, capacity);
            probeLosses = Arrays.copyOf(probeLosses, capacity);
            probePredictions = Arrays.copyOf(probePredictions, capacity);
        }
        int at = PROBE_INTS * numProbes;
        probeRows[at] = document;
        probeRows[at + 1] = level;
        probeRows[at + 2] = position;
        probeRows[at + 3] = firstOutput;
        probeRows[at + 4] = numOutputs;
        probeRows[at + 5] = label;
        probeWeights[numProbes] = weight;
        return numProbes++;
    }

    /** Documents in this call. */
    public int size() {
        return size;
    }

    /** Length of a row of ids. */
    public int inputLength() {
        return inputLength;
    }

    /** (B, inputLength). */
    public int[] ids() {
        return ids;
    }

    /** (B): valid positions. */
    public int[] lengths() {
        return lengths;
    }

    /** (B): state that is read; -1: the initial memory. */
    public int[] readState() {
        return readState;
    }

    /** (B): state that takes the new memory; -1: none. */
    public int[] writeState() {
        return writeState;
    }

    /** (B): first position that takes the memory rows; -1: none. */
    public int[] readMemoryStart() {
        return readMemoryStart;
    }

    /** (B): first position whose outputs become the new memory; -1: none. */
    public int[] writeMemoryStart() {
        return writeMemoryStart;
    }

    /** (B): position that the classifier reads; -1: none. */
    public int[] headPosition() {
        return headPosition;
    }

    /** (B): -1: no loss. */
    public int[] labels() {
        return labels;
    }

    /** (B). */
    public float[] labelWeights() {
        return labelWeights;
    }

    /** (B). */
    public long[] dropoutKeys() {
        return dropoutKeys;
    }

    public float hiddenDropout() {
        return hiddenDropout;
    }

    public float attentionDropout() {
        return attentionDropout;
    }

    /** Whether every row of the last layer is computed although nobody reads it: for checks and comparisons. */
    public boolean allRows() {
        return allRows;
    }

    public void allRows(boolean every) {
        allRows = every;
    }

    public int numProbes() {
        return numProbes;
    }

    /** ({@link #numProbes()}, {@link #PROBE_INTS}); may be longer. */
    public int[] probeRows() {
        return probeRows;
    }

    /** (numProbes); may be longer. */
    public float[] probeWeights() {
        return probeWeights;
    }

    /** (B): cross entropy of each label, not weighted; 0 where there is none. */
    public double[] losses() {
        return losses;
    }

    /** (B, labels): zero where the classifier was not read. */
    public float[] logits() {
        return logits;
    }

    /** (numProbes): cross entropy, not weighted; may be longer. */
    public double[] probeLosses() {
        return probeLosses;
    }

    /** (numProbes): the most probable class; may be longer. */
    public int[] probePredictions() {
        return probePredictions;
    }
}
