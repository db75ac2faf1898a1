package dev.rmt.checkpoint;

import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.rmt.InputException;
import dev.rmt.ModelConfig;
import dev.rmt.RmtException;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Writes a model directory that {@link ModelDirectory} and Python's transformers read: {@code config.json} of a
 * {@code BertForSequenceClassification} with an "rmt" object, {@code model.safetensors}, {@code vocab.txt} and
 * {@code tokenizer_config.json}. The initial memory is stored as the last M rows of the word embeddings, and
 * {@code vocab_size} counts them.
 */
public final class ModelWriter {
    private static final String PREFIX = "bert.";

    private ModelWriter() {}

    /**
     * Writes the directory under a temporary name beside its place, forces it to the disk and renames it.
     *
     * @param directory must not exist or be empty; missing parents are made
     * @throws InputException if there is something in its place already
     * @throws RmtException if it cannot be written; nothing is left behind
     * @throws IllegalArgumentException if the parts do not fit together
     */
    public static void write(Path directory, ModelConfig config, WordPieceTokenizer tokenizer, Weights weights) {
        checkParts(config, tokenizer, weights);
        Path target = emptyPlace(directory);
        AtomicFiles.writeFolder(target, folder -> writeFiles(folder, config, tokenizer, weights));
    }

    /**
     * Writes the files of a model into a folder, each in its place: for a folder that is itself written under a temporary
     * name, as that of a checkpoint.
     *
     * @throws IOException if they cannot be written; some of them may be there then
     * @throws IllegalArgumentException if the parts do not fit together
     */
    public static void writeInto(Path folder, ModelConfig config, WordPieceTokenizer tokenizer, Weights weights)
            throws IOException {
        checkParts(config, tokenizer, weights);
        writeFiles(folder, config, tokenizer, weights);
    }

    private static void writeFiles(Path folder, ModelConfig config, WordPieceTokenizer tokenizer, Weights weights)
            throws IOException {
        Files.write(folder.resolve("config.json"), json(configJson(config, tokenizer, weights.trained())));
        tokenizer.save(folder);
        tensors(config, weights).writeInPlace(folder.resolve("model.safetensors"));
    }

    private static void checkParts(ModelConfig config, WordPieceTokenizer tokenizer, Weights weights) {
        if (tokenizer.vocabulary().size() > config.vocabSize()) {
            throw new IllegalArgumentException(
                    "The vocabulary has " + tokenizer.vocabulary().size() + " pieces but the model has "
                            + config.vocabSize() + " rows of word embeddings.");
        }
        BertParameters.of(config).forEach((name, shape) -> {
            if (!weights.has(name) || !Arrays.equals(weights.shape(name), shape)) {
                throw new IllegalArgumentException("The weights hold "
                        + (weights.has(name) ? Arrays.toString(weights.shape(name)) : "nothing") + " for \"" + name
                        + "\" where the shape " + Arrays.toString(shape) + " is needed.");
            }
        });
    }

    /** The place that the directory will take, links resolved; complains if anything is in it. */
    private static Path emptyPlace(Path directory) {
        if (!Files.exists(directory)) {
            return directory;
        }
        if (!Files.isDirectory(directory)) {
            throw new InputException(directory + " is a file; give the name of a new folder.");
        }
        try (Stream<Path> content = Files.list(directory)) {
            if (content.findAny().isPresent()) {
                throw new InputException(
                        directory + " exists already and is not empty; give the name of a new folder.");
            }
            return directory.toRealPath();
        } catch (IOException e) {
            throw new RmtException("Cannot write " + directory + ": " + CheckedFiles.reason(e) + ".", e);
        }
    }

    private static SafetensorsWriter tensors(ModelConfig config, Weights weights) {
        // What transformers looks for to know that a file comes from PyTorch; it refuses files without it.
        SafetensorsWriter writer = new SafetensorsWriter().metadata("format", "pt");
        BertParameters.of(config).forEach((name, shape) -> {
            if (name.equals(BertParameters.WORD_EMBEDDINGS)) {
                long[] rows = {(long) config.vocabSize() + config.numMemTokens(), config.hiddenSize()};
                writer.floats(PREFIX + name, rows, wordsAndMemory(config, weights));
            } else if (!name.equals(Weights.MEMORY)) {
                String prefix = name.startsWith("classifier.") ? "" : PREFIX;
                writer.floats(
                        prefix + name,
                        shape,
                        (first, dst, offset, count) -> weights.read(name, first, dst, offset, count));
            }
        });
        return writer;
    }

    /** (V + M, H): the word embeddings and behind them the initial memory. */
    private static FloatSource wordsAndMemory(ModelConfig config, Weights weights) {
        long words = (long) config.vocabSize() * config.hiddenSize();
        return (first, dst, offset, count) -> {
            int ofWords = (int) Math.max(0, Math.min(count, words - first));
            if (ofWords > 0) {
                weights.read(BertParameters.WORD_EMBEDDINGS, first, dst, offset, ofWords);
            }
            if (count > ofWords) {
                weights.read(Weights.MEMORY, first + ofWords - words, dst, offset + ofWords, count - ofWords);
            }
        };
    }

    private static Map<String, Object> configJson(ModelConfig config, WordPieceTokenizer tokenizer, boolean trained) {
        boolean classifier = config.numLabels() > 0;
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("architectures", List.of(classifier ? "BertForSequenceClassification" : "BertModel"));
        json.put("model_type", "bert");
        json.put("vocab_size", config.vocabSize() + config.numMemTokens());
        json.put("hidden_size", config.hiddenSize());
        json.put("num_hidden_layers", config.numLayers());
        json.put("num_attention_heads", config.numHeads());
        json.put("intermediate_size", config.intermediateSize());
        json.put("max_position_embeddings", config.maxPositions());
        json.put("type_vocab_size", config.typeVocabSize());
        // By way of its shortest decimal form: 1.0E-12 and not the digits of the nearest double.
        json.put("layer_norm_eps", Double.parseDouble(Float.toString(config.layerNormEps())));
        json.put("hidden_act", "gelu");
        json.put("position_embedding_type", "absolute");
        json.put("initializer_range", RandomWeights.INITIALIZER_RANGE);
        json.put("pad_token_id", tokenizer.vocabulary().padId());
        json.put("torch_dtype", "float32");
        if (classifier) {
            Map<String, String> labelOfId = new LinkedHashMap<>();
            Map<String, Integer> idOfLabel = new LinkedHashMap<>();
            for (int i = 0; i < config.numLabels(); i++) {
                labelOfId.put(Integer.toString(i), config.labels().get(i));
                idOfLabel.put(config.labels().get(i), i);
            }
            json.put("id2label", labelOfId);
            json.put("label2id", idOfLabel);
        }
        Map<String, Object> rmt = new LinkedHashMap<>();
        rmt.put("memory_layout", BertConfig.ENCODER_LAYOUT);
        rmt.put("num_mem_tokens", config.numMemTokens());
        rmt.put("input_length", config.inputLength());
        rmt.put("segment_size", config.segmentSize());
        rmt.put("memory", BertConfig.WORD_EMBEDDINGS);
        rmt.put("trained", trained);
        json.put("rmt", rmt);
        return json;
    }

    private static byte[] json(Map<String, Object> object) throws IOException {
        // Line ends of its own: the same bytes on every system.
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter();
        printer.indentObjectsWith(new DefaultIndenter("  ", "\n"));
        String text = new ObjectMapper().writer(printer).writeValueAsString(object);
        return (text + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
