package dev.rmt.cli;

/** What the program's exit status means. Scripts rely on it. */
final class ExitCodes {
    static final int OK = 0;
    /** The run failed half-way, or there is a bug. */
    static final int FAILED = 1;
    /** Unknown, missing or contradictory options. */
    static final int USAGE = 2;
    /** The device or the native library is missing. */
    static final int DEVICE = 3;
    /** A model, text or file cannot be used. */
    static final int BAD_INPUT = 4;
    /** Not enough memory, native or Java heap. */
    static final int OUT_OF_MEMORY = 5;
    /** Training came to numbers that are not finite; its last checkpoint is as it was. */
    static final int DIVERGED = 6;

    /** What the JVM itself ends with on Ctrl-C. */
    static final int INTERRUPTED = 130;

    private ExitCodes() {}
}
