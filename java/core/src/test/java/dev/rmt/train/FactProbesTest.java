package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class FactProbesTest {
    @Test
    void everyKeyHasARegisterOfItsOwn() {
        Set<List<Integer>> places = new HashSet<>();
        Set<List<Integer>> ordered = new HashSet<>();
        for (int key = 0; key < TaskFact.KEYS; key++) {
            assertThat(MemoryPlaces.row(key)).isBetween(0, 9);
            assertThat(MemoryPlaces.register(key)).isBetween(0, 2);
            assertThat(MemoryPlaces.objectRow(key)).isBetween(0, 9);
            assertThat(MemoryPlaces.directionRegister(key)).isBetween(0, 4);
            places.add(List.of(MemoryPlaces.row(key), MemoryPlaces.register(key)));
            ordered.add(List.of(MemoryPlaces.objectRow(key), MemoryPlaces.directionRegister(key)));
        }
        assertThat(places).hasSize(TaskFact.KEYS);
        assertThat(ordered).hasSize(TaskFact.KEYS);
    }

    /** Labels by memory row of one probe after these facts. */
    private static Map<Integer, Integer> labels(ProbeSpec.Rule rule, List<TaskFact> facts) {
        List<ProbeSpec.Use> use = List.of(new ProbeSpec.Use(new ProbeSpec("p", rule, 3, 4), 1, 1));
        FactProbes probes = new FactProbes(use, TrainingFixtures.TEXT, 10);
        probes.addMemory(0, facts);
        Map<Integer, Integer> labels = new HashMap<>();
        for (TrainingBatch.Probe probe : probes.probes(1).get(0)) {
            assertThat(probe.firstOutput()).isBetween(4, 4 + rule.outputs() - probe.numOutputs());
            int register = (probe.firstOutput() - 4) / probe.numOutputs();
            assertThat(labels.put(10 * register + probe.position() - 1, probe.label()))
                    .isNull();
        }
        return labels;
    }

    private static TaskFact fact(String text) {
        SplittableRandom random = new SplittableRandom(3);
        while (true) {
            for (TaskFact fact : List.of(TrainingFacts.relation(random), TrainingFacts.person(random))) {
                if (fact.text().equals(text)) {
                    return fact;
                }
            }
        }
    }

    @Test
    void slotsStandForTheLastPlaceAndForTheDirectionOrName() {
        // bathroom 0, hallway 1, garden 2, office 3, bedroom 4, kitchen 5; north 0; Sandra 3.
        TaskFact office = fact("The office is north of the kitchen.");
        TaskFact sandra = fact("Sandra went to the garden.");
        Map<Integer, Integer> answers = labels(ProbeSpec.Rule.SLOT_ANSWER, List.of(office, sandra));
        assertThat(answers)
                .hasSize(10)
                .containsEntry(5, 3)
                .containsEntry(6, 3)
                .containsEntry(2, 2)
                .containsEntry(9, 2);
        assertThat(answers.values()).filteredOn(label -> label == 6).hasSize(6);
        assertThat(labels(ProbeSpec.Rule.SLOT_KEY, List.of(office, sandra)))
                .containsOnly(Map.entry(5, 20), Map.entry(6, 20), Map.entry(2, 27), Map.entry(9, 27));
        // A second fact that ends with the kitchen: its row is left out.
        TaskFact garden = fact("The garden is south of the kitchen.");
        assertThat(labels(ProbeSpec.Rule.SLOT_ANSWER, List.of(office, garden)))
                .doesNotContainKey(5)
                .containsEntry(6, 3)
                .containsEntry(7, 2);
    }

    @Test
    void registersHoldTheAnswerOfTheirKeyOrNone() {
        TaskFact office = fact("The office is north of the kitchen.");
        TaskFact garden = fact("The garden is south of the kitchen.");
        Map<Integer, Integer> ordered = labels(ProbeSpec.Rule.OBJECT_REGISTERS, List.of(office, garden));
        assertThat(ordered).hasSize(TaskFact.KEYS).containsEntry(5, 3).containsEntry(15, 2);
        assertThat(ordered.values()).filteredOn(label -> label == 6).hasSize(TaskFact.KEYS - 2);
        assertThat(labels(ProbeSpec.Rule.MEMORY, List.of(office)).values())
                .filteredOn(label -> label != 6)
                .containsExactly(3);
    }

    @Test
    void theTwoFactsOfAStoryHardlyEverShareARow() {
        SplittableRandom random = new SplittableRandom(1);
        int shared = 0;
        for (int i = 0; i < 10_000; i++) {
            List<TaskFact> story = TrainingFacts.story(random);
            shared += MemoryPlaces.row(story.get(0).key())
                            == MemoryPlaces.row(story.get(1).key())
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
