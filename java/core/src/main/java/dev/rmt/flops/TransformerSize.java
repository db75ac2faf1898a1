package dev.rmt.flops;

import dev.rmt.ModelConfig;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The sizes of a transformer that its operations depend on.
 *
 * @param numLayers L
 * @param hiddenSize d
 * @param numHeads h
 * @param intermediateSize ffn, 4d in most models
 * @param vocabSize V
 */
public record TransformerSize(int numLayers, int hiddenSize, int numHeads, int intermediateSize, int vocabSize) {
    private static final int OPT_PIECES = 50_272;
    private static final int BERT_CASED_PIECES = 28_996;
    private static final int GPT2_PIECES = 50_257;

    private static final Map<String, TransformerSize> KNOWN = new LinkedHashMap<>();

    static {
        KNOWN.put("opt-125m", usual(12, 768, 12, OPT_PIECES));
        KNOWN.put("opt-350m", usual(24, 1024, 16, OPT_PIECES));
        KNOWN.put("opt-1.3b", usual(24, 2048, 32, OPT_PIECES));
        KNOWN.put("opt-2.7b", usual(32, 2560, 32, OPT_PIECES));
        KNOWN.put("opt-6.7b", usual(32, 4096, 32, OPT_PIECES));
        KNOWN.put("opt-13b", usual(40, 5120, 40, OPT_PIECES));
        KNOWN.put("opt-30b", usual(48, 7168, 56, OPT_PIECES));
        KNOWN.put("opt-66b", usual(64, 9216, 72, OPT_PIECES));
        KNOWN.put("opt-175b", usual(96, 12288, 96, OPT_PIECES));
        KNOWN.put("bert-base", usual(12, 768, 12, BERT_CASED_PIECES));
        KNOWN.put("bert-large", usual(24, 1024, 16, BERT_CASED_PIECES));
        KNOWN.put("gpt2", usual(12, 768, 12, GPT2_PIECES));
        KNOWN.put("gpt2-medium", usual(24, 1024, 16, GPT2_PIECES));
        KNOWN.put("gpt2-large", usual(36, 1280, 20, GPT2_PIECES));
        KNOWN.put("gpt2-xl", usual(48, 1600, 25, GPT2_PIECES));
    }

    /** ffn = 4d. */
    private static TransformerSize usual(int numLayers, int hiddenSize, int numHeads, int vocabSize) {
        return new TransformerSize(numLayers, hiddenSize, numHeads, 4 * hiddenSize, vocabSize);
    }

    /** Published models by name: OPT, BERT (cased) and GPT-2. */
    public static Map<String, TransformerSize> known() {
        return Collections.unmodifiableMap(KNOWN);
    }

    public static TransformerSize of(ModelConfig config) {
        return new TransformerSize(
                config.numLayers(),
                config.hiddenSize(),
                config.numHeads(),
                config.intermediateSize(),
                config.vocabSize());
    }
}
