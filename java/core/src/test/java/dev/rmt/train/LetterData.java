package dev.rmt.train;

import dev.rmt.TestModels;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Documents of two segments: one of six letters, then others, and a question about the first. Half of the documents go on
 * from the memory that an earlier one left, so that the data has a state.
 */
final class LetterData implements TrainingData {
    static final int DOCUMENTS = 8;
    static final int PROBE_OUTPUTS = 6;
    private static final int FIRST_LETTER = TestModels.tokenizer().vocabulary().id("a");

    private final long seed;
    private float[] carried = new float[0];
    private long learned;

    private final boolean carrying;

    LetterData(long seed) {
        this(seed, true);
    }

    /** @param carrying whether half of the documents go on from an earlier memory, and other letters come in between */
    LetterData(long seed, boolean carrying) {
        this.seed = seed;
        this.carrying = carrying;
    }

    @Override
    public TrainingBatch next(long index) {
        SplittableRandom random = new SplittableRandom(seed * 1000 + index);
        TrainingBatch.Builder batch = new TrainingBatch.Builder();
        float[] start = carried.length == 0 || !carrying ? null : carried;
        int from = start == null ? -1 : batch.addStart(start);
        for (int d = 0; d < DOCUMENTS; d++) {
            int letter = random.nextInt(6);
            long key = random.nextLong();
            TrainingBatch.SegmentBuilder first = TrainingBatch.reading(
                            new int[] {letter(letter), letter(20), letter(21)})
                    .dropoutKey(key)
                    .probe(new TrainingBatch.Probe(
                            1, 2 + TinyRuns.CONFIG.numMemTokens(), 0, PROBE_OUTPUTS, letter, 0.1f / DOCUMENTS));
            if (d % 2 == 1 && from >= 0) {
                first.from(from);
            }
            int text = batch.add(first.build());
            int[] others = new int[4];
            for (int i = 0; i < others.length; i++) {
                others[i] = letter(6 + random.nextInt(12));
            }
            int middle = batch.add(TrainingBatch.reading(carrying ? others : new int[] {letter(19)})
                    .after(text)
                    .dropoutKey(key + 1)
                    .keepMemory()
                    .build());
            batch.add(TrainingBatch.reading(new int[] {letter(25), letter(24)})
                    .after(middle)
                    .writesMemory(false)
                    .label(letter, 1f / DOCUMENTS)
                    .dropoutKey(key + 2)
                    .build());
        }
        return batch.build();
    }

    private static int letter(int index) {
        return FIRST_LETTER + 2 * index;
    }

    @Override
    public void learned(TrainingBatch batch, TrainingOutcome outcome) {
        carried = outcome.memory(1);
        learned++;
    }

    @Override
    public Map<String, Double> metrics() {
        Map<String, Double> metrics = new LinkedHashMap<>();
        metrics.put("steps", (double) learned);
        return metrics;
    }

    @Override
    public byte[] save() {
        ByteBuffer bytes = ByteBuffer.allocate(8 + 4 * carried.length);
        bytes.putLong(learned);
        for (float value : carried) {
            bytes.putFloat(value);
        }
        return bytes.array();
    }

    @Override
    public void restore(byte[] state) {
        ByteBuffer bytes = ByteBuffer.wrap(state);
        learned = bytes.getLong();
        carried = new float[bytes.remaining() / 4];
        for (int i = 0; i < carried.length; i++) {
            carried[i] = bytes.getFloat();
        }
    }
}
