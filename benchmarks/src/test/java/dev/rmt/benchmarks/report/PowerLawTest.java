package dev.rmt.benchmarks.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class PowerLawTest {
    private static final double[] LENGTHS = {1, 4, 16, 64, 256, 1024, 4096};

    @Test
    void aPowerLawIsFoundAgain() {
        double[] values =
                Arrays.stream(LENGTHS).map(n -> 3.5 * Math.pow(n, 1.25)).toArray();

        PowerLaw law = PowerLaw.fit(LENGTHS, values);

        assertThat(law.factor()).isCloseTo(3.5, within(1e-9));
        assertThat(law.exponent()).isCloseTo(1.25, within(1e-12));
        assertThat(law.r2()).isCloseTo(1, within(1e-12));
    }

    @Test
    void aFixedCostLowersTheExponentAndR2() {
        double[] values = Arrays.stream(LENGTHS).map(n -> n + 50).toArray();

        PowerLaw law = PowerLaw.fit(LENGTHS, values);

        assertThat(law.exponent()).isBetween(0.4, 0.7);
        assertThat(law.r2()).isBetween(0.8, 0.97);
    }

    @Test
    void r2IsTheSquareOfTheCorrelationOfTheLogarithms() {
        // log2 n = 0, 1, 2; log2 values = 0, 2, 1: slope 1/2, correlation 1/2.
        PowerLaw law = PowerLaw.fit(new double[] {1, 2, 4}, new double[] {1, 4, 2});

        assertThat(law.exponent()).isCloseTo(0.5, within(1e-12));
        assertThat(law.r2()).isCloseTo(0.25, within(1e-12));
    }

    @Test
    void valuesThatDoNotGrowHaveTheExponentZero() {
        PowerLaw law = PowerLaw.fit(LENGTHS, new double[] {7, 7, 7, 7, 7, 7, 7});

        assertThat(law.exponent()).isCloseTo(0, within(1e-12));
        assertThat(law.factor()).isCloseTo(7, within(1e-9));
    }

    @Test
    void whatCannotBeFittedIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PowerLaw.fit(new double[] {1}, new double[] {1}))
                .withMessageContaining("2 points");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PowerLaw.fit(new double[] {3, 3}, new double[] {1, 2}))
                .withMessageContaining("different n");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PowerLaw.fit(new double[] {1, 2}, new double[] {1, Double.NaN}))
                .withMessageContaining("NaN");
    }
}
