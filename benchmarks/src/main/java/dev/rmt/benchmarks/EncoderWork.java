package dev.rmt.benchmarks;

import dev.rmt.ModelConfig;

/**
 * Floating-point operations of the encoder: matrix products only, two for each multiplication and addition, as executed.
 * Embeddings, norms, softmax, GELU and heads are not counted, nor what only fills up panels: that is in {@link
 * dev.rmt.flops.ExactFlops}, and would make a share of the peak look better than it is.
 */
public final class EncoderWork {
    private EncoderWork() {}

    /** Of one document with every row of every layer: {@code 2 (4 H^2 + 2 H F) T L + 4 T^2 H L}. */
    public static double forward(ModelConfig config, int positions) {
        return config.numLayers() * layer(config, positions, positions);
    }

    /**
     * Of one document where the last layer computes only some rows: keys and values for all positions, the rest for those
     * rows.
     */
    public static double forward(ModelConfig config, int positions, int lastLayerRows) {
        return (config.numLayers() - 1) * layer(config, positions, positions) + layer(config, positions, lastLayerRows);
    }

    /** Forward and backward of one document: a product forward is two backward. */
    public static double training(ModelConfig config, int positions, int lastLayerRows) {
        return 3 * forward(config, positions, lastLayerRows);
    }

    private static double layer(ModelConfig config, double positions, double rows) {
        double h = config.hiddenSize();
        double keysAndValues = 2 * 2 * h * h * positions;
        double linears = 2 * (2 * h * h + 2 * h * config.intermediateSize()) * rows;
        double attention = 4 * rows * positions * h;
        return keysAndValues + linears + attention;
    }
}
