package dev.rmt.checkpoint;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Parameters that come from tensors of files, from rows of them, or from a generator. */
final class DirectoryWeights implements Weights {
    private record Origin(List<Long> shape, FloatSource source, String description) {
        Origin(long[] shape, FloatSource source, String description) {
            this(Arrays.stream(shape).boxed().toList(), source, description);
        }

        long elements() {
            return shape.stream().reduce(1L, (a, b) -> a * b);
        }
    }

    private final Map<String, Origin> origins = new LinkedHashMap<>();
    private final boolean trained;

    DirectoryWeights(boolean trained) {
        this.trained = trained;
    }

    /** A parameter whose elements are those of a tensor from {@code firstElement} on. */
    void add(String name, long[] shape, WeightFiles.Located located, long firstElement) {
        FloatSource source = (first, dst, offset, count) ->
                located.file().read(located.tensor(), firstElement + first, dst, offset, count);
        origins.put(name, new Origin(shape, source, located.describe()));
    }

    /** A parameter that is taken from other weights. */
    void add(String name, Weights made) {
        FloatSource source = (first, dst, offset, count) -> made.read(name, first, dst, offset, count);
        origins.put(name, new Origin(made.shape(name), source, made.describe(name)));
    }

    @Override
    public List<String> names() {
        return List.copyOf(origins.keySet());
    }

    @Override
    public boolean has(String name) {
        return origins.containsKey(name);
    }

    @Override
    public long[] shape(String name) {
        return known(name).shape().stream().mapToLong(Long::longValue).toArray();
    }

    @Override
    public void read(String name, long firstElement, float[] dst, int offset, int count) {
        Origin origin = known(name);
        // Also here: a parameter may be a part of a tensor, whose own end lies further on.
        Objects.checkFromIndexSize(firstElement, (long) count, origin.elements());
        origin.source().read(firstElement, dst, offset, count);
    }

    @Override
    public String describe(String name) {
        return known(name).description();
    }

    @Override
    public boolean trained() {
        return trained;
    }

    private Origin known(String name) {
        Origin origin = origins.get(name);
        if (origin == null) {
            throw new IllegalArgumentException("There is no parameter \"" + name + "\".");
        }
        return origin;
    }
}
