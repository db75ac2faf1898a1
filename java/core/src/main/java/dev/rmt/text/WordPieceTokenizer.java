package dev.rmt.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * BERT's tokenizer: normalises a text, cuts it into words, and words into pieces. Gives the ids of Hugging Face's
 * {@code BertTokenizerFast}, but never special tokens: "[SEP]" in a text is a bracket, "sep" and a bracket. Nothing is
 * ever truncated. Immutable; shared by threads.
 */
public final class WordPieceTokenizer {
    private static final String VOCAB_TXT = "vocab.txt";
    private static final String TOKENIZER_JSON = "tokenizer.json";
    private static final String TOKENIZER_CONFIG = "tokenizer_config.json";
    private static final String SPECIAL_TOKENS_MAP = "special_tokens_map.json";

    /** Classes of Hugging Face that read a vocab.txt as BERT does; each also with "Fast" at the end. */
    private static final Set<String> BERT_CLASSES = Set.of(
            "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "PreTrainedTokenizer");

    private final Vocabulary vocabulary;
    private final WordPieceOptions options;
    private final CharacterMap characters;
    private final PieceTrie trie;

    public WordPieceTokenizer(Vocabulary vocabulary, WordPieceOptions options) {
        this.vocabulary = vocabulary;
        this.options = options;
        this.characters = new CharacterMap(options);
        this.trie = new PieceTrie(vocabulary, options.continuationPrefix());
    }

    /**
     * Reads the tokenizer of a Hugging Face BERT directory: {@code tokenizer.json}, or {@code vocab.txt} where there
     * is none. {@code tokenizer_config.json} and {@code special_tokens_map.json} may be absent. What the first says
     * about lower case, accents, ideographs prevails over {@code tokenizer.json}, as in Hugging Face; where nothing is
     * said, the model is uncased.
     *
     * @throws ModelFormatException if a file is malformed, or asks for something that is not supported
     */
    public static WordPieceTokenizer load(Path directory) {
        Path configFile = directory.resolve(TOKENIZER_CONFIG);
        JsonNode config = Files.exists(configFile) ? TokenizerFiles.readObject(configFile) : null;
        SpecialTokens special = special(directory, config);
        Path json = directory.resolve(TOKENIZER_JSON);
        Path vocabTxt = directory.resolve(VOCAB_TXT);
        if (Files.exists(json)) {
            TokenizerJson read = TokenizerJson.read(json, special);
            return new WordPieceTokenizer(read.vocabulary(), options(config, configFile, read.options()));
        }
        if (!Files.exists(vocabTxt)) {
            throw new ModelFormatException(directory + " has neither " + TOKENIZER_JSON + " nor " + VOCAB_TXT
                    + "; one of them must be there.");
        }
        checkClass(config, configFile);
        return new WordPieceTokenizer(
                Vocabulary.ofFile(vocabTxt, special), options(config, configFile, WordPieceOptions.defaults()));
    }

    /**
     * Writes {@code vocab.txt} and {@code tokenizer_config.json}, and {@code tokenizer.json} where those two cannot
     * say all.
     * {@link #load} and Hugging Face's library read them.
     */
    public void save(Path directory) throws IOException {
        vocabulary.write(directory.resolve(VOCAB_TXT));
        JsonMapper mapper = new JsonMapper();
        SpecialTokens special = vocabulary.special();
        ObjectNode config = mapper.createObjectNode()
                .put("tokenizer_class", "BertTokenizer")
                .put("do_lower_case", options.lowerCase())
                .put("strip_accents", options.stripAccents())
                .put("tokenize_chinese_chars", options.chineseChars())
                .put("pad_token", special.pad())
                .put("unk_token", special.unk())
                .put("cls_token", special.cls())
                .put("sep_token", special.sep())
                .put("mask_token", special.mask());
        Files.write(
                directory.resolve(TOKENIZER_CONFIG),
                mapper.writerWithDefaultPrettyPrinter().writeValueAsBytes(config));
        if (!options.continuationPrefix().equals(WordPieceOptions.BERT_PREFIX)
                || options.maxWordChars() != WordPieceOptions.BERT_MAX_WORD_CHARS) {
            new TokenizerJson(vocabulary, options).write(directory.resolve(TOKENIZER_JSON));
        }
    }

    /** Ids of a whole text. For a long one use {@link #newStream}. */
    public int[] encode(CharSequence text) {
        WordPieceStream stream = newStream();
        stream.feedChars(text, 0, text.length());
        stream.finish();
        int[] ids = new int[Math.max(16, text.length() / 4)];
        int count = stream.drain(ids, 0, ids.length);
        while (count == ids.length) {
            ids = Arrays.copyOf(ids, 2 * count);
            count += stream.drain(ids, count, count);
        }
        return Arrays.copyOf(ids, count);
    }

    /**
     * A readable text of ids: pieces that go on with a word are joined to it, all others are separated by a space. What
     * normalisation took away does not come back.
     *
     * @throws IndexOutOfBoundsException if an id is not in the vocabulary
     */
    public String decode(int[] ids) {
        String prefix = options.continuationPrefix();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            String piece = vocabulary.piece(id);
            boolean continues = piece.length() > prefix.length() && piece.startsWith(prefix);
            if (text.length() > 0 && !continues) {
                text.append(' ');
            }
            text.append(piece, continues && text.length() > 0 ? prefix.length() : 0, piece.length());
        }
        return text.toString();
    }

    /** A stream at the beginning of a text. */
    public WordPieceStream newStream() {
        return new WordPieceStream(characters, trie, options, vocabulary.unkId());
    }

    public Vocabulary vocabulary() {
        return vocabulary;
    }

    public WordPieceOptions options() {
        return options;
    }

    private static WordPieceOptions options(JsonNode config, Path file, WordPieceOptions otherwise) {
        if (config == null) {
            return otherwise;
        }
        if (!TokenizerFiles.booleanField(config, "do_basic_tokenize", true, file)) {
            throw new ModelFormatException(file + ": \"do_basic_tokenize\" is false; only true is supported.");
        }
        JsonNode neverSplit = TokenizerFiles.field(config, "never_split");
        if (neverSplit != null && !neverSplit.isEmpty()) {
            throw new ModelFormatException(file + ": \"never_split\" names words; that is not supported.");
        }
        boolean lowerCase = TokenizerFiles.booleanField(config, "do_lower_case", otherwise.lowerCase(), file);
        Boolean stripAccents = otherwise.stripAccents();
        if (config.has("strip_accents")) {
            stripAccents = TokenizerFiles.field(config, "strip_accents") == null
                    ? null
                    : (Boolean) TokenizerFiles.booleanField(config, "strip_accents", lowerCase, file);
        }
        return new WordPieceOptions(
                lowerCase,
                stripAccents,
                TokenizerFiles.booleanField(config, "tokenize_chinese_chars", otherwise.chineseChars(), file),
                otherwise.continuationPrefix(),
                otherwise.maxWordChars());
    }

    private static void checkClass(JsonNode config, Path file) {
        if (config == null) {
            return;
        }
        String name = TokenizerFiles.textField(config, "tokenizer_class", "BertTokenizer", file);
        String slow = name.endsWith("Fast") ? name.substring(0, name.length() - "Fast".length()) : name;
        if (!BERT_CLASSES.contains(slow)) {
            throw new ModelFormatException(file + ": \"tokenizer_class\" is " + TokenizerFiles.quote(name)
                    + "; only BERT's WordPiece tokenizers are supported (" + String.join(", ", sorted()) + ").");
        }
    }

    private static List<String> sorted() {
        return BERT_CLASSES.stream().sorted().toList();
    }

    /** Roles that tokenizer_config.json names, else special_tokens_map.json, else BERT's. */
    private static SpecialTokens special(Path directory, JsonNode config) {
        Path mapFile = directory.resolve(SPECIAL_TOKENS_MAP);
        JsonNode map = Files.exists(mapFile) ? TokenizerFiles.readObject(mapFile) : null;
        SpecialTokens bert = SpecialTokens.bert();
        return new SpecialTokens(
                role("pad_token", bert.pad(), directory, config, map),
                role("unk_token", bert.unk(), directory, config, map),
                role("cls_token", bert.cls(), directory, config, map),
                role("sep_token", bert.sep(), directory, config, map),
                role("mask_token", bert.mask(), directory, config, map));
    }

    private static String role(String name, String otherwise, Path directory, JsonNode config, JsonNode map) {
        if (config != null && TokenizerFiles.field(config, name) != null) {
            return piece(config, name, directory.resolve(TOKENIZER_CONFIG));
        }
        if (map != null && TokenizerFiles.field(map, name) != null) {
            return piece(map, name, directory.resolve(SPECIAL_TOKENS_MAP));
        }
        return otherwise;
    }

    /** A special token is a text, or an object whose "content" is the text. */
    private static String piece(JsonNode object, String name, Path file) {
        JsonNode value = object.get(name);
        return value.isObject()
                ? TokenizerFiles.textField(value, "content", "", file)
                : TokenizerFiles.textField(object, name, "", file);
    }
}
