package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

/** A batch that cannot be run cannot be made. */
class TrainingBatchTest {
    @Test
    void depthsCountTheSegmentsBefore() {
        TrainingBatch.Builder builder = new TrainingBatch.Builder();
        int first = builder.add(reading(1, 2).build());
        int second = builder.add(reading(3).after(first).build());
        builder.add(reading(4).build());
        builder.add(reading(5, 6, 7).after(second).build());
        TrainingBatch batch = builder.build();

        assertThat(batch.depths()).containsExactly(0, 1, 0, 2);
        assertThat(batch.tokens()).isEqualTo(7);
        assertThat(batch).hasToString("TrainingBatch[4 segments, 7 tokens, depth 3]");
    }

    @Test
    void aSegmentReadsTheMemoryOfAnEarlierOneThatWrites() {
        assertRefused(
                "Segment 0 reads the memory of segment 1, which does not stand before it.",
                reading(1).after(1).build(),
                reading(2).build());
        assertRefused(
                "Segment 1 reads the memory of segment 0, which writes none.",
                reading(1).writesMemory(false).build(),
                reading(2).after(0).build());
        assertRefused(
                "Segment 0 starts from memory 0 of the 0 there are.",
                reading(1).from(0).build());
        assertThatThrownBy(() -> new TrainingBatch(
                        List.of(reading(1).build(), reading(2).after(0).from(0).build()), List.of(new float[3])))
                .hasMessage("Segment 1 reads both the memory of segment 0 and start memory 0; it can read one only.");
        assertThatThrownBy(() -> TrainingBatch.of(List.of())).hasMessage("A batch needs at least one segment.");
    }

    @Test
    void valuesOutOfRangeAreNamed() {
        assertThatThrownBy(() -> reading(1).label(-2, 1).build()).hasMessageContaining("The label is -2;");
        assertThatThrownBy(() -> reading(1).label(0, Float.NaN).build())
                .hasMessageContaining("The weight of a label is NaN;");
        assertThatThrownBy(() -> reading(1).writesMemory(false).keepMemory().build())
                .hasMessage("A segment that writes no memory has none to keep.");
        assertThatThrownBy(() -> new TrainingBatch.Probe(0, 0, 0, 3, 3, 1))
                .hasMessage("A probe has the wrong label 3.");
        assertThatThrownBy(() -> new TrainingBatch.Probe(0, 0, 0, 3, 0, -1))
                .hasMessageContaining("The weight of a probe is -1.0;");
    }

    private static void assertRefused(String message, TrainingBatch.Segment... segments) {
        assertThatThrownBy(() -> TrainingBatch.of(List.of(segments)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    private static TrainingBatch.SegmentBuilder reading(int... ids) {
        return TrainingBatch.reading(ids);
    }
}
