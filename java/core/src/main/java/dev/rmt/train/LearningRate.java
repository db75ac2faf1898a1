package dev.rmt.train;

/**
 * The learning rate over a stage: it rises linearly for {@code warmup} steps, stays at its peak, and falls linearly from a given
 * share of the stage on.
 *
 * @param peak highest rate, more than 0
 * @param warmup steps of the rise; 0: none
 * @param decayFrom share of the stage's steps after which it falls, 0 ... 1; 1: it does not, 0: it falls behind the warm-up
 * @param last rate to which it falls by the end of the stage
 */
public record LearningRate(double peak, long warmup, double decayFrom, double last) {
    public LearningRate {
        if (!(peak > 0 && peak <= 10)) {
            throw new IllegalArgumentException(
                    "The peak of the learning rate is " + peak + "; it must be more than 0, at most 10.");
        }
        if (warmup < 0) {
            throw new IllegalArgumentException("The warm-up takes " + warmup + " steps; it must be 0 or more.");
        }
        if (!(decayFrom >= 0 && decayFrom <= 1)) {
            throw new IllegalArgumentException(
                    "The learning rate falls from " + decayFrom + " of the stage on; it must be 0 ... 1.");
        }
        if (!(last >= 0 && last <= peak)) {
            throw new IllegalArgumentException("The learning rate falls to " + last
                    + "; it must be 0 or more, and no more than its peak " + peak + ".");
        }
    }

    public static LearningRate constant(double rate) {
        return new LearningRate(rate, 0, 1, rate);
    }

    /**
     * The rate of a step.
     *
     * @param step counted from 0
     * @param steps of the stage
     */
    public double at(long step, long steps) {
        if (step < warmup) {
            return peak * (step + 1) / warmup;
        }
        double start = Math.max(warmup, decayFrom * steps);
        if (step < start || start >= steps) {
            return peak;
        }
        return peak + (last - peak) * (step - start) / (steps - start);
    }
}
