package dev.rmt;

/** What goes wrong in rmt other than a wrong argument or a wrong state: one sentence that names what disagrees and what to do. */
public class RmtException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public RmtException(String message) {
        super(message);
    }

    public RmtException(String message, Throwable cause) {
        super(message, cause);
    }
}
