package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ProseGeneratorTest {
    private static String text(long seed, long characters) {
        StringBuilder text = new StringBuilder();
        try {
            assertThat(new ProseGenerator(seed).write(text, characters)).isEqualTo(text.length());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return text.toString();
    }

    private static String[] paragraphs(long seed, long characters) {
        return text(seed, characters).strip().split("\n\n", -1);
    }

    private static List<String> sentences(String text) {
        List<String> sentences = new ArrayList<>();
        SentenceSplitter splitter =
                new SentenceSplitter(s -> sentences.add(s.toString().strip()));
        splitter.feed(text);
        splitter.finish();
        return sentences;
    }

    @Test
    void theSameSeedWritesTheSameText() {
        assertThat(text(1, 20_000)).isEqualTo(text(1, 20_000));
        assertThat(text(1, 20_000).equals(text(2, 20_000))).isFalse();
        assertThat(text(1, 20_000).startsWith(text(1, 5_000))).isTrue();
    }

    @Test
    void atLeastAsMuchIsWrittenAsIsAskedForInWholeParagraphs() {
        for (int characters : new int[] {1, 1000, 100_000}) {
            String text = text(5, characters);
            assertThat(text).endsWith("\n\n");
            assertThat(text.length()).isBetween(characters, characters + 2000);
        }
        assertThat(text(5, 0)).isEmpty();
    }

    @Test
    void paragraphsAreMadeOfProperSentences() {
        for (String paragraph : paragraphs(7, 300_000)) {
            assertThat(paragraph).doesNotContain("\n", "  ", "null").matches("[ -~]+");
            List<String> sentences = sentences(paragraph);
            assertThat(sentences.size()).isBetween(3, 9);
            assertThat(sentences).allMatch(s -> s.matches("\"?[A-Z].*[.?]\"?"));
        }
    }

    @Test
    void noSentenceCouldBeAFactThoughNamesAndPlacesOccur() {
        String text = text(9, 1_000_000);
        assertThat(sentences(text)).noneMatch(TaskWords::couldBeFact);
        assertThat(TaskWords.NAMES).allMatch(text::contains);
        assertThat(TaskWords.PLACES).allMatch(place -> text.contains("the " + place));
    }

    /** Nobody may be able to say from the noise where a person of the tasks is, not even through a pronoun. */
    @Test
    void nobodyOfTheTasksGoesToAPlaceOfTheTasksWithinAParagraph() {
        for (String paragraph : paragraphs(10, 1_000_000)) {
            if (TaskWords.NAMES.stream().anyMatch(paragraph::contains)) {
                for (String place : TaskWords.PLACES) {
                    assertThat(paragraph).doesNotContainPattern("(?<!road )(to|in|at) the " + place + "\\b");
                }
            }
        }
    }

    @Test
    void theWordsAreManyAndNoSentenceIsCommon() {
        String text = text(11, 1_500_000);
        Map<String, Integer> words = new HashMap<>();
        for (String word : text.toLowerCase(Locale.ROOT).split("[^a-z']+", -1)) {
            words.merge(word, 1, Integer::sum);
        }
        assertThat(words.values().stream().filter(count -> count >= 20).count()).isGreaterThan(500);
        List<String> sentences = sentences(text);
        Set<String> different = new HashSet<>(sentences);
        assertThat(different.size()).isGreaterThan((int) (0.8 * sentences.size()));
        double averageWords = sentences.stream()
                .mapToInt(s -> s.split(" ", -1).length)
                .average()
                .orElseThrow();
        assertThat(averageWords).isBetween(8.0, 16.0);
        assertThat(sentences.stream()
                        .mapToInt(s -> s.split(" ", -1).length)
                        .distinct()
                        .count())
                .isGreaterThan(15);
    }

    @Test
    void articlesAndPluralsAreRight() {
        String text = text(12, 1_000_000);
        for (String wrong : List.of(
                "\\b[Aa] (?!use)[aeiou]\\w*",
                "\\b[Aa]n (?!hour)[^aeiou]\\w*",
                "\\b[Aa]n use\\w*",
                "\\b(boxs|knifes|torchs|watchs|brushs)\\b")) {
            Matcher found = Pattern.compile(wrong).matcher(text);
            assertThat(found.find() ? found.group() : "").isEmpty();
        }
        assertThat(text.contains("knives") && text.contains("boxes")).isTrue();
    }

    @Test
    void noWordStandsTwiceInOneList() {
        for (String[] list : List.of(
                ProseLexicon.WOMEN,
                ProseLexicon.MEN,
                ProseLexicon.ROLES,
                ProseLexicon.PLACES,
                ProseLexicon.OBJECTS,
                ProseLexicon.PERSON_ADJECTIVES,
                ProseLexicon.THING_ADJECTIVES,
                ProseLexicon.PLACE_ADJECTIVES,
                ProseLexicon.HANDLED,
                ProseLexicon.DID,
                ProseLexicon.ABSTRACTS)) {
            assertThat(Arrays.asList(list)).doesNotHaveDuplicates().hasSizeGreaterThan(10);
        }
        assertThat(ProseLexicon.PLACES).contains(ProseLexicon.OPEN_PLACES.toArray(String[]::new));
        assertThat(ProseLexicon.PLACES).contains(TaskWords.PLACES.toArray(String[]::new));
    }
}
