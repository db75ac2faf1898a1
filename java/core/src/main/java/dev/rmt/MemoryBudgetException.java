package dev.rmt;

/** Refused before allocating: the message names the bytes needed and the bytes available. */
public class MemoryBudgetException extends RmtException {
    private static final long serialVersionUID = 1L;

    public MemoryBudgetException(String message) {
        super(message);
    }
}
