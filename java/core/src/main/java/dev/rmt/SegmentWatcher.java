package dev.rmt;

import java.util.List;

/**
 * Looks at the segments that a session runs, on the thread that reads; see {@link RmtSession#watch}. It may not call the
 * session. An exception ends the call of the session, which stays whole.
 */
public interface SegmentWatcher {
    /**
     * Layers whose attention is shown of a segment; asked before it runs.
     *
     * @param segment its number in the text, from 0
     * @return layers, 0 ... L - 1, ascending; empty: the memory alone is shown
     */
    List<Integer> layers(long segment);

    /** A segment was run. */
    void segment(SegmentView view);
}
