package dev.rmt.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DocumentScheduleTest {
    @Test
    void documentsThatHaveASlotEachStandWhereTheyWereAndEndTogether() {
        DocumentSchedule schedule = new DocumentSchedule(new long[] {2, 7, 1}, 4);
        assertThat(schedule.slots()).isEqualTo(3);
        assertThat(schedule.steps()).isEqualTo(7);
        assertThat(IntStream.range(0, 3).mapToObj(schedule::documents).toList())
                .isEqualTo(List.of(List.of(0), List.of(1), List.of(2)));
        assertThat(IntStream.range(0, 3).mapToLong(schedule::start).toArray()).containsExactly(5, 0, 6);
    }

    @Test
    void theLongestBeginAndThoseThatEndMakeRoom() {
        DocumentSchedule schedule = new DocumentSchedule(new long[] {1, 10, 2, 4, 3}, 2);
        assertThat(schedule.documents(0)).containsExactly(1);
        assertThat(schedule.documents(1)).containsExactly(3, 4, 2, 0);
        assertThat(schedule.steps()).isEqualTo(10);
        assertThat(schedule.start(1)).isZero();
    }

    @Test
    void everyDocumentIsReadOnceAndNoSlotIsLateByMoreThanOneDocument() {
        Random random = new Random(8);
        for (int round = 0; round < 200; round++) {
            int slots = 1 + random.nextInt(9);
            long[] segments = random.longs(1 + random.nextInt(80), 1, 4097).toArray();
            DocumentSchedule schedule = new DocumentSchedule(segments, slots);
            List<Integer> all = new ArrayList<>();
            for (int slot = 0; slot < schedule.slots(); slot++) {
                all.addAll(schedule.documents(slot));
                long load = schedule.documents(slot).stream()
                        .mapToLong(d -> segments[d])
                        .sum();
                assertThat(schedule.start(slot) + load).isEqualTo(schedule.steps());
            }
            assertThat(all)
                    .containsExactlyInAnyOrderElementsOf(
                            IntStream.range(0, segments.length).boxed().toList());
            // Graham's bound: when the last document begins no slot is idle.
            long sum = Arrays.stream(segments).sum();
            long longest = Arrays.stream(segments).max().orElseThrow();
            assertThat(slots * schedule.steps()).isLessThanOrEqualTo(sum + (slots - 1) * longest);
        }
    }
}
