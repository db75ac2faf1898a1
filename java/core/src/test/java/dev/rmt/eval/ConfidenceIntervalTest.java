package dev.rmt.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ConfidenceIntervalTest {
    @Test
    void itIsThatOfWilsonsFormula() {
        // 8 of 10: the worked example that statistics texts give, 0.490 ... 0.943.
        ConfidenceInterval interval = ConfidenceInterval.of(8, 10);
        assertThat(interval.low()).isCloseTo(0.4901625, within(1e-6));
        assertThat(interval.high()).isCloseTo(0.9433178, within(1e-6));
    }

    @Test
    void itsEndsSolveTheEquationOfTheScoreTest() {
        for (int trials : new int[] {1, 7, 200, 100_000}) {
            for (int successes = 0; successes <= trials; successes += 1 + trials / 5) {
                double share = (double) successes / trials;
                ConfidenceInterval interval = ConfidenceInterval.of(successes, trials);
                for (double end : new double[] {interval.low(), interval.high()}) {
                    boolean clipped = end == 0 || end == 1;
                    double score = (share - end) / Math.sqrt(end * (1 - end) / trials);
                    assertThat(clipped || Math.abs(Math.abs(score) - 1.959964) < 1e-4)
                            .isTrue();
                }
                assertThat(interval.contains(share)).isTrue();
            }
        }
    }

    @Test
    void noneAndAllSuccessesReachTheEnds() {
        assertThat(ConfidenceInterval.of(0, 20).low()).isZero();
        assertThat(ConfidenceInterval.of(0, 20).high()).isBetween(0.1, 0.2);
        assertThat(ConfidenceInterval.of(20, 20).high()).isOne();
        assertThat(ConfidenceInterval.of(20, 20).low()).isBetween(0.8, 0.9);
    }

    @Test
    void whatIsNoShareIsRefused() {
        assertThatThrownBy(() -> ConfidenceInterval.of(0, 0)).hasMessageContaining("0 of 0");
        assertThatThrownBy(() -> ConfidenceInterval.of(3, 2)).hasMessageContaining("3 of 2");
        assertThatThrownBy(() -> ConfidenceInterval.of(-1, 2)).hasMessageContaining("-1 of 2");
    }
}
