package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;

class CriterionTest {
    private final Criterion criterion = new Criterion(10, Map.of("lowest", 0.97, "memory", 0.9));

    @Test
    void itIsMetWhereEveryMetricReachesWhatIsAsked() {
        assertThat(criterion.isMet(10, Map.of("lowest", 0.97, "memory", 1.0, "reason", 0.1)))
                .isTrue();
        assertThat(criterion.isMet(10, Map.of("lowest", 0.96, "memory", 1.0))).isFalse();
    }

    @Test
    void itIsNotMetBeforeItsWindowIsFull() {
        assertThat(criterion.isMet(9, Map.of("lowest", 1.0, "memory", 1.0))).isFalse();
    }

    @Test
    void whatIsNotKnownIsNotReached() {
        assertThat(criterion.isMet(50, Map.of("lowest", 1.0))).isFalse();
        assertThat(criterion.isMet(50, Map.of("lowest", 1.0, "memory", Double.NaN)))
                .isFalse();
    }

    @Test
    void askingForNothingIsNeverMet() {
        assertThat(Criterion.NEVER.isMet(1_000_000, Map.of("lowest", 1.0))).isFalse();
    }

    @Test
    void aWindowHasSteps() {
        assertThatThrownBy(() -> new Criterion(0, Map.of())).hasMessageContaining("0 steps");
    }

    @Test
    void itReadsTheSameWhateverTheOrderItWasGivenIn() {
        assertThat(new Criterion(3, Map.of("b", 0.5, "a", 0.7, "c", 0.9)))
                .hasToString("Criterion[window=3, atLeast={a=0.7, b=0.5, c=0.9}]");
    }
}
