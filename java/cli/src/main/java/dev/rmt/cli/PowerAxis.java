package dev.rmt.cli;

import java.util.Locale;

/**
 * Logarithmic axes of charts: points stand at exponents of a base on a linear axis. The library's own have labels at powers of
 * ten only, and wrong ones where a function of ours makes them.
 */
record PowerAxis(int base) {
    /** Powers from here on are written as such. */
    private static final double SCIENTIFIC_FROM = 1e8;

    private static final double ROUNDING = 1e-6;
    private static final double LEAST_SPACING = 60;
    private static final double SHARE_OF_POWER = 0.75;

    double at(double value) {
        return Math.log(value) / Math.log(base);
    }

    double[] at(double[] values) {
        double[] places = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            places[i] = at(values[i]);
        }
        return places;
    }

    /** Of a tick. The library leaves all of them out where two have the same. */
    String label(double exponent) {
        double value = Math.pow(base, exponent);
        if (value >= SCIENTIFIC_FROM) {
            boolean whole = Math.abs(exponent - Math.rint(exponent)) < ROUNDING;
            return whole ? String.format(Locale.ROOT, "%.0e", value).replace("e+", "e") : Text.power(value);
        }
        boolean count = Math.abs(value - Math.rint(value)) < ROUNDING * value;
        return count ? Text.count(Math.round(value)) : Text.number(value);
    }

    /** Pixels between ticks, so that they stand at powers. */
    static int spacing(double from, double to, int pixels) {
        return (int) Math.max(LEAST_SPACING, SHARE_OF_POWER * pixels / (to - from));
    }
}
