package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ReasonFactsTest {
    private static final GeneratedReasonFacts FACTS = GeneratedReasonFacts.INSTANCE;

    /** Every story that the generator can tell, with the number of ways to draw it, out of 9 for each layout and choice. */
    static Map<ReasonStory, Integer> allStories(Split split) {
        Map<ReasonStory, Integer> stories = new HashMap<>();
        for (GeneratedReasonFacts.Layout layout : FACTS.layouts(split)) {
            for (int objects = 0; objects < 4; objects++) {
                for (int choice = 0; choice < 8; choice++) {
                    boolean first = (objects & 1) != 0;
                    boolean second = (objects & 2) != 0;
                    stories.merge(
                            GeneratedReasonFacts.story(layout, first, second, choice),
                            (first ? 2 : 1) * (second ? 2 : 1),
                            Integer::sum);
                }
            }
        }
        return stories;
    }

    private static Set<Set<String>> factSets(Set<ReasonStory> stories) {
        Set<Set<String>> sets = new HashSet<>();
        stories.forEach(story -> sets.add(Set.of(story.fact1(), story.fact2())));
        return sets;
    }

    @Test
    void theSpaceHasAll240LayoutsAnd7680StoriesOf960SetsOfFacts() {
        Map<ReasonStory, Integer> training = allStories(Split.TRAINING);
        Map<ReasonStory, Integer> validation = allStories(Split.VALIDATION);
        assertThat(FACTS.layouts(Split.TRAINING)).hasSize(216).doesNotHaveDuplicates();
        assertThat(FACTS.layouts(Split.VALIDATION)).hasSize(24).doesNotHaveDuplicates();
        assertThat(training).hasSize(6912);
        assertThat(validation).hasSize(768);
        assertThat(factSets(training.keySet())).hasSize(864);
        assertThat(factSets(validation.keySet())).hasSize(96);
    }

    @Test
    void noSetOfTwoFactsIsInBothSplits() {
        Set<Set<String>> sets = factSets(allStories(Split.TRAINING).keySet());
        sets.retainAll(factSets(allStories(Split.VALIDATION).keySet()));
        assertThat(sets).isEmpty();
    }

    @Test
    void theValidationLayoutsFavourNoPlaceAsAnswer() {
        int[] answers = new int[6];
        allStories(Split.VALIDATION).forEach((story, weight) -> answers[story.answer()] += weight);
        assertThat(answers).containsOnly(answers[0]);
    }

    @Test
    void drawnStoriesBelongToTheirSplitAndComeInTheProportionsOfBabi() {
        for (Split split : Split.values()) {
            Map<ReasonStory, Integer> space = allStories(split);
            Map<ReasonStory, Integer> drawn = new HashMap<>();
            SplittableRandom random = new SplittableRandom(11);
            int draws = 40 * space.size();
            for (int i = 0; i < draws; i++) {
                drawn.merge(ReasonFacts.generated().draw(split, random), 1, Integer::sum);
            }
            assertThat(space.keySet()).containsAll(drawn.keySet());
            int weights = space.values().stream().mapToInt(i -> i).sum();
            double chiSquare = 0;
            for (Map.Entry<ReasonStory, Integer> story : space.entrySet()) {
                double expected = (double) draws * story.getValue() / weights;
                double seen = drawn.getOrDefault(story.getKey(), 0);
                chiSquare += (seen - expected) * (seen - expected) / expected;
            }
            assertThat(chiSquare).isLessThan(TaskFixtures.chiSquareBound(space.size()));
        }
    }

    @Test
    void theSplitIsTheSameForEver() {
        List<String> layouts = new ArrayList<>();
        for (GeneratedReasonFacts.Layout layout :
                FACTS.layouts(Split.VALIDATION).subList(0, 3)) {
            layouts.add(layout.axis() + ":" + layout.first() + layout.middle() + layout.last());
        }
        assertThat(layouts).containsExactly("0:501", "0:105", "0:214");
    }

    @Test
    void theAnswerIsTheSubjectOfTheFactWhoseObjectTheQuestionNames() {
        GeneratedReasonFacts.Layout layout =
                new GeneratedReasonFacts.Layout(0, 3, 5, 2); // office, kitchen, garden from north
        assertThat(GeneratedReasonFacts.story(layout, true, true, 0b110))
                .isEqualTo(new ReasonStory(
                        "The office is north of the kitchen.",
                        "The garden is south of the kitchen.",
                        "What is north of the kitchen?",
                        3));
        assertThat(GeneratedReasonFacts.story(layout, false, true, 0b011))
                .isEqualTo(new ReasonStory(
                        "The garden is south of the kitchen.",
                        "The kitchen is south of the office.",
                        "What is the office north of?",
                        5));
    }
}
