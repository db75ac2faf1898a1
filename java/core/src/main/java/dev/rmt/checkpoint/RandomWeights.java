package dev.rmt.checkpoint;

import dev.rmt.ModelConfig;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * BERT's initialisation: N(0, 0.02) for matrices and memory, ones and zeros for LayerNorm, zeros for biases. A value is a
 * pure function of seed, name and index; nothing is stored.
 */
public final class RandomWeights implements Weights {
    /** Standard deviation of BERT's initialisation, "initializer_range" in its configuration. */
    public static final double INITIALIZER_RANGE = 0.02;

    private final Map<String, long[]> shapes;
    private final long seed;
    private final double standardDeviation;

    public RandomWeights(ModelConfig config, long seed) {
        this(config, seed, INITIALIZER_RANGE);
    }

    /** @param standardDeviation of matrices and memory, more than 0 */
    public RandomWeights(ModelConfig config, long seed, double standardDeviation) {
        this.shapes = BertParameters.of(config);
        this.seed = seed;
        this.standardDeviation = standardDeviation;
    }

    @Override
    public List<String> names() {
        return List.copyOf(shapes.keySet());
    }

    @Override
    public boolean has(String name) {
        return shapes.containsKey(name);
    }

    @Override
    public long[] shape(String name) {
        return known(name).clone();
    }

    @Override
    public void read(String name, long firstElement, float[] dst, int offset, int count) {
        long elements = Arrays.stream(known(name)).reduce(1, (a, b) -> a * b);
        Objects.checkFromIndexSize(firstElement, (long) count, elements);
        Objects.checkFromIndexSize(offset, count, dst.length);
        if (name.endsWith("LayerNorm.weight")) {
            Arrays.fill(dst, offset, offset + count, 1);
        } else if (name.endsWith(".bias")) {
            Arrays.fill(dst, offset, offset + count, 0);
        } else {
            new SeededNormal(seed, name, standardDeviation).fill(firstElement, dst, offset, count);
        }
    }

    /** Fills {@code dst[offset ...]} with elements {@code first ...} of a tensor of that name: N(0, deviation) from the seed. */
    public static void normal(
            String name, long seed, double standardDeviation, long first, float[] dst, int offset, int count) {
        new SeededNormal(seed, name, standardDeviation).fill(first, dst, offset, count);
    }

    @Override
    public String describe(String name) {
        return "parameter \"" + name + "\", made from seed " + seed;
    }

    @Override
    public boolean trained() {
        return false;
    }

    private long[] known(String name) {
        long[] shape = shapes.get(name);
        if (shape == null) {
            throw new IllegalArgumentException("There is no parameter \"" + name + "\".");
        }
        return shape;
    }
}
