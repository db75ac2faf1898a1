package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.InputException;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NoiseTest {
    private static final WordPieceTokenizer TOKENIZER = TaskFixtures.tokenizer();

    @TempDir
    Path folder;

    private Path file(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, text);
    }

    private static String text(Noise noise) {
        int[] ids = new int[(int) noise.tokens()];
        assertThat(noise.copy(0, ids, 0, ids.length)).isZero();
        return TOKENIZER.decode(ids);
    }

    @Test
    void theTokensAreThoseOfTheText() throws IOException {
        String text = "n1 n2, n3.\n\nWhere is the \"north\"? asked n4. Mr. n5 went.";
        Noise noise = Noise.files(List.of(file("a.txt", text)), TOKENIZER);
        int[] expected = TOKENIZER.encode(text);
        int[] ids = new int[expected.length];
        noise.copy(0, ids, 0, ids.length);
        assertThat(ids).isEqualTo(expected);
        assertThat(noise.tokens()).isEqualTo(expected.length);
        assertThat(noise.droppedSentences()).isZero();
        assertThat(noise.replacedBytes()).isZero();
        assertThat(noise.unknownShare()).isZero();
    }

    @Test
    void sentencesThatCouldBeFactsAreDropped() throws IOException {
        Noise noise = Noise.files(
                List.of(file(
                        "a.txt",
                        "n1. Mary went to the garden. n2. In the KITCHEN\nstood _John's_ uncle. n3. \"Office?\" said Daniel."
                                + " n4. The office is north of the kitchen. n5")),
                TOKENIZER);
        assertThat(text(noise)).isEqualTo("n1 . n2 . n3 . n4 . n5");
        assertThat(noise.droppedSentences()).isEqualTo(4);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "mary is back.",
                "the garden is back.",
                "john is to the gardens.",
                "marys garden is.",
                "the office, the kitchen.",
                "north of the garden, garden.",
            })
    void sentencesWithANameOrAPlaceAloneStay(String sentence) throws IOException {
        Noise noise = Noise.files(List.of(file("a.txt", sentence)), TOKENIZER);
        assertThat(noise.droppedSentences()).isZero();
        assertThat(noise.tokens()).isPositive();
    }

    @Test
    void foldersGiveTheirTextFilesAtAnyDepthInTheOrderOfTheirPaths() throws IOException {
        file("noise/b.txt", "n2");
        file("noise/a/z.TXT", "n1");
        file("noise/c/x.txt", "n3");
        file("noise/c/empty.txt", "");
        file("noise/c/other.md", "n9");
        Path single = file("more.md", "n4");
        Noise noise = Noise.files(List.of(folder.resolve("noise"), single), TOKENIZER);
        assertThat(text(noise)).isEqualTo("n1 n2 n3 n4");
    }

    @Test
    void aLinkToAFolderIsFollowed() throws IOException {
        file("real/a.txt", "n1");
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("real"));
        assertThat(text(Noise.files(List.of(link), TOKENIZER))).isEqualTo("n1");
    }

    @Test
    void malformedBytesAreReplacedAndCountedWhereverABufferEnds() throws IOException {
        // Two lone continuation bytes, then a character cut off by the end of the file.
        for (int padding : new int[] {0, 65_530, 65_535, 65_536, 65_537}) {
            byte[] start = ("n1 ".repeat(padding / 3) + "nnn".substring(0, padding % 3) + " \u00e9 ")
                    .getBytes(StandardCharsets.UTF_8);
            byte[] bytes = new byte[start.length + 6];
            System.arraycopy(start, 0, bytes, 0, start.length);
            bytes[start.length] = (byte) 0x80;
            bytes[start.length + 1] = (byte) 0xBF;
            bytes[start.length + 2] = ' ';
            bytes[start.length + 3] = 'x';
            bytes[start.length + 4] = (byte) 0xE2;
            bytes[start.length + 5] = (byte) 0x82;
            Path file = Files.write(folder.resolve("bad.txt"), bytes);
            assertThat(Noise.files(List.of(file), TOKENIZER).replacedBytes()).isEqualTo(4);
        }
    }

    @Test
    void wordsThatTheVocabularyCannotSpellAreCounted() throws IOException {
        WordPieceTokenizer words = new WordPieceTokenizer(
                Vocabulary.of(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", ".")),
                WordPieceOptions.defaults());
        Noise noise = Noise.files(List.of(file("a.txt", "Rain. Snow. Rain.")), words);
        assertThat(noise.tokens()).isEqualTo(6);
        assertThat(noise.unknownShare()).isCloseTo(1 / 6.0, within(1e-9));
    }

    @Test
    void readingGoesRoundFromAnyStart() throws IOException {
        Noise noise = TaskFixtures.countingNoise(TOKENIZER, folder);
        int first = TOKENIZER.vocabulary().id("n0");
        int[] ids = new int[2500];
        int next = noise.copy(990, ids, 100, 2400);
        for (int i = 0; i < 2400; i++) {
            assertThat(ids[100 + i] - first).isEqualTo((990 + i) % TaskFixtures.NOISE_WORDS);
        }
        assertThat(next).isEqualTo((990 + 2400) % TaskFixtures.NOISE_WORDS);
        assertThat(noise.skip(990, 2400)).isEqualTo(next);
    }

    @Test
    void whatCannotBeReadAsTextIsRefusedByName() throws IOException {
        refused(folder.resolve("none.txt"), "none.txt does not exist");
        refused(file("empty.txt", ""), "empty.txt is empty");
        refused(file("blank.txt", " \n\n "), "blank.txt holds no text");
        refused(
                file("facts.txt", "Mary went to the office."),
                "facts.txt holds no text but sentences that could be facts");
        refused(
                Files.write(folder.resolve("binary.txt"), new byte[] {'a', 'b', 0, 'c'}),
                "binary.txt is binary (byte 2");
        refused(Files.createDirectory(folder.resolve("nothing")), "nothing holds no *.txt file with text");
        file("mixed/a.txt", "n1");
        Files.write(folder.resolve("mixed/b.txt"), new byte[] {0});
        refused(folder.resolve("mixed"), "b.txt is binary");
        assertThatThrownBy(() -> Noise.files(List.of(), TOKENIZER))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("at least one");
    }

    @Test
    void aFileWithoutReadPermissionIsRefused() throws IOException {
        Path file = file("secret.txt", "n1");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
        assumeTrue(!Files.isReadable(file), "skipped: this user may read everything");
        refused(file, "cannot be read");
    }

    @Test
    void aSpecialFileIsRefusedWithoutReadingIt() {
        Path device = Path.of("/dev/zero");
        assumeTrue(Files.exists(device), "skipped: no /dev/zero here");
        refused(device, "is neither a file nor a folder");
    }

    private static void refused(Path path, String message) {
        assertThatThrownBy(() -> Noise.files(List.of(path), TOKENIZER))
                .isInstanceOf(InputException.class)
                .hasMessageContaining(message);
    }

    @Test
    void moreTokensThanCanBeHeldAreRefused() throws IOException {
        Path file = file("a.txt", "n1 n2 n3. ".repeat(25));
        assertThat(Noise.files(List.of(file), TOKENIZER, 100).tokens()).isEqualTo(100);
        assertThatThrownBy(() -> Noise.files(List.of(file), TOKENIZER, 99))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("more than 99 tokens");
    }

    @Test
    void generatedNoiseIsLongReadableFreeOfFactsAndTheSameForTheSameSeed() {
        Noise noise = Noise.generated(TOKENIZER, 3);
        assertThat(noise.tokens()).isGreaterThanOrEqualTo(300_000);
        assertThat(noise.droppedSentences()).isZero();
        assertThat(noise.unknownShare()).isZero();
        String text = text(noise);
        assertThat(text.equals(text(Noise.generated(TOKENIZER, 3)))).isTrue();
        assertThat(text.equals(text(Noise.generated(TOKENIZER, 4)))).isFalse();
        assertThat(Noise.generated(TOKENIZER, 3).sha256())
                .isEqualTo(noise.sha256())
                .hasSize(64);
        assertThat(Noise.generated(TOKENIZER, 4).sha256()).isNotEqualTo(noise.sha256());
    }

    @Test
    void booksKeepNoSentenceThatCouldBeAFact() {
        Optional<Path> books = TaskFixtures.sharedData("books");
        assumeTrue(books.isPresent(), "skipped: no books in ../shared/data/books");
        Noise noise = Noise.files(List.of(books.get()), TOKENIZER);
        assertThat(noise.droppedSentences()).isBetween(5L, 1000L);
        assertThat(noise.replacedBytes()).isZero();
        Pattern fact = Pattern.compile("\\b(mary|john|daniel|sandra) (moved|went|went back|journeyed|travelled) to the"
                + " (bathroom|hallway|garden|office|bedroom|kitchen)\\b");
        assertThat(fact.matcher(text(noise)).find()).isFalse();
    }
}
