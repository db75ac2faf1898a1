package dev.rmt.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.ModelConfig;
import dev.rmt.flops.ExactFlops;
import org.junit.jupiter.api.Test;

class EncoderWorkTest {
    private static final ModelConfig TINY = EncoderShape.TINY.config();

    @Test
    void aFullSegmentIsTheUsualCount() {
        double h = 128;
        double layers = 2;
        double t = 512;

        assertThat(EncoderWork.forward(TINY, 512))
                .isCloseTo(2 * 12 * layers * h * h * t + 4 * t * t * h * layers, within(1.0));
    }

    @Test
    void allRowsOfTheLastLayerAreAFullSegment() {
        assertThat(EncoderWork.forward(TINY, 512, 512)).isEqualTo(EncoderWork.forward(TINY, 512));
    }

    @Test
    void fewRowsOfTheLastLayerLeaveItsKeysAndValues() {
        double firstLayer = EncoderWork.forward(TINY, 512) / 2;

        assertThat(EncoderWork.forward(TINY, 512, 0)).isCloseTo(firstLayer + 4.0 * 128 * 128 * 512, within(1.0));
    }

    @Test
    void aSegmentOfTheRecurrenceIsWhatKernelsWithoutPanelsCount() {
        long exact = ExactFlops.of(TINY, "reference").segment(TINY.segmentSize(), true, false);

        assertThat(EncoderWork.forward(TINY, 512, TINY.numMemTokens())).isEqualTo(exact);
    }
}
