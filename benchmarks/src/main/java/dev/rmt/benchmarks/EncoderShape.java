package dev.rmt.benchmarks;

import dev.rmt.ModelConfig;
import dev.rmt.text.Vocabulary;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Encoders that others publish figures for. */
public enum EncoderShape {
    TINY(2, 128, 2, 200),
    MINI(4, 256, 4, 100),
    MINILM(6, 384, 12, 50),
    BASE(12, 768, 12, 20);

    private static final int VOCAB_SIZE = 1000;

    private final int layers;
    private final int hiddenSize;
    private final int heads;
    private final int checkedTokens;

    EncoderShape(int layers, int hiddenSize, int heads, int checkedTokens) {
        this.layers = layers;
        this.hiddenSize = hiddenSize;
        this.heads = heads;
        this.checkedTokens = checkedTokens;
    }

    /** Content tokens of the segment that is compared with the reference kernels, which are slow. */
    int checkedTokens() {
        return checkedTokens;
    }

    /** "tiny 2×128": layers and hidden size. */
    public String title() {
        return name().toLowerCase(Locale.ROOT) + " " + layers + "×" + hiddenSize;
    }

    /** The shape with rows for the pieces of {@link #vocabulary}: speed does not depend on how many there are. */
    public ModelConfig config() {
        return ModelConfig.builder()
                .hiddenSize(hiddenSize)
                .numLayers(layers)
                .numHeads(heads)
                .intermediateSize(4 * hiddenSize)
                .vocabSize(VOCAB_SIZE)
                .labels(List.of("yes", "no"))
                .build();
    }

    /** A small vocabulary for all shapes; ids from 5 on are words. */
    public static Vocabulary vocabulary() {
        List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (int i = pieces.size(); i < VOCAB_SIZE; i++) {
            pieces.add("word" + i);
        }
        return Vocabulary.of(pieces);
    }
}
