package dev.rmt.internal;

/**
 * The memories of a set of documents and the means to run one segment of some of them: all that the loops over
 * segments know of a device. One thread at a time. A call that is refused leaves every slot as it was.
 */
public interface SegmentBackend extends AutoCloseable {
    /** Documents whose memory is kept. */
    int numSlots();

    /** Documents that one call can hold. */
    int maxBatchSize();

    /** T: positions of one segment. */
    int inputLength();

    /** Floats of the memory of one document: M x H. */
    int memorySize();

    /** Outputs of the classifier; 0: there is none. */
    int numLabels();

    /** Bytes taken on the device; they never grow. */
    long bytes();

    /** Sets a slot to the model's initial memory; -1: all of them. */
    void reset(int slot);

    void copy(int fromSlot, int toSlot);

    /** @param values (M, H), written */
    void getMemory(int slot, float[] values);

    /** @param values (M, H), copied */
    void setMemory(int slot, float[] values);

    /**
     * Runs one segment of the documents in {@code batch} and replaces the memory of their slots.
     *
     * @param logits (batch size, labels), written; null: not wanted
     */
    default void forward(SegmentBatch batch, float[] logits) {
        forward(batch, logits, null, null);
    }

    /**
     * Runs a segment and shows what its positions attend to; the bits of everything else are the same.
     *
     * @param logits (batch size, labels), written; null: not wanted
     * @param attentionLayers ascending; null: not wanted
     * @param attention (attention layers, batch size, NH, T, T), written; null: not wanted
     */
    void forward(SegmentBatch batch, float[] logits, int[] attentionLayers, float[] attention);

    /** Frees what the device holds; does nothing the second time. */
    @Override
    void close();
}
