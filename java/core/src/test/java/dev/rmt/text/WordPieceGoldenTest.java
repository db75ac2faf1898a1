package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Ids of Hugging Face's tokenizer, from the golden files. */
class WordPieceGoldenTest {
    private final ObjectMapper mapper = new ObjectMapper();

    @Test
    void idsAreThoseOfHuggingFaceInEveryCase() throws IOException {
        List<JsonNode> cases = cases();
        Vocabulary vocabulary = Vocabulary.ofFile(TextFixtures.golden("minilm/vocab.txt"));
        Map<WordPieceOptions, WordPieceTokenizer> tokenizers = new HashMap<>();
        List<String> wrong = new ArrayList<>();
        for (JsonNode golden : cases) {
            WordPieceTokenizer tokenizer =
                    tokenizers.computeIfAbsent(options(golden), options -> new WordPieceTokenizer(vocabulary, options));
            int[] ids = tokenizer.encode(golden.get("text").textValue());
            if (!Arrays.equals(ids, ids(golden, "ids"))) {
                wrong.add(golden + " gives " + Arrays.toString(ids));
            }
        }
        assertThat(wrong).as("wrong of %d cases", cases.size()).isEmpty();
        assertThat(cases).isNotEmpty();
    }

    @Test
    void idsAreThoseOfHuggingFaceInEveryCaseWhenBytesComeOneByOne() throws IOException {
        Vocabulary vocabulary = Vocabulary.ofFile(TextFixtures.golden("minilm/vocab.txt"));
        Map<WordPieceOptions, WordPieceTokenizer> tokenizers = new HashMap<>();
        for (JsonNode golden : cases()) {
            WordPieceStream stream = tokenizers
                    .computeIfAbsent(options(golden), options -> new WordPieceTokenizer(vocabulary, options))
                    .newStream();
            byte[] bytes = golden.get("text").textValue().getBytes(StandardCharsets.UTF_8);
            int[] ids = {};
            for (int i = 0; i < bytes.length; i++) {
                stream.feedBytes(bytes, i, 1);
                ids = TextFixtures.concat(ids, TextFixtures.drain(stream, 1));
            }
            stream.finish();
            assertThat(TextFixtures.concat(ids, TextFixtures.drain(stream, 3)))
                    .as(golden.toString())
                    .isEqualTo(ids(golden, "ids"));
        }
    }

    @Test
    void textOfSpecialTokensIsPlainText() throws IOException {
        JsonNode cases = mapper.readTree(
                TextFixtures.golden("tokenizer/special-tokens.json").toFile());
        WordPieceTokenizer tokenizer =
                WordPieceTokenizer.load(TextFixtures.golden("minilm/vocab.txt").getParent());
        assertThat(cases).isNotEmpty();
        for (JsonNode golden : cases) {
            assertThat(tokenizer.encode(golden.get("text").textValue()))
                    .as(golden.toString())
                    .isEqualTo(ids(golden, "ids_as_plain_text"));
        }
    }

    @Test
    void vocabTxtAndTokenizerJsonGiveTheSameVocabulary() {
        Path directory = TextFixtures.golden("minilm/vocab.txt").getParent();
        Path json = TextFixtures.golden("minilm/tokenizer.json");
        assertThat(Vocabulary.ofTokenizerJson(json).pieces())
                .isEqualTo(Vocabulary.ofFile(directory.resolve("vocab.txt")).pieces());
    }

    private List<JsonNode> cases() throws IOException {
        List<JsonNode> cases = new ArrayList<>();
        for (String line : Files.readAllLines(TextFixtures.golden("tokenizer/cases.jsonl"))) {
            cases.add(mapper.readTree(line));
        }
        return cases;
    }

    private static WordPieceOptions options(JsonNode golden) {
        JsonNode strip = golden.get("strip_accents");
        return new WordPieceOptions(
                golden.get("do_lower_case").booleanValue(), strip.isNull() ? null : strip.booleanValue(), true);
    }

    private int[] ids(JsonNode golden, String name) {
        return mapper.convertValue(golden.get(name), int[].class);
    }
}
