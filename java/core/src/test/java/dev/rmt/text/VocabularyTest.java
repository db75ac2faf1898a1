package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VocabularyTest {
    private static final String SPECIAL = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

    @TempDir
    Path folder;

    @Test
    void theLineNumberIsTheId() throws IOException {
        Vocabulary vocabulary = Vocabulary.ofFile(file(SPECIAL + "the\n##ing\n"));
        assertThat(vocabulary.size()).isEqualTo(7);
        assertThat(vocabulary.id("the")).isEqualTo(5);
        assertThat(vocabulary.piece(6)).isEqualTo("##ing");
        assertThat(vocabulary.id("missing")).isEqualTo(-1);
        assertThat(List.of(
                        vocabulary.padId(),
                        vocabulary.unkId(),
                        vocabulary.clsId(),
                        vocabulary.sepId(),
                        vocabulary.maskId()))
                .containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    void theLastLineNeedsNoLineBreakAndLinesMayEndWithCarriageReturns() throws IOException {
        List<String> pieces = Vocabulary.ofFile(file(SPECIAL + "the\n##ing")).pieces();
        assertThat(Vocabulary.ofFile(file((SPECIAL + "the\n##ing\n").replace("\n", "\r\n")))
                        .pieces())
                .isEqualTo(pieces);
        assertThat(Vocabulary.ofFile(file("\uFEFF" + SPECIAL + "the\n##ing\n")).pieces())
                .isEqualTo(pieces);
    }

    @Test
    void spacesAndUnusualLineSeparatorsBelongToAPiece() throws IOException {
        Vocabulary vocabulary = Vocabulary.ofFile(file(SPECIAL + " the \n\u2028\n\u0085\n"));
        assertThat(vocabulary.pieces()).endsWith(" the ", "\u2028", "\u0085");
    }

    @Test
    void whatIsWrittenIsReadAgain() throws IOException {
        Vocabulary vocabulary = TextFixtures.smallVocabulary();
        Path file = folder.resolve("written.txt");
        vocabulary.write(file);
        assertThat(Vocabulary.ofFile(file).pieces()).isEqualTo(vocabulary.pieces());
    }

    @Test
    void aVocabularyWithoutAMaskIsFine() {
        assertThat(Vocabulary.of(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]")).maskId())
                .isEqualTo(-1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"})
    void aMissingSpecialTokenIsNamed(String missing) throws IOException {
        Path file = file((SPECIAL + "the\n").replace(missing + "\n", ""));
        assertMalformed(file, "\"" + missing + "\"", "tokenizer_config.json");
    }

    @Test
    void aPieceThatStandsThereTwiceIsNamedWithBothIds() throws IOException {
        assertMalformed(file(SPECIAL + "the\na\nthe\n"), "\"the\" twice", "5 and 7");
    }

    @Test
    void anEmptyLineIsNamed() throws IOException {
        assertMalformed(file(SPECIAL + "the\n\na\n"), "id 6 is empty");
        assertMalformed(file(SPECIAL + "the\n\n"), "id 6 is empty");
    }

    @Test
    void filesThatCannotBeReadAreNamed() throws IOException {
        assertMalformed(file(""), "is empty");
        assertMalformed(folder, "is a directory");
        assertMalformed(folder.resolve("none.txt"), "does not exist");
        Path latin1 = folder.resolve("latin1.txt");
        Files.write(latin1, new byte[] {'a', '\n', (byte) 0xE9, '\n'});
        assertMalformed(latin1, "not valid UTF-8");
    }

    @Test
    void piecesThatFitIntoNoLineAreRefused() {
        for (String piece : new String[] {"a\nb", "a\r", "\uD800", "\uDC00x"}) {
            List<String> pieces = new ArrayList<>(SpecialTokens.bert().pieces());
            pieces.add(piece);
            assertThatExceptionOfType(ModelFormatException.class)
                    .isThrownBy(() -> Vocabulary.of(pieces))
                    .withMessageContaining("id 5");
        }
    }

    @Test
    void laterChangesOfTheListDoNotMatter() {
        String[] pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "the"};
        Vocabulary vocabulary = Vocabulary.of(Arrays.asList(pieces));
        pieces[4] = "a";
        assertThat(vocabulary.piece(4)).isEqualTo("the");
    }

    private Path file(String text) throws IOException {
        return Files.writeString(folder.resolve("vocab.txt"), text);
    }

    private static void assertMalformed(Path file, String... parts) {
        assertThatExceptionOfType(ModelFormatException.class)
                .isThrownBy(() -> Vocabulary.ofFile(file))
                .withMessageContaining(file.toString())
                .withMessageContainingAll(parts);
    }
}
