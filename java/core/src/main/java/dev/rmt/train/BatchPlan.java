package dev.rmt.train;

import dev.rmt.internal.SegmentLayout;
import java.util.ArrayList;
import java.util.List;

/** Which segments of a batch run in one native call, in which order, and which memory states they read and write. */
final class BatchPlan {
    /** No state: the initial memory is read, or nothing is written. */
    static final int NO_STATE = -1;

    private final int[] depths;
    private final int numWaves;
    private final int[] sourceState;
    private final int[] readState;
    private final int[] writeState;
    private final List<int[]> calls;
    private int numStates;

    private BatchPlan(TrainingBatch batch, boolean hasMemory) {
        int size = batch.size();
        depths = batch.depths();
        int deepest = 0;
        for (int depth : depths) {
            deepest = Math.max(deepest, depth);
        }
        numWaves = deepest + 1;
        sourceState = new int[size];
        readState = new int[size];
        writeState = new int[size];
        calls = new ArrayList<>();
        numStates = hasMemory ? batch.startMemories().size() : 0;
        for (int i = 0; i < size; i++) {
            TrainingBatch.Segment segment = batch.segment(i);
            if (!hasMemory) {
                sourceState[i] = readState[i] = writeState[i] = NO_STATE;
                continue;
            }
            // Start memories come first, so that their index is their state.
            sourceState[i] = segment.parent() != TrainingBatch.NONE
                    ? writeState[segment.parent()]
                    : segment.start() != TrainingBatch.NONE ? segment.start() : NO_STATE;
            readState[i] = segment.memoryNoise() == null ? sourceState[i] : numStates++;
            writeState[i] = segment.writesMemory() ? numStates++ : NO_STATE;
        }
    }

    /**
     * @param maxBatchSize documents of one call
     * @param maxTotalLength sum of their positions
     * @param memorySize M x H; 0: no memory, and segments read and write nothing
     * @throws IllegalArgumentException naming the segment that does not fit the model
     */
    static BatchPlan of(
            TrainingBatch batch, SegmentLayout layout, int maxBatchSize, long maxTotalLength, int memorySize) {
        check(batch, memorySize);
        BatchPlan plan = new BatchPlan(batch, memorySize > 0);
        for (int wave = 0; wave < plan.numWaves; wave++) {
            List<Integer> call = new ArrayList<>();
            long total = 0;
            for (int i = 0; i < batch.size(); i++) {
                if (plan.depths[i] == wave) {
                    int length = layout.length(batch.segment(i).content().length);
                    if (!call.isEmpty() && (call.size() == maxBatchSize || total + length > maxTotalLength)) {
                        plan.addCall(call);
                        total = 0;
                    }
                    call.add(i);
                    total += length;
                }
            }
            plan.addCall(call);
        }
        return plan;
    }

    private void addCall(List<Integer> call) {
        calls.add(call.stream().mapToInt(Integer::intValue).toArray());
        call.clear();
    }

    private static void check(TrainingBatch batch, int memorySize) {
        for (int s = 0; s < batch.startMemories().size(); s++) {
            checkMemory("Start memory " + s, batch.startMemories().get(s), memorySize);
        }
        for (int i = 0; i < batch.size(); i++) {
            float[] noise = batch.segment(i).memoryNoise();
            if (noise != null) {
                checkMemory("The memory noise of segment " + i, noise, memorySize);
            }
        }
    }

    private static void checkMemory(String what, float[] values, int memorySize) {
        if (values.length != memorySize) {
            throw new IllegalArgumentException(
                    what + " has " + values.length + " values; a memory of this model has " + memorySize + ".");
        }
    }

    /** Memory states that the batch needs. */
    int numStates() {
        return numStates;
    }

    /** Segments of the longest document. */
    int numWaves() {
        return numWaves;
    }

    /** Segments that stand before this one in its document. */
    int depth(int segment) {
        return depths[segment];
    }

    /** Indices of the segments of each call; calls of shallower waves first. */
    List<int[]> calls() {
        return calls;
    }

    int startState(int startMemory) {
        return startMemory;
    }

    /** The state that holds the memory that enters a segment, before noise; {@link #NO_STATE}: the initial memory. */
    int sourceState(int segment) {
        return sourceState[segment];
    }

    /** The state that a segment reads: the source, or one of its own where noise is added. */
    int readState(int segment) {
        return readState[segment];
    }

    int writeState(int segment) {
        return writeState[segment];
    }
}
