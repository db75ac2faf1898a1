package dev.rmt;

/** A training run could not write its checkpoint: the disk is full, or the folder may not be written. The one before is whole. */
public final class CheckpointException extends RmtException {
    private static final long serialVersionUID = 1L;

    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}
