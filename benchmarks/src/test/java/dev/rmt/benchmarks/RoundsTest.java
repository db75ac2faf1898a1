package dev.rmt.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class RoundsTest {
    @Test
    void ratiosAreTakenRoundByRound() {
        double[] ours = {10, 20, 10};
        double[] peer = {15, 22, 30};

        Rounds.Ratio ratio = Rounds.ofTimes(ours, peer).ratio(1, 0);

        assertThat(ratio.median()).isCloseTo(1.5, within(1e-12));
        assertThat(ratio.smallest()).isCloseTo(1.1, within(1e-12));
        assertThat(ratio.largest()).isCloseTo(3, within(1e-12));
    }

    @Test
    void theMedianOfAnEvenNumberIsTheMeanOfTheMiddle() {
        assertThat(Rounds.median(4, 1, 3, 100)).isEqualTo(3.5);
        assertThat(Rounds.median(4, 1, 3)).isEqualTo(3);
    }

    @Test
    void everyOtherRoundGoesTheOtherWayRound() {
        List<String> ran = new ArrayList<>();
        // A window of no length: one run that is not counted, one that is.
        Rounds.of(List.of(contest(ran, "a", "b")), 2, 0);

        assertThat(String.join("", ran)).isEqualTo("aabb" + "aabb|" + "bbaa|");
    }

    @Test
    void aRoundGoesThroughAllContestsBeforeTheNext() {
        List<String> ran = new ArrayList<>();
        Rounds.of(List.of(contest(ran, "a"), contest(ran, "b")), 2, 0);

        assertThat(String.join("", ran)).isEqualTo("aabb" + "aa|bb|" + "aa|bb|");
    }

    private static Rounds.Contest contest(List<String> ran, String... names) {
        List<Runnable> ways =
                Arrays.stream(names).<Runnable>map(name -> () -> ran.add(name)).toList();
        return new Rounds.Contest(ways, () -> ran.add("|"));
    }
}
