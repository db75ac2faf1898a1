package dev.rmt.task;

import java.util.Locale;

/** Where facts lie. The fact of {@link TaskKind#MEMORIZE} starts segment 0 in both. */
public enum Placement {
    /** A uniformly drawn segment, and in it a uniformly drawn token offset; the noise makes room. The default. */
    ANY,
    /**
     * As in the published experiments: a uniformly drawn segment, and there at token offset 0 of segment 0 or offset 2 of
     * any other. Facts of detect and reason overwrite the noise that was there; two facts in one segment stand one behind
     * the other.
     */
    PUBLISHED;

    /** The name as the command line and the result files spell it: {@code any}, {@code published}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
