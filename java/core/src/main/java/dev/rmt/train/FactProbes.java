package dev.rmt.train;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;
import dev.rmt.task.TrainingText;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The rules of {@link ProbeSpec.Rule}: which rows of the segments of a batch are read by which probe, and with which label.
 * Collects them segment by segment, then gives each the weight that makes a probe's loss a weighted mean over its rows.
 */
final class FactProbes {
    /** A row that a probe reads. */
    private record Row(int segment, int use, int position, int label, double weight) {}

    private final List<ProbeSpec.Use> uses;
    private final TrainingText text;
    private final int firstContent; // position of the first content token
    private final List<Row> rows = new ArrayList<>();
    private final double[] weightSums;

    /** @param numMemTokens M; rules for memory rows need a row for each place and each direction */
    FactProbes(List<ProbeSpec.Use> uses, TrainingText text, int numMemTokens) {
        this.uses = uses;
        this.text = text;
        this.firstContent = 2 + numMemTokens;
        this.weightSums = new double[uses.size()];
        int needed = TrainingFacts.PLACES + Math.max(TrainingFacts.DIRECTIONS, TrainingFacts.NAMES);
        for (ProbeSpec.Use use : uses) {
            if (use.probe().rule().ofMemory() && numMemTokens < needed) {
                throw new IllegalArgumentException("The probe " + use.probe().name() + " of rule "
                        + use.probe().rule() + " reads " + needed + " memory tokens, but the model has " + numMemTokens
                        + ".");
            }
        }
    }

    /**
     * The tokens of a segment.
     *
     * @param factEnds facts in it, by the offset in the content at which their last place ends
     */
    void addTokens(int segment, int[] content, Map<Integer, TaskFact> factEnds) {
        for (int u = 0; u < uses.size(); u++) {
            ProbeSpec.Rule rule = uses.get(u).probe().rule();
            if (rule == ProbeSpec.Rule.FACT_KEY) {
                for (int i = 0; i < content.length; i++) {
                    if (text.endsPlace(content[i])) {
                        TaskFact fact = factEnds.get(i);
                        add(segment, u, firstContent + i, fact == null ? TaskFact.KEYS : fact.key());
                    }
                }
            } else if (rule == ProbeSpec.Rule.FACT_ANSWER) {
                for (Map.Entry<Integer, TaskFact> end : factEnds.entrySet()) {
                    add(segment, u, firstContent + end.getKey(), end.getValue().answer());
                }
            }
        }
    }

    /** The [CLS] of a segment that asks for a fact. */
    void addQuestion(int segment, TaskFact asked) {
        for (int u = 0; u < uses.size(); u++) {
            if (uses.get(u).probe().rule() == ProbeSpec.Rule.FACT_KEY) {
                add(segment, u, 0, asked.key());
            }
        }
    }

    /** The memory that a segment writes, which should hold these facts. */
    void addMemory(int segment, List<TaskFact> held) {
        int slots = TrainingFacts.PLACES + TrainingFacts.DIRECTIONS;
        TaskFact[] facts = new TaskFact[slots];
        int[] counts = new int[slots];
        for (TaskFact fact : held) {
            for (int slot : slots(fact)) {
                facts[slot] = fact;
                counts[slot]++;
            }
        }
        for (int u = 0; u < uses.size(); u++) {
            ProbeSpec.Rule rule = uses.get(u).probe().rule();
            for (int slot = 0; slot < slots && rule.ofMemory(); slot++) {
                if (counts[slot] == 1) {
                    TaskFact fact = facts[slot];
                    add(segment, u, 1 + slot, rule == ProbeSpec.Rule.SLOT_KEY ? fact.key() : fact.answer());
                } else if (counts[slot] == 0 && rule == ProbeSpec.Rule.SLOT_ANSWER) {
                    add(segment, u, 1 + slot, TrainingFacts.PLACES);
                }
            }
        }
    }

    /** The two memory rows that stand for a fact. */
    private static int[] slots(TaskFact fact) {
        int second = fact.ofPerson() ? fact.name() : fact.direction();
        return new int[] {fact.lastPlace(), TrainingFacts.PLACES + second};
    }

    private void add(int segment, int use, int position, int label) {
        ProbeSpec.Use how = uses.get(use);
        boolean none =
                how.probe().rule().hasNone() && label == how.probe().rule().classes() - 1;
        double weight = none ? how.noneWeight() : 1;
        weightSums[use] += weight;
        rows.add(new Row(segment, use, position, label, weight));
    }

    /** What was collected, by segment 0 ... {@code segments - 1}. */
    List<List<TrainingBatch.Probe>> probes(int segments) {
        List<List<TrainingBatch.Probe>> probes = new ArrayList<>();
        for (int i = 0; i < segments; i++) {
            probes.add(new ArrayList<>());
        }
        for (Row row : rows) {
            ProbeSpec.Use use = uses.get(row.use());
            double sum = weightSums[row.use()];
            probes.get(row.segment())
                    .add(new TrainingBatch.Probe(
                            use.probe().layer(),
                            row.position(),
                            use.probe().firstOutput(),
                            use.probe().rule().classes(),
                            row.label(),
                            sum == 0 ? 0 : (float) (use.weight() * row.weight() / sum)));
        }
        return probes;
    }
}
