package dev.rmt.checkpoint;

import dev.rmt.ModelConfig;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Names and shapes of the parameters of a BERT encoder with memory. */
final class BertParameters {
    static final String WORD_EMBEDDINGS = "embeddings.word_embeddings.weight";
    static final String POOLER_WEIGHT = "pooler.dense.weight";
    static final String POOLER_BIAS = "pooler.dense.bias";
    static final String CLASSIFIER_WEIGHT = "classifier.weight";
    static final String CLASSIFIER_BIAS = "classifier.bias";

    private final Map<String, long[]> shapes = new LinkedHashMap<>();

    private BertParameters() {}

    /** Shape by name, in the order of the model; without labels there is neither pooler nor classifier. */
    static Map<String, long[]> of(ModelConfig config) {
        BertParameters table = new BertParameters();
        long hidden = config.hiddenSize();
        table.add(WORD_EMBEDDINGS, config.vocabSize(), hidden);
        table.add("embeddings.position_embeddings.weight", config.maxPositions(), hidden);
        table.add("embeddings.token_type_embeddings.weight", config.typeVocabSize(), hidden);
        table.addLayerNorm("embeddings", hidden);
        table.add(Weights.MEMORY, config.numMemTokens(), hidden);
        for (int layer = 0; layer < config.numLayers(); layer++) {
            table.addLayer("encoder.layer." + layer, hidden, config.intermediateSize());
        }
        if (config.numLabels() > 0) {
            table.addLinear("pooler.dense", hidden, hidden);
            table.addLinear("classifier", config.numLabels(), hidden);
        }
        return Collections.unmodifiableMap(table.shapes);
    }

    private void addLayer(String layer, long hidden, long intermediate) {
        addLinear(layer + ".attention.self.query", hidden, hidden);
        addLinear(layer + ".attention.self.key", hidden, hidden);
        addLinear(layer + ".attention.self.value", hidden, hidden);
        addLinear(layer + ".attention.output.dense", hidden, hidden);
        addLayerNorm(layer + ".attention.output", hidden);
        addLinear(layer + ".intermediate.dense", intermediate, hidden);
        addLinear(layer + ".output.dense", hidden, intermediate);
        addLayerNorm(layer + ".output", hidden);
    }

    private void addLinear(String name, long out, long in) {
        add(name + ".weight", out, in);
        add(name + ".bias", out);
    }

    private void addLayerNorm(String name, long hidden) {
        add(name + ".LayerNorm.weight", hidden);
        add(name + ".LayerNorm.bias", hidden);
    }

    private void add(String name, long... shape) {
        shapes.put(name, shape);
    }
}
