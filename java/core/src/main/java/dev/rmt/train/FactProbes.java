package dev.rmt.train;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;
import dev.rmt.task.TrainingText;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The rules of {@link ProbeSpec.Rule}: which rows of the segments of a batch are read by which probe, and with which label.
 * Collects them segment by segment. The loss of a probe is its mean over the rows that have a fact, plus that over the rows
 * that have none, of which there are many more.
 *
 * <p>Memory has a place for each of the 28 keys: ten rows of three registers. North and south of the first five objects share
 * register 0 of the rows, east and west register 1, shifted by four rows; the rest and the persons fill register 2. So the two
 * facts of a story, which lie on one axis, hardly ever share a row: rows that had to hold two facts at once mixed them up.
 */
final class FactProbes {
    /** Registers of a memory row. */
    static final int REGISTERS = 3;

    /** Answers, and none. */
    private static final int REGISTER_OUTPUTS = TrainingFacts.PLACES + 1;

    private static final int FACT_ROWS = 10;
    private static final int[] ROWS_OF_PERSONS = {2, 3, 6, 7};

    /** A row that a probe reads: some of its outputs. */
    private record Row(int segment, int use, int position, int output, int numOutputs, int label, boolean none) {}

    private final List<ProbeSpec.Use> uses;
    private final TrainingText text;
    private final int firstContent; // position of the first content token
    private final List<Row> rows = new ArrayList<>();
    private final int[][] counts; // of the rows of each probe: those with a fact, those without

    /** @param numMemTokens M; the rule for memory needs ten */
    FactProbes(List<ProbeSpec.Use> uses, TrainingText text, int numMemTokens) {
        this.uses = uses;
        this.text = text;
        this.firstContent = 2 + numMemTokens;
        this.counts = new int[uses.size()][2];
        for (ProbeSpec.Use use : uses) {
            if (use.probe().rule().ofMemory() && numMemTokens < FACT_ROWS) {
                throw new IllegalArgumentException("The probe " + use.probe().name() + " of rule "
                        + use.probe().rule() + " reads " + FACT_ROWS + " memory tokens, but the model has "
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
            if (uses.get(u).probe().rule() == ProbeSpec.Rule.MEMORY) {
                for (int key = 0; key < TaskFact.KEYS; key++) {
                    int label = answer(held, key);
                    int output = register(key) * REGISTER_OUTPUTS;
                    add(segment, u, 1 + row(key), output, REGISTER_OUTPUTS, label);
                }
            }
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

    /** The memory row that stands for a key, 0 ... 9. */
    static int row(int key) {
        int object = key / TrainingFacts.DIRECTIONS;
        int direction = key % TrainingFacts.DIRECTIONS;
        if (object >= TrainingFacts.PLACES) {
            return ROWS_OF_PERSONS[direction];
        }
        boolean eastOrWest = direction >= 2;
        if (object == TrainingFacts.PLACES - 1) {
            return (eastOrWest ? 5 : 1) - direction % 2;
        }
        return (2 * object + direction % 2 + (eastOrWest ? 4 : 0)) % FACT_ROWS;
    }

    /** The register of that row, 0 ... 2. */
    static int register(int key) {
        int object = key / TrainingFacts.DIRECTIONS;
        return object >= TrainingFacts.PLACES - 1 ? 2 : key % TrainingFacts.DIRECTIONS / 2;
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
