package dev.rmt.internal;

import dev.rmt.RmtException;

/** A number that training cannot go on with. Says what it is; whoever knows stage and step adds them. */
public final class NotFiniteException extends RmtException {
    private static final long serialVersionUID = 1L;

    /** @param what "the gradient of classifier.weight" */
    public NotFiniteException(String what) {
        super(what);
    }
}
