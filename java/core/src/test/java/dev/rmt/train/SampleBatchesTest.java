package dev.rmt.train;

import static dev.rmt.train.TrainingFixtures.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.ModelFormatException;
import dev.rmt.task.Placement;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SampleBatchesTest {
    private static SampleSettings settings(int segments, boolean varied, SampleSettings.Loss loss) {
        return new SampleSettings(segments, varied, 6, 1, 1, 1, Placement.PUBLISHED, loss);
    }

    private static SampleBatches batches(SampleSettings settings, long seed) {
        return new SampleBatches(settings, source(seed, 0, List.of()));
    }

    @Test
    void everySampleHasFullSegmentsInAChainAndItsQuestionAtTheEnd() {
        TrainingBatch batch =
                batches(settings(3, false, SampleSettings.Loss.LAST), 1).next(0);
        assertThat(batch.size()).isEqualTo(18);
        for (int s = 0; s < batch.size(); s++) {
            TrainingBatch.Segment segment = batch.segment(s);
            boolean last = s % 3 == 2;
            assertThat(segment.content()).hasSize(CONFIG.segmentSize());
            assertThat(segment.parent()).isEqualTo(s % 3 == 0 ? TrainingBatch.NONE : s - 1);
            assertThat(segment.writesMemory()).isEqualTo(!last);
            assertThat(segment.label() != TrainingBatch.NONE).isEqualTo(last);
            assertThat(decode(segment).endsWith("?")).isEqualTo(last);
        }
    }

    @Test
    void theLossIsThatOfTheLastSegmentOrTheMeanOfAll() {
        for (SampleSettings.Loss loss : SampleSettings.Loss.values()) {
            TrainingBatch batch = batches(settings(4, false, loss), 2).next(0);
            double sum = 0;
            for (int s = 0; s < batch.size(); s++) {
                sum += batch.segment(s).labelWeight();
                if (loss == SampleSettings.Loss.MEAN) {
                    assertThat(batch.segment(s).label())
                            .isEqualTo(batch.segment(s / 4 * 4 + 3).label());
                }
            }
            assertThat(sum).isCloseTo(1, within(1e-6));
        }
    }

    @Test
    void lengthsVaryWhereThatIsAskedFor() {
        SampleBatches data = batches(settings(3, true, SampleSettings.Loss.LAST), 3);
        Set<Integer> sizes = new HashSet<>();
        for (int i = 0; i < 40; i++) {
            sizes.add(data.next(i).size() / 6);
        }
        assertThat(sizes).containsExactlyInAnyOrder(1, 2, 3);
    }

    @Test
    void theSameSeedAndIndexGiveTheSameBatch() {
        SampleSettings settings = settings(2, false, SampleSettings.Loss.LAST);
        SampleBatches first = batches(settings, 4);
        first.next(0);
        assertThat(first.next(5))
                .usingRecursiveComparison()
                .isEqualTo(batches(settings, 4).next(5));
        assertThat(first.next(5).segment(0).content())
                .isNotEqualTo(batches(settings, 5).next(5).segment(0).content());
    }

    @Test
    void metricsSurviveARestart() {
        SampleBatches data = batches(settings(2, false, SampleSettings.Loss.LAST), 6);
        for (int i = 0; i < 10; i++) {
            TrainingBatch batch = data.next(i);
            data.learned(batch, outcome(batch, s -> s % 3 != 0, probe -> true, i));
        }
        SampleBatches resumed = batches(settings(2, false, SampleSettings.Loss.LAST), 6);
        resumed.restore(data.save());
        assertThat(resumed.metrics()).isEqualTo(data.metrics()).containsKeys("memorize", "detect", "reason", "lowest");
        assertThat(data.metrics().get("lowest")).isBetween(0.4, 0.9);
        assertThatThrownBy(() -> resumed.restore(new byte[5])).isInstanceOf(ModelFormatException.class);
    }

    @Test
    void probesHaveNoRowsHere() {
        assertThatThrownBy(() -> new SampleBatches(settings(1, false, SampleSettings.Loss.LAST), source(1, 0, uses())))
                .hasMessageContaining("fact");
    }
}
