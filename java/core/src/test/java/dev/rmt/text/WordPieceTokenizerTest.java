package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WordPieceTokenizerTest {
    private static final String VOCAB = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\n##s\né\n[\n]\nsep\n漢\n字\n漢##字\n";

    private static final String JSON = """
            {"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
              "strip_accents": null, "lowercase": true},
             "pre_tokenizer": {"type": "BertPreTokenizer"},
             "truncation": {"max_length": 2},
             "added_tokens": [{"id": 0, "content": "[PAD]", "special": true},
              {"id": 6, "content": "<x>", "special": true}],
             "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
               "max_input_chars_per_word": 100,
               "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 4, "##s": 5}}}
            """;

    @TempDir
    Path folder;

    @Test
    void theLongestPieceThatFitsComesFirst() {
        WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
        assertThat(pieces(tokenizer, "unaffable gardening"))
                .containsExactly("un", "##aff", "##able", "garden", "##ing");
    }

    @Test
    void aWordThatCannotBeCutWhollyIsOneUnknownToken() {
        assertThat(pieces(TextFixtures.smallTokenizer(), "garden gardenж")).containsExactly("garden", "[UNK]");
    }

    @Test
    void specialTokensInATextArePlainText() throws IOException {
        WordPieceTokenizer tokenizer = load("vocab.txt", VOCAB);
        assertThat(pieces(tokenizer, "the [SEP]")).containsExactly("the", "[", "sep", "]");
        assertThat(pieces(tokenizer, "[PAD]")).containsExactly("[", "[UNK]", "]");
    }

    @Test
    void emptyAndBlankTextsGiveNothing() {
        WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
        assertThat(tokenizer.encode("")).isEmpty();
        assertThat(tokenizer.encode(" \t\r\n\u00A0\u0000")).isEmpty();
    }

    @Test
    void aLongTextIsNotCut() {
        WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
        assertThat(tokenizer.encode("the ".repeat(100_000))).hasSize(100_000);
        assertThat(tokenizer.encode("?".repeat(100_000))).hasSize(100_000);
    }

    @Test
    void anyCharSequenceIsRead() {
        WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
        assertThat(tokenizer.encode(new StringBuilder("garden").insert(0, "the ")))
                .isEqualTo(tokenizer.encode("the garden"));
    }

    @Test
    void decodedPiecesOfAWordAreJoined() {
        WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
        assertThat(tokenizer.decode(tokenizer.encode("The unaffable, gardening ##")))
                .isEqualTo("the unaffable , gardening # #");
        assertThat(tokenizer.decode(new int[] {tokenizer.vocabulary().id("##ing")}))
                .isEqualTo("##ing");
        assertThat(tokenizer.decode(new int[0])).isEmpty();
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> tokenizer.decode(new int[] {-1}));
    }

    @Test
    void withoutAConfigurationAVocabularyIsUncased() throws IOException {
        assertThat(load("vocab.txt", VOCAB).options()).isEqualTo(WordPieceOptions.defaults());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{} | THE é | the [UNK]",
                "{\"do_lower_case\": false} | The Thes é THE | The The ##s é [UNK]",
                "{\"do_lower_case\": true, \"strip_accents\": false} | The é É | the é é",
                "{\"do_lower_case\": false, \"strip_accents\": true} | Thés THÉ | The ##s [UNK]",
                "{\"tokenize_chinese_chars\": false} | 漢字 | [UNK]",
                "{\"tokenize_chinese_chars\": true} | 漢字 | 漢 字",
                "{\"strip_accents\": null, \"never_split\": null} | thes | the ##s",
            })
    void theConfigurationIsObeyed(String config, String text, String pieces) throws IOException {
        write("tokenizer_config.json", config);
        assertThat(String.join(" ", pieces(load("vocab.txt", VOCAB), text))).isEqualTo(pieces);
    }

    @Test
    void specialTokensHaveTheNamesThatTheFilesGive() throws IOException {
        write("special_tokens_map.json", "{\"unk_token\": \"the\", \"pad_token\": \"The\"}");
        write("tokenizer_config.json", "{\"unk_token\": {\"content\": \"##s\", \"lstrip\": false}}");
        Vocabulary vocabulary = load("vocab.txt", VOCAB).vocabulary();
        assertThat(vocabulary.unkId()).isEqualTo(vocabulary.id("##s"));
        assertThat(vocabulary.padId()).isEqualTo(vocabulary.id("The"));
        assertThat(vocabulary.clsId()).isEqualTo(vocabulary.id("[CLS]"));
    }

    @Test
    void tokenizerJsonIsReadWithItsAddedTokensAndWithoutItsTruncation() throws IOException {
        WordPieceTokenizer tokenizer = load("tokenizer.json", JSON);
        assertThat(tokenizer.vocabulary().size()).isEqualTo(7);
        assertThat(tokenizer.vocabulary().piece(6)).isEqualTo("<x>");
        assertThat(pieces(tokenizer, "The thes <x>")).containsExactly("the", "the", "##s", "[UNK]", "[UNK]", "[UNK]");
    }

    @Test
    void tokenizerJsonGoesBeforeVocabTxtAndTheConfigurationBeforeItsNormalizer() throws IOException {
        write("vocab.txt", VOCAB);
        write("tokenizer_config.json", "{\"do_lower_case\": false}");
        WordPieceTokenizer tokenizer = load("tokenizer.json", JSON);
        assertThat(tokenizer.vocabulary().size()).isEqualTo(7);
        assertThat(pieces(tokenizer, "the The")).containsExactly("the", "[UNK]");
    }

    @Test
    void prefixAndLongestWordOfTokenizerJsonAreObeyedAndSaved() throws IOException {
        write("tokenizer_config.json", "{}");
        WordPieceTokenizer tokenizer = load(
                "tokenizer.json",
                JSON.replace("\"##\"", "\"@@\"").replace("##s", "@@s").replace(": 100", ": 5"));
        assertThat(pieces(tokenizer, "thes thess thesss")).containsExactly("the", "@@s", "the", "@@s", "@@s", "[UNK]");
        assertThat(tokenizer.decode(tokenizer.encode("thess the"))).isEqualTo("thess the");
        assertSameAfterSaving(tokenizer);
    }

    @Test
    void aFileOfTheFirstVersionsNamesNoTypeOfModel() throws IOException {
        assertThat(load("tokenizer.json", JSON.replace("\"type\": \"WordPiece\",", ""))
                        .vocabulary()
                        .size())
                .isEqualTo(7);
    }

    @Test
    void whatIsSavedIsLoadedAgain() throws IOException {
        for (WordPieceOptions options : TextFixtures.allOptions()) {
            assertSameAfterSaving(new WordPieceTokenizer(TextFixtures.smallVocabulary(), options));
        }
        Vocabulary other = Vocabulary.of(
                Arrays.asList("<p>", "<u>", "<c>", "<s>"), new SpecialTokens("<p>", "<u>", "<c>", "<s>", "<m>"));
        assertSameAfterSaving(new WordPieceTokenizer(other, new WordPieceOptions(false, true, false, "@", 7)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"type\": \"WordPiece\" | \"type\": \"BPE\" | the model is \"BPE\"; only WordPiece",
                "BertNormalizer | NFKC | the normalizer is \"NFKC\"; only BertNormalizer",
                "BertPreTokenizer | Whitespace | the pre-tokenizer is \"Whitespace\"",
                "\"clean_text\": true | \"clean_text\": false | clean_text",
                "\"lowercase\": true | \"lowercase\": \"yes\" | \"lowercase\" is",
                "\"strip_accents\": null | \"strip_accents\": 1 | \"strip_accents\" is",
                ": 100 | : 0 | max_input_chars_per_word",
                ": 100 | : 3.5 | max_input_chars_per_word",
                "\"unk_token\": \"[UNK]\" | \"unk_token\": 7 | unk_token",
                "\"unk_token\": \"[UNK]\" | \"unk_token\": \"[unk]\" | the unknown token \"[unk]\"",
                "\"the\": 4 | \"the\": 5 | to two pieces",
                "\"the\": 4 | \"the\": 9 | no piece of id 4",
                "\"the\": 4 | \"the\": -1 | the id of the piece \"the\" is \"-1\"",
                "\"the\": 4 | \"the\": 4.5 | a whole number",
                "\"the\": 4 | \"the\": 99999999999 | a whole number",
                "\"the\": 4 | \"the\": 4, \"the\": 6 | not valid JSON",
                "\"the\": 4 | \"the\": 4, \"##s\": 7 | not valid JSON",
                "\"id\": 6 | \"id\": 5 | to two pieces",
                "\"id\": 6 | \"id\": 8 | no piece of id 6",
                "\"id\": 6, | '' | the id of the piece \"<x>\"",
                "\"<x>\", \"special\": true | \"<x>\", \"special\": false | not special",
                "\"<x>\" | \"the\" | twice",
                "\"vocab\" | \"words\" | \"vocab\" is missing",
                "\"normalizer\" | \"normaliser\" | \"normalizer\" is missing",
                "\"model\" | \"modell\" | \"model\" is missing",
            })
    void aTokenizerJsonThatIsMalformedOrNotOfBertIsRefused(String part, String replacement, String message)
            throws IOException {
        assertThat(JSON).contains(part);
        write("tokenizer.json", JSON.replace(part, replacement));
        assertRefused("tokenizer.json", message);
    }

    @Test
    void filesThatAreNoJsonObjectAreRefused() throws IOException {
        for (String text :
                new String[] {"[]", "3", "{", "{\"a\": 1} x", "nonsense", "[".repeat(100_000), "{\"a\":NaN}"}) {
            write("tokenizer.json", text);
            assertRefused("tokenizer.json", "JSON");
        }
        write("tokenizer.json", "");
        assertRefused("tokenizer.json", "is empty");
        for (int length = 1; length < JSON.trim().length(); length++) {
            write("tokenizer.json", JSON.substring(0, length));
            assertRefused("tokenizer.json", "JSON");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"do_lower_case\": \"true\"} | do_lower_case",
                "{\"strip_accents\": \"\"} | strip_accents",
                "{\"do_basic_tokenize\": false} | do_basic_tokenize",
                "{\"never_split\": [\"x\"]} | never_split",
                "{\"tokenizer_class\": \"BertJapaneseTokenizer\"} | BertJapaneseTokenizer",
                "{\"tokenizer_class\": \"LlamaTokenizerFast\"} | LlamaTokenizerFast",
                "{\"unk_token\": 3} | unk_token",
                "{\"unk_token\": \"<unk>\"} | \"<unk>\"",
                "{\"cls_token\": {}} | classification token \"\"",
                "[] | JSON",
            })
    void aConfigurationThatIsMalformedOrNotSupportedIsRefused(String config, String message) throws IOException {
        write("vocab.txt", VOCAB);
        write("tokenizer_config.json", config);
        assertRefused("", message);
    }

    @Test
    void aDirectoryWithoutATokenizerIsRefused() {
        assertRefused("", "neither tokenizer.json nor vocab.txt");
    }

    @Test
    void aDirectoryInPlaceOfAFileIsRefused() throws IOException {
        Files.createDirectory(folder.resolve("vocab.txt"));
        assertRefused("vocab.txt", "is a directory");
    }

    @Test
    void optionsThatMakeNoSenseAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new WordPieceOptions(true, null, true, "##", 0))
                .withMessageContaining("maxWordChars is 0");
        assertThatIllegalArgumentException().isThrownBy(() -> new WordPieceOptions(true, null, true, null, 100));
    }

    private WordPieceTokenizer load(String name, String text) throws IOException {
        write(name, text);
        return WordPieceTokenizer.load(folder);
    }

    private void write(String name, String text) throws IOException {
        Files.writeString(folder.resolve(name), text);
    }

    private void assertRefused(String name, String message) {
        assertThatExceptionOfType(ModelFormatException.class)
                .isThrownBy(() -> WordPieceTokenizer.load(folder))
                .withMessageContaining(folder.resolve(name).toString())
                .withMessageContaining(message);
    }

    private void assertSameAfterSaving(WordPieceTokenizer tokenizer) throws IOException {
        Path saved = Files.createTempDirectory(folder, "saved");
        tokenizer.save(saved);
        WordPieceTokenizer loaded = WordPieceTokenizer.load(saved);
        assertThat(loaded.options()).isEqualTo(tokenizer.options());
        assertThat(loaded.vocabulary().pieces())
                .isEqualTo(tokenizer.vocabulary().pieces());
        assertThat(loaded.vocabulary().special())
                .isEqualTo(tokenizer.vocabulary().special());
    }

    private static String[] pieces(WordPieceTokenizer tokenizer, String text) {
        return Arrays.stream(tokenizer.encode(text))
                .mapToObj(tokenizer.vocabulary()::piece)
                .toArray(String[]::new);
    }
}
