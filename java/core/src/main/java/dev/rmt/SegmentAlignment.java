package dev.rmt;

/** Where the short segment goes when a text of known length is cut into segments of S tokens. */
public enum SegmentAlignment {
    /** Cut from the start: the last segment is short. The only one that a stream of unknown length allows. */
    LEFT,
    /** Cut from the end: the first segment is short. */
    RIGHT,
    /** Chunks of ceil(n / ceil(n / S)) tokens, cut from the start: nearly equal, the last one may be a little shorter. */
    CENTER
}
