package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.InputException;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MemoryTaskTest {
    private static final WordPieceTokenizer TOKENIZER = TaskFixtures.tokenizer();

    @TempDir
    static Path folder;

    private static Noise noise;

    @BeforeAll
    static void makeNoise() throws IOException {
        noise = TaskFixtures.countingNoise(TOKENIZER, folder);
    }

    private static MemoryTask task(TaskKind kind, Placement placement, int segmentSize) {
        return new MemoryTask(kind, placement, TOKENIZER, noise, ReasonFacts.generated(), segmentSize, Split.TRAINING);
    }

    @Test
    void labelsStandInTheOrderOfTheClassifier() {
        assertThat(task(TaskKind.DETECT, Placement.ANY, 50).labels())
                .containsExactly("bathroom", "hallway", "garden", "office", "bedroom", "kitchen");
    }

    @ParameterizedTest
    @EnumSource(TaskKind.class)
    void everySampleIsExactlySegmentSizeTimesSegmentsLongAndHoldsItsSentencesWhole(TaskKind kind) {
        for (Placement placement : Placement.values()) {
            for (int segmentSize : new int[] {25, 26, 64, 499}) {
                MemoryTask task = task(kind, placement, segmentSize);
                for (int segments : new int[] {1, 2, 3, 5, 16}) {
                    for (long seed = 0; seed < 40; seed++) {
                        checkContent(task.sample(seed, segments), placement, kind, segmentSize, segments);
                    }
                }
            }
        }
    }

    private static void checkContent(
            TaskSample sample, Placement placement, TaskKind kind, int segmentSize, int segments) {
        assertThat(sample.length()).isEqualTo((long) segmentSize * segments);
        int[] ids = TaskFixtures.readAll(sample);
        assertThat(ids).hasSize(segmentSize * segments);

        List<TaskSample.Placed> sentences = new ArrayList<>(sample.facts());
        assertThat(sentences).hasSize(kind == TaskKind.REASON ? 2 : 1);
        sentences.add(sample.question());
        boolean[] taken = new boolean[ids.length];
        for (TaskSample.Placed sentence : sentences) {
            int[] expected = TOKENIZER.encode(sentence.text());
            assertThat(sentence.tokens()).isEqualTo(expected.length);
            int start = (int) sentence.position();
            assertThat(start / segmentSize).isEqualTo((start + expected.length - 1) / segmentSize);
            for (int i = 0; i < expected.length; i++) {
                assertThat(taken[start + i]).as("overlap").isFalse();
                taken[start + i] = true;
                assertThat(ids[start + i]).isEqualTo(expected[i]);
            }
        }
        assertThat(sample.question().position() + sample.question().tokens()).isEqualTo(ids.length);
        checkNoise(ids, taken, placement == Placement.PUBLISHED && kind != TaskKind.MEMORIZE);
    }

    /** What is neither fact nor question is the noise, in its order, going round. */
    private static void checkNoise(int[] ids, boolean[] taken, boolean overwritten) {
        int first = TOKENIZER.vocabulary().id("n0");
        int expected = -1;
        for (int i = 0; i < ids.length; i++) {
            if (!taken[i]) {
                if (expected >= 0) {
                    assertThat(ids[i] - first).isEqualTo(expected);
                }
                expected = (ids[i] - first + 1) % TaskFixtures.NOISE_WORDS;
            } else if (overwritten && expected >= 0) {
                expected = (expected + 1) % TaskFixtures.NOISE_WORDS;
            }
        }
    }

    @Test
    void memorizeTellsItsFactFirstWhateverThePlacement() {
        for (Placement placement : Placement.values()) {
            for (long seed = 0; seed < 50; seed++) {
                TaskSample sample = task(TaskKind.MEMORIZE, placement, 64).sample(seed, 3);
                assertThat(sample.facts().get(0).position()).isZero();
            }
        }
    }

    @Test
    void publishedFactsStandAtTheStartOfTheirSegmentsAndBehindEachOtherInOne() {
        int segmentSize = 64;
        MemoryTask reason = task(TaskKind.REASON, Placement.PUBLISHED, segmentSize);
        MemoryTask detect = task(TaskKind.DETECT, Placement.PUBLISHED, segmentSize);
        int together = 0;
        for (long seed = 0; seed < 600; seed++) {
            assertThat(publishedOffset(detect.sample(seed, 3).facts().get(0).position(), segmentSize))
                    .isTrue();
            List<TaskSample.Placed> facts = reason.sample(seed, 3).facts();
            long first = facts.get(0).position();
            long second = facts.get(1).position();
            assertThat(publishedOffset(first, segmentSize)).isTrue();
            if (first / segmentSize == second / segmentSize) {
                together++;
                assertThat(second).isEqualTo(first + facts.get(0).tokens());
            } else {
                assertThat(publishedOffset(second, segmentSize)).isTrue();
            }
        }
        assertThat(together).isBetween(150, 250); // a third of them
    }

    private static boolean publishedOffset(long position, int segmentSize) {
        return position == 0 || (position > segmentSize && position % segmentSize == 2);
    }

    @Test
    void publishedFactsOfOneSegmentKeepTheOrderOfTheStory() {
        MemoryTask task = task(TaskKind.REASON, Placement.PUBLISHED, 64);
        Set<List<String>> pairs = new HashSet<>();
        for (long seed = 0; seed < 50; seed++) {
            List<TaskSample.Placed> facts = task.sample(seed, 1).facts();
            assertThat(facts.get(0).position()).isZero();
            pairs.add(List.of(facts.get(0).text(), facts.get(1).text()));
        }
        assertThat(pairs).hasSizeGreaterThan(40);
    }

    @Test
    void anyPlacementDrawsSegmentsAndOffsetsUniformly() {
        int segmentSize = 30;
        int segments = 4;
        MemoryTask task = task(TaskKind.DETECT, Placement.ANY, segmentSize);
        int[] perSegment = new int[segments];
        Map<Integer, int[]> offsets = new HashMap<>(); // by length of the fact, in segments that are free
        Map<Integer, int[]> lastOffsets = new HashMap<>(); // by length of the fact, in the last one
        for (long seed = 0; seed < 40_000; seed++) {
            TaskSample sample = task.sample(seed, segments);
            TaskSample.Placed fact = sample.facts().get(0);
            int segment = (int) (fact.position() / segmentSize);
            perSegment[segment]++;
            boolean last = segment == segments - 1;
            int room =
                    segmentSize - fact.tokens() + 1 - (last ? sample.question().tokens() : 0);
            (last ? lastOffsets : offsets)
                    .computeIfAbsent(fact.tokens(), k -> new int[room])[(int) (fact.position() % segmentSize)]++;
        }
        assertThat(TaskFixtures.chiSquare(perSegment)).isLessThan(TaskFixtures.chiSquareBound(segments));
        assertThat(offsets).hasSize(2); // "went back" is a token longer
        assertThat(lastOffsets).hasSize(2);
        offsets.values()
                .forEach(c -> assertThat(TaskFixtures.chiSquare(c)).isLessThan(TaskFixtures.chiSquareBound(c.length)));
        lastOffsets
                .values()
                .forEach(c -> assertThat(TaskFixtures.chiSquare(c)).isLessThan(TaskFixtures.chiSquareBound(c.length)));
    }

    @Test
    void twoFactsInOneSegmentTakeEveryArrangementEquallyOften() {
        MemoryTask task = task(TaskKind.REASON, Placement.ANY, 30);
        Map<List<Long>, Integer> arrangements = new HashMap<>();
        int factTokens = 0;
        int questionTokens = 0;
        for (long seed = 0; seed < 40_000; seed++) {
            TaskSample sample = task.sample(seed, 1);
            List<TaskSample.Placed> facts = sample.facts();
            arrangements.merge(List.of(facts.get(0).position(), facts.get(1).position()), 1, Integer::sum);
            factTokens = facts.get(0).tokens();
            questionTokens = sample.question().tokens();
        }
        int free = 30 - questionTokens - 2 * factTokens;
        assertThat(arrangements).hasSize((free + 1) * (free + 2) / 2);
        int[] counts = arrangements.values().stream().mapToInt(i -> i).toArray();
        assertThat(TaskFixtures.chiSquare(counts)).isLessThan(TaskFixtures.chiSquareBound(counts.length));
    }

    @Test
    void factsOfReasonLieInIndependentSegmentsAndComeInEitherOrder() {
        int segments = 3;
        MemoryTask task = task(TaskKind.REASON, Placement.ANY, 64);
        int[] pairs = new int[segments * segments];
        int[] firstAskedFor = new int[2];
        for (long seed = 0; seed < 20_000; seed++) {
            TaskSample sample = task.sample(seed, segments);
            List<TaskSample.Placed> facts = sample.facts();
            int a = (int) (facts.get(0).position() / 64);
            int b = (int) (facts.get(1).position() / 64);
            assertThat(a).isLessThanOrEqualTo(b);
            pairs[a * segments + b]++;
            firstAskedFor[facts.get(0).text().startsWith("The " + sample.answer() + " ") ? 1 : 0]++;
        }
        // Sorted by position, each unequal pair gathers two of the nine equally likely draws.
        int[] cells = {pairs[0], pairs[4], pairs[8], pairs[1] / 2, pairs[2] / 2, pairs[5] / 2};
        assertThat(TaskFixtures.chiSquare(cells)).isLessThan(TaskFixtures.chiSquareBound(6));
        assertThat(firstAskedFor[0]).isGreaterThan(5_000);
        assertThat(firstAskedFor[1]).isGreaterThan(5_000);
    }

    @ParameterizedTest
    @EnumSource(TaskKind.class)
    void everyAnswerComesEquallyOften(TaskKind kind) {
        MemoryTask task = task(kind, Placement.ANY, 64);
        int[] labels = new int[6];
        for (long index = 0; index < 30_000; index++) {
            labels[task.sample(SampleSeeds.of(17, index), 2).label()]++;
        }
        assertThat(TaskFixtures.chiSquare(labels)).isLessThan(TaskFixtures.chiSquareBound(6));
    }

    @Test
    void movementsAreDrawnUniformlyAndAskedForByName() {
        MemoryTask task = task(TaskKind.DETECT, Placement.ANY, 64);
        Map<String, Integer> facts = new HashMap<>();
        for (long seed = 0; seed < 24_000; seed++) {
            TaskSample sample = task.sample(seed, 2);
            String fact = sample.facts().get(0).text();
            facts.merge(fact, 1, Integer::sum);
            assertThat(sample.question().text()).isEqualTo("Where is " + fact.substring(0, fact.indexOf(' ')) + "?");
            assertThat(fact).endsWith(" to the " + sample.answer() + ".");
        }
        assertThat(facts).hasSize(120).containsKeys("Mary went back to the garden.", "Sandra travelled to the office.");
        int[] counts = facts.values().stream().mapToInt(i -> i).toArray();
        assertThat(TaskFixtures.chiSquare(counts)).isLessThan(TaskFixtures.chiSquareBound(120));
    }

    @ParameterizedTest
    @EnumSource(TaskKind.class)
    void noFactIsInTheLastSegmentWhereThatIsAskedForUnlessThereIsNoOther(TaskKind kind) {
        for (Placement placement : Placement.values()) {
            MemoryTask task = task(kind, placement, 64).withFactsOutsideLastSegment(true);
            assertThat(task.factsOutsideLastSegment()).isTrue();
            for (long seed = 0; seed < 300; seed++) {
                for (int segments : new int[] {2, 3}) {
                    for (TaskSample.Placed fact : task.sample(seed, segments).facts()) {
                        assertThat(fact.position() + fact.tokens()).isLessThanOrEqualTo(64L * (segments - 1));
                    }
                }
                assertThat(TaskFixtures.readAll(task.sample(seed, 1))).hasSize(64);
            }
        }
    }

    @Test
    void factsDoLieInTheLastSegmentOtherwise() {
        MemoryTask task = task(TaskKind.DETECT, Placement.ANY, 64);
        int last = 0;
        for (long seed = 0; seed < 300; seed++) {
            last += task.sample(seed, 2).facts().get(0).position() >= 64 ? 1 : 0;
        }
        assertThat(last).isBetween(110, 190);
    }

    @Test
    void aSampleHasTheSameStoryAtEveryLength() {
        for (TaskKind kind : TaskKind.values()) {
            MemoryTask task = task(kind, Placement.ANY, 64);
            TaskSample shorter = task.sample(5, 1);
            TaskSample longer = task.sample(5, 4096);
            assertThat(longer.question().text()).isEqualTo(shorter.question().text());
            assertThat(longer.label()).isEqualTo(shorter.label());
            assertThat(longer.length()).isEqualTo(4096L * 64);
        }
    }

    @Test
    void aSegmentTooSmallForFactsAndQuestionIsRefusedWithBothSizes() {
        assertThatThrownBy(() -> task(TaskKind.DETECT, Placement.ANY, 8))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("8 tokens")
                .hasMessageContaining("take 11"); // "john went back to the garden ." and "where is john ?"
        assertThatThrownBy(() -> task(TaskKind.REASON, Placement.ANY, 22)) // 2 x 8 and 7
                .isInstanceOf(InputException.class)
                .hasMessageContaining("22 tokens")
                .hasMessageContaining("take 23");
        assertThatThrownBy(() -> task(TaskKind.REASON, Placement.PUBLISHED, 24)) // 2 tokens before the facts
                .isInstanceOf(InputException.class)
                .hasMessageContaining("take 25");
        assertThat(TaskFixtures.readAll(task(TaskKind.DETECT, Placement.ANY, 11).sample(1, 1)))
                .hasSize(11);
    }

    @Test
    void aVocabularyWithoutAPlaceOrANameOfTheTaskIsRefused() {
        for (String missing : List.of("kitchen", "sandra")) {
            WordPieceTokenizer tokenizer = withoutLetters(missing);
            assertThatThrownBy(() ->
                            new MemoryTask(TaskKind.DETECT, Placement.ANY, tokenizer, noise, null, 64, Split.TRAINING))
                    .isInstanceOf(InputException.class)
                    .hasMessageMatching("(?i).*no word for \"" + missing + "\".*");
        }
        // Names are no part of the reason task, directions no part of detect.
        new MemoryTask(
                TaskKind.REASON,
                Placement.ANY,
                withoutLetters("sandra"),
                noise,
                ReasonFacts.generated(),
                64,
                Split.TRAINING);
        new MemoryTask(TaskKind.DETECT, Placement.ANY, withoutLetters("north"), noise, null, 64, Split.TRAINING);
    }

    private static WordPieceTokenizer withoutLetters(String missing) {
        List<String> pieces = TOKENIZER.vocabulary().pieces().stream()
                .filter(piece -> !piece.equals(missing) && !piece.matches("(##)?[a-z]"))
                .toList();
        return new WordPieceTokenizer(Vocabulary.of(pieces), WordPieceOptions.defaults());
    }

    @Test
    void fewerThanOneSegmentIsAnIllegalArgument() {
        assertThatThrownBy(() -> task(TaskKind.DETECT, Placement.ANY, 64).sample(1, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("not 0");
    }
}
