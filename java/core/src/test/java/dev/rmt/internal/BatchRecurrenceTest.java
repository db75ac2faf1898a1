package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.InputException;
import dev.rmt.SegmentAlignment;
import dev.rmt.Segmentation;
import dev.rmt.text.TokenSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BatchRecurrenceTest {
    private static final int CLS = 901;
    private static final int SEP = 902;
    private static final int M = 2;
    private static final int S = 4;
    private static final int T = S + M + 3;
    private static final int LABELS = 3;
    private static final BatchRecurrence.Listener NOBODY = new BatchRecurrence.Listener() {};
    private static final SegmentLayout LAYOUT = SegmentLayout.encoder(T, M, CLS, SEP);

    /** Gives the ids one by one at most three at a time, as a source may. */
    static TokenSource source(int... ids) {
        int[] next = {0};
        return (out, offset, length) -> {
            int count = Math.min(Math.min(3, length), ids.length - next[0]);
            System.arraycopy(ids, next[0], out, offset, count);
            next[0] += count;
            return count == 0 && length > 0 ? -1 : count;
        };
    }

    private static int[] ids(int from, int count) {
        return IntStream.range(from, from + count).toArray();
    }

    private static FakeBackend backend(int documents) {
        return new FakeBackend(documents, documents, M, T, LABELS);
    }

    private static List<Integer> content(FakeBackend.Row row) {
        return row.ids().subList(M + 2, row.ids().size() - 1);
    }

    @ParameterizedTest
    @EnumSource(SegmentAlignment.class)
    void segmentsAreCutAsTheAlignmentSaysAndContainEveryTokenOnce(SegmentAlignment alignment) {
        for (int tokens = 1; tokens <= 3 * S; tokens++) {
            FakeBackend backend = backend(1);
            new BatchRecurrence(backend, LAYOUT)
                    .run(List.of(source(ids(10, tokens))), new long[] {tokens}, alignment, false, NOBODY);

            List<Integer> read = new ArrayList<>();
            int[] lengths = Segmentation.lengths(tokens, S, alignment);
            assertThat(backend.rows).hasSize(lengths.length);
            for (int i = 0; i < lengths.length; i++) {
                assertThat(content(backend.rows.get(i))).hasSize(lengths[i]);
                read.addAll(content(backend.rows.get(i)));
            }
            assertThat(read).isEqualTo(Arrays.stream(ids(10, tokens)).boxed().toList());
        }
    }

    @Test
    void aDocumentWithFewerSegmentsWaitsAtTheStartAndAllEndTogether() {
        FakeBackend backend = backend(3);
        new BatchRecurrence(backend, LAYOUT)
                .run(
                        List.of(source(ids(10, 10)), source(ids(30, 3)), source(ids(50, 8))),
                        new long[] {10, 3, 8},
                        SegmentAlignment.RIGHT,
                        false,
                        NOBODY);

        assertThat(backend.rows)
                .extracting(row -> row.call() + ":" + row.slot() + ":" + content(row))
                .containsExactly(
                        "0:0:[10, 11]",
                        "1:0:[12, 13, 14, 15]",
                        "1:2:[50, 51, 52, 53]",
                        "2:0:[16, 17, 18, 19]",
                        "2:1:[30, 31, 32]",
                        "2:2:[54, 55, 56, 57]");
    }

    @Test
    void aDocumentThatWaitsKeepsItsMemory() {
        FakeBackend backend = backend(2);
        float[] initial = backend.memory(1);
        List<float[]> seen = new ArrayList<>();
        new BatchRecurrence(backend, LAYOUT)
                .run(
                        List.of(source(ids(10, 12)), source(ids(30, 2))),
                        new long[] {12, 2},
                        SegmentAlignment.LEFT,
                        false,
                        new BatchRecurrence.Listener() {
                            @Override
                            public void beforeStep(long step, long steps) {
                                seen.add(backend.memory(1));
                            }
                        });

        assertThat(seen).hasSize(3).allSatisfy(memory -> assertThat(memory).containsExactly(initial));
        assertThat(backend.memory(1)).isNotEqualTo(initial);
    }

    @Test
    void aDocumentThatHasEndedMakesRoomForTheLongestThatIsLeft() {
        FakeBackend backend = backend(2);
        List<Integer> read = new ArrayList<>();
        BatchRecurrence recurrence = new BatchRecurrence(backend, LAYOUT);
        float[][] logits = recurrence.run(
                List.of(source(ids(10, 3)), source(ids(30, 12)), source(ids(50, 8)), source(ids(70, 4))),
                new long[] {3, 12, 8, 4},
                SegmentAlignment.RIGHT,
                false,
                new BatchRecurrence.Listener() {
                    @Override
                    public void afterStep(
                            long step, long steps, int[] documents, int count, boolean[] heads, float[] values) {
                        assertThat(steps).isEqualTo(4);
                        for (int row = 0; row < count; row++) {
                            if (heads[row]) {
                                read.add(documents[row]);
                            }
                        }
                    }
                });

        assertThat(backend.rows)
                .extracting(row ->
                        row.call() + ":" + row.slot() + ":" + content(row).get(0))
                .containsExactly("0:0:30", "1:0:34", "1:1:50", "2:0:38", "2:1:54", "3:0:70", "3:1:10");
        assertThat(read).containsExactly(1, 2, 3, 0);
        assertThat(recurrence.slotOf(3)).isZero();
        assertThatThrownBy(() -> recurrence.slotOf(2))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("Document 2 has no memory here");
        FakeBackend alone = backend(1);
        float[][] own = new BatchRecurrence(alone, LAYOUT)
                .run(List.of(source(ids(70, 4))), new long[] {4}, SegmentAlignment.RIGHT, false, NOBODY);
        assertThat(logits[3]).containsExactly(own[0]);
        assertThat(backend.memory(0)).containsExactly(alone.memory(0));
    }

    @ParameterizedTest
    @EnumSource(SegmentAlignment.class)
    void aDocumentGetsTheSameAloneAndInAnyCompany(SegmentAlignment alignment) {
        int[] counts = {10, 3, 8, 1};
        List<TokenSource> together = new ArrayList<>();
        for (int d = 0; d < counts.length; d++) {
            together.add(source(ids(100 * d, counts[d])));
        }
        FakeBackend backend = backend(counts.length);
        float[][] logits =
                new BatchRecurrence(backend, LAYOUT).run(together, new long[] {10, 3, 8, 1}, alignment, false, NOBODY);

        for (int d = 0; d < counts.length; d++) {
            FakeBackend alone = backend(1);
            float[][] own = new BatchRecurrence(alone, LAYOUT)
                    .run(List.of(source(ids(100 * d, counts[d]))), new long[] {counts[d]}, alignment, false, NOBODY);
            assertThat(logits[d]).containsExactly(own[0]);
            assertThat(backend.memory(d)).containsExactly(alone.memory(0));
        }
    }

    @Test
    void onlyTheLastSegmentIsClassifiedUnlessEveryOneIsWanted() {
        FakeBackend last = backend(1);
        new BatchRecurrence(last, LAYOUT)
                .run(List.of(source(ids(10, 9))), new long[] {9}, SegmentAlignment.RIGHT, false, NOBODY);
        assertThat(last.rows).extracting(FakeBackend.Row::readHead).containsExactly(false, false, true);

        FakeBackend every = backend(1);
        List<float[]> logits = new ArrayList<>();
        float[][] result = new BatchRecurrence(every, LAYOUT)
                .run(
                        List.of(source(ids(10, 9))),
                        new long[] {9},
                        SegmentAlignment.RIGHT,
                        true,
                        new BatchRecurrence.Listener() {
                            @Override
                            public void afterStep(
                                    long step,
                                    long steps,
                                    int[] documents,
                                    int count,
                                    boolean[] heads,
                                    float[] values) {
                                logits.add(Arrays.copyOf(values, LABELS));
                            }
                        });
        assertThat(every.rows).extracting(FakeBackend.Row::readHead).containsOnly(true);
        assertThat(logits).hasSize(3);
        assertThat(logits.get(2)).containsExactly(result[0]);
    }

    @Test
    void memoryThatIsResetBeforeTheLastSegmentForgetsAllButThatSegment() {
        FakeBackend reset = backend(1);
        float[][] forgotten = new BatchRecurrence(reset, LAYOUT)
                .run(
                        List.of(source(ids(10, 8))),
                        new long[] {8},
                        SegmentAlignment.RIGHT,
                        false,
                        new BatchRecurrence.Listener() {
                            @Override
                            public void beforeStep(long step, long steps) {
                                if (step == steps - 1) {
                                    reset.reset(-1);
                                }
                            }
                        });
        float[][] lastOnly = new BatchRecurrence(backend(1), LAYOUT)
                .run(List.of(source(ids(14, 4))), new long[] {4}, SegmentAlignment.RIGHT, false, NOBODY);

        assertThat(forgotten[0]).containsExactly(lastOnly[0]);
    }

    @Test
    void aSecondReadingStartsFromFreshMemories() {
        FakeBackend backend = backend(1);
        BatchRecurrence recurrence = new BatchRecurrence(backend, LAYOUT);
        float[][] first =
                recurrence.run(List.of(source(ids(10, 9))), new long[] {9}, SegmentAlignment.RIGHT, false, NOBODY);
        float[][] second =
                recurrence.run(List.of(source(ids(10, 9))), new long[] {9}, SegmentAlignment.RIGHT, false, NOBODY);

        assertThat(second[0]).containsExactly(first[0]);
    }

    @Test
    void aDocumentShorterThanItsLengthIsRefusedWithItsNumber() {
        assertThatThrownBy(() -> new BatchRecurrence(backend(2), LAYOUT)
                        .run(
                                List.of(source(ids(10, 9)), source(ids(10, 7))),
                                new long[] {9, 9},
                                SegmentAlignment.RIGHT,
                                false,
                                NOBODY))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("Document 1 ended 2 tokens before");
    }

    @Test
    void aBatchThatIsEmptyOrWithoutTokensIsRefused() {
        BatchRecurrence recurrence = new BatchRecurrence(backend(1), LAYOUT);
        SegmentAlignment right = SegmentAlignment.RIGHT;
        assertThatThrownBy(() -> recurrence.run(List.of(), new long[0], right, false, NOBODY))
                .hasMessageContaining("no document");
        assertThatThrownBy(() -> recurrence.run(List.of(source(1)), new long[] {1, 1}, right, false, NOBODY))
                .hasMessageContaining("1 documents came with 2 lengths");
        assertThatThrownBy(() -> recurrence.run(List.of(source(1)), new long[] {0}, right, false, NOBODY))
                .hasMessageContaining("has 0 tokens");
    }
}
