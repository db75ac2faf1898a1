package dev.rmt;

/**
 * A reading was stopped by {@link Thread#interrupt}, whose flag is still set. The session is whole: it has read what the
 * report says, and reading can go on behind it. A batch has to start again.
 */
public class ReadInterruptedException extends RmtException {
    private static final long serialVersionUID = 1L;

    private final transient ReadReport report;
    private final long consumed;

    /**
     * @param report what was read
     * @param consumed how much of the input that was: bytes of a stream or file, chars of a text, ids of an array
     */
    ReadInterruptedException(ReadReport report, long consumed) {
        super("Reading was interrupted after " + consumed + " units of the input (" + report.tokens() + " tokens, "
                + report.segments() + " segments); it can go on from there.");
        this.report = report;
        this.consumed = consumed;
    }

    /** For a batch, which cannot go on: after {@code step} of {@code steps} steps. */
    ReadInterruptedException(long step, long steps) {
        super("Reading was interrupted after " + step + " of " + steps + " segments.");
        this.report = null;
        this.consumed = 0;
    }

    /** What the interrupted call did; null for a batch, and after serialization. */
    public ReadReport report() {
        return report;
    }

    /** How much of the input was read: bytes of a stream or file, chars of a text, ids of an array. */
    public long consumed() {
        return consumed;
    }
}
