package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BabiReasonFactsTest {
    private static final String FACT_1 = "1 The office is north of the kitchen.\n";
    private static final String FACT_2 = "2 The garden is south of the kitchen.\n";
    private static final String STORY = FACT_1 + FACT_2 + "3 What is north of the kitchen?\toffice\t1\n";

    @TempDir
    Path folder;

    private Path file(String text) throws IOException {
        return Files.writeString(folder.resolve("qa4.txt"), text);
    }

    @Test
    void storiesAreReadWithTheirAnswers() throws IOException {
        String reversed = FACT_1 + FACT_2 + "3 What is the kitchen north of?\tgarden\t2\n";
        BabiReasonFacts facts = BabiReasonFacts.read(file(STORY + reversed.replace("\n", "\r\n")));
        assertThat(facts.stories())
                .containsExactly(
                        new ReasonStory(
                                "The office is north of the kitchen.",
                                "The garden is south of the kitchen.",
                                "What is north of the kitchen?",
                                3),
                        new ReasonStory(
                                "The office is north of the kitchen.",
                                "The garden is south of the kitchen.",
                                "What is the kitchen north of?",
                                2));
    }

    @Test
    void bothSplitsDrawFromTheWholeFile() throws IOException {
        ReasonFacts facts = ReasonFacts.fromBabi(file(STORY + STORY.replace("office", "hallway")));
        for (Split split : Split.values()) {
            SplittableRandom random = new SplittableRandom(1);
            Set<Integer> answers = new HashSet<>();
            for (int i = 0; i < 50; i++) {
                answers.add(facts.draw(split, random).answer());
            }
            assertThat(answers).containsExactlyInAnyOrder(1, 3);
        }
    }

    @Test
    void theSupportingFactsMayBeMissingAndTheLastLineNeedNoEnd() throws IOException {
        assertThat(BabiReasonFacts.read(file(STORY.replace("\t1\n", ""))).stories())
                .hasSize(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1 The office is north of the kitchen. | 1 The attic is north of the kitchen. | line 1: \"attic\" is not one of the places",
                "1 The office is north of the kitchen. | 1 The office is above of the kitchen. | line 1: \"above\" is not one of north",
                "1 The office is north of the kitchen. | 1 The kitchen is north of the kitchen. | line 1: the fact",
                "1 The office is north of the kitchen. | 1 Mary went to the kitchen. | line 1: expected a fact like",
                "1 The office is north of the kitchen. | The office is north of the kitchen. | line 1: expected a number",
                "2 The garden is south of the kitchen. | 3 The garden is south of the kitchen. | line 2: expected line number 2 of the story, found 3",
                "2 The garden is south of the kitchen. | 1 The garden is south of the kitchen. | line 2: expected line number 2 of the story, found 1",
                "3 What is north of the kitchen? | 3 What is near the kitchen? | line 3: expected a question like",
                "3 What is north of the kitchen? | 3 What is north of the attic? | line 3: \"attic\" is not one of the places",
                "3 What is north of the kitchen? | 3 What is south of the kitchen? | line 3: the answer \"office\" does not follow",
                "kitchen?\toffice | kitchen?\tcellar | line 3: \"cellar\" is not one of the places",
            })
    void aWrongLineIsNamed(String right, String wrong, String message) throws IOException {
        assertThat(STORY).contains(right.strip());
        Path file = file(STORY.replace(right.strip(), wrong.strip()));
        assertThatThrownBy(() -> ReasonFacts.fromBabi(file))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("qa4.txt")
                .hasMessageContaining(message);
    }

    @Test
    void aStoryOfTheWrongLengthIsNamed() throws IOException {
        Path three = file(FACT_1 + FACT_2 + "3 The hallway is north of the office.\n");
        assertThatThrownBy(() -> ReasonFacts.fromBabi(three)).hasMessageContaining("line 3: expected a question");
        Path one = file(FACT_1 + "2 What is north of the kitchen?\toffice\t1\n");
        assertThatThrownBy(() -> ReasonFacts.fromBabi(one)).hasMessageContaining("line 2: expected two facts");
        Path none = file(STORY + FACT_1);
        assertThatThrownBy(() -> ReasonFacts.fromBabi(none))
                .hasMessageContaining("line 4: the last story ends without");
    }

    @Test
    void aFileThatIsEmptyMissingAFolderOrNoTextIsRefused() throws IOException {
        Path empty = file("\n\n");
        assertThatThrownBy(() -> ReasonFacts.fromBabi(empty))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("is empty");
        assertThatThrownBy(() -> ReasonFacts.fromBabi(folder.resolve("none.txt")))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("does not exist");
        assertThatThrownBy(() -> ReasonFacts.fromBabi(folder))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("is not a file");
        Path binary = Files.write(folder.resolve("binary"), new byte[] {1, (byte) 0xC3, 0, (byte) 0xFF});
        assertThatThrownBy(() -> ReasonFacts.fromBabi(binary))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("is not UTF-8 text");
        Path huge = Files.write(folder.resolve("huge"), "x".repeat(3_000_000).getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(() -> ReasonFacts.fromBabi(huge))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("line 1")
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(500));
    }

    @Test
    void theGeneratorTellsEveryStoryOfBabiWithItsAnswerAndInItsProportions() {
        Optional<Path> file = TaskFixtures.sharedData("babi/en-10k/qa4_two-arg-relations_train.txt");
        assumeTrue(file.isPresent(), "skipped: no bAbI files in ../shared/data/babi");
        List<ReasonStory> stories = BabiReasonFacts.read(file.get()).stories();
        assertThat(stories).hasSize(10_000);

        Map<ReasonStory, Integer> space = new HashMap<>(ReasonFactsTest.allStories(Split.TRAINING));
        space.putAll(ReasonFactsTest.allStories(Split.VALIDATION));
        assertThat(space.keySet()).containsAll(new HashSet<>(stories));

        // How often the middle place is the object of a fact: weights 1, 2, 4 out of 9, for 1, 2, 1 ways of wording.
        Map<Integer, Long> seen = stories.stream().collect(Collectors.groupingBy(space::get, Collectors.counting()));
        assertThat(seen.get(4) / 10_000.0).isBetween(4 / 9.0 - 0.015, 4 / 9.0 + 0.015);
        assertThat(seen.get(2) / 10_000.0).isBetween(4 / 9.0 - 0.015, 4 / 9.0 + 0.015);
        assertThat(seen.get(1) / 10_000.0).isBetween(1 / 9.0 - 0.01, 1 / 9.0 + 0.01);
        long direct = stories.stream()
                .filter(story -> !story.question().startsWith("What is the"))
                .count();
        assertThat(direct).isBetween(4_850L, 5_150L);

        int[] layouts = stories.stream()
                .collect(Collectors.groupingBy(BabiReasonFactsTest::layout, Collectors.summingInt(story -> 1)))
                .values()
                .stream()
                .mapToInt(i -> i)
                .toArray();
        assertThat(layouts).hasSize(240);
        assertThat(TaskFixtures.chiSquare(layouts)).isLessThan(TaskFixtures.chiSquareBound(240));
    }

    /** The same for all wordings of one layout: the set of its facts, both told with north or east. */
    private static Set<String> layout(ReasonStory story) {
        return Set.of(northOrEast(story.fact1()), northOrEast(story.fact2()));
    }

    private static String northOrEast(String fact) {
        String[] words = fact.replace(".", "").split(" ", -1); // The A is north of the B
        return switch (words[3]) {
            case "south" -> words[6] + " north " + words[1];
            case "west" -> words[6] + " east " + words[1];
            default -> words[1] + " " + words[3] + " " + words[6];
        };
    }
}
