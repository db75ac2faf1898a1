package dev.rmt.eval;

/**
 * A 95 % confidence interval of a share of successes by Wilson's formula: it stays within 0 ... 1 and is honest for few
 * samples and for shares near 0 or 1.
 *
 * @param low lower end, 0 ... 1
 * @param high upper end, 0 ... 1
 */
public record ConfidenceInterval(double low, double high) {
    /** The 97.5 % quantile of the normal distribution: 95 % of it lie within. */
    private static final double Z = 1.959963984540054;

    /** @throws IllegalArgumentException unless {@code 0 <= successes <= trials} and {@code trials >= 1} */
    public static ConfidenceInterval of(long successes, long trials) {
        if (trials < 1 || successes < 0 || successes > trials) {
            throw new IllegalArgumentException(successes + " of " + trials + " is not a share.");
        }
        double share = (double) successes / trials;
        double scale = 1 + Z * Z / trials;
        double center = (share + Z * Z / (2 * trials)) / scale;
        double half = Z / scale * Math.sqrt(share * (1 - share) / trials + Z * Z / (4.0 * trials * trials));
        // At no and at all successes the ends are 0 and 1 exactly; rounding would miss them by a hair.
        return new ConfidenceInterval(
                successes == 0 ? 0 : Math.max(0, center - half), successes == trials ? 1 : Math.min(1, center + half));
    }

    public boolean contains(double share) {
        return share >= low && share <= high;
    }
}
