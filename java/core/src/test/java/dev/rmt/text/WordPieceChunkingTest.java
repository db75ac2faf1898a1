package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** However a text is divided, ids, counts and saved state are the same. */
class WordPieceChunkingTest {
    private static final int MAX_CHUNK = 64;

    static Iterable<WordPieceOptions> options() {
        return TextFixtures.allOptions();
    }

    @ParameterizedTest
    @MethodSource("options")
    void bytesInChunksOfAnySizeGiveTheIdsOfTheWhole(WordPieceOptions options) {
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(TextFixtures.smallVocabulary(), options);
        for (int seed = 0; seed < 20; seed++) {
            Random random = new Random(seed);
            // Half of the texts are malformed: a string cut in the middle of characters, with bytes changed.
            byte[] bytes = TextFixtures.randomText(random, 150).getBytes(StandardCharsets.UTF_8);
            for (int i = 0; seed % 2 == 1 && i < 20; i++) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            WordPieceStream whole = tokenizer.newStream();
            whole.feedBytes(bytes, 0, bytes.length);
            int[] ids = TextFixtures.drain(whole, 499);
            byte[] state = whole.saveState();
            whole.finish();
            ids = TextFixtures.concat(ids, TextFixtures.drain(whole, 499));
            for (int chunk = 1; chunk <= MAX_CHUNK; chunk++) {
                WordPieceStream stream = tokenizer.newStream();
                int[] chunked = {};
                for (int i = 0; i < bytes.length; i += chunk) {
                    stream.feedBytes(bytes, i, Math.min(chunk, bytes.length - i));
                    chunked = TextFixtures.concat(chunked, TextFixtures.drain(stream, 1 + chunk % 7));
                }
                assertThat(stream.saveState())
                        .as("seed %d chunk %d", seed, chunk)
                        .isEqualTo(state);
                stream.finish();
                chunked = TextFixtures.concat(chunked, TextFixtures.drain(stream, 499));
                assertThat(chunked).as("seed %d chunk %d", seed, chunk).isEqualTo(ids);
                assertThat(stream.replacedBytes()).isEqualTo(whole.replacedBytes());
                assertThat(stream.unknownTokens()).isEqualTo(whole.unknownTokens());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("options")
    void charsInChunksOfAnySizeGiveTheIdsOfTheWhole(WordPieceOptions options) {
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(TextFixtures.smallVocabulary(), options);
        for (int seed = 100; seed < 110; seed++) {
            String text = TextFixtures.randomText(new Random(seed), 150);
            int[] ids = tokenizer.encode(text);
            for (int chunk = 1; chunk <= MAX_CHUNK; chunk++) {
                WordPieceStream stream = tokenizer.newStream();
                int[] chunked = {};
                for (int i = 0; i < text.length(); i += chunk) {
                    stream.feedChars(text, i, Math.min(i + chunk, text.length()));
                    chunked = TextFixtures.concat(chunked, TextFixtures.drain(stream, 10));
                }
                stream.finish();
                chunked = TextFixtures.concat(chunked, TextFixtures.drain(stream, 10));
                assertThat(chunked).as("seed %d chunk %d", seed, chunk).isEqualTo(ids);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("options")
    void charsAndTheirBytesGiveTheSameIds(WordPieceOptions options) {
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(TextFixtures.smallVocabulary(), options);
        for (int seed = 200; seed < 220; seed++) {
            String text = wellFormed(TextFixtures.randomText(new Random(seed), 5000));
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            WordPieceStream stream = tokenizer.newStream();
            stream.feedBytes(bytes, 0, bytes.length);
            int[] ids = TextFixtures.drain(stream, 499);
            stream.finish();
            assertThat(TextFixtures.concat(ids, TextFixtures.drain(stream, 499)))
                    .isEqualTo(tokenizer.encode(text));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 17})
    void aStreamRestoredAtAnyByteGoesOnWithTheSameIds(int step) {
        for (WordPieceOptions options : TextFixtures.allOptions()) {
            WordPieceTokenizer tokenizer = new WordPieceTokenizer(TextFixtures.smallVocabulary(), options);
            byte[] bytes = TextFixtures.randomText(new Random(step), 400).getBytes(StandardCharsets.UTF_8);
            WordPieceStream whole = tokenizer.newStream();
            whole.feedBytes(bytes, 0, bytes.length);
            int[] ids = TextFixtures.drain(whole, 50);
            int[] pieces = {};
            byte[] state = tokenizer.newStream().saveState();
            for (int i = 0; i < bytes.length; i += step) {
                WordPieceStream stream = tokenizer.newStream();
                stream.restoreState(state);
                assertThat(stream.saveState()).isEqualTo(state);
                stream.feedBytes(bytes, i, Math.min(step, bytes.length - i));
                pieces = TextFixtures.concat(pieces, TextFixtures.drain(stream, 50));
                state = stream.saveState();
            }
            assertThat(pieces).isEqualTo(ids);
            assertThat(state).isEqualTo(whole.saveState());
        }
    }

    @Test
    void aSurrogatePairMayBeDividedAndTheStreamSavedBetween() {
        WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
        String text = "a\uD834\uDD65 b";
        WordPieceStream first = tokenizer.newStream();
        first.feedChars(text, 0, 2);
        int[] ids = TextFixtures.drain(first, 10);
        assertThat(first.pendingBytes()).isEqualTo(2);
        WordPieceStream second = tokenizer.newStream();
        second.restoreState(first.saveState());
        assertThat(second.pendingBytes()).isEqualTo(2);
        second.feedChars(text, 2, text.length());
        ids = TextFixtures.concat(ids, TextFixtures.drain(second, 10));
        second.finish();
        assertThat(TextFixtures.concat(ids, TextFixtures.drain(second, 10))).isEqualTo(tokenizer.encode(text));
        assertThat(second.replacedBytes()).isZero();
    }

    private static String wellFormed(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    }
}
