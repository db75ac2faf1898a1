package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.CheckedFiles.quote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import dev.rmt.SegmentAlignment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/**
 * What {@code config.json} of a BERT directory says, every number within limits that keep later products and lists small.
 *
 * @param wordRows "vocab_size": rows of the word embeddings, with any memory rows among them
 * @param labels from "id2label", else "num_labels", else the "rmt" object; empty: the file does not say
 * @param rmt the "rmt" object; empty: a plain BERT
 * @param unknownRmtFields names in the "rmt" object that mean nothing to this version
 */
record BertConfig(
        int hiddenSize,
        int numLayers,
        int numHeads,
        int intermediateSize,
        int wordRows,
        int maxPositions,
        int typeVocabSize,
        float layerNormEps,
        double initializerRange,
        Optional<List<String>> labels,
        Optional<RmtObject> rmt,
        Set<String> unknownRmtFields) {

    /** The value of "memory" that means the last M rows of the word embeddings. */
    static final String WORD_EMBEDDINGS = "word_embeddings";
    /** The value of "memory_layout" for one block of memory behind [CLS], read and written in place. */
    static final String ENCODER_LAYOUT = "encoder";

    /**
     * The "rmt" object.
     *
     * @param inputLength T; empty: all positions of the position table
     * @param memory {@link #WORD_EMBEDDINGS} or the name of a tensor (M, H)
     * @param trained false: the weights are random
     */
    record RmtObject(
            int numMemTokens,
            OptionalInt inputLength,
            String memory,
            Optional<SegmentAlignment> segmentAlignment,
            boolean trained) {}

    static final int MAX_LABELS = 100_000;
    private static final Set<String> RMT_FIELDS = Set.of(
            "memory_layout",
            "num_mem_tokens",
            "input_length",
            "segment_size",
            "segment_alignment",
            "memory",
            "labels",
            "trained");

    static BertConfig read(Path file) {
        return new Reader(file, StrictJson.readObject(file), "").bertConfig();
    }

    /** Reads fields of one JSON object; {@code prefix} is its name in messages. */
    private record Reader(Path file, JsonNode object, String prefix) {
        BertConfig bertConfig() {
            requireSupported("model_type", "bert");
            requireSupported("hidden_act", "gelu");
            requireSupported("position_embedding_type", "absolute");
            if (flag("is_decoder", false)) {
                throw error("says \"is_decoder\": true; only encoders can be loaded");
            }
            int hiddenSize = integer("hidden_size", 1, 1 << 16);
            int numHeads = integer("num_attention_heads", 1, 1 << 12);
            if (hiddenSize % numHeads != 0) {
                throw error("says hidden_size " + hiddenSize + " and num_attention_heads " + numHeads
                        + "; the first must be a multiple of the second");
            }
            Optional<Reader> rmt = child("rmt");
            return new BertConfig(
                    hiddenSize,
                    integer("num_hidden_layers", 1, 1000),
                    numHeads,
                    integer("intermediate_size", 1, 1 << 20),
                    integer("vocab_size", 1, 1 << 24),
                    integer("max_position_embeddings", 1, 1 << 24),
                    object.has("type_vocab_size") ? integer("type_vocab_size", 1, 1 << 16) : 2,
                    (float) fraction("layer_norm_eps", 1e-12),
                    fraction("initializer_range", RandomWeights.INITIALIZER_RANGE),
                    labels(rmt),
                    rmt.map(Reader::rmtObject),
                    rmt.map(Reader::unknownRmtFields).orElse(Set.of()));
        }

        private RmtObject rmtObject() {
            requireSupported("memory_layout", ENCODER_LAYOUT);
            int numMemTokens = integer("num_mem_tokens", 0, 1 << 16);
            OptionalInt inputLength = object.has("input_length")
                    ? OptionalInt.of(integer("input_length", 1, 1 << 24))
                    : OptionalInt.empty();
            if (object.has("segment_size") && inputLength.isPresent()) {
                int said = integer("segment_size", 1, 1 << 24);
                int found = inputLength.getAsInt() - numMemTokens - ModelConfig.SPECIAL_TOKENS;
                if (said != found) {
                    throw error("says rmt.segment_size " + said + " but input_length " + inputLength.getAsInt()
                            + " with " + numMemTokens + " memory tokens leaves " + found);
                }
            }
            return new RmtObject(
                    numMemTokens,
                    inputLength,
                    text("memory").orElse(WORD_EMBEDDINGS),
                    text("segment_alignment").map(this::alignment),
                    flag("trained", true));
        }

        private Set<String> unknownRmtFields() {
            Set<String> unknown = new TreeSet<>();
            object.fieldNames().forEachRemaining(unknown::add);
            unknown.removeAll(RMT_FIELDS);
            return unknown;
        }

        private SegmentAlignment alignment(String name) {
            for (SegmentAlignment alignment : SegmentAlignment.values()) {
                if (alignment.name().equalsIgnoreCase(name)) {
                    return alignment;
                }
            }
            throw error("says rmt.segment_alignment " + quote(name) + "; left, right and center are known");
        }

        private Optional<List<String>> labels(Optional<Reader> rmt) {
            Optional<List<String>> named = child("id2label").map(Reader::labelsByIndex);
            Optional<List<String>> listed = rmt.flatMap(reader -> reader.strings("labels"));
            Optional<List<String>> labels = named.or(() -> listed);
            if (listed.isPresent() && !listed.equals(labels)) {
                throw error("names the labels " + shown(labels.get()) + " in id2label but " + shown(listed.get())
                        + " in rmt.labels; make them equal");
            }
            if (!object.has("num_labels")) {
                return labels;
            }
            int count = integer("num_labels", 1, MAX_LABELS);
            if (labels.isPresent() && labels.get().size() != count) {
                throw error("says num_labels " + count + " but names "
                        + labels.get().size() + " labels");
            }
            return labels.or(() -> Optional.of(numberedLabels(count)));
        }

        /** {"0": "bathroom", "1": ...}: every index from 0 on once. */
        private List<String> labelsByIndex() {
            int count = object.size();
            if (count < 1 || count > MAX_LABELS) {
                throw error("names " + count + " labels in id2label; 1 to " + MAX_LABELS + " are allowed");
            }
            List<String> labels = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                String index = Integer.toString(i);
                labels.add(text(index)
                        .orElseThrow(() -> error("has " + count + " entries in id2label but none of them is "
                                + quote(index) + "; their keys must be 0 to " + (count - 1))));
            }
            return labels;
        }

        private Optional<List<String>> strings(String field) {
            JsonNode node = object.get(field);
            if (node == null || node.isNull()) {
                return Optional.empty();
            }
            List<String> texts = new ArrayList<>();
            node.forEach(item -> texts.add(item.isTextual() ? item.textValue() : null));
            if (!node.isArray() || texts.isEmpty() || texts.size() > MAX_LABELS || texts.contains(null)) {
                throw error("has a " + prefix + field + " that is not a list of strings");
            }
            return Optional.of(List.copyOf(texts));
        }

        private static String shown(List<String> labels) {
            return CheckedFiles.clean(String.join(", ", labels));
        }

        /** A field that is absent or null, or has the one value that is supported. */
        private void requireSupported(String field, String supported) {
            Optional<String> value = text(field);
            if (value.isPresent() && !value.get().equals(supported)) {
                throw error("says " + prefix + field + " " + quote(value.get()) + "; only " + quote(supported)
                        + " is supported");
            }
        }

        private Optional<String> text(String field) {
            JsonNode node = object.get(field);
            if (node == null || node.isNull()) {
                return Optional.empty();
            }
            if (!node.isTextual()) {
                throw error("has " + prefix + field + " " + CheckedFiles.clean(node.toString())
                        + "; a string is expected there");
            }
            return Optional.of(node.textValue());
        }

        private boolean flag(String field, boolean ifAbsent) {
            JsonNode node = object.get(field);
            if (node == null || node.isNull()) {
                return ifAbsent;
            }
            if (!node.isBoolean()) {
                throw error("has " + prefix + field + " " + CheckedFiles.clean(node.toString())
                        + "; true or false is expected there");
            }
            return node.booleanValue();
        }

        private int integer(String field, int min, int max) {
            JsonNode node = object.get(field);
            if (node == null || node.isNull()) {
                throw error("lacks " + prefix + field);
            }
            if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < min || node.intValue() > max) {
                throw error("has " + prefix + field + " " + CheckedFiles.clean(node.toString()) + "; an integer from "
                        + min + " to " + max + " is expected there");
            }
            return node.intValue();
        }

        /** A number between 0 and 1, both excluded. */
        private double fraction(String field, double ifAbsent) {
            JsonNode node = object.get(field);
            if (node == null || node.isNull()) {
                return ifAbsent;
            }
            // As a float too: what rounds to zero there is no epsilon.
            if (!node.isNumber() || !((float) node.doubleValue() > 0 && node.doubleValue() < 1)) {
                throw error("has " + prefix + field + " " + CheckedFiles.clean(node.toString())
                        + "; a number between 0 and 1 is expected there");
            }
            return node.doubleValue();
        }

        private Optional<Reader> child(String field) {
            JsonNode node = object.get(field);
            if (node == null || node.isNull()) {
                return Optional.empty();
            }
            if (!node.isObject()) {
                throw error("has " + prefix + field + " " + CheckedFiles.clean(node.toString())
                        + "; an object is expected there");
            }
            return Optional.of(new Reader(file, node, prefix + field + "."));
        }

        private ModelFormatException error(String what) {
            return new ModelFormatException(file + " " + what + ".");
        }
    }

    /** LABEL_0, LABEL_1, ...: the names that Hugging Face gives to labels without a name. */
    static List<String> numberedLabels(int count) {
        List<String> labels = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            labels.add("LABEL_" + i);
        }
        return labels;
    }
}
