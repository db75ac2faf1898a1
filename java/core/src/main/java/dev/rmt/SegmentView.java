package dev.rmt;

import dev.rmt.text.Vocabulary;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * One segment as it was read: its tokens, the memory before and after, and the attention of the layers that were asked for.
 * Positions are those of the segment as the encoder sees it: {@code [CLS] mem_1 ... mem_M [SEP] content [SEP]}. Immutable.
 */
public final class SegmentView {
    private final long index;
    private final boolean answering;
    private final int[] ids;
    private final int memoryStart;
    private final int numMemTokens;
    private final int numHeads;
    private final List<Integer> layers;
    private final float[] attention; // (layers, NH, stride, stride)
    private final int stride;
    private final float[] memoryBefore;
    private final float[] memoryAfter;
    private final Vocabulary vocabulary;

    /**
     * Takes the arrays as they are.
     *
     * @param ids of all positions; what stands at memory positions does not matter
     * @param memoryStart first memory position; -1: there is none
     * @param attention (layers, NH, stride, stride); null where there are no layers
     */
    SegmentView(
            long index,
            boolean answering,
            int[] ids,
            int memoryStart,
            ModelConfig config,
            List<Integer> layers,
            float[] attention,
            int stride,
            float[] memoryBefore,
            float[] memoryAfter,
            Vocabulary vocabulary) {
        this.index = index;
        this.answering = answering;
        this.ids = ids;
        this.memoryStart = memoryStart;
        this.numMemTokens = memoryStart < 0 ? 0 : config.numMemTokens();
        this.numHeads = config.numHeads();
        this.layers = List.copyOf(layers);
        this.attention = attention;
        this.stride = stride;
        this.memoryBefore = memoryBefore;
        this.memoryAfter = memoryAfter;
        this.vocabulary = vocabulary;
    }

    /** Its number in the text, from 0. */
    public long index() {
        return index;
    }

    /** Whether it ends with a question that is being answered: the memory stays as it was then. */
    public boolean answering() {
        return answering;
    }

    /** Positions. */
    public int length() {
        return ids.length;
    }

    /** M; 0: no memory is read. */
    public int numMemTokens() {
        return numMemTokens;
    }

    /** Position of the first memory token; -1: there is none. */
    public int memoryStart() {
        return memoryStart;
    }

    /** Position of the first token of the text: behind [CLS], memory and [SEP]. */
    public int contentStart() {
        return ModelConfig.SPECIAL_TOKENS - 1 + numMemTokens;
    }

    /** Tokens of the text: all positions but the special ones and memory. */
    public int contentTokens() {
        return length() - ModelConfig.SPECIAL_TOKENS - numMemTokens;
    }

    /** What stands at each position: "[CLS]", "[mem 1]" ... "[mem M]", "[SEP]", pieces of words. */
    public List<String> labels() {
        List<String> labels = new ArrayList<>(ids.length);
        for (int t = 0; t < ids.length; t++) {
            boolean memory = memoryStart >= 0 && t >= memoryStart && t < memoryStart + numMemTokens;
            labels.add(memory ? "[mem " + (t - memoryStart + 1) + "]" : vocabulary.piece(ids[t]));
        }
        return labels;
    }

    /** Memory with which the segment was read, (M, H), a copy. */
    public float[] memoryBefore() {
        return memoryBefore.clone();
    }

    /** Memory that the segment left, (M, H), a copy. */
    public float[] memoryAfter() {
        return memoryAfter.clone();
    }

    /** Layers whose attention is here, ascending. */
    public List<Integer> layers() {
        return layers;
    }

    /** NH. */
    public int numHeads() {
        return numHeads;
    }

    /**
     * Attention of a head: how each position (row) divides its attention among all positions (columns).
     *
     * @return (length, length), rows sum to 1
     * @throws IllegalArgumentException if the layer is not one of {@link #layers}, or there is no such head
     */
    public float[] attention(int layer, int head) {
        int start = start(layer, head);
        float[] values = new float[length() * length()];
        for (int t = 0; t < length(); t++) {
            System.arraycopy(attention, start + t * stride, values, t * length(), length());
        }
        return values;
    }

    /**
     * Share of their attention that some positions give to others, 0 ... 1, on average over the rows.
     *
     * @param rows positions that attend, at least one
     * @param columns positions that are attended to
     */
    public double share(int layer, int head, int[] rows, int[] columns) {
        if (rows.length == 0) {
            throw new IllegalArgumentException("A share of attention is that of at least one row.");
        }
        int start = start(layer, head);
        double sum = 0;
        for (int row : rows) {
            Objects.checkIndex(row, length());
            for (int column : columns) {
                sum += attention[start + row * stride + Objects.checkIndex(column, length())];
            }
        }
        return sum / rows.length;
    }

    private int start(int layer, int head) {
        int place = layers.indexOf(layer);
        if (place < 0) {
            throw new IllegalArgumentException("Layer " + layer + " was not asked for; these were: " + layers + ".");
        }
        if (head < 0 || head >= numHeads) {
            throw new IllegalArgumentException(
                    "There is no head " + head + "; the heads of a layer are 0 to " + (numHeads - 1) + ".");
        }
        return (place * numHeads + head) * stride * stride;
    }

    @Override
    public String toString() {
        return "SegmentView[" + index + ", " + length() + " positions, layers " + layers + "]";
    }
}
