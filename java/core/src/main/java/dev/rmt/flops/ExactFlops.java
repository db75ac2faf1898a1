package dev.rmt.flops;

import dev.rmt.ModelConfig;
import dev.rmt.SegmentAlignment;
import dev.rmt.Segmentation;
import java.math.BigInteger;

/**
 * Floating-point operations that the kernels of this library spend on products, known beforehand: a product and a sum count 1
 * each, for linears, attention, pooler and classifier. Memory and special tokens count, rows of the last layer that nobody
 * reads do not, and what only fills up panels and tiles does. Sums with biases and residuals, norms, GELU, softmax and
 * embeddings do not count. {@link dev.rmt.Device#operations()} counts the same where it is computed, to the operation.
 */
public final class ExactFlops {
    /** The classifier computes that many labels at a time, and the pooler again for each. */
    private static final int LABELS_AT_A_TIME = 64;

    private final ModelConfig config;
    private final KernelTiles tiles;
    private final boolean poolsOnce;

    private ExactFlops(ModelConfig config, String isa) {
        this.config = config;
        tiles = KernelTiles.of(isa);
        poolsOnce = isa.equals("reference");
    }

    /**
     * @param isa the instruction set, as {@link dev.rmt.DeviceInfo#isa()} has it
     * @throws IllegalArgumentException if it is not one of a CPU
     */
    public static ExactFlops of(ModelConfig config, String isa) {
        return new ExactFlops(config, isa);
    }

    /**
     * A whole text, read as {@code eval} and {@link dev.rmt.RmtBatch} do: every segment writes memory, the last one is
     * classified.
     *
     * @param tokens of content, 1 or more
     */
    public BigInteger text(long tokens, SegmentAlignment alignment) {
        Segmentation segments = new Segmentation(tokens, config.segmentSize(), alignment);
        long count = segments.count();
        boolean hasHead = config.numLabels() > 0;
        BigInteger total = BigInteger.valueOf(segment(segments.length(count - 1), true, hasHead));
        if (count > 1) {
            // All but the first and the last are of one length.
            total = total.add(BigInteger.valueOf(segment(segments.length(0), true, false)));
        }
        if (count > 2) {
            total = total.add(BigInteger.valueOf(segment(segments.length(1), true, false))
                    .multiply(BigInteger.valueOf(count - 2)));
        }
        return total;
    }

    /**
     * One segment of one document.
     *
     * @param contentTokens 0 ... S
     * @param writesMemory whether its memory is kept
     * @param readsHead whether it is classified
     */
    public long segment(int contentTokens, boolean writesMemory, boolean readsHead) {
        int length = contentTokens + config.numMemTokens() + ModelConfig.SPECIAL_TOKENS;
        long allRows = KernelTiles.roundUp(length, tiles.rows());
        // [CLS] is row 0, memory stands behind it.
        int firstRead = readsHead ? 0 : 1;
        int endRead = writesMemory ? 1 + config.numMemTokens() : readsHead ? 1 : firstRead;
        long operations = (config.numLayers() - 1) * layer(length, allRows, allRows);
        if (endRead > firstRead) {
            operations += layer(length, allRows, computedRows(firstRead, endRead, length));
        }
        return operations + (readsHead ? head() : 0);
    }

    /** Rows that are computed for rows [begin, end): whole panels, or one vector where a panel needs no more. */
    private long computedRows(int begin, int end, int length) {
        long rows = 0;
        for (int panel = 0; panel < length; panel += tiles.rows()) {
            int first = Math.max(begin - panel, 0);
            int last = Math.min(end - panel, tiles.rows()) - 1;
            if (first <= last) {
                rows += first / tiles.lanes() == last / tiles.lanes() ? tiles.lanes() : tiles.rows();
            }
        }
        return rows;
    }

    /**
     * @param length positions that attention sees
     * @param allRows rows of keys and values
     * @param rows rows of everything else
     */
    private long layer(int length, long allRows, long rows) {
        long h = config.hiddenSize();
        long f = config.intermediateSize();
        long outputs = KernelTiles.roundUp(h, tiles.columns());
        long keysAndValues = 2 * product(allRows, h, outputs);
        long queriesAndProjection = 2 * product(rows, h, outputs);
        // The heads together are h wide.
        long scores = product(rows, h, KernelTiles.roundUp(length, tiles.keys()));
        long weighted = product(rows, h, length);
        long feedForward = product(rows, h, KernelTiles.roundUp(f, tiles.columns())) + product(rows, f, outputs);
        return keysAndValues + queriesAndProjection + scores + weighted + feedForward;
    }

    private long head() {
        long h = config.hiddenSize();
        long pooled = poolsOnce ? 1 : (config.numLabels() + LABELS_AT_A_TIME - 1) / LABELS_AT_A_TIME;
        return pooled * product(1, h, h) + product(1, h, config.numLabels());
    }

    private static long product(long rows, long in, long out) {
        return 2 * rows * in * out;
    }
}
