package dev.rmt.internal;

/**
 * One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101), as rmt.h describes it.
 *
 * @param decayEverything false: biases and LayerNorm parameters are spared
 * @param gradientScale gradients are multiplied by this first
 * @param clipValue then clipped element by element; 0: not
 * @param clipNorm then scaled to at most this global norm; 0: not
 * @param averageDecay of the moving average of the weights, where one is kept
 * @param step counted from 1 since the moments were zero
 */
public record AdamW(
        double learningRate,
        double beta1,
        double beta2,
        double epsilon,
        double weightDecay,
        boolean decayEverything,
        double gradientScale,
        double clipValue,
        double clipNorm,
        double averageDecay,
        long step) {}
