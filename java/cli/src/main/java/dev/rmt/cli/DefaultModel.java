package dev.rmt.cli;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.task.MemoryTask;
import dev.rmt.text.WordPieceTokenizer;
import java.util.List;

/** The model that runs when none is named: small, in the paper's geometry, its weights random but always the same. */
final class DefaultModel {
    static final String NAME = "built-in";
    /** The places that the memory tasks ask for, in the order of the classifier. */
    static final List<String> LABELS = MemoryTask.LABELS;

    private static final int HIDDEN_SIZE = 128;
    private static final int NUM_LAYERS = 2;
    private static final long SEED = 42;

    private DefaultModel() {}

    static RmtModel create(Device device) {
        WordPieceTokenizer tokenizer = Vocabularies.builtIn();
        ModelConfig config = ModelConfig.builder()
                .hiddenSize(HIDDEN_SIZE)
                .numLayers(NUM_LAYERS)
                .numHeads(HIDDEN_SIZE / 64)
                .intermediateSize(4 * HIDDEN_SIZE)
                .vocabSize(tokenizer.vocabulary().size())
                .labels(LABELS)
                .build();
        return RmtModel.untrained(config, tokenizer, SEED, device);
    }
}
