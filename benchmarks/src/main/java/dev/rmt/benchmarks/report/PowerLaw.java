package dev.rmt.benchmarks.report;

/**
 * A power law {@code factor * n^exponent} fitted to measurements by least squares of the logarithms, so that short and long
 * documents count alike.
 *
 * @param r2 share of the variance of the logarithms that the law explains, at most 1
 */
record PowerLaw(double factor, double exponent, double r2) {
    /**
     * @param n more than 0, not all equal
     * @param values more than 0, one for each n
     */
    static PowerLaw fit(double[] n, double[] values) {
        if (n.length != values.length || n.length < 2) {
            throw new IllegalArgumentException(
                    "A power law needs 2 points or more, not " + n.length + " and " + values.length + " values.");
        }
        double meanX = meanLog(n);
        double meanY = meanLog(values);
        double xx = 0;
        double xy = 0;
        double yy = 0;
        for (int i = 0; i < n.length; i++) {
            double x = Math.log(n[i]) - meanX;
            double y = Math.log(values[i]) - meanY;
            xx += x * x;
            xy += x * y;
            yy += y * y;
        }
        if (!(xx > 0)) {
            throw new IllegalArgumentException("A power law needs points at different n.");
        }
        double exponent = xy / xx;
        double unexplained = Math.max(0, yy - exponent * xy);
        return new PowerLaw(Math.exp(meanY - exponent * meanX), exponent, yy == 0 ? 1 : 1 - unexplained / yy);
    }

    private static double meanLog(double[] values) {
        double sum = 0;
        for (double value : values) {
            if (!(value > 0) || Double.isInfinite(value)) {
                throw new IllegalArgumentException("A power law cannot be fitted to the value " + value + ".");
            }
            sum += Math.log(value);
        }
        return sum / values.length;
    }
}
