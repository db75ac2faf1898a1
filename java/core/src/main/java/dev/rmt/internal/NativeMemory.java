package dev.rmt.internal;

import dev.rmt.ModelConfig;

/** {@link SegmentBackend} over librmt. Keeps the weights alive until it is closed. Not safe for two threads at once. */
public final class NativeMemory implements SegmentBackend {
    /** The one tensor of a slot: memory_state (M, H). */
    private static final int MEMORY_STATE = 0;

    private final ModelConfig config;
    private final int numSlots;
    private final int maxBatchSize;
    private final long bytes;
    private final byte[] error = new byte[NativeErrors.TEXT_SIZE];
    private long handle;

    NativeMemory(ModelConfig config, int numSlots, int maxBatchSize, long bytes, long handle) {
        this.config = config;
        this.numSlots = numSlots;
        this.maxBatchSize = maxBatchSize;
        this.bytes = bytes;
        this.handle = handle;
    }

    @Override
    public int numSlots() {
        return numSlots;
    }

    @Override
    public int maxBatchSize() {
        return maxBatchSize;
    }

    @Override
    public int inputLength() {
        return config.inputLength();
    }

    @Override
    public int memorySize() {
        return config.numMemTokens() * config.hiddenSize();
    }

    @Override
    public int numLabels() {
        return config.numLabels();
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void reset(int slot) {
        if (slot != -1) {
            checkSlot(slot);
        }
        NativeErrors.check(Rmt.memoryReset(handle(), slot, error, error.length), error);
    }

    @Override
    public void copy(int fromSlot, int toSlot) {
        checkSlot(fromSlot);
        checkSlot(toSlot);
        NativeErrors.check(Rmt.memoryCopy(handle(), fromSlot, toSlot, error, error.length), error);
    }

    @Override
    public void getMemory(int slot, float[] values) {
        checkSlot(slot);
        checkValues(values);
        if (values.length > 0) {
            NativeErrors.check(
                    Rmt.memoryGet(handle(), slot, MEMORY_STATE, values, values.length, error, error.length), error);
        }
    }

    @Override
    public void setMemory(int slot, float[] values) {
        checkSlot(slot);
        checkValues(values);
        if (values.length > 0) {
            NativeErrors.check(
                    Rmt.memorySet(handle(), slot, MEMORY_STATE, values, values.length, error, error.length), error);
        }
    }

    @Override
    public void forward(SegmentBatch batch, float[] logits, int[] attentionLayers, float[] attention) {
        batch.check(config.vocabSize(), config.numMemTokens(), numSlots, maxBatchSize, config.inputLength());
        if (logits != null && logits.length < batch.size() * config.numLabels()) {
            throw new IllegalArgumentException("Logits of " + batch.size() + " documents and " + config.numLabels()
                    + " labels do not fit an array of " + logits.length + ".");
        }
        checkAttention(batch, attentionLayers, attention);
        NativeErrors.check(
                Rmt.segmentForward(
                        handle(),
                        batch.size(),
                        batch.inputLength(),
                        batch.ids(),
                        batch.lengths(),
                        batch.slots(),
                        batch.readMemoryStart(),
                        batch.writeMemoryStart(),
                        batch.headPosition(),
                        batch.allRows() ? 1 : 0,
                        logits,
                        attentionLayers,
                        attentionLayers == null ? 0 : attentionLayers.length,
                        attention,
                        error,
                        error.length),
                error);
    }

    private void checkAttention(SegmentBatch batch, int[] layers, float[] attention) {
        if ((layers == null) != (attention == null)) {
            throw new IllegalArgumentException("Attention needs both layers and an array.");
        }
        if (layers == null) {
            return;
        }
        long row = batch.inputLength();
        long needed = row * row * config.numHeads() * batch.size() * layers.length;
        if (attention.length < needed) {
            throw new IllegalArgumentException("The attention of " + layers.length + " layers has " + needed
                    + " values and does not fit an array of " + attention.length + ".");
        }
    }

    private void checkSlot(int slot) {
        if (slot < 0 || slot >= numSlots) {
            throw new IllegalArgumentException("Slot " + slot + " is not one of the " + numSlots + " there are.");
        }
    }

    private void checkValues(float[] values) {
        if (values.length != memorySize()) {
            throw new IllegalArgumentException(
                    "A memory of this model has " + memorySize() + " values, not " + values.length + ".");
        }
    }

    private long handle() {
        if (handle == 0) {
            throw new IllegalStateException("The memory is closed.");
        }
        return handle;
    }

    @Override
    public void close() {
        if (handle != 0) {
            Rmt.memoryDestroy(handle);
            handle = 0;
        }
    }
}
