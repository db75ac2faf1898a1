package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.rmt.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class WordPieceTrainerTest {
    private static final List<String> SPECIAL = SpecialTokens.bert().pieces();

    @Test
    void theMostFrequentPairIsMergedFirst() {
        // hug 10, pug 5, pun 12, bun 4, hugs 5: u+g 20, u+n 16, h+ug 15; then p+un 12, hug+s 5, p+ug 5, b+un 4.
        String text = "hug ".repeat(10) + "pug ".repeat(5) + "pun ".repeat(12) + "bun ".repeat(4) + "hugs ".repeat(5);
        assertThat(train(options(100, 5), text).pieces())
                .containsExactly(concat(
                        SPECIAL, "b", "g", "h", "n", "p", "s", "u", "##g", "##n", "##s", "##u", "##ug", "##un", "hug",
                        "pun", "pug", "hugs"));
    }

    @Test
    void ofEquallyFrequentPairsTheOneOfLowerIdsIsMergedFirst() {
        assertThat(train(options(100, 1), "ba ab").pieces())
                .containsExactly(concat(SPECIAL, "a", "b", "##a", "##b", "ab", "ba"));
    }

    @Test
    void twoWaysToTheSamePieceMakeItOnce() {
        // Words of two letters only: "aab" is a + ##ab as well as aa + ##b.
        Random random = new Random(4);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 5000; i++) {
            text.append(random.nextBoolean() ? 'a' : 'b').append(random.nextInt(5) == 0 ? " " : "");
        }
        assertThat(train(options(600, 1), text.toString()).pieces())
                .hasSizeGreaterThan(300)
                .doesNotHaveDuplicates();
    }

    @Test
    void aPairThatOverlapsWithItselfIsMergedFromTheLeft() {
        assertThat(train(options(100, 1), "xaaa").pieces())
                .containsExactly(concat(SPECIAL, "a", "x", "##a", "##aa", "xaa", "xaaa"));
    }

    @Test
    void theVocabularyHasTheSizeThatWasAskedForOrAsManyPiecesAsTheTextGives() {
        String text = randomWords(new Random(1), 5000);
        assertThat(train(options(300, 2), text).size()).isEqualTo(300);
        assertThat(train(options(100_000, 2), text).size()).isLessThan(100_000);
        assertThat(train(options(100_000, 1_000_000), text).pieces())
                .allMatch(piece ->
                        SPECIAL.contains(piece) || piece.replace("##", "").length() == 1);
    }

    @Test
    void equalTextsGiveEqualVocabulariesHoweverTheyAreDivided() throws IOException {
        String text = randomWords(new Random(2), 20_000);
        WordPieceTrainer whole = new WordPieceTrainer(WordPieceTrainer.Options.ofSize(800));
        whole.read(text);
        WordPieceTrainer parts = new WordPieceTrainer(WordPieceTrainer.Options.ofSize(800));
        int middle = text.indexOf(' ', text.length() / 2);
        parts.read(new ByteArrayInputStream(text.substring(middle).getBytes(StandardCharsets.UTF_8)));
        parts.read(text.substring(0, middle));
        assertThat(parts.train().pieces()).isEqualTo(whole.train().pieces());
        assertThat(whole.train().pieces())
                .as("trained again")
                .isEqualTo(parts.train().pieces());
    }

    @Test
    void twoTextsAreSeparateWords() {
        WordPieceTrainer trainer = new WordPieceTrainer(options(100, 1));
        trainer.read("ab");
        trainer.read("cd");
        assertThat(trainer.train().pieces()).contains("ab", "cd").doesNotContain("abcd");
    }

    @Test
    void withEveryAsciiCharNoAsciiTextIsUnknown() {
        Vocabulary vocabulary = train(WordPieceTrainer.Options.ofSize(200), "a word");
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(vocabulary, WordPieceOptions.defaults());
        StringBuilder ascii = new StringBuilder();
        for (char c = ' '; c <= '~'; c++) {
            ascii.append(c).append(c).append("x").append(c).append(' ');
        }
        assertThat(tokenizer.encode(ascii)).doesNotContain(vocabulary.unkId());
        assertThat(vocabulary.pieces()).contains("?", "z", "##z", "##9").doesNotContain("Z", "##?");
    }

    @Test
    void aCasedVocabularyKeepsCapitals() {
        WordPieceOptions cased = new WordPieceOptions(false, null, true);
        Vocabulary vocabulary = train(WordPieceTrainer.Options.ofSize(200).withText(cased), "Mary Mary mary mary");
        assertThat(vocabulary.pieces()).contains("Z", "##Z", "Mary", "mary");
    }

    @Test
    void theMostFrequentCharactersAreKeptAndWordsWithOthersLeftOut() {
        WordPieceTrainer.Options options =
                new WordPieceTrainer.Options(100, WordPieceOptions.defaults(), SpecialTokens.bert(), false, 3, 1);
        assertThat(train(options, "abc abc abc xy abx").pieces())
                .containsExactly(concat(SPECIAL, "a", "b", "c", "##b", "##c", "ab", "abc"));
    }

    @Test
    void everyWordOfItsTextCanBeTokenised() {
        String text = randomWords(new Random(5), 3000);
        Vocabulary vocabulary = train(options(200, 2), text);
        WordPieceTokenizer tokenizer = new WordPieceTokenizer(vocabulary, WordPieceOptions.defaults());
        assertThat(tokenizer.encode(text)).doesNotContain(vocabulary.unkId());
    }

    @Test
    @Timeout(value = 30, unit = TimeUnit.SECONDS)
    void manyMergesOfAMegabyteTakeSeconds() {
        assertThat(train(WordPieceTrainer.Options.ofSize(8000), randomWords(new Random(3), 200_000))
                        .size())
                .isEqualTo(8000);
    }

    @Test
    void aSizeWithoutRoomForTheCharactersIsRefusedWithBothNumbers() {
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> train(options(8, 1), "abcd"))
                .withMessageContaining("8 pieces")
                .withMessageContaining("12");
    }

    @Test
    void aTextWithoutWordsIsRefused() {
        for (String text : new String[] {"", " \n", "\u0000\uFFFD"}) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> train(options(100, 1), text))
                    .withMessageContaining("not one word");
        }
    }

    @Test
    void optionsBelowOneAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> WordPieceTrainer.Options.ofSize(0));
    }

    private static WordPieceTrainer.Options options(int size, int minFrequency) {
        return new WordPieceTrainer.Options(
                size, WordPieceOptions.defaults(), SpecialTokens.bert(), false, 1000, minFrequency);
    }

    private static Vocabulary train(WordPieceTrainer.Options options, String text) {
        WordPieceTrainer trainer = new WordPieceTrainer(options);
        trainer.read(text);
        return trainer.train();
    }

    /** Words of syllables, some of them far more frequent than others. */
    private static String randomWords(Random random, int numWords) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < numWords; i++) {
            for (int j = random.nextInt(4); j >= 0; j--) {
                int rank = (int) Math.pow(400, random.nextDouble());
                text.append("bcdfghklmnprstvwz".charAt(rank % 17))
                        .append("aeiou".charAt(rank / 17 % 5))
                        .append(rank > 85 ? "n" : "");
            }
            text.append(i % 10 == 9 ? ". " : " ");
        }
        return text.toString();
    }

    private static String[] concat(List<String> first, String... rest) {
        String[] all = new String[first.size() + rest.length];
        for (int i = 0; i < all.length; i++) {
            all[i] = i < first.size() ? first.get(i) : rest[i - first.size()];
        }
        return all;
    }
}
