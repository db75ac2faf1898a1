package dev.rmt.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A backend of plain integers (exact in float): a document's new memory is a hash of its old one and of the segment's
 * ids, in order, so any segment that is missing, doubled, cut elsewhere or in another order gives another memory. Writes
 * down every row that it ran.
 */
final class FakeBackend implements SegmentBackend {
    static final int VOCAB_SIZE = 1000;
    private static final int MODULUS = 1 << 20;

    /** One row of one call. */
    record Row(int call, int slot, List<Integer> ids, boolean wroteMemory, boolean readHead) {}

    final List<Row> rows = new ArrayList<>();
    private final int numMemTokens;
    private final int maxBatchSize;
    private final int inputLength;
    private final int numLabels;
    private final float[][] memories;
    private int calls;
    int failAtCall = -1;
    boolean closed;

    FakeBackend(int numSlots, int maxBatchSize, int numMemTokens, int inputLength, int numLabels) {
        this.numMemTokens = numMemTokens;
        this.maxBatchSize = maxBatchSize;
        this.inputLength = inputLength;
        this.numLabels = numLabels;
        memories = new float[numSlots][numMemTokens];
        reset(-1);
    }

    @Override
    public int numSlots() {
        return memories.length;
    }

    @Override
    public int maxBatchSize() {
        return maxBatchSize;
    }

    @Override
    public int inputLength() {
        return inputLength;
    }

    @Override
    public int memorySize() {
        return numMemTokens;
    }

    @Override
    public int numLabels() {
        return numLabels;
    }

    @Override
    public long bytes() {
        return 0;
    }

    @Override
    public void reset(int slot) {
        for (int s = 0; s < memories.length; s++) {
            if (slot == -1 || slot == s) {
                for (int m = 0; m < numMemTokens; m++) {
                    memories[s][m] = 7 * (m + 1);
                }
            }
        }
    }

    @Override
    public void copy(int fromSlot, int toSlot) {
        memories[toSlot] = memories[fromSlot].clone();
    }

    @Override
    public void getMemory(int slot, float[] values) {
        System.arraycopy(memories[slot], 0, values, 0, numMemTokens);
    }

    float[] memory(int slot) {
        return memories[slot].clone();
    }

    @Override
    public void setMemory(int slot, float[] values) {
        memories[slot] = values.clone();
    }

    @Override
    public void forward(SegmentBatch batch, float[] logits, int[] attentionLayers, float[] attention) {
        batch.check(VOCAB_SIZE, numMemTokens, memories.length, maxBatchSize, inputLength);
        int call = calls++;
        if (call == failAtCall) {
            throw new dev.rmt.DeviceException("The device failed.");
        }
        for (int b = 0; b < batch.size(); b++) {
            List<Integer> ids = new ArrayList<>();
            for (int t = 0; t < batch.lengths()[b]; t++) {
                int readStart = batch.readMemoryStart()[b];
                boolean isMemory = readStart >= 0 && t >= readStart && t < readStart + numMemTokens;
                ids.add(isMemory ? -1 : batch.ids()[b * inputLength + t]);
            }
            float[] memory = memories[batch.slots()[b]];
            int hash = (ids.hashCode() * 31 + Arrays.hashCode(memory)) & (MODULUS - 1);
            boolean writes = batch.writeMemoryStart()[b] >= 0;
            boolean head = batch.headPosition()[b] >= 0;
            rows.add(new Row(call, batch.slots()[b], ids, writes, head));
            if (writes) {
                for (int m = 0; m < numMemTokens; m++) {
                    memory[m] = (hash * (m + 3)) & (MODULUS - 1);
                }
            }
            if (logits != null && head) {
                for (int label = 0; label < numLabels; label++) {
                    logits[b * numLabels + label] = (hash * (label + 5)) & (MODULUS - 1);
                }
            }
        }
    }

    @Override
    public void close() {
        closed = true;
    }
}
