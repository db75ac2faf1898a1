package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.rmt.InputException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class WordPieceStreamTest {
    private final WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();
    private final WordPieceStream stream = tokenizer.newStream();

    @Test
    void anUnfinishedWordIsPendingUntilItsEndIsSeen() {
        feed("the gar");
        assertThat(drain()).isEqualTo(tokenizer.encode("the"));
        assertThat(stream.pendingBytes()).isEqualTo(3);
        feed("den");
        assertThat(drain()).isEmpty();
        assertThat(stream.pendingBytes()).isEqualTo(6);
        feed(".");
        assertThat(drain()).isEqualTo(tokenizer.encode("garden ."));
        assertThat(stream.pendingBytes()).isZero();
    }

    @Test
    void pendingBytesAreThoseOfTheInputNotOfTheNormalisedWord() {
        feed("  É\u0301\u0000\u200B");
        drain();
        assertThat(stream.pendingBytes()).isEqualTo(2 + 2 + 1 + 3);
        stream.feedBytes(new byte[] {(byte) 0xE6, (byte) 0xBC}, 0, 2);
        drain();
        assertThat(stream.pendingBytes()).isEqualTo(2 + 2 + 1 + 3 + 2);
        stream.finish();
        drain();
        assertThat(stream.pendingBytes()).isZero();
    }

    @Test
    void anUnfinishedSequenceAloneIsPending() {
        feed("the ");
        stream.drain(new int[10], 0, 10);
        stream.feedBytes(new byte[] {(byte) 0xF0, (byte) 0x9D, (byte) 0x85}, 0, 3);
        drain();
        assertThat(stream.pendingBytes()).isEqualTo(3);
    }

    @Test
    void finishEndsTheLastWordAndTheStreamTakesAnotherText() {
        feed("gar");
        stream.finish();
        assertThat(drain()).isEqualTo(tokenizer.encode("gar"));
        feed("den");
        stream.finish();
        assertThat(drain()).isEqualTo(tokenizer.encode("den"));
    }

    @Test
    void aBoundarySeparatesTextsAsWhiteSpaceDoes() {
        feed("gar");
        stream.boundary();
        int[] ids = drain();
        feed("den ");
        assertThat(TextFixtures.concat(ids, drain())).isEqualTo(tokenizer.encode("gar den"));
    }

    @Test
    void finishingAnEmptyOrFinishedTextGivesNothing() {
        stream.finish();
        assertThat(drain()).isEmpty();
        feed("the ");
        drain();
        stream.finish();
        stream.finish();
        assertThat(drain()).isEmpty();
    }

    @Test
    void inputThatHasNotBeenDrainedIsNotLost() {
        feed("the garden the garden");
        stream.drain(new int[1], 0, 1);
        assertThatIllegalStateException().isThrownBy(() -> feed("x")).withMessageContaining("drain");
        assertThatIllegalStateException().isThrownBy(() -> stream.feedChars("x", 0, 1));
        assertThatIllegalStateException().isThrownBy(stream::saveState);
        stream.finish();
        assertThatIllegalStateException().isThrownBy(() -> feed("x"));
        assertThat(drain()).isEqualTo(tokenizer.encode("garden the garden"));
    }

    @Test
    void unknownTokensAreCounted() {
        feed("the ж garden жжж 字ж ");
        drain();
        assertThat(stream.unknownTokens()).isEqualTo(3);
    }

    @Test
    void resetForgetsEverything() {
        stream.feedBytes(new byte[] {'a', (byte) 0xFF, ' ', (byte) 0xD0, (byte) 0xB6, ' ', 'x', (byte) 0xC3}, 0, 8);
        stream.drain(new int[1], 0, 1);
        stream.reset();
        assertThat(drain()).isEmpty();
        assertThat(stream.saveState()).isEqualTo(tokenizer.newStream().saveState());
        assertThat(stream.pendingBytes()).isZero();
        assertThat(stream.replacedBytes()).isZero();
        assertThat(stream.unknownTokens()).isZero();
    }

    @Test
    void rangesOutsideOfTheArraysAreRefused() {
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> stream.feedBytes(new byte[3], 2, 2));
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> stream.feedChars("abc", 2, 4));
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> stream.drain(new int[3], 1, 3));
    }

    @Test
    void onlyTheRangeGivenIsRead() {
        byte[] bytes = "xxthe yy".getBytes(StandardCharsets.UTF_8);
        stream.feedBytes(bytes, 2, 4);
        assertThat(drain()).isEqualTo(tokenizer.encode("the"));
        stream.feedChars("xxthe yy", 2, 6);
        int[] ids = {-1, -1, -1};
        assertThat(stream.drain(ids, 1, 1)).isEqualTo(1);
        assertThat(ids).containsExactly(-1, tokenizer.vocabulary().id("the"), -1);
    }

    @Test
    void aWordLongerThanTheLongestIsOneUnknownTokenAlsoAcrossASavedState() {
        int[] unknown = {tokenizer.vocabulary().unkId()};
        feed("a".repeat(100) + " ");
        assertThat(drain()).hasSize(100);
        feed("a".repeat(99));
        drain();
        stream.restoreState(stream.saveState());
        feed("aa");
        drain();
        stream.restoreState(stream.saveState());
        assertThat(stream.pendingBytes()).isEqualTo(101);
        feed("aaa ");
        assertThat(drain()).isEqualTo(unknown);
    }

    @Test
    void charactersOfAWordAreCountedAfterNormalisation() {
        // Accents are stripped: 100 letters. A Hangul syllable is taken apart: 34 of 3 are 102.
        feed("e\u0301".repeat(100) + " ");
        assertThat(drain()).hasSize(100);
        feed("각".repeat(33) + " ");
        assertThat(drain()).hasSize(99);
        feed("각".repeat(34) + " ");
        assertThat(drain()).containsExactly(tokenizer.vocabulary().unkId());
    }

    @Test
    void aStateOfOtherOptionsIsRefused() {
        byte[] state = stream.saveState();
        WordPieceStream other = new WordPieceTokenizer(
                        TextFixtures.smallVocabulary(), new WordPieceOptions(false, null, true))
                .newStream();
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> other.restoreState(state))
                .withMessageContaining("other options");
    }

    @Test
    void aDamagedStateIsRefusedOrHarmlessButNeverACrash() {
        feed("the gar\u302E");
        drain();
        stream.feedBytes(new byte[] {(byte) 0xE6, (byte) 0xBC}, 0, 2);
        drain();
        byte[] state = stream.saveState();
        for (int length = 0; length < state.length; length++) {
            byte[] cut = Arrays.copyOf(state, length);
            assertThatExceptionOfType(InputException.class).isThrownBy(() -> stream.restoreState(cut));
        }
        byte[] longer = Arrays.copyOf(state, state.length + 1);
        assertThatExceptionOfType(InputException.class).isThrownBy(() -> stream.restoreState(longer));
        Random random = new Random(7);
        int accepted = 0;
        for (int i = 0; i < 50_000; i++) {
            byte[] changed = state.clone();
            for (int j = random.nextInt(3); j >= 0; j--) {
                changed[random.nextInt(changed.length)] = (byte) (random.nextBoolean() ? random.nextInt(256) : 0);
            }
            try {
                stream.restoreState(changed);
                accepted++;
                assertThat(stream.saveState()).isEqualTo(changed);
            } catch (InputException e) {
                assertThat(stream.pendingBytes()).isZero();
                continue;
            }
            feed("den \u1100 x");
            stream.finish();
            drain();
        }
        assertThat(accepted).isPositive();
    }

    private void feed(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        stream.feedBytes(bytes, 0, bytes.length);
    }

    private int[] drain() {
        return TextFixtures.drain(stream, 1000);
    }
}
