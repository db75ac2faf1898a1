package dev.rmt.checkpoint;

/** Gives out the elements of one tensor in pieces, in row-major order. */
@FunctionalInterface
public interface FloatSource {
    /** Writes elements {@code firstElement ... firstElement + count - 1} to {@code dst[offset ...]}. */
    void read(long firstElement, float[] dst, int offset, int count);
}
