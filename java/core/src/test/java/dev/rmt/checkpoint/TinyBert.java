package dev.rmt.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.ModelConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * A small Hugging Face BERT classifier to be changed and written: 20 pieces, hidden size 4, 2 layers, 3 labels. Every
 * element of every tensor has a value of its own, which a half float holds exactly.
 */
final class TinyBert {
    @SuppressWarnings("ArrayRecordComponent")
    record Tensor(long[] shape, float[] values) {}

    static final int PIECES = 20;

    final ObjectNode config = new ObjectMapper().createObjectNode();
    final List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
    /** By the name in the file. */
    final Map<String, Tensor> tensors = new LinkedHashMap<>();

    TinyBert() {
        this(PIECES);
    }

    /** @param wordRows rows of the word embeddings; those beyond the pieces can be memory rows */
    TinyBert(int wordRows) {
        config.put("model_type", "bert")
                .put("hidden_size", 4)
                .put("num_hidden_layers", 2)
                .put("num_attention_heads", 2)
                .put("intermediate_size", 6)
                .put("vocab_size", wordRows)
                .put("max_position_embeddings", 32)
                .put("type_vocab_size", 2)
                .put("hidden_act", "gelu");
        config.putObject("id2label").put("0", "no").put("1", "yes").put("2", "perhaps");
        for (int i = pieces.size(); i < PIECES; i++) {
            pieces.add("piece" + i);
        }
        ModelConfig shape = ModelConfig.builder()
                .hiddenSize(4)
                .numLayers(2)
                .numHeads(2)
                .intermediateSize(6)
                .vocabSize(wordRows)
                .maxPositions(32)
                .numMemTokens(0)
                .inputLength(32)
                .labels(List.of("no", "yes", "perhaps"))
                .build();
        int[] next = {0};
        BertParameters.of(shape).forEach((name, dimensions) -> {
            if (!name.equals(Weights.MEMORY)) {
                int elements = (int) Arrays.stream(dimensions).reduce(1, (a, b) -> a * b);
                float[] values = new float[elements];
                for (int i = 0; i < elements; i++) {
                    values[i] = next[0]++;
                }
                tensors.put(name.startsWith("classifier") ? name : "bert." + name, new Tensor(dimensions, values));
            }
        });
    }

    ObjectNode rmt() {
        return config.has("rmt") ? (ObjectNode) config.get("rmt") : config.putObject("rmt");
    }

    TinyBert remove(String name) {
        if (tensors.remove(name) == null) {
            throw new IllegalArgumentException(name);
        }
        return this;
    }

    TinyBert add(String name, long... shape) {
        int elements = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        float[] values = new float[elements];
        Arrays.fill(values, 1000 + tensors.size());
        tensors.put(name, new Tensor(shape, values));
        return this;
    }

    TinyBert rename(UnaryOperator<String> naming) {
        Map<String, Tensor> old = new LinkedHashMap<>(tensors);
        tensors.clear();
        old.forEach((name, tensor) -> tensors.put(naming.apply(name), tensor));
        return this;
    }

    Path write(Path folder) {
        writeAllButWeights(folder);
        writeTensors(folder.resolve("model.safetensors"), List.copyOf(tensors.keySet()));
        return folder;
    }

    /** The tensors in two files and an index of them. */
    Path writeSharded(Path folder) {
        writeAllButWeights(folder);
        List<String> names = List.copyOf(tensors.keySet());
        ObjectNode index = new ObjectMapper().createObjectNode();
        index.putObject("metadata").put("total_size", 1);
        ObjectNode map = index.putObject("weight_map");
        for (int shard = 0; shard < 2; shard++) {
            String file = "model-0000" + (shard + 1) + "-of-00002.safetensors";
            List<String> part = shard == 0 ? names.subList(0, 15) : names.subList(15, names.size());
            writeTensors(folder.resolve(file), part);
            part.forEach(name -> map.put(name, file));
        }
        writeText(folder.resolve("model.safetensors.index.json"), index.toString());
        return folder;
    }

    void writeTensors(Path file, List<String> names) {
        SafetensorsWriter writer = new SafetensorsWriter();
        names.forEach(name ->
                writer.floats(name, tensors.get(name).shape(), tensors.get(name).values()));
        writer.write(file);
    }

    void writeAllButWeights(Path folder) {
        writeText(folder.resolve("config.json"), config.toString());
        writeText(folder.resolve("vocab.txt"), String.join("\n", pieces) + "\n");
    }

    static void writeText(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** All elements of a parameter, asked for in pieces of odd size. */
    static float[] values(Weights weights, String name) {
        int elements = (int) Arrays.stream(weights.shape(name)).reduce(1, (a, b) -> a * b);
        float[] values = new float[elements];
        for (int done = 0; done < elements; ) {
            int count = Math.min(7919, elements - done);
            weights.read(name, done, values, done, count);
            done += count;
        }
        return values;
    }
}
