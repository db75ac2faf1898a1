package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.text.WordPieceTokenizer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class TrainingTextTest {
    private static final WordPieceTokenizer TOKENIZER = TaskFixtures.tokenizer();
    private static final TrainingText TEXT = new TrainingText(TOKENIZER, Noise.generated(TOKENIZER, 3));

    @Test
    void aFactKnowsItsKeyItsAnswerAndItsQuestions() {
        TaskFact relation = TaskFact.relation(3, 0, 5);
        assertThat(relation.text()).isEqualTo("The office is north of the kitchen.");
        assertThat(relation.key()).isEqualTo(4 * 5);
        assertThat(relation.answer()).isEqualTo(3);
        assertThat(questions(relation))
                .containsExactlyInAnyOrder("What is north of the kitchen?", "What is the kitchen south of?");
        TaskFact person = TaskFact.person(2, 1, 2);
        assertThat(person.text()).isEqualTo("Daniel went to the garden.");
        assertThat(person.key()).isEqualTo(26);
        assertThat(person.lastPlace()).isEqualTo(2);
        assertThat(questions(person)).containsExactly("Where is Daniel?");
    }

    private static Set<String> questions(TaskFact fact) {
        Set<String> questions = new HashSet<>();
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 50; i++) {
            questions.add(fact.question(random));
        }
        return questions;
    }

    @Test
    void everyKeyIsAskedForAndEveryPlaceAnswers() {
        int[] keys = new int[TaskFact.KEYS];
        int[] answers = new int[6];
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < 4000; i++) {
            for (TaskFact fact : List.of(TrainingFacts.person(random), TrainingFacts.relation(random))) {
                keys[fact.key()]++;
                answers[fact.answer()]++;
            }
        }
        assertThat(TaskFixtures.chiSquare(answers)).isLessThan(TaskFixtures.chiSquareBound(6));
        assertThat(TaskFixtures.chiSquare(Arrays.copyOf(keys, 24))).isLessThan(TaskFixtures.chiSquareBound(24));
        assertThat(TaskFixtures.chiSquare(Arrays.copyOfRange(keys, 24, 28))).isLessThan(TaskFixtures.chiSquareBound(4));
    }

    @Test
    void storiesForTrainingAreThoseOfTheTask() {
        Set<Set<String>> training = stories(Split.TRAINING);
        Set<Set<String>> validation = stories(Split.VALIDATION);
        Set<Set<String>> drawn = new HashSet<>();
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < 40_000; i++) {
            List<TaskFact> story = TrainingFacts.story(random);
            drawn.add(Set.of(story.get(0).text(), story.get(1).text()));
            assertThat(TrainingFacts.heldOut(story.get(0), story.get(1))).isFalse();
        }
        assertThat(drawn).isEqualTo(training).doesNotContainAnyElementsOf(validation);
    }

    private static Set<Set<String>> stories(Split split) {
        Set<Set<String>> stories = new HashSet<>();
        SplittableRandom random = new SplittableRandom(4);
        for (int i = 0; i < 40_000; i++) {
            ReasonStory story = GeneratedReasonFacts.INSTANCE.draw(split, random);
            stories.add(Set.of(story.fact1(), story.fact2()));
        }
        return stories;
    }

    @Test
    void twoRelationsThatMakeAValidationLayoutAreKnownInEitherOrder() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 2000; i++) {
            ReasonStory story = GeneratedReasonFacts.INSTANCE.draw(Split.VALIDATION, random);
            TaskFact a = parsed(story.fact1());
            TaskFact b = parsed(story.fact2());
            assertThat(TrainingFacts.heldOut(a, b)).isTrue();
            assertThat(TrainingFacts.heldOut(b, a)).isTrue();
        }
    }

    private static TaskFact parsed(String text) {
        for (int s = 0; s < 6; s++) {
            for (int d = 0; d < 4; d++) {
                for (int o = 0; o < 6; o++) {
                    if (s != o && TaskWords.relation(s, d, o).equals(text)) {
                        return TaskFact.relation(s, d, o);
                    }
                }
            }
        }
        throw new AssertionError(text);
    }

    @Test
    void severalFactsHaveKeysOfTheirOwn() {
        SplittableRandom random = new SplittableRandom(6);
        for (int i = 0; i < 1000; i++) {
            assertThat(TrainingFacts.persons(4, random).stream().map(TaskFact::key))
                    .doesNotHaveDuplicates()
                    .hasSize(4);
            assertThat(TrainingFacts.relations(4, random).stream().map(TaskFact::key))
                    .doesNotHaveDuplicates()
                    .hasSize(4);
            List<TaskFact> two = TrainingFacts.unrelated(random);
            assertThat(Set.of(
                            two.get(0).answer(),
                            two.get(0).lastPlace(),
                            two.get(1).answer(),
                            two.get(1).lastPlace()))
                    .hasSize(4);
        }
    }

    @Test
    void nearFactsLookLikeFactsAndAreNone() {
        NearFacts phrases = new NearFacts(TOKENIZER.vocabulary(), new SplittableRandom(7));
        Set<String> facts = new HashSet<>();
        TaskWords.movements().forEach(fact -> facts.add(plain(fact)));
        TaskWords.relations().forEach(fact -> facts.add(plain(fact)));
        Set<String> seen = new HashSet<>();
        int withPlace = 0;
        for (int i = 0; i < 20_000; i++) {
            String phrase = plain(phrases.next());
            seen.add(phrase);
            assertThat(facts).doesNotContain(phrase);
            withPlace += TaskWords.PLACES.stream().anyMatch(phrase::contains) ? 1 : 0;
        }
        assertThat(seen).hasSizeGreaterThan(5000);
        assertThat(withPlace).isGreaterThan(10_000);
    }

    private static String plain(String text) {
        return text.toLowerCase(Locale.ROOT).replaceAll("[^a-z ]", "").strip();
    }

    @Test
    void factsThatChanceSpellsAreSpoiledAndThoseThatWereToldStay() {
        TaskFact told = TaskFact.relation(2, 0, 3);
        int[] before = TOKENIZER.encode("Mary went back to");
        int[] fact = TEXT.ids(told);
        int[] after = TOKENIZER.encode("Where John went to the kitchen but the office is east of the hallway.");
        int[] ids = new int[before.length + fact.length + after.length];
        System.arraycopy(before, 0, ids, 0, before.length);
        System.arraycopy(fact, 0, ids, before.length, fact.length);
        System.arraycopy(after, 0, ids, before.length + fact.length, after.length);
        int end = before.length + TEXT.lastPlaceEnd(told);
        // "Mary went back to the garden", the fact itself, John's, and the last one.
        assertThat(TEXT.factEnds(ids)).hasSize(4).contains(end);
        Map<Integer, TaskFact> wanted = new HashMap<>(Map.of(end, told));
        TEXT.removeFacts(ids, wanted, new SplittableRandom(8));
        assertThat(TEXT.factEnds(ids)).containsExactly(end);
        assertThat(Arrays.copyOfRange(ids, before.length, before.length + fact.length))
                .isEqualTo(fact);
    }

    @Test
    void noiseIsCutFromTheTextOrMixedAtRandomOrCutRoundATrigger() {
        SplittableRandom random = new SplittableRandom(9);
        assertThat(known(new NoiseMix(0, 1, 0, 0), random)).isCloseTo(0, within(0.02));
        // A share s of pieces is replaced, s uniform: four stay with the mean of (1 - s)^4.
        assertThat(known(new NoiseMix(0, 0, 1, 0), random)).isCloseTo(0.2, within(0.06));
        double plain = triggered(new NoiseMix(0, 0, 0, 0), random);
        assertThat(triggered(new NoiseMix(1, 0, 0, 0), random)).isEqualTo(1).isGreaterThan(plain);
    }

    /** Share of segments of five tokens whose first word starts no other piece: words, as the text is made of them. */
    private static double known(NoiseMix mix, SplittableRandom random) {
        Set<String> inText = new HashSet<>();
        Noise noise = Noise.generated(TOKENIZER, 3);
        int[] all = new int[(int) noise.tokens()];
        noise.copy(0, all, 0, all.length);
        for (int i = 0; i + 4 < all.length; i++) {
            inText.add(Arrays.toString(Arrays.copyOfRange(all, i, i + 4)));
        }
        int known = 0;
        for (int i = 0; i < 500; i++) {
            known += inText.contains(Arrays.toString(TEXT.noise(4, mix, random))) ? 1 : 0;
            assertThat(inText).contains(Arrays.toString(TEXT.noise(4, NoiseMix.PLAIN, random)));
        }
        return known / 500.0;
    }

    private static double triggered(NoiseMix mix, SplittableRandom random) {
        Set<Integer> words = new HashSet<>();
        for (List<String> list : List.of(TaskWords.PLACES, TaskWords.NAMES, TaskWords.DIRECTIONS, TaskWords.ACTIONS)) {
            list.forEach(word -> words.add(TOKENIZER.encode(word)[0]));
        }
        int triggered = 0;
        for (int i = 0; i < 500; i++) {
            triggered += Arrays.stream(TEXT.noise(30, mix, random)).anyMatch(words::contains) ? 1 : 0;
        }
        return triggered / 500.0;
    }
}
