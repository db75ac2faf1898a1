package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Time is linear and memory constant, whatever the text. Limits are far above what is needed, below what is quadratic.
 */
@Timeout(value = 30, unit = TimeUnit.SECONDS)
class WordPieceLimitsTest {
    private static final int SEGMENT_SIZE = 499;

    private final WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
    private final int[] ids = new int[SEGMENT_SIZE];

    @Test
    void aLineOf64MegabytesIsReadInChunks() {
        byte[] line = "mary went to the unaffable garden, ".repeat(1000).getBytes(StandardCharsets.UTF_8);
        WordPieceStream stream = tokenizer.newStream();
        long rounds = (64L << 20) / line.length;
        long perRound = tokenizer.encode(new String(line, StandardCharsets.UTF_8)).length;
        long count = 0;
        for (long i = 0; i < rounds; i++) {
            stream.feedBytes(line, 0, line.length);
            count += drainAll(stream);
        }
        assertThat(count).isEqualTo(rounds * perRound);
    }

    @Test
    void megabytesWithoutSpacesAreOneUnknownToken() {
        assertThat(countOf("a".repeat(1 << 20), 4)).isEqualTo(1);
        assertThat(countOf("é".repeat(1 << 20), 4)).isEqualTo(1);
        assertThat(countOf("각".repeat(1 << 20), 4)).isEqualTo(1);
    }

    @Test
    void megabytesOfPunctuationOrIdeographsAreATokenEach() {
        assertThat(countOf("?".repeat(1 << 20), 1)).isEqualTo(1 << 20);
        assertThat(countOf("漢".repeat(1 << 20), 1)).isEqualTo(1 << 20);
    }

    @Test
    void aMillionCombiningMarksTakeLinearTime() {
        // Marks that are stripped; that are kept and sorted by class, in the worst order; with barriers between.
        assertThat(countOf("a" + "\u0301".repeat(1_000_000), 1)).isEqualTo(1);
        assertThat(countOf("a" + "\u302E\uD834\uDD65\u1B44".repeat(350_000), 1)).isEqualTo(1);
        assertThat(countOf("a" + "\u302E".repeat(50) + "\uD834\uDD65".repeat(1_000_000), 1))
                .isEqualTo(1);
        assertThat(countOf(("a" + "\u302E".repeat(50) + "\uD834\uDD65".repeat(49) + " ").repeat(10_000), 1))
                .isEqualTo(1_000_000);
        assertThat(countOf("a" + "\u0941\u0301".repeat(500_000), 1)).isEqualTo(1);
    }

    @Test
    void wordsThatMatchLongPiecesAgainAndAgainTakeBoundedTime() {
        // Each cut of a word looks as far as the longest piece reaches: the worst are long pieces that just do not fit.
        List<String> pieces = new ArrayList<>(SpecialTokens.bert().pieces());
        pieces.add("a");
        pieces.add("##a");
        pieces.add("a".repeat(99) + "b");
        pieces.add("##" + "a".repeat(99) + "b");
        WordPieceTokenizer greedy = new WordPieceTokenizer(Vocabulary.of(pieces), WordPieceOptions.defaults());
        byte[] words = ("a".repeat(100) + " ").repeat(20_000).getBytes(StandardCharsets.UTF_8);
        WordPieceStream stream = greedy.newStream();
        stream.feedBytes(words, 0, words.length);
        assertThat(drainAll(stream)).isEqualTo(2_000_000);
    }

    @Test
    void steadyStateDoesNotAllocate() {
        assumeTrue(
                ManagementFactory.getThreadMXBean() instanceof ThreadMXBean threads
                        && threads.isThreadAllocatedMemorySupported(),
                "This JVM does not count allocated bytes.");
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        byte[] ascii =
                "Mary went to the garden; the unaffable Mary. ".repeat(500).getBytes(StandardCharsets.UTF_8);
        byte[] mixed = TextFixtures.randomText(new Random(3), 20_000).getBytes(StandardCharsets.UTF_8);
        String chars = TextFixtures.randomText(new Random(4), 20_000);
        WordPieceStream stream = tokenizer.newStream();
        long tokens = 0;
        long allocated = 0;
        // The first round makes the tables of the characters and lets the JVM load what it needs.
        for (int round = 0; round < 20; round++) {
            long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
            long count = 0;
            stream.feedBytes(ascii, 0, ascii.length);
            count += drainAll(stream);
            stream.feedBytes(mixed, 0, mixed.length);
            count += drainAll(stream);
            stream.feedChars(chars, 0, chars.length());
            count += drainAll(stream);
            stream.finish();
            count += drainAll(stream);
            long after = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
            if (round > 0) {
                tokens += count;
                allocated += after - before;
            }
        }
        assertThat(tokens).isGreaterThan(100 * SEGMENT_SIZE);
        assertThat((double) allocated / tokens * SEGMENT_SIZE)
                .as("bytes for each segment")
                .isLessThan(64);
    }

    /** Tokens of a text that is given several times without a space between. */
    private long countOf(String text, int times) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        WordPieceStream stream = tokenizer.newStream();
        long count = 0;
        for (int i = 0; i < times; i++) {
            stream.feedBytes(bytes, 0, bytes.length);
            count += drainAll(stream);
        }
        stream.finish();
        return count + drainAll(stream);
    }

    private long drainAll(WordPieceStream stream) {
        long count = 0;
        int n;
        while ((n = stream.drain(ids, 0, ids.length)) > 0) {
            count += n;
        }
        return count;
    }
}
