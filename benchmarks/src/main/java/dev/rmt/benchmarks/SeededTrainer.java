package dev.rmt.benchmarks;

import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.NativeTrainer;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.internal.TrainingBackend.Values;
import dev.rmt.internal.TrainingSegment;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Forward and backward of a batch of equal segments with seeded weights: mean cross entropy of the classifier at [CLS], no
 * memory written, no dropout, nothing recomputed, no optimizer.
 */
public final class SeededTrainer implements AutoCloseable {
    /** Gradients of a deep encoder: fp32 on either side is off by up to 1e-5 in the queries of its last layers. */
    static final double FP32_TOLERANCE = 2e-5;

    private static final int NO_STATE = -1;
    private static final int TAPE = 0;
    /** Of all documents: gradients of opposite labels would cancel and leave rounding to compare. */
    private static final int LABEL = 1;

    private final NativeDevice device;
    private final NativeTrainer trainer;
    private final TrainingSegment segment;

    /** @param allRows whether every row of the last layer is computed, or that of [CLS] alone */
    public SeededTrainer(
            ModelConfig config, int threads, String isa, int batchSize, int contentTokens, boolean allRows) {
        SegmentLayout layout = SeededEncoder.layout(config);
        int positions = layout.length(contentTokens);
        device = SeededEncoder.device(threads, isa);
        trainer = NativeTrainer.create(
                device, config, new NativeTrainer.Limits(batchSize, (long) batchSize * positions, 1, 1, 0, false));
        Weights weights = SeededEncoder.weights(config);
        for (NativeModel.Parameter parameter : trainer.parameters()) {
            float[] values = new float[Math.toIntExact(parameter.count())];
            weights.read(parameter.name(), 0, values, 0, values.length);
            trainer.setValues(Values.WEIGHTS, parameter, values, 0, values.length);
        }
        segment = new TrainingSegment(batchSize, config.inputLength(), config.numLabels());
        segment.begin(positions, 0, 0);
        segment.allRows(allRows);
        int[] content = SeededEncoder.content(config, batchSize * contentTokens);
        for (int b = 0; b < batchSize; b++) {
            int[] own = Arrays.copyOfRange(content, b * contentTokens, (b + 1) * contentTokens);
            layout.addTo(segment, own, NO_STATE, NO_STATE, LABEL, 1f / batchSize, 0);
        }
    }

    /** Gradients add up until they are cleared. */
    public void forwardAndBackward() {
        trainer.forward(TAPE, segment);
        trainer.backward(TAPE, segment, true, false);
    }

    /** Gradients of one pass, by the names of {@link Weights}; but for key biases, which are zero but for rounding. */
    public Map<String, float[]> gradients() {
        trainer.clearGradients();
        forwardAndBackward();
        Map<String, float[]> gradients = new LinkedHashMap<>();
        for (NativeModel.Parameter parameter : trainer.parameters()) {
            if (!parameter.name().endsWith("key.bias")) {
                float[] values = new float[Math.toIntExact(parameter.count())];
                trainer.getValues(Values.GRADIENTS, parameter, values, 0, values.length);
                gradients.put(parameter.name(), values);
            }
        }
        return gradients;
    }

    /** (B, positions). */
    public int[] ids() {
        return segment.ids().clone();
    }

    /** (B). */
    public int[] labels() {
        return segment.labels().clone();
    }

    /** Mean cross entropy of the last pass. */
    public double loss() {
        return Arrays.stream(segment.losses()).average().orElseThrow();
    }

    /** The instruction set that runs. */
    public String isa() {
        return device.info().isa();
    }

    @Override
    public void close() {
        trainer.close();
        device.close();
    }

    /**
     * @param whose named in the message
     * @throws IllegalStateException if a gradient differs too much, or is missing
     */
    public static void requireEqual(String whose, Map<String, float[]> actual, Map<String, float[]> expected) {
        requireEqual(whose, actual, expected, SeededEncoder.TOLERANCE);
    }

    /** The same for gradients that were computed in fp32 on both sides: {@value #FP32_TOLERANCE} of the largest value. */
    public static void requireAlike(String whose, Map<String, float[]> actual, Map<String, float[]> expected) {
        requireEqual(whose, actual, expected, FP32_TOLERANCE);
    }

    private static void requireEqual(
            String whose, Map<String, float[]> actual, Map<String, float[]> expected, double tolerance) {
        if (!actual.keySet().equals(expected.keySet())) {
            throw new IllegalStateException("The gradients " + actual.keySet() + " are not those of " + whose + ", "
                    + expected.keySet() + "; nothing is timed.");
        }
        expected.forEach((name, values) ->
                SeededEncoder.requireEqual(whose + " (gradient of " + name + ")", actual.get(name), values, tolerance));
    }
}
