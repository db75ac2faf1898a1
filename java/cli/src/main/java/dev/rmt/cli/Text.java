package dev.rmt.cli;

import java.util.Locale;

/** Numbers for people. The same in every locale. */
final class Text {
    private static final long KIB = 1024;

    private Text() {}

    /** 2043904 is "2,043,904". */
    static String count(long value) {
        return String.format(Locale.ROOT, "%,d", value);
    }

    /** A rate or a count that needs no decimals from 100 on: "3.27", "41.5", "1,234". */
    static String number(double value) {
        if (!Double.isFinite(value)) {
            return "-";
        }
        double size = Math.abs(value);
        return String.format(Locale.ROOT, size < 10 ? "%,.2f" : size < 100 ? "%,.1f" : "%,.0f", value);
    }

    /** A large count with four digits: 546200000000000 is "5.462e14". */
    static String power(double value) {
        return String.format(Locale.ROOT, "%.3e", value).replace("e+", "e");
    }

    /** 0.174 is "17.4 %". */
    static String percent(double share) {
        return String.format(Locale.ROOT, "%.1f %%", 100 * share);
    }

    /** Bytes in the largest unit that leaves at least one: "512 B", "84.6 MiB", "1.25 GiB"; negative: unknown. */
    static String bytes(long value) {
        if (value < 0) {
            return "-";
        }
        if (value < KIB) {
            return value + " B";
        }
        String[] units = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        double scaled = value;
        int unit = -1;
        while (scaled >= KIB && unit < units.length - 1) {
            scaled /= KIB;
            unit++;
        }
        return number(scaled) + " " + units[unit];
    }

    /** 0.4 is "0.4 s", 75 is "1 min 15 s", 3900 is "1 h 05 min". */
    static String seconds(double value) {
        if (value < 60) {
            return String.format(Locale.ROOT, "%.1f s", value);
        }
        long whole = Math.round(value);
        if (whole < 3600) {
            return String.format(Locale.ROOT, "%d min %02d s", whole / 60, whole % 60);
        }
        return String.format(Locale.ROOT, "%d h %02d min", whole / 3600, whole % 3600 / 60);
    }
}
