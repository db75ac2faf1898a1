package dev.rmt.task;

import java.util.Locale;

/** The three tasks that test what memory keeps; each asks for one of six places. */
public enum TaskKind {
    /** One fact at the very start, then noise, then the question. */
    MEMORIZE,
    /** One fact somewhere in the noise, the question at the end: the fact must be noticed before it can be kept. */
    DETECT,
    /** Two facts somewhere in the noise; the question at the end asks for one of them. */
    REASON;

    /** The name as the command line and the result files spell it: {@code memorize}, {@code detect}, {@code reason}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
