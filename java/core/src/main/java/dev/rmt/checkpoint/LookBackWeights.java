package dev.rmt.checkpoint;

import dev.rmt.ModelConfig;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Weights of {@link LookBackValues}: a pure function of seed, name and index; nothing is stored. */
public final class LookBackWeights implements Weights {
    private final Map<String, long[]> shapes;
    private final ModelConfig config;
    private final LookBackValues values;
    private final long seed;
    private final String lastNorm;

    /** @throws IllegalArgumentException if the model has too few heads or dimensions for the values */
    public LookBackWeights(ModelConfig config, LookBackValues values, long seed) {
        this.shapes = BertParameters.of(config);
        this.config = config;
        this.values = values;
        this.seed = seed;
        this.lastNorm = "encoder.layer." + (config.numLayers() - 1) + ".output.LayerNorm.weight";
        if (values.distances().size() > config.numHeads()) {
            throw new IllegalArgumentException(
                    "The starting values name " + values.distances().size()
                            + " distances to look at, but the model has " + config.numHeads() + " heads.");
        }
        if (!values.distances().isEmpty()
                && config.headSize() > 2 * values.frequencies().size()) {
            throw new IllegalArgumentException(
                    "The starting values have " + values.frequencies().size() + " frequencies, but heads of "
                            + config.headSize() + " need " + config.headSize() / 2 + ".");
        }
        if (values.positionDimensions() > config.hiddenSize()) {
            throw new IllegalArgumentException(
                    "The starting values have " + values.frequencies().size()
                            + " frequencies, but a hidden size of " + config.hiddenSize() + " has room for "
                            + config.hiddenSize() / 4 + ".");
        }
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
        long[] shape = known(name);
        Objects.checkFromIndexSize(
                firstElement, (long) count, Arrays.stream(shape).reduce(1, (a, b) -> a * b));
        Objects.checkFromIndexSize(offset, count, dst.length);
        if (name.endsWith("LayerNorm.weight")) {
            boolean blind = values.localPositions()
                    && (name.equals(lastNorm) || name.equals("encoder.layer.0.attention.output.LayerNorm.weight"));
            float scale = name.equals(lastNorm) ? (float) values.memoryScale() : 1;
            for (int i = 0; i < count; i++) {
                dst[offset + i] = blind && firstElement + i < values.positionDimensions() ? 0 : scale;
            }
        } else if (name.endsWith(".bias") || name.contains("token_type")) {
            Arrays.fill(dst, offset, offset + count, 0);
        } else if (name.contains("position_embeddings")) {
            for (int i = 0; i < count; i++) {
                long row = (firstElement + i) / shape[1];
                dst[offset + i] = (float) positionTable(row, (int) ((firstElement + i) % shape[1]));
                if (marked(row, (int) ((firstElement + i) % shape[1]))) {
                    new SeededNormal(seed, name, values.wordDeviation()).fill(firstElement + i, dst, offset + i, 1);
                }
            }
        } else {
            readMatrix(name, (int) shape[1], firstElement, dst, offset, count);
        }
    }

    private void readMatrix(String name, int columns, long firstElement, float[] dst, int offset, int count) {
        boolean words = name.equals(BertParameters.WORD_EMBEDDINGS) || name.equals(MEMORY);
        boolean classifier = name.equals(BertParameters.CLASSIFIER_WEIGHT);
        double scale = classifier ? values.classifier() : values.linear();
        if (name.equals(BertParameters.POOLER_WEIGHT)) {
            scale /= values.memoryScale();
        }
        double deviation = words ? values.wordDeviation() : scale / StrictMath.sqrt(columns);
        new SeededNormal(seed, name, 1).fill(firstElement, dst, offset, count);
        boolean query = name.endsWith("attention.self.query.weight");
        boolean key = name.endsWith("attention.self.key.weight");
        boolean firstLayer = name.startsWith("encoder.layer.0.");
        float[] queryRow = new float[1];
        for (int i = 0; i < count; i++) {
            long row = (firstElement + i) / columns;
            int column = (int) ((firstElement + i) % columns);
            int at = offset + i;
            float normal = dst[at];
            dst[at] = (float) (deviation * normal);
            if (words && column < values.positionDimensions()) {
                dst[at] = 0;
            } else if (values.localPositions()
                    && firstLayer
                    && name.endsWith("attention.self.value.weight")
                    && column < values.positionDimensions()) {
                dst[at] = 0;
            } else if ((query || key) && firstLayer) {
                dst[at] = lookingValue(query, (int) row, column, dst[at]);
            } else if (key && (row / config.headSize()) % 2 == 0) {
                String itsQuery = name.replace(".key.", ".query.");
                new SeededNormal(seed, itsQuery, deviation).fill(firstElement + i, queryRow, 0, 1);
                dst[at] = (float) values.sameToken() * queryRow[0];
            }
        }
    }

    /** [CLS], memory and [SEP] are told apart by more than their places. */
    private boolean marked(long position, int column) {
        return values.localPositions() && position < config.numMemTokens() + 2 && column >= values.positionDimensions();
    }

    private double positionTable(long position, int column) {
        if (column >= values.positionDimensions()) {
            return 0;
        }
        int half = values.positionDimensions() / 2;
        double angle = values.frequencies().get(column % half / 2) * position;
        double wave = column % 2 == 0 ? StrictMath.sin(angle) : StrictMath.cos(angle);
        return (column < half ? 1 : -1) * values.positionRms() * StrictMath.sqrt(2) * wave;
    }

    /**
     * A weight of a query or key of the first layer. Outputs 2i and 2i + 1 of a head hold (sin w p, cos w p) of its i-th
     * frequency in the key, and that of p + d in the query: their product is largest where the key is d tokens on.
     */
    private float lookingValue(boolean query, int row, int column, float random) {
        int head = row / config.headSize();
        if (head >= values.distances().size()) {
            return random;
        }
        int out = row % config.headSize();
        if (column / 2 != out / 2 || out / 2 >= config.headSize() / 2) {
            return 0;
        }
        boolean sameWave = column % 2 == out % 2;
        if (!query) {
            return sameWave ? (float) values.gain() : 0;
        }
        double angle = values.distances().get(head) * values.frequencies().get(out / 2);
        double turned = sameWave ? StrictMath.cos(angle) : (out % 2 == 0 ? 1 : -1) * StrictMath.sin(angle);
        return (float) (values.gain() * turned);
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
