package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** The course of a learning rate; golden tests compare the linear one with the reference's. */
class LearningRateTest {
    @Test
    void itClimbsStaysAndFallsToItsFloor() {
        LearningRate rate = new LearningRate(1, 0.2, 4, 0.5);

        double[] expected = {0.25, 0.5, 0.75, 1, 1, 1, 1, 1};
        for (int step = 0; step < 8; step++) {
            assertThat(rate.at(step, 16)).as("step " + step).isCloseTo(expected[step], within(1e-12));
        }
        // Eight steps of fall, the first of them still at the peak.
        for (int step = 8; step < 16; step++) {
            assertThat(rate.at(step, 16)).as("step " + step).isCloseTo(1 - 0.1 * (step - 8), within(1e-12));
        }
        assertThat(rate.at(16, 16)).isCloseTo(0.2, within(1e-12));
    }

    @Test
    void aConstantRateStaysToTheEnd() {
        LearningRate rate = LearningRate.constant(0.5, 2);

        assertThat(rate.at(0, 10)).isEqualTo(0.25);
        assertThat(rate.at(1, 10)).isEqualTo(0.5);
        assertThat(rate.at(9, 10)).isEqualTo(0.5);
    }

    @Test
    void aClimbAsLongAsTheStageHasNoFall() {
        assertThat(LearningRate.linear(1, 5).at(4, 5)).isEqualTo(1);
    }

    @Test
    void valuesOutOfRangeAreNamed() {
        assertThatThrownBy(() -> new LearningRate(1e-3, 1e-2, 0, 0)).hasMessageContaining("with a floor of 0.01;");
        assertThatThrownBy(() -> new LearningRate(Double.NaN, 0, 0, 0))
                .hasMessageContaining("The learning rate is NaN");
        assertThatThrownBy(() -> new LearningRate(1, 0, -1, 0)).hasMessageContaining("The warm-up has -1 steps;");
        assertThatThrownBy(() -> new LearningRate(1, 0, 0, 1.5))
                .hasMessageContaining("falls from 1.5 of the steps on;");
    }
}
