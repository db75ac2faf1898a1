package dev.rmt;

/** A text, question or data file cannot be used as it is. */
public class InputException extends RmtException {
    private static final long serialVersionUID = 1L;

    public InputException(String message) {
        super(message);
    }

    public InputException(String message, Throwable cause) {
        super(message, cause);
    }
}
