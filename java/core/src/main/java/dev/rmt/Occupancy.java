package dev.rmt;

/**
 * Lets one call at a time into an object that holds native memory, and frees that memory when the object is closed and
 * nobody is in it: closing it from another thread during a call is safe.
 */
final class Occupancy {
    private final String what;
    private final Runnable free;
    private Thread occupant;
    private boolean closed;

    /**
     * @param what "session", for messages
     * @param free called once
     */
    Occupancy(String what, Runnable free) {
        this.what = what;
        this.free = free;
    }

    /** @throws IllegalStateException if the object is closed or a call is in it already */
    synchronized void enter() {
        if (closed) {
            throw new IllegalStateException("The " + what + " is closed.");
        }
        if (occupant != null) {
            throw new IllegalStateException("The " + what + " is in use by the thread \"" + occupant.getName()
                    + "\"; give each thread its own " + what + ".");
        }
        occupant = Thread.currentThread();
    }

    synchronized void leave() {
        occupant = null;
        if (closed) {
            free.run();
        }
    }

    /** Whether the calling thread is the one inside. */
    synchronized boolean isMine() {
        return occupant == Thread.currentThread();
    }

    /** @throws IllegalStateException if the object was closed since {@link #enter} */
    synchronized void requireOpen() {
        if (closed) {
            throw new IllegalStateException("The " + what + " was closed by another thread while it was in use.");
        }
    }

    /** Frees now, or when the call that is inside leaves. Never throws; does nothing the second time. */
    synchronized void close() {
        if (!closed) {
            closed = true;
            if (occupant == null) {
                free.run();
            }
        }
    }
}
