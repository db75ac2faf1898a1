package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class FactProbesTest {
    @Test
    void everyKeyHasARegisterOfItsOwn() {
        Set<List<Integer>> places = new HashSet<>();
        for (int key = 0; key < TaskFact.KEYS; key++) {
            assertThat(FactProbes.row(key)).isBetween(0, 9);
            assertThat(FactProbes.register(key)).isBetween(0, 2);
            places.add(List.of(FactProbes.row(key), FactProbes.register(key)));
        }
        assertThat(places).hasSize(TaskFact.KEYS);
    }

    @Test
    void theTwoFactsOfAStoryHardlyEverShareARow() {
        SplittableRandom random = new SplittableRandom(1);
        int shared = 0;
        for (int i = 0; i < 10_000; i++) {
            List<TaskFact> story = TrainingFacts.story(random);
            shared += FactProbes.row(story.get(0).key())
                            == FactProbes.row(story.get(1).key())
                    ? 1
                    : 0;
        }
        assertThat(shared).isLessThan(500);
    }

    @Test
    void aModelWithTooFewMemoryTokensIsRefused() {
        assertThatThrownBy(() -> new FactProbes(TrainingFixtures.uses(), TrainingFixtures.TEXT, 9))
                .hasMessageContaining("10 memory tokens")
                .hasMessageContaining("has 9");
    }
}
