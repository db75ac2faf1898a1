package dev.rmt.train;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;
import dev.rmt.task.TrainingText;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.IntUnaryOperator;

/**
 * The rules of {@link ProbeSpec.Rule}: which rows of the segments of a batch are read by which probe, and with which label.
 * Collects them segment by segment. The loss of a probe is its mean over the rows that have a fact, plus that over the rows
 * that have none, of which there are many more.
 */
final class FactProbes {
    private static final int ANSWER_OUTPUTS = TrainingFacts.PLACES + 1; // and none

    /** A row that a probe reads: some of its outputs. */
    private record Row(int segment, int use, int position, int output, int numOutputs, int label, boolean none) {}

    private final List<ProbeSpec.Use> uses;
    private final TrainingText text;
    private final int firstContent; // position of the first content token
    private final List<Row> rows = new ArrayList<>();
    private final int[][] counts; // of the rows of each probe: those with a fact, those without

    /** @param numMemTokens M; rules for memory need ten */
    FactProbes(List<ProbeSpec.Use> uses, TrainingText text, int numMemTokens) {
        this.uses = uses;
        this.text = text;
        this.firstContent = 2 + numMemTokens;
        this.counts = new int[uses.size()][2];
        for (ProbeSpec.Use use : uses) {
            if (use.probe().rule().ofMemory() && numMemTokens < MemoryPlaces.ROWS) {
                throw new IllegalArgumentException("The probe " + use.probe().name() + " of rule "
                        + use.probe().rule() + " reads " + MemoryPlaces.ROWS + " memory tokens, but the model has "
                        + numMemTokens
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
        for (int u = 0; u < uses.size(); u++) {
            ProbeSpec.Rule rule = uses.get(u).probe().rule();
            switch (rule) {
                case MEMORY -> addRegisters(segment, u, held, MemoryPlaces::row, MemoryPlaces::register);
                case OBJECT_REGISTERS ->
                    addRegisters(segment, u, held, MemoryPlaces::objectRow, MemoryPlaces::directionRegister);
                case SLOT_ANSWER, SLOT_KEY -> addSlots(segment, u, held, rule == ProbeSpec.Rule.SLOT_KEY);
                default -> {} // reads tokens
            }
        }
    }

    private void addRegisters(
            int segment, int use, List<TaskFact> held, IntUnaryOperator row, IntUnaryOperator register) {
        for (int key = 0; key < TaskFact.KEYS; key++) {
            int output = register.applyAsInt(key) * ANSWER_OUTPUTS;
            add(segment, use, 1 + row.applyAsInt(key), output, ANSWER_OUTPUTS, answer(held, key));
        }
    }

    private static int answer(List<TaskFact> facts, int key) {
        for (TaskFact fact : facts) {
            if (fact.key() == key) {
                return fact.answer();
            }
        }
        return TrainingFacts.PLACES;
    }

    /** A row that stands for several facts at once is left out. */
    private void addSlots(int segment, int use, List<TaskFact> held, boolean keys) {
        TaskFact[] facts = new TaskFact[MemoryPlaces.ROWS];
        int[] count = new int[MemoryPlaces.ROWS];
        for (TaskFact fact : held) {
            for (int slot : MemoryPlaces.slots(fact)) {
                facts[slot] = fact;
                count[slot]++;
            }
        }
        for (int slot = 0; slot < MemoryPlaces.ROWS; slot++) {
            if (count[slot] == 1) {
                add(segment, use, 1 + slot, keys ? facts[slot].key() : facts[slot].answer());
            } else if (count[slot] == 0 && !keys) {
                add(segment, use, 1 + slot, TrainingFacts.PLACES);
            }
        }
    }

    private void add(int segment, int use, int position, int label) {
        add(segment, use, position, 0, uses.get(use).probe().rule().outputs(), label);
    }

    private void add(int segment, int use, int position, int output, int numOutputs, int label) {
        boolean none = uses.get(use).probe().rule().hasNone() && label == numOutputs - 1;
        counts[use][none ? 1 : 0]++;
        rows.add(new Row(segment, use, position, output, numOutputs, label, none));
    }

    /** What was collected, by segment 0 ... {@code segments - 1}. */
    List<List<TrainingBatch.Probe>> probes(int segments) {
        List<List<TrainingBatch.Probe>> probes = new ArrayList<>();
        for (int i = 0; i < segments; i++) {
            probes.add(new ArrayList<>());
        }
        for (Row row : rows) {
            ProbeSpec.Use use = uses.get(row.use());
            double weight = row.none()
                    ? use.weight() * use.noneWeight() / counts[row.use()][1]
                    : use.weight() / counts[row.use()][0];
            probes.get(row.segment())
                    .add(new TrainingBatch.Probe(
                            use.probe().layer(),
                            row.position(),
                            use.probe().firstOutput() + row.output(),
                            row.numOutputs(),
                            row.label(),
                            (float) weight));
        }
        return probes;
    }
}
