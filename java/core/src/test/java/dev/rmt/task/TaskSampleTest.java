package dev.rmt.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TaskSampleTest {
    private static final WordPieceTokenizer TOKENIZER = TaskFixtures.tokenizer();
    private static final int SEGMENT_SIZE = 64;

    @TempDir
    static Path folder;

    private static Noise noise;

    @BeforeAll
    static void makeNoise() throws IOException {
        noise = TaskFixtures.countingNoise(TOKENIZER, folder);
    }

    private static MemoryTask task(TaskKind kind, Placement placement) {
        return new MemoryTask(
                kind, placement, TOKENIZER, noise, ReasonFacts.generated(), SEGMENT_SIZE, Split.VALIDATION);
    }

    @ParameterizedTest
    @EnumSource(TaskKind.class)
    void theSameSeedGivesTheSameIdsInAnyPieces(TaskKind kind) {
        SplittableRandom random = new SplittableRandom(3);
        for (Placement placement : Placement.values()) {
            for (long seed = 0; seed < 20; seed++) {
                int[] whole = TaskFixtures.readAll(task(kind, placement).sample(seed, 40));
                for (int largest : new int[] {1, 2, 7, 100, 5000}) {
                    TaskSample sample = task(kind, placement).sample(seed, 40);
                    assertThat(readInPieces(sample, largest, random)).isEqualTo(whole);
                    sample.rewind();
                    assertThat(TaskFixtures.readAll(sample)).isEqualTo(whole);
                }
            }
        }
    }

    private static int[] readInPieces(TaskSample sample, int largest, SplittableRandom random) {
        int[] ids = new int[(int) sample.length()];
        int[] buffer = new int[largest + 3];
        int length = 0;
        while (true) {
            int wanted = 1 + random.nextInt(largest);
            Arrays.fill(buffer, -7);
            int n = sample.read(buffer, 2, wanted);
            assertThat(buffer[1]).isEqualTo(-7);
            assertThat(buffer[2 + wanted]).isEqualTo(-7);
            if (n < 0) {
                return Arrays.copyOf(ids, length);
            }
            System.arraycopy(buffer, 2, ids, length, n);
            length += n;
        }
    }

    @Test
    void theEndIsToldAgainAndAgainAndNothingIsReadWhereNothingIsWanted() {
        TaskSample sample = task(TaskKind.DETECT, Placement.ANY).sample(1, 1);
        int[] ids = new int[100];
        assertThat(sample.read(ids, 0, 0)).isZero();
        assertThat(sample.read(ids, 0, 100)).isEqualTo(SEGMENT_SIZE);
        assertThat(sample.read(ids, 0, 100)).isEqualTo(-1);
        assertThat(sample.read(ids, 0, 100)).isEqualTo(-1);
        assertThat(sample.read(ids, 0, 0)).isZero();
    }

    @Test
    void aRangeOutsideTheArrayIsRefusedBeforeAnythingIsRead() {
        TaskSample sample = task(TaskKind.DETECT, Placement.ANY).sample(1, 1);
        int[] ids = new int[10];
        assertThatThrownBy(() -> sample.read(ids, 5, 6)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThat(TaskFixtures.readAll(sample)).hasSize(SEGMENT_SIZE);
    }

    @Test
    void differentSeedsGiveDifferentSamplesEvenNeighboursAndNegativeOnes() {
        MemoryTask task = task(TaskKind.DETECT, Placement.ANY);
        Set<Integer> contents = new HashSet<>();
        for (long seed = -500; seed < 500; seed++) {
            contents.add(Arrays.hashCode(TaskFixtures.readAll(task.sample(seed, 2))));
            contents.add(Arrays.hashCode(TaskFixtures.readAll(task.sample(SampleSeeds.of(seed, 1), 2))));
        }
        assertThat(contents).hasSizeGreaterThan(1990);
    }

    /** A run that is resumed on another machine, or another JDK, must go on with the same samples. */
    @Test
    void samplesAreTheSameOnEveryJdk() {
        assertThat(describe(task(TaskKind.DETECT, Placement.ANY).sample(SampleSeeds.of(42, 7), 16)))
                .isEqualTo("889: Sandra moved to the garden. Where is Sandra? garden n803");
        assertThat(describe(task(TaskKind.REASON, Placement.ANY).sample(SampleSeeds.of(42, 7), 16)))
                .isEqualTo("941: The garden is north of the office. 960: The bathroom is north of the garden."
                        + " What is north of the office? garden n171");
        assertThat(describe(task(TaskKind.REASON, Placement.PUBLISHED).sample(SampleSeeds.of(-1, 0), 16)))
                .isEqualTo("194: The hallway is west of the garden. 514: The office is east of the garden."
                        + " What is west of the garden? hallway n241");
    }

    private static String describe(TaskSample sample) {
        StringBuilder text = new StringBuilder();
        sample.facts()
                .forEach(fact -> text.append(fact.position())
                        .append(": ")
                        .append(fact.text())
                        .append(' '));
        int firstNoise = Arrays.stream(TaskFixtures.readAll(sample))
                .filter(id -> TOKENIZER.vocabulary().piece(id).matches("n\\d+"))
                .findFirst()
                .orElseThrow();
        return text.append(sample.question().text())
                .append(' ')
                .append(sample.answer())
                .append(' ')
                .append(TOKENIZER.vocabulary().piece(firstNoise))
                .toString();
    }

    @Test
    void theStoryCanBeShownInOneLine() {
        TaskSample sample = task(TaskKind.MEMORIZE, Placement.ANY).sample(0, 2);
        assertThat(sample.text())
                .isEqualTo(sample.facts().get(0).text() + " ... "
                        + sample.question().text() + " " + sample.answer());
        assertThat(sample.segments()).isEqualTo(2);
    }

    @Test
    void readingAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        assumeTrue(threads.isThreadAllocatedMemorySupported() && threads.isThreadAllocatedMemoryEnabled());
        TaskSample sample = task(TaskKind.REASON, Placement.ANY).sample(9, 4096);
        int[] ids = new int[499];
        long id = Thread.currentThread().getId();
        long read = 0;
        readThrough(sample, ids); // loads every class on the way
        sample.rewind();
        threads.getThreadAllocatedBytes(id);
        long before = threads.getThreadAllocatedBytes(id);
        read += readThrough(sample, ids);
        long allocated = threads.getThreadAllocatedBytes(id) - before;
        assertThat(read).isEqualTo(4096L * SEGMENT_SIZE);
        assertThat(allocated).isLessThan(1024); // a single box per read would be 8,000 and more
    }

    private static long readThrough(TaskSample sample, int[] ids) {
        long read = 0;
        for (int n = sample.read(ids, 0, ids.length); n > 0; n = sample.read(ids, 0, ids.length)) {
            read += n;
        }
        return read;
    }
}
