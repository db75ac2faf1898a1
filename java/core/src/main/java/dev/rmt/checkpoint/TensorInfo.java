package dev.rmt.checkpoint;

import java.util.List;

/**
 * One tensor of a safetensors file, as its header describes it.
 *
 * @param name as written in the file
 * @param dtype type of the elements
 * @param shape dimensions, outermost first; empty: a single number
 * @param begin first byte, counted from the end of the header
 * @param end one past the last byte; {@code end - begin == numElements() * dtype.bytes()}
 */
public record TensorInfo(String name, DType dtype, List<Long> shape, long begin, long end) {
    public TensorInfo {
        shape = List.copyOf(shape);
    }

    /** Product of the dimensions. */
    public long numElements() {
        return (end - begin) / dtype.bytes();
    }
}
