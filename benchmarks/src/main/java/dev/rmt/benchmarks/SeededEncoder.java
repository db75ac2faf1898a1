package dev.rmt.benchmarks;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeLibrary;
import dev.rmt.internal.NativeMemory;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.SegmentBatch;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.util.Arrays;
import java.util.SplittableRandom;

/** A model with seeded weights on the kernels of one instruction set, and seeded content for it. */
public final class SeededEncoder implements AutoCloseable {
    /** Largest difference of equal results, relative to the largest magnitude. */
    public static final double TOLERANCE = 5e-6;
    /** The instruction set that librmt chooses: the best one, or what RMT_CPU_ISA says. */
    public static final String DEFAULT_ISA = "default";

    static final String REFERENCE = "reference";

    private static final long SEED = 42;
    /** Of the weights: larger than BERT's 0.02, so that attention is not the same everywhere. */
    private static final double DEVIATION = 0.05;

    private final ModelConfig config;
    private final NativeDevice device;
    private final NativeModel model;

    /** @param isa one of {@link NativeLibrary#cpuIsas}, or {@link #DEFAULT_ISA} */
    public SeededEncoder(ModelConfig config, int threads, String isa) {
        this.config = config;
        device = device(threads, isa);
        model = NativeModel.create(device, config);
        Weights weights = weights(config);
        for (NativeModel.Parameter parameter : model.parameters()) {
            float[] values = new float[Math.toIntExact(parameter.count())];
            weights.read(parameter.name(), 0, values, 0, values.length);
            model.setParameter(parameter, values, 0, values.length);
        }
        model.finish();
    }

    static NativeDevice device(int threads, String isa) {
        return isa.equals(DEFAULT_ISA) ? NativeDevice.cpu(threads) : NativeDevice.cpu(threads, isa);
    }

    /** The same ones for equal shapes. */
    public static Weights weights(ModelConfig config) {
        return new RandomWeights(config, SEED, DEVIATION);
    }

    /** Ids of words, the same ones in every run. */
    public static int[] content(ModelConfig config, int count) {
        SplittableRandom random = new SplittableRandom(7);
        int[] ids = new int[count];
        Arrays.setAll(ids, i -> random.nextInt(5, config.vocabSize()));
        return ids;
    }

    /** A user's model with the same weights. */
    public static RmtModel model(ModelConfig config, Device device) {
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(EncoderShape.vocabulary(), WordPieceOptions.defaults());
        return RmtModel.of(config, tokenizer, weights(config), device);
    }

    public static SegmentLayout layout(ModelConfig config) {
        Vocabulary vocabulary = EncoderShape.vocabulary();
        return SegmentLayout.encoder(
                config.inputLength(), config.numMemTokens(), vocabulary.clsId(), vocabulary.sepId());
    }

    /** One segment of one document, in slot 0, that replaces its memory. */
    public SegmentBatch segment(int contentTokens, boolean allRows) {
        SegmentBatch batch = new SegmentBatch(1, config.inputLength());
        layout(config).addTo(batch, 0, content(config, contentTokens), 0, contentTokens, true, false);
        batch.allRows(allRows);
        return batch;
    }

    public NativeMemory newMemory() {
        return model.newMemory(1, 1);
    }

    /** The memory after one segment from the initial memory, (M, H). */
    public float[] memoryAfter(SegmentBatch segment) {
        try (NativeMemory memory = newMemory()) {
            memory.forward(segment, null);
            float[] values = new float[memory.memorySize()];
            memory.getMemory(0, values);
            return values;
        }
    }

    /**
     * Compares one short segment with the reference kernels, which are too slow for a long one.
     *
     * @param contentTokens of that segment
     * @throws IllegalStateException if the results differ: nothing may be timed then
     */
    void verify(int contentTokens) {
        // As many positions as are read: the reference sizes its workspace by them.
        ModelConfig shorter = config.toBuilder()
                .inputLength(contentTokens + config.numMemTokens() + ModelConfig.SPECIAL_TOKENS)
                .build();
        try (SeededEncoder reference = new SeededEncoder(shorter, 1, REFERENCE)) {
            float[] expected = reference.memoryAfter(reference.segment(contentTokens, true));
            requireEqual("the reference kernels", memoryAfter(segment(contentTokens, false)), expected);
            requireEqual("the reference kernels, all rows", memoryAfter(segment(contentTokens, true)), expected);
        }
    }

    /** @throws IllegalStateException naming the difference if it is too large, or not a number */
    public static void requireEqual(String whose, float[] actual, float[] expected) {
        requireEqual(whose, actual, expected, TOLERANCE);
    }

    static void requireEqual(String whose, float[] actual, float[] expected, double tolerance) {
        double difference = difference(actual, expected);
        if (!(difference <= tolerance)) {
            throw new IllegalStateException("The result differs from that of " + whose + " by " + difference
                    + " of the largest value, and at most " + tolerance + " is allowed; nothing is timed.");
        }
    }

    /** Largest difference, relative to the largest magnitude expected; NaN where there is one. */
    public static double difference(float[] actual, float[] expected) {
        double difference = actual.length == expected.length ? 0 : Double.NaN;
        double magnitude = 0;
        for (int i = 0; i < Math.min(actual.length, expected.length); i++) {
            difference = Math.max(difference, Math.abs((double) actual[i] - expected[i]));
            magnitude = Math.max(magnitude, Math.abs((double) expected[i]));
        }
        return difference / magnitude;
    }

    public ModelConfig config() {
        return config;
    }

    /** The instruction set that runs. */
    public String isa() {
        return device.info().isa();
    }

    @Override
    public void close() {
        model.close();
        device.close();
    }
}
