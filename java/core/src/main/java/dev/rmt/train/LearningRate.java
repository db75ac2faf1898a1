package dev.rmt.train;

/**
 * A learning rate that climbs linearly, stays, and falls linearly.
 *
 * @param peak the highest rate
 * @param floor what it falls to, reached one step after the last
 * @param warmUp steps of the climb: step s of them has peak x (s + 1) / warmUp
 * @param decayFrom share of the steps after which it falls, 0 ... 1; 0: right after the climb, 1: never
 */
public record LearningRate(double peak, double floor, long warmUp, double decayFrom) {
    public LearningRate {
        if (!(peak >= 0 && peak < 1e3) || !(floor >= 0 && floor <= peak)) {
            throw new IllegalArgumentException("The learning rate is " + peak + " with a floor of " + floor
                    + "; the floor must lie between 0 and the rate.");
        }
        if (warmUp < 0) {
            throw new IllegalArgumentException("The warm-up has " + warmUp + " steps; it must be 0 or more.");
        }
        if (!(decayFrom >= 0 && decayFrom <= 1)) {
            throw new IllegalArgumentException(
                    "The rate falls from " + decayFrom + " of the steps on; it must be 0 to 1.");
        }
    }

    /** The same rate at every step after a climb. */
    public static LearningRate constant(double rate, long warmUp) {
        return new LearningRate(rate, 0, warmUp, 1);
    }

    /** A climb, then a fall to 0: the paper's. */
    public static LearningRate linear(double peak, long warmUp) {
        return new LearningRate(peak, 0, warmUp, 0);
    }

    /**
     * @param step counted from 0
     * @param steps of the stage
     */
    public double at(long step, long steps) {
        if (step < warmUp) {
            return peak * (step + 1) / warmUp;
        }
        long fall = Math.max(warmUp, Math.round(decayFrom * steps));
        if (step < fall || fall >= steps) {
            return peak;
        }
        return floor + (peak - floor) * Math.max(0, steps - step) / (steps - fall);
    }
}
