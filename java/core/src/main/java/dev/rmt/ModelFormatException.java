package dev.rmt;

/** A model directory, checkpoint or saved session is missing, malformed, or does not fit what it is used with. */
public class ModelFormatException extends RmtException {
    private static final long serialVersionUID = 1L;

    public ModelFormatException(String message) {
        super(message);
    }

    public ModelFormatException(String message, Throwable cause) {
        super(message, cause);
    }
}
