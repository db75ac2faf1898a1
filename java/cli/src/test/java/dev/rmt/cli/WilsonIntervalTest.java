package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class WilsonIntervalTest {
    @Test
    void agreesWithPublishedValues() {
        // Newcombe (1998), table I: 81 of 263 and 15 of 148, score method without continuity correction.
        assertThat(WilsonInterval.of(81, 263).low()).isCloseTo(0.2553, within(5e-5));
        assertThat(WilsonInterval.of(81, 263).high()).isCloseTo(0.3662, within(5e-5));
        assertThat(WilsonInterval.of(15, 148).low()).isCloseTo(0.0624, within(5e-5));
        assertThat(WilsonInterval.of(15, 148).high()).isCloseTo(0.1605, within(5e-5));
    }

    @Test
    void staysWithinZeroAndOneAtTheEnds() {
        assertThat(WilsonInterval.of(0, 20).low()).isZero();
        assertThat(WilsonInterval.of(0, 20).high()).isCloseTo(0.1611, within(5e-5));
        assertThat(WilsonInterval.of(20, 20).high()).isEqualTo(1);
        assertThat(WilsonInterval.of(1, 1).low()).isPositive();
    }

    @Test
    void refusesWhatIsNoShare() {
        assertThatIllegalArgumentException().isThrownBy(() -> WilsonInterval.of(2, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> WilsonInterval.of(0, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> WilsonInterval.of(-1, 5));
    }
}
