package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RmtSessionTest {
    /** Words of many tokens, characters of two and three bytes, accents, punctuation. */
    private static final String TEXT =
            "Daniel went to the café, où il était. 世世 Mary, déjà vu: the garden? Nobody knew. ".repeat(6)
                    + "unfinishedwor";

    private RmtModel model;

    @BeforeEach
    void load() {
        model = TestModels.tiny();
    }

    @AfterEach
    void close() {
        model.close();
    }

    private Memory memoryOf(String text) {
        try (RmtSession session = model.newSession()) {
            session.read(text);
            return session.memory();
        }
    }

    private static InputStream stream(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void theReportCountsTokensSegmentsAndWhatIsPending() {
        try (RmtSession session = model.newSession()) {
            ReadReport report = session.read("abc defghi jklmnop qrs $ xy");

            // 3 + 6 + 7 letters are the first segment; "qrs" and an unknown "$" wait, "xy" may go on.
            assertThat(report.tokens()).isEqualTo(20);
            assertThat(report.segments()).isEqualTo(1);
            assertThat(report.pendingTokens()).isEqualTo(4);
            assertThat(report.pendingBytes()).isEqualTo(2);
            assertThat(report.unknownTokens()).isEqualTo(1);
            assertThat(report.replacedBytes()).isZero();
            assertThat(report.seconds()).isPositive();
            assertThat(session.pendingTokens()).isEqualTo(4);
        }
    }

    @Test
    void aSecondReadContinuesTheTextAndReportsItsOwnCountsOnly() {
        try (RmtSession session = model.newSession()) {
            session.read("abc $ de");
            ReadReport second = session.read("f gh ");

            assertThat(second.tokens()).isEqualTo(5);
            assertThat(second.unknownTokens()).isZero();
            assertThat(second.pendingTokens()).isEqualTo(9);
            assertThat(session.memory()).isEqualTo(memoryOf("abc $ def gh "));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7, 64, 100_000})
    void readingBytesInPiecesOfAnySizeGivesTheSameBits(int piece) throws IOException {
        byte[] bytes = TEXT.getBytes(StandardCharsets.UTF_8);
        try (RmtSession session = model.newSession()) {
            for (int at = 0; at < bytes.length; at += piece) {
                session.read(new ByteArrayInputStream(bytes, at, Math.min(piece, bytes.length - at)));
            }
            assertThat(session.memory()).isEqualTo(memoryOf(TEXT));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 17})
    void readingCharsInPiecesOfAnySizeGivesTheSameBits(int piece) {
        try (RmtSession session = model.newSession()) {
            for (int at = 0; at < TEXT.length(); at += piece) {
                session.read(TEXT.substring(at, Math.min(at + piece, TEXT.length())));
            }
            assertThat(session.memory()).isEqualTo(memoryOf(TEXT));
        }
    }

    @Test
    void fileStreamAndCharsGiveTheSameBits(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("text.txt"), TEXT);
        try (RmtSession fromFile = model.newSession();
                RmtSession fromStream = model.newSession()) {
            fromFile.read(file);
            fromStream.read(stream(TEXT));

            assertThat(fromFile.memory()).isEqualTo(memoryOf(TEXT));
            assertThat(fromStream.memory()).isEqualTo(memoryOf(TEXT));
        }
    }

    @Test
    void idsGiveTheSameBitsAsTheTextTheyComeFrom() {
        try (RmtSession session = model.newSession()) {
            ReadReport report = session.read(model.tokenizer().encode(TEXT));
            session.read(" ");
            Memory ofIds = session.memory();
            Memory ofText = memoryOf(TEXT + " ");

            assertThat(report.tokens()).isEqualTo(ofText.tokens());
            assertThat(ofIds.values()).containsExactly(ofText.values());
            assertThat(ofIds.pendingIds()).containsExactly(ofText.pendingIds());
        }
    }

    @Test
    void idsAfterAnUnfinishedWordEndThatWord() {
        try (RmtSession session = model.newSession()) {
            session.read("abc");
            ReadReport report = session.read(model.tokenizer().encode("de"));

            assertThat(report.tokens()).isEqualTo(5);
            assertThat(session.memory().pendingIds())
                    .containsExactly(model.tokenizer().encode("abc de"));
        }
    }

    @Test
    void aBoundaryEndsAnUnfinishedWordLikeWhiteSpace() {
        try (RmtSession session = model.newSession()) {
            session.read("abc");
            session.boundary();
            session.read("def ");

            assertThat(session.memory().pendingIds())
                    .containsExactly(model.tokenizer().encode("abc def"));
        }
    }

    @Test
    void anIdOutsideTheVocabularyIsRefusedBeforeAnythingIsRead() {
        try (RmtSession session = model.newSession()) {
            assertThatThrownBy(
                            () -> session.read(new int[] {5, 6, model.config().vocabSize()}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("at index 2");
            assertThat(session.memory().tokens()).isZero();
        }
    }

    @Test
    void malformedBytesAreReplacedAndCounted() throws IOException {
        byte[] bytes = {'a', 'b', (byte) 0xFF, 'c', ' ', (byte) 0xC3, ' ', 'd', ' '};
        try (RmtSession session = model.newSession()) {
            ReadReport report = session.read(new ByteArrayInputStream(bytes));

            assertThat(report.replacedBytes()).isEqualTo(2);
        }
    }

    @Test
    void readingAtRandomCutsWithSavingInBetweenGivesTheSameBits(@TempDir Path folder) throws IOException {
        Memory whole = memoryOf(TEXT);
        byte[] bytes = TEXT.getBytes(StandardCharsets.UTF_8);
        Random random = new Random(11);
        for (int round = 0; round < 20; round++) {
            int[] cuts = random.ints(3, 0, bytes.length).sorted().toArray();
            Path file = folder.resolve("memory.rmt");
            int at = 0;
            for (int i = 0; i <= cuts.length; i++) {
                int end = i < cuts.length ? cuts[i] : bytes.length;
                try (RmtSession session = i == 0 ? model.newSession() : RmtSession.restore(model, file)) {
                    session.read(new ByteArrayInputStream(bytes, at, end - at));
                    session.save(file);
                }
                at = end;
            }
            assertThat(Memory.read(file)).as("cuts %s", Arrays.toString(cuts)).isEqualTo(whole);
            assertThat(Memory.read(file).sha256()).isEqualTo(whole.sha256());
        }
    }

    @Test
    void aSessionStoppedWithinACharacterGoesOnWithTheSameBits(@TempDir Path folder) throws IOException {
        String text = "a café ".repeat(9) + "abc世def ";
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int cut = bytes.length - 6; // after two of the three bytes of the ideograph
        assertThat(bytes[cut] & 0xC0).isEqualTo(0x80);
        Path file = folder.resolve("memory.rmt");
        try (RmtSession session = model.newSession()) {
            ReadReport report = session.read(new ByteArrayInputStream(bytes, 0, cut));
            assertThat(report.pendingBytes()).isPositive();
            session.save(file);
        }
        try (RmtSession session = RmtSession.restore(model, file)) {
            session.read(new ByteArrayInputStream(bytes, cut, bytes.length - cut));
            assertThat(session.memory()).isEqualTo(memoryOf(text));
        }
    }

    @Test
    void askingIsAProbeAndReadingGoesOnAsIfNeverAsked() {
        try (RmtSession asked = model.newSession();
                RmtSession silent = model.newSession()) {
            for (int at = 0; at < TEXT.length(); at += 13) {
                String piece = TEXT.substring(at, Math.min(at + 13, TEXT.length()));
                asked.read(piece);
                silent.read(piece);
                Answer answer = asked.ask("Where is Mary?");
                assertThat(asked.ask("Where is Mary?").logits()).containsExactly(answer.logits());
            }
            assertThat(asked.memory()).isEqualTo(silent.memory());
        }
    }

    @Test
    void anAnswerHasProbabilitiesThatSumToOneAndNamesTheLargest() {
        try (RmtSession session = model.newSession()) {
            session.read(TEXT);
            Answer answer = session.ask("Where is Mary?");

            assertThat(answer.labels()).isEqualTo(model.config().labels());
            assertThat(Arrays.stream(answer.probabilities()).sum()).isCloseTo(1, within(1e-12));
            assertThat(answer.probability())
                    .isEqualTo(Arrays.stream(answer.probabilities()).max().orElseThrow());
            assertThat(answer.label()).isEqualTo(answer.labels().get(answer.index()));
            assertThat(answer.logits()).hasSize(answer.labels().size());
        }
    }

    private static org.assertj.core.data.Offset<Double> within(double value) {
        return org.assertj.core.data.Offset.offset(value);
    }

    @Test
    void theUnfinishedWordIsPartOfWhatAQuestionSees() {
        try (RmtSession session = model.newSession();
                RmtSession spaced = model.newSession()) {
            session.read("abc defgh");
            spaced.read("abc defgh ");
            assertThat(session.ask("where?").logits())
                    .containsExactly(spaced.ask("where?").logits());
            session.read("i ");
            assertThat(session.memory()).isEqualTo(memoryOf("abc defghi "));
        }
    }

    @Test
    void aQuestionThatFillsASegmentIsTakenAndALongerOneIsRefusedWithBothNumbers() {
        int segmentSize = model.config().segmentSize();
        try (RmtSession session = model.newSession()) {
            session.read("abc ");
            assertThat(session.ask("q".repeat(segmentSize)).labels()).isNotEmpty();
            assertThatThrownBy(() -> session.ask("q".repeat(segmentSize + 1)))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("17 tokens")
                    .hasMessageContaining("holds 16");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\n\t"})
    void anEmptyQuestionIsRefused(String question) {
        try (RmtSession session = model.newSession()) {
            assertThatThrownBy(() -> session.ask(question))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("empty");
        }
    }

    @Test
    void aModelWithoutLabelsReadsButDoesNotAnswer() {
        try (RmtModel plain = RmtModel.untrained(
                        TestModels.config().labels(java.util.List.of()).build(),
                        TestModels.tokenizer(),
                        1,
                        Device.cpu(1));
                RmtSession session = plain.newSession()) {
            session.read(TEXT);
            assertThat(session.memory().segments()).isPositive();
            assertThatThrownBy(() -> session.ask("where?")).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aModelWithoutMemoryTokensForgetsEarlierSegments() {
        try (RmtModel plain = RmtModel.untrained(
                        TestModels.config().numMemTokens(0).inputLength(19).build(),
                        TestModels.tokenizer(),
                        1,
                        Device.cpu(1));
                RmtSession first = plain.newSession();
                RmtSession second = plain.newSession()) {
            first.read("abcdefghijklmnop ");
            second.read("ponmlkjihgfedcba ");
            assertThat(first.ask("where?").logits())
                    .containsExactly(second.ask("where?").logits());
        }
        try (RmtSession first = model.newSession();
                RmtSession second = model.newSession()) {
            first.read("abcdefghijklmnop ");
            second.read("ponmlkjihgfedcba ");
            assertThat(first.ask("where?").logits())
                    .isNotEqualTo(second.ask("where?").logits());
        }
    }

    @Test
    void anInterruptStopsReadingBetweenPiecesAndTheRestCanBeReadLater() {
        String text = "abcdefgh ".repeat(2000);
        try (RmtSession session = model.newSession()) {
            Thread.currentThread().interrupt();
            long consumed = 0;
            try {
                session.read(text);
            } catch (ReadInterruptedException e) {
                consumed = e.consumed();
                assertThat(e.report().segments()).isPositive();
                assertThat(e.report().tokens()).isLessThan(16_000);
            }
            assertThat(Thread.interrupted()).isTrue();
            assertThat(consumed).isBetween(1L, (long) text.length() - 1);

            session.read(text.substring((int) consumed));
            assertThat(session.memory()).isEqualTo(memoryOf(text));
        }
    }

    @Test
    void aStreamThatFailsLeavesASessionThatHasReadWhatCameBefore() throws IOException {
        AtomicInteger calls = new AtomicInteger();
        InputStream failing = new InputStream() {
            @Override
            public int read() throws IOException {
                throw new IOException("not used");
            }

            @Override
            public int read(byte[] bytes, int offset, int length) throws IOException {
                if (calls.getAndIncrement() == 1) {
                    throw new IOException("the disk is gone");
                }
                byte[] part = "abcdefghijklmnopqrst uvw".getBytes(StandardCharsets.UTF_8);
                System.arraycopy(part, 0, bytes, offset, part.length);
                return part.length;
            }
        };
        try (RmtSession session = model.newSession()) {
            assertThatThrownBy(() -> session.read(failing)).hasMessage("the disk is gone");
            session.read("xyz ");
            assertThat(session.memory()).isEqualTo(memoryOf("abcdefghijklmnopqrst uvwxyz "));
        }
    }

    @Test
    void aMissingFileAndAFolderAreInputErrors(@TempDir Path folder) {
        try (RmtSession session = model.newSession()) {
            assertThatThrownBy(() -> session.read(folder)).isInstanceOf(InputException.class);
            assertThatThrownBy(() -> session.read(folder.resolve("missing.txt")))
                    .isInstanceOf(InputException.class)
                    .hasMessageContaining("There is no file");
        }
    }

    @Test
    void nativeBytesDoNotDependOnHowMuchIsRead() {
        try (RmtSession session = model.newSession()) {
            long before = session.nativeBytes();
            session.read(TEXT.repeat(50));
            assertThat(session.nativeBytes()).isEqualTo(before).isPositive();
        }
    }

    @Test
    void sessionsOfOneModelInManyThreadsGiveTheSameBits() throws InterruptedException {
        try (RmtModel shared = TestModels.tiny(Device.cpu(2))) {
            Memory expected = memoryOf(TEXT);
            Memory[] seen = new Memory[8];
            Thread[] threads = new Thread[seen.length];
            for (int i = 0; i < seen.length; i++) {
                int index = i;
                threads[i] = new Thread(() -> {
                    try (RmtSession session = shared.newSession()) {
                        session.read(TEXT);
                        seen[index] = session.memory();
                    }
                });
                threads[i].start();
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(seen).containsOnly(expected);
        }
    }
}
