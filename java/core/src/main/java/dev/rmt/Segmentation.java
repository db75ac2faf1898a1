package dev.rmt;

import java.util.Objects;

/**
 * How a text of {@code tokens} content tokens is cut into segments of at most {@code segmentSize}. Lengths are computed
 * when asked for, so a text of any length costs nothing.
 *
 * @param tokens 0 or more; 0 tokens have no segment
 * @param segmentSize S, 1 or more
 * @param alignment where the short segment goes
 */
public record Segmentation(long tokens, int segmentSize, SegmentAlignment alignment) {
    public Segmentation {
        Objects.requireNonNull(alignment, "alignment");
        if (tokens < 0) {
            throw new IllegalArgumentException("A text cannot have " + tokens + " tokens.");
        }
        if (segmentSize < 1) {
            throw new IllegalArgumentException("The segment size is " + segmentSize + "; it must be 1 or more.");
        }
    }

    /** Number of segments, ceil(tokens / segmentSize). */
    public long count() {
        return ceilDiv(tokens, segmentSize);
    }

    /** Tokens of segment {@code index}, 0 ... count - 1. */
    public int length(long index) {
        long count = count();
        Objects.checkIndex(index, count);
        long size = alignment == SegmentAlignment.CENTER ? ceilDiv(tokens, count) : segmentSize;
        long shortOne = tokens - (count - 1) * size;
        long shortIndex = alignment == SegmentAlignment.RIGHT ? 0 : count - 1;
        return (int) (index == shortIndex ? shortOne : size);
    }

    /** All lengths at once, for a text that has few segments. */
    public int[] lengths() {
        int[] lengths = new int[Math.toIntExact(count())];
        for (int i = 0; i < lengths.length; i++) {
            lengths[i] = length(i);
        }
        return lengths;
    }

    /** All lengths of a text that has few segments. */
    public static int[] lengths(long tokens, int segmentSize, SegmentAlignment alignment) {
        return new Segmentation(tokens, segmentSize, alignment).lengths();
    }

    // Math.ceilDiv came with JDK 18.
    private static long ceilDiv(long dividend, long divisor) {
        return dividend == 0 ? 0 : (dividend - 1) / divisor + 1;
    }
}
