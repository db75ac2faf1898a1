package dev.rmt.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model small enough to differentiate by hand. A segment with ids i_1 ... i_n at content positions and the memory m (H
 * numbers) that enters makes {@code h = tanh(W m + mean E[i])}; h is the new memory, and classifier and probes of level 1 read
 * it linearly; probes of level 0 read the mean of E. Everything is kept in double precision, so that a test can ask for much
 * more than float. Checks that a backward finds on its tape what it needs.
 */
public final class FakeTrainingBackend implements TrainingBackend {
    public static final int VOCAB = 11;
    public static final int HIDDEN = 3;
    public static final int LABELS = 4;
    public static final int PROBE_OUTPUTS = 5;

    /** Calls in order: "forward 0 of 3 documents", "backward 0 of 2 documents, recomputed". */
    public final List<String> calls = new ArrayList<>();

    public final Map<String, double[]> weights = new LinkedHashMap<>();
    public final Map<String, double[]> gradients = new LinkedHashMap<>();
    private final List<NativeModel.Parameter> parameters = new ArrayList<>();
    private final int maxBatchSize;
    private final long maxTotalLength;
    private final double[][] states;
    private final double[][] stateGradients;
    private final boolean[] written;
    private final Tape[] tapes;
    private final SegmentLayout layout;

    private record Tape(List<Row> rows) {}

    /** One document of a call: what its backward needs. */
    private record Row(
            List<Integer> ids,
            int read,
            int write,
            int label,
            double labelWeight,
            double[] embedding,
            double[] hidden) {}

    public FakeTrainingBackend(
            SegmentLayout layout, int maxBatchSize, long maxTotalLength, int numStates, int numTapes, long seed) {
        this.layout = layout;
        this.maxBatchSize = maxBatchSize;
        this.maxTotalLength = maxTotalLength;
        states = new double[numStates][HIDDEN];
        stateGradients = new double[numStates][HIDDEN];
        written = new boolean[numStates];
        tapes = new Tape[numTapes];
        java.util.Random random = new java.util.Random(seed);
        add("embedding", random, VOCAB, HIDDEN);
        add("recurrence", random, HIDDEN, HIDDEN);
        add(MEMORY, random, 1, HIDDEN);
        add("classifier", random, LABELS, HIDDEN);
        add("probe.weight", random, PROBE_OUTPUTS, HIDDEN);
    }

    private void add(String name, java.util.Random random, long rows, long columns) {
        parameters.add(new NativeModel.Parameter(parameters.size(), name, List.of(rows, columns)));
        weights.put(
                name, random.doubles(rows * columns, -1, 1).map(x -> (float) x).toArray());
        gradients.put(name, new double[(int) (rows * columns)]);
    }

    @Override
    public int memorySize() {
        return HIDDEN;
    }

    @Override
    public int numLabels() {
        return LABELS;
    }

    @Override
    public int numStates() {
        return states.length;
    }

    @Override
    public int numTapes() {
        return tapes.length;
    }

    @Override
    public int maxBatchSize() {
        return maxBatchSize;
    }

    @Override
    public int maxInputLength() {
        return layout.inputLength();
    }

    @Override
    public long maxTotalLength() {
        return maxTotalLength;
    }

    @Override
    public long bytes() {
        return 0;
    }

    @Override
    public List<NativeModel.Parameter> parameters() {
        return parameters;
    }

    private double[] values(Values which, NativeModel.Parameter parameter) {
        return switch (which) {
            case WEIGHTS -> weights.get(parameter.name());
            case GRADIENTS -> gradients.get(parameter.name());
            default -> throw new IllegalArgumentException("There is no " + which + ".");
        };
    }

    @Override
    public void setValues(Values which, NativeModel.Parameter parameter, float[] values, long first, int count) {
        double[] target = values(which, parameter);
        for (int i = 0; i < count; i++) {
            target[(int) first + i] = values[i];
        }
    }

    @Override
    public void getValues(Values which, NativeModel.Parameter parameter, float[] values, long first, int count) {
        double[] source = values(which, parameter);
        for (int i = 0; i < count; i++) {
            values[i] = (float) source[(int) first + i];
        }
    }

    @Override
    public void setState(int state, float[] values) {
        for (int i = 0; i < HIDDEN; i++) {
            states[state][i] = values[i];
        }
        written[state] = true;
    }

    @Override
    public void getState(int state, float[] values) {
        for (int i = 0; i < HIDDEN; i++) {
            values[i] = (float) states[state][i];
        }
    }

    @Override
    public void setStateGradient(int state, float[] values) {
        for (int i = 0; i < HIDDEN; i++) {
            stateGradients[state][i] = values[i];
        }
    }

    @Override
    public void getStateGradient(int state, float[] values) {
        for (int i = 0; i < HIDDEN; i++) {
            values[i] = (float) stateGradients[state][i];
        }
    }

    @Override
    public void clearStateGradient(int state) {
        for (int s = 0; s < states.length; s++) {
            if (state == -1 || state == s) {
                Arrays.fill(stateGradients[s], 0);
            }
        }
    }

    @Override
    public void forward(int tape, TrainingSegment segment) {
        calls.add("forward " + tape + " of " + segment.size() + " documents");
        tapes[tape] = new Tape(compute(segment));
        int probes = segment.numProbes();
        for (int b = 0; b < segment.size(); b++) {
            Row row = tapes[tape].rows.get(b);
            if (row.write >= 0) {
                states[row.write] = row.hidden.clone();
                written[row.write] = true;
            }
            segment.losses()[b] = 0;
            if (row.label >= 0) {
                double[] logits = linear("classifier", 0, LABELS, row.hidden);
                segment.losses()[b] = crossEntropy(logits, row.label);
                for (int i = 0; i < LABELS; i++) {
                    segment.logits()[b * LABELS + i] = (float) logits[i];
                }
            }
        }
        for (int p = 0; p < probes; p++) {
            Probe probe = new Probe(segment, p);
            double[] logits = linear("probe.weight", probe.first, probe.count, input(tapes[tape], probe));
            segment.probeLosses()[p] = crossEntropy(logits, probe.label);
            int best = 0;
            for (int i = 1; i < logits.length; i++) {
                best = logits[i] > logits[best] ? i : best;
            }
            segment.probePredictions()[p] = best;
        }
    }

    private static double[] input(Tape tape, Probe probe) {
        Row row = tape.rows.get(probe.document);
        return probe.level == 0 ? row.embedding : row.hidden;
    }

    private record Probe(int document, int level, int first, int count, int label, double weight) {
        Probe(TrainingSegment segment, int p) {
            this(
                    segment.probeRows()[6 * p],
                    segment.probeRows()[6 * p + 1],
                    segment.probeRows()[6 * p + 3],
                    segment.probeRows()[6 * p + 4],
                    segment.probeRows()[6 * p + 5],
                    segment.probeWeights()[p]);
        }
    }

    private List<Row> compute(TrainingSegment segment) {
        List<Row> rows = new ArrayList<>();
        long total = 0;
        for (int b = 0; b < segment.size(); b++) {
            total += segment.lengths()[b];
            List<Integer> ids = new ArrayList<>();
            // [CLS] memory [SEP] content [SEP]: only the content is read here.
            int memoryStart = segment.readMemoryStart()[b];
            for (int t = memoryStart + 2; t < segment.lengths()[b] - 1; t++) {
                ids.add(segment.ids()[b * segment.inputLength() + t]);
            }
            double[] embedding = new double[HIDDEN];
            for (int id : ids) {
                for (int i = 0; i < HIDDEN; i++) {
                    embedding[i] += weights.get("embedding")[id * HIDDEN + i] / ids.size();
                }
            }
            int read = segment.readState()[b];
            if (read >= 0 && !written[read]) {
                throw new IllegalStateException("State " + read + " is read before it is written.");
            }
            double[] hidden = linear("recurrence", 0, HIDDEN, read < 0 ? weights.get(MEMORY) : states[read]);
            for (int i = 0; i < HIDDEN; i++) {
                hidden[i] = Math.tanh(hidden[i] + embedding[i]);
            }
            rows.add(new Row(
                    ids,
                    read,
                    segment.writeState()[b],
                    segment.labels()[b],
                    segment.labelWeights()[b],
                    embedding,
                    hidden));
        }
        if (segment.size() > maxBatchSize || (segment.size() > 1 && total > maxTotalLength)) {
            throw new IllegalArgumentException(segment.size() + " documents of " + total + " positions are too many.");
        }
        return rows;
    }

    @Override
    public void backward(int tape, TrainingSegment segment, boolean withLoss, boolean recompute) {
        calls.add("backward " + tape + " of " + segment.size() + " documents" + (recompute ? ", recomputed" : ""));
        List<Row> rows = compute(segment);
        if (recompute) {
            tapes[tape] = new Tape(rows);
        } else if (tapes[tape] == null || !same(tapes[tape].rows, rows)) {
            throw new IllegalStateException("Tape " + tape + " does not hold the forward of this segment.");
        }
        double[][] dhidden = new double[segment.size()][HIDDEN];
        double[][] dembedding = new double[segment.size()][HIDDEN];
        for (int p = 0; withLoss && p < segment.numProbes(); p++) {
            Probe probe = new Probe(segment, p);
            double[] in = input(tapes[tape], probe);
            double[] dlogits = crossEntropyGradient(
                    linear("probe.weight", probe.first, probe.count, in), probe.label, probe.weight);
            double[] din = probe.level == 0 ? dembedding[probe.document] : dhidden[probe.document];
            linearBackward("probe.weight", probe.first, probe.count, in, dlogits, din);
        }
        for (int b = 0; b < rows.size(); b++) {
            Row row = rows.get(b);
            if (withLoss && row.label >= 0) {
                double[] logits = linear("classifier", 0, LABELS, row.hidden);
                linearBackward(
                        "classifier",
                        0,
                        LABELS,
                        row.hidden,
                        crossEntropyGradient(logits, row.label, row.labelWeight),
                        dhidden[b]);
            }
            for (int i = 0; i < HIDDEN; i++) {
                if (row.write >= 0) {
                    dhidden[b][i] += stateGradients[row.write][i];
                }
                // Through tanh.
                dhidden[b][i] *= 1 - row.hidden[i] * row.hidden[i];
                dembedding[b][i] += dhidden[b][i];
            }
            double[] memory = row.read < 0 ? weights.get(MEMORY) : states[row.read];
            double[] dmemory = row.read < 0 ? gradients.get(MEMORY) : stateGradients[row.read];
            linearBackward("recurrence", 0, HIDDEN, memory, dhidden[b], dmemory);
            for (int id : row.ids) {
                for (int i = 0; i < HIDDEN; i++) {
                    gradients.get("embedding")[id * HIDDEN + i] += dembedding[b][i] / row.ids.size();
                }
            }
        }
    }

    private static boolean same(List<Row> one, List<Row> other) {
        if (one.size() != other.size()) {
            return false;
        }
        for (int i = 0; i < one.size(); i++) {
            if (!one.get(i).ids.equals(other.get(i).ids) || !Arrays.equals(one.get(i).hidden, other.get(i).hidden)) {
                return false;
            }
        }
        return true;
    }

    private double[] linear(String weight, int first, int count, double[] in) {
        double[] out = new double[count];
        for (int o = 0; o < count; o++) {
            for (int i = 0; i < HIDDEN; i++) {
                out[o] += weights.get(weight)[(first + o) * HIDDEN + i] * in[i];
            }
        }
        return out;
    }

    private void linearBackward(String weight, int first, int count, double[] in, double[] dout, double[] din) {
        for (int o = 0; o < count; o++) {
            for (int i = 0; i < HIDDEN; i++) {
                din[i] += weights.get(weight)[(first + o) * HIDDEN + i] * dout[o];
                gradients.get(weight)[(first + o) * HIDDEN + i] += in[i] * dout[o];
            }
        }
    }

    public static double crossEntropy(double[] logits, int label) {
        double sum = 0;
        for (double logit : logits) {
            sum += Math.exp(logit);
        }
        return Math.log(sum) - logits[label];
    }

    private static double[] crossEntropyGradient(double[] logits, int label, double weight) {
        double[] gradient = new double[logits.length];
        double sum = Arrays.stream(logits).map(Math::exp).sum();
        for (int i = 0; i < logits.length; i++) {
            gradient[i] = weight * (Math.exp(logits[i]) / sum - (i == label ? 1 : 0));
        }
        return gradient;
    }

    @Override
    public double step(AdamW options) {
        throw new UnsupportedOperationException("Nothing is learned here.");
    }

    @Override
    public void clearGradients() {
        gradients.values().forEach(values -> Arrays.fill(values, 0));
    }

    @Override
    public void close() {}
}
