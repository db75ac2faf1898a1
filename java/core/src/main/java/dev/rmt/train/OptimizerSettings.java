package dev.rmt.train;

/**
 * AdamW and what is done to gradients before it (Loshchilov and Hutter, arXiv 1711.05101).
 *
 * @param beta1 decay of the mean of gradients
 * @param beta2 decay of the mean of their squares
 * @param epsilon added to the root of the latter
 * @param weightDecay weights lose learning rate x weightDecay of themselves in a step
 * @param decayEverything whether biases and LayerNorm do so too; the paper's setting
 * @param clipValue each number of the gradient is clipped to -clipValue ... clipValue; 0: not
 * @param clipNorm then the whole gradient is scaled to at most this norm; 0: not
 * @param averageDecay of the moving average of the weights; 0: none is kept
 */
public record OptimizerSettings(
        double beta1,
        double beta2,
        double epsilon,
        double weightDecay,
        boolean decayEverything,
        double clipValue,
        double clipNorm,
        double averageDecay) {
    public OptimizerSettings {
        requireShare("beta1", beta1);
        requireShare("beta2", beta2);
        requireShare("decay of the average", averageDecay);
        if (!(epsilon > 0 && epsilon <= 1)) {
            throw new IllegalArgumentException("epsilon is " + epsilon + "; it must be more than 0, at most 1.");
        }
        requireNotNegative("weight decay", weightDecay);
        requireNotNegative("value that gradients are clipped to", clipValue);
        requireNotNegative("norm that gradients are clipped to", clipNorm);
    }

    /** Those of PyTorch: betas 0.9 and 0.999, epsilon 1e-8, weight decay 0.01 but for biases and norms; nothing is clipped. */
    public static OptimizerSettings defaults() {
        return new OptimizerSettings(0.9, 0.999, 1e-8, 0.01, false, 0, 0, 0);
    }

    private static void requireShare(String what, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException("The " + what + " is " + value + "; it must be 0 or more, less than 1.");
        }
    }

    private static void requireNotNegative(String what, double value) {
        if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("The " + what + " is " + value + "; it must be 0 or more.");
        }
    }
}
