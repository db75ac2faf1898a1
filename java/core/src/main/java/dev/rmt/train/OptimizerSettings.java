package dev.rmt.train;

import dev.rmt.internal.AdamW;
import java.util.List;

/**
 * AdamW with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).
 *
 * @param beta1 decay of the mean of gradients
 * @param beta2 decay of the mean of their squares
 * @param epsilon added to the root of the second
 * @param weightDecay times the learning rate and the weight is taken off each weight
 * @param decayEverything whether biases and LayerNorm parameters decay too
 * @param clipValue each element of the gradient is clipped to at most this; 0: not
 * @param clipNorm then the gradient is scaled to at most this global norm; 0: not
 * @param averageDecay of the moving average of the weights; 0: no average is kept
 * @param frozen parameters that stay as they are: names of tensors, or beginnings of names; with "[:n]" behind it, only
 *     the first n columns of those tensors
 */
public record OptimizerSettings(
        double beta1,
        double beta2,
        double epsilon,
        double weightDecay,
        boolean decayEverything,
        double clipValue,
        double clipNorm,
        double averageDecay,
        List<String> frozen) {
    public OptimizerSettings {
        require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "0 or more and below 1");
        require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "0 or more and below 1");
        require(epsilon > 0 && epsilon < 1, "epsilon", epsilon, "more than 0 and below 1");
        require(weightDecay >= 0 && weightDecay < 1e3, "weight decay", weightDecay, "0 or more");
        require(clipValue >= 0 && clipValue < 1e12, "clip value", clipValue, "0 (none) or more");
        require(clipNorm >= 0 && clipNorm < 1e12, "clip norm", clipNorm, "0 (none) or more");
        require(averageDecay >= 0 && averageDecay < 1, "decay of the average", averageDecay, "0 or more and below 1");
        frozen = List.copyOf(frozen);
        frozen.forEach(FrozenPart::of); // refuses what cannot be read
        if (!frozen.isEmpty() && weightDecay > 0) {
            throw new IllegalArgumentException("The weight decay is " + weightDecay
                    + ", which would change what is frozen (" + String.join(", ", frozen) + ") too; set it to 0.");
        }
    }

    private static void require(boolean condition, String what, double value, String wanted) {
        if (!condition) {
            throw new IllegalArgumentException("The " + what + " is " + value + "; it must be " + wanted + ".");
        }
    }

    /** Betas 0.9 and 0.999, epsilon 1e-8, decay 0.01 on all but biases and LayerNorm, norm clipped to 1, no average. */
    public static OptimizerSettings usual() {
        return new OptimizerSettings(0.9, 0.999, 1e-8, 0.01, false, 0, 1, 0, List.of());
    }

    public OptimizerSettings withBetas(double first, double second) {
        return new OptimizerSettings(
                first, second, epsilon, weightDecay, decayEverything, clipValue, clipNorm, averageDecay, frozen);
    }

    public OptimizerSettings withWeightDecay(double decay, boolean everything) {
        return new OptimizerSettings(
                beta1, beta2, epsilon, decay, everything, clipValue, clipNorm, averageDecay, frozen);
    }

    public OptimizerSettings withClipping(double value, double norm) {
        return new OptimizerSettings(
                beta1, beta2, epsilon, weightDecay, decayEverything, value, norm, averageDecay, frozen);
    }

    public OptimizerSettings withAverageDecay(double decay) {
        return new OptimizerSettings(
                beta1, beta2, epsilon, weightDecay, decayEverything, clipValue, clipNorm, decay, frozen);
    }

    List<FrozenPart> frozenParts() {
        return frozen.stream().map(FrozenPart::of).toList();
    }

    /** @param step counted from 1 since the moments were zero */
    AdamW step(double learningRate, double gradientScale, long step) {
        return new AdamW(
                learningRate,
                beta1,
                beta2,
                epsilon,
                weightDecay,
                decayEverything,
                gradientScale,
                clipValue,
                clipNorm,
                averageDecay,
                step);
    }
}
