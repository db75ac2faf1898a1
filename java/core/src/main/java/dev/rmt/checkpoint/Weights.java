package dev.rmt.checkpoint;

import java.util.List;

/**
 * The parameters of a model, given out in pieces as floats. Names are those of Hugging Face BERT without the
 * {@code bert.} prefix, {@code "memory"} for the initial memory (M, H), {@code "classifier.weight"} and
 * {@code "classifier.bias"}; linear weights are (out, in).
 */
public interface Weights {
    /** The name of the initial memory. */
    String MEMORY = "memory";

    /** All parameters that {@link #read} knows, in a fixed order. */
    List<String> names();

    boolean has(String name);

    /**
     * Dimensions, outermost first: one or two of them.
     *
     * @throws IllegalArgumentException if there is no such parameter
     */
    long[] shape(String name);

    /**
     * Copies elements {@code firstElement ... firstElement + count - 1}, row-major, to {@code dst[offset ...]}.
     *
     * @throws IllegalArgumentException if there is no such parameter
     * @throws IndexOutOfBoundsException if the piece does not lie in the parameter or does not fit into {@code dst}
     * @throws dev.rmt.ModelFormatException if it cannot be read
     */
    void read(String name, long firstElement, float[] dst, int offset, int count);

    /** Where a parameter comes from, for messages: for example the tensor's name in a file, and the file. */
    default String describe(String name) {
        return "parameter \"" + name + "\"";
    }

    /** Whether the values come from training. False: all or some were made up. */
    default boolean trained() {
        return true;
    }
}
