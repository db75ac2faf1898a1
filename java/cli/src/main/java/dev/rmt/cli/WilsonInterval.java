package dev.rmt.cli;

/**
 * The 95 % confidence interval of a share of successes, by Wilson's formula: it stays within 0 ... 1 and is honest for few
 * samples and for shares near 0 or 1, where the usual plus-minus is not.
 *
 * @param low lower end, 0 ... 1
 * @param high upper end, 0 ... 1
 */
record WilsonInterval(double low, double high) {
    private static final double Z = 1.959963984540054; // two-sided 95 % of the normal distribution

    /** @throws IllegalArgumentException unless {@code 0 <= correct <= samples} and {@code samples >= 1} */
    static WilsonInterval of(long correct, long samples) {
        if (samples < 1 || correct < 0 || correct > samples) {
            throw new IllegalArgumentException(correct + " of " + samples + " is not a share.");
        }
        double share = (double) correct / samples;
        double shrink = 1 + Z * Z / samples;
        double middle = (share + Z * Z / (2 * samples)) / shrink;
        double half = Z / shrink * Math.sqrt(share * (1 - share) / samples + Z * Z / (4.0 * samples * samples));
        // The exact ends at 0 and 1 successes; rounding would leave a hair.
        return new WilsonInterval(
                correct == 0 ? 0 : Math.max(0, middle - half), correct == samples ? 1 : Math.min(1, middle + half));
    }
}
