package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

/** Words after normalisation, as Hugging Face's library gives them (words.jsonl was made with tokenizers 0.22.2). */
class NormalisationTest {
    @Test
    void wordsAreThoseOfHuggingFace() throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        int cases = 0;
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(
                NormalisationTest.class.getResourceAsStream("/text/words.jsonl"), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonNode golden = mapper.readTree(line);
                JsonNode strip = golden.get("stripAccents");
                WordPieceOptions options = new WordPieceOptions(
                        golden.get("lowerCase").booleanValue(),
                        strip.isNull() ? null : strip.booleanValue(),
                        golden.get("chineseChars").booleanValue());
                List<String> words = new ArrayList<>();
                golden.get("words").forEach(word -> words.add(word.textValue()));
                assertThat(words(options, golden.get("text").textValue()))
                        .as(line)
                        .isEqualTo(words);
                cases++;
            }
        }
        assertThat(cases).isGreaterThan(400);
    }

    @Test
    void whatBecomesOfEachCodePointDoesNotDependOnTheJdk() {
        List<Long> checksums = new ArrayList<>();
        for (WordPieceOptions options : TextFixtures.allOptions()) {
            CharacterMap map = new CharacterMap(options);
            CRC32 crc = new CRC32();
            for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
                int action = map.action(c);
                if ((action & CharacterMap.KIND_MASK) == CharacterMap.SEVERAL) {
                    for (int part : map.several(c)) {
                        update(crc, part);
                    }
                } else {
                    update(crc, action);
                }
            }
            checksums.add(crc.getValue());
        }
        assertThat(checksums).containsExactly(CHECKSUMS);
    }

    @Test
    void lowerCaseDoesNotDependOnWhereALetterStands() {
        assertThat(words(WordPieceOptions.defaults(), "ΟΔΟΣ")).containsExactly("οδοσ");
    }

    @Test
    void aCapitalIWithADotBecomesTwoCharactersUnlessAccentsAreStripped() {
        assertThat(words(new WordPieceOptions(true, false, true), "İ")).containsExactly("i\u0307");
        assertThat(words(new WordPieceOptions(true, null, true), "İ")).containsExactly("i");
        assertThat(words(new WordPieceOptions(false, null, true), "İ")).containsExactly("İ");
    }

    @Test
    void marksThatAreKeptAreSortedByClassButNotAcrossAStarter() {
        WordPieceOptions options = WordPieceOptions.defaults();
        // Classes: 302E 224, 1D165 216, 0316 220 and stripped, 0941 a stripped mark of class 0.
        assertThat(words(options, "a\u302E\u0316\uD834\uDD65")).containsExactly("a\uD834\uDD65\u302E");
        assertThat(words(options, "a\u302E\u0941\uD834\uDD65")).containsExactly("a\u302E\uD834\uDD65");
        assertThat(words(options, "a\u302Eb\uD834\uDD65")).containsExactly("a\u302Eb\uD834\uDD65");
    }

    /** {@code CRC32} of all actions, for each of TextFixtures.allOptions(). */
    private static final Long[] CHECKSUMS = {1875872864L, 2801891222L, 217401780L, 1753377764L, 3379694851L};

    private static void update(CRC32 crc, int value) {
        crc.update(value >>> 24);
        crc.update(value >>> 16);
        crc.update(value >>> 8);
        crc.update(value);
    }

    static List<String> words(WordPieceOptions options, String text) {
        WordReader reader = new WordReader(new CharacterMap(options), 1000);
        reader.setChars(text, 0, text.length());
        List<String> words = new ArrayList<>();
        while (reader.next()) {
            words.add(new String(reader.word(), 0, reader.length()));
        }
        if (reader.finish()) {
            words.add(new String(reader.word(), 0, reader.length()));
        }
        return words;
    }
}
