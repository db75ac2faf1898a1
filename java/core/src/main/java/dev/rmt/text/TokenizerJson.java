package dev.rmt.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A {@code tokenizer.json} of Hugging Face that holds a BERT tokenizer: BertNormalizer, BertPreTokenizer, WordPiece.
 * What would give other ids and is not supported is refused. Truncation and padding are not obeyed: documents are
 * never cut.
 */
record TokenizerJson(Vocabulary vocabulary, WordPieceOptions options) {
    /** @param special roles of pieces; the unknown token is the file's own */
    static TokenizerJson read(Path file, SpecialTokens special) {
        JsonNode root = TokenizerFiles.readObject(file);
        JsonNode model = object(root, "model", file);
        // Files of the first versions have no type; those of other models have merges or a list as vocabulary.
        require("WordPiece", TokenizerFiles.textField(model, "type", "WordPiece", file), "the model", file);
        JsonNode normalizer = object(root, "normalizer", file);
        require("BertNormalizer", TokenizerFiles.textField(normalizer, "type", "", file), "the normalizer", file);
        JsonNode preTokenizer = object(root, "pre_tokenizer", file);
        require(
                "BertPreTokenizer",
                TokenizerFiles.textField(preTokenizer, "type", "", file),
                "the pre-tokenizer",
                file);
        if (!TokenizerFiles.booleanField(normalizer, "clean_text", true, file)) {
            throw new ModelFormatException(file + ": \"clean_text\" is false; only true is supported.");
        }
        boolean lowerCase = TokenizerFiles.booleanField(normalizer, "lowercase", true, file);
        WordPieceOptions options = new WordPieceOptions(
                lowerCase,
                TokenizerFiles.field(normalizer, "strip_accents") == null
                        ? null
                        : (Boolean) TokenizerFiles.booleanField(normalizer, "strip_accents", lowerCase, file),
                TokenizerFiles.booleanField(normalizer, "handle_chinese_chars", true, file),
                TokenizerFiles.textField(model, "continuing_subword_prefix", WordPieceOptions.BERT_PREFIX, file),
                maxWordChars(model, file));
        String unk = TokenizerFiles.textField(model, "unk_token", special.unk(), file);
        SpecialTokens roles = new SpecialTokens(special.pad(), unk, special.cls(), special.sep(), special.mask());
        return new TokenizerJson(Vocabulary.of(pieces(root, model, file), roles, file), options);
    }

    /** Writes a tokenizer that {@link #read} and Hugging Face's library read. */
    void write(Path file) throws IOException {
        JsonMapper mapper = new JsonMapper();
        ObjectNode root = mapper.createObjectNode().put("version", "1.0");
        root.putNull("truncation");
        root.putNull("padding");
        for (String piece : vocabulary.special().pieces()) {
            if (vocabulary.id(piece) >= 0) {
                root.withArray("added_tokens")
                        .addObject()
                        .put("id", vocabulary.id(piece))
                        .put("content", piece)
                        .put("single_word", false)
                        .put("lstrip", false)
                        .put("rstrip", false)
                        .put("normalized", false)
                        .put("special", true);
            }
        }
        root.putObject("normalizer")
                .put("type", "BertNormalizer")
                .put("clean_text", true)
                .put("handle_chinese_chars", options.chineseChars())
                .put("strip_accents", options.stripAccents())
                .put("lowercase", options.lowerCase());
        root.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
        root.putNull("post_processor");
        root.putObject("decoder")
                .put("type", "WordPiece")
                .put("prefix", options.continuationPrefix())
                .put("cleanup", true);
        ObjectNode vocab = root.putObject("model")
                .put("type", "WordPiece")
                .put("unk_token", vocabulary.special().unk())
                .put("continuing_subword_prefix", options.continuationPrefix())
                .put("max_input_chars_per_word", options.maxWordChars())
                .putObject("vocab");
        for (int id = 0; id < vocabulary.size(); id++) {
            vocab.put(vocabulary.piece(id), id);
        }
        Files.write(file, mapper.writerWithDefaultPrettyPrinter().writeValueAsBytes(root));
    }

    private static List<String> pieces(JsonNode root, JsonNode model, Path file) {
        Map<Integer, String> byId = new TreeMap<>();
        Iterator<Map.Entry<String, JsonNode>> entries =
                object(model, "vocab", file).properties().iterator();
        while (entries.hasNext()) {
            Map.Entry<String, JsonNode> entry = entries.next();
            put(byId, id(entry.getValue(), entry.getKey(), file), entry.getKey(), file);
        }
        JsonNode added = TokenizerFiles.field(root, "added_tokens");
        if (added != null) {
            if (!added.isArray()) {
                throw new ModelFormatException(file + ": \"added_tokens\" is not a list.");
            }
            for (JsonNode token : added) {
                String content = TokenizerFiles.textField(token, "content", "", file);
                if (!TokenizerFiles.booleanField(token, "special", false, file)) {
                    throw new ModelFormatException(file + ": the added token " + TokenizerFiles.quote(content)
                            + " is not special; only special added tokens are supported.");
                }
                put(byId, id(token.path("id"), content, file), content, file);
            }
        }
        String[] pieces = new String[byId.size()];
        int next = 0;
        for (Map.Entry<Integer, String> entry : byId.entrySet()) {
            if (entry.getKey() != next) {
                throw new ModelFormatException(file + " has no piece of id " + next + ", but one of id "
                        + entry.getKey() + "; ids must be 0, 1, 2, ... without a gap.");
            }
            pieces[next++] = entry.getValue();
        }
        return Arrays.asList(pieces);
    }

    private static void put(Map<Integer, String> byId, int id, String piece, Path file) {
        String other = byId.putIfAbsent(id, piece);
        if (other != null && !other.equals(piece)) {
            throw new ModelFormatException(file + " gives the id " + id + " to two pieces, "
                    + TokenizerFiles.quote(other) + " and " + TokenizerFiles.quote(piece) + ".");
        }
    }

    private static int id(JsonNode value, String piece, Path file) {
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 0) {
            throw new ModelFormatException(file + ": the id of the piece " + TokenizerFiles.quote(piece) + " is "
                    + TokenizerFiles.quote(value.toString()) + "; a whole number from 0 is expected.");
        }
        return value.intValue();
    }

    private static int maxWordChars(JsonNode model, Path file) {
        JsonNode value = TokenizerFiles.field(model, "max_input_chars_per_word");
        if (value == null) {
            return WordPieceOptions.BERT_MAX_WORD_CHARS;
        }
        if (!value.isInt() || value.intValue() < 1 || value.intValue() > WordPieceOptions.MAX_MAX_WORD_CHARS) {
            throw new ModelFormatException(file + ": \"max_input_chars_per_word\" is "
                    + TokenizerFiles.quote(value.toString()) + "; 1 ... " + WordPieceOptions.MAX_MAX_WORD_CHARS
                    + " are supported.");
        }
        return value.intValue();
    }

    private static JsonNode object(JsonNode parent, String name, Path file) {
        JsonNode value = TokenizerFiles.field(parent, name);
        if (value == null || !value.isObject()) {
            throw new ModelFormatException(file + ": \"" + name + "\" is "
                    + (value == null ? "missing" : "not an object")
                    + "; a tokenizer.json of BERT (BertNormalizer, BertPreTokenizer, WordPiece) is expected.");
        }
        return value;
    }

    private static void require(String expected, String found, String what, Path file) {
        if (!found.equals(expected)) {
            throw new ModelFormatException(file + ": " + what + " is " + TokenizerFiles.quote(found) + "; only "
                    + expected + " is supported.");
        }
    }
}
