package dev.rmt.train;

import dev.rmt.internal.NativeModel;
import dev.rmt.internal.NotFiniteException;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.internal.TrainingBackend;
import dev.rmt.internal.TrainingBackend.Values;
import dev.rmt.internal.TrainingSegment;
import java.util.Arrays;
import java.util.Optional;

/**
 * Back-propagation through time: the loop over the segments of a batch, forwards and backwards. Gradients are added to those
 * that the backend holds.
 *
 * <p>All segments of one depth form a wave. Forward goes from wave to wave: each segment writes its memory to a state of its
 * own, which its children read. Backward goes from wave to wave the other way: a segment takes the gradient of the memory that
 * it wrote, which all its readers have added to, and adds to the gradient of the memory that it read.
 *
 * <p>With a {@code bptt_depth} of k each loss reaches its own segment and at most k earlier ones; memory that enters the
 * oldest of them is a constant, unless the document starts there: the initial memory is a parameter like others. Since the
 * losses of one wave have the same window, there is one sweep for each wave that has losses.
 *
 * <p>Between forward and backward only the memory states are kept, and the activations of as many calls as the backend has
 * tapes. A call whose activations are gone is run forward again before its backward: depth costs time and not memory.
 */
final class Backpropagation {
    /** The bptt_depth that reaches back to the start of every document. */
    static final int ALL = -1;

    private final TrainingBackend backend;
    private final SegmentLayout layout;
    private final float hiddenDropout;
    private final float attentionDropout;
    private final int usedTapes;
    private final TrainingSegment segment;
    private final Optional<NativeModel.Parameter> initialMemory;

    /**
     * @param hiddenDropout probability of dropping a hidden value
     * @param attentionDropout probability of dropping an attention weight
     * @param usedTapes how many tapes of the backend are used, 1 or more: with fewer, more is run again
     */
    Backpropagation(
            TrainingBackend backend, SegmentLayout layout, float hiddenDropout, float attentionDropout, int usedTapes) {
        this.backend = backend;
        this.layout = layout;
        this.hiddenDropout = hiddenDropout;
        this.attentionDropout = attentionDropout;
        if (usedTapes < 1 || usedTapes > backend.numTapes()) {
            throw new IllegalArgumentException(
                    "A trainer with " + backend.numTapes() + " tapes cannot use " + usedTapes + " of them.");
        }
        this.usedTapes = usedTapes;
        segment = new TrainingSegment(backend.maxBatchSize(), layout.inputLength(), backend.numLabels());
        initialMemory = backend.parameters().stream()
                .filter(parameter -> parameter.name().equals(TrainingBackend.MEMORY))
                .findFirst();
    }

    /** How a batch is run on this backend: what it needs of it. */
    BatchPlan plan(TrainingBatch batch) {
        return BatchPlan.of(batch, layout, backend.maxBatchSize(), backend.maxTotalLength(), backend.memorySize());
    }

    /**
     * Runs a batch forwards and backwards.
     *
     * @param bpttDepth how many earlier segments a loss may reach; {@link #ALL}: all
     * @throws NotFiniteException if the loss is NaN or infinite; nothing has been added to the gradients then
     * @throws IllegalStateException if the batch needs more states than the backend has
     */
    TrainingOutcome run(TrainingBatch batch, int bpttDepth) {
        Run run = new Run(batch);
        run.forward();
        run.requireFinite();
        run.backward(bpttDepth);
        return run.outcome;
    }

    /** Runs a batch forwards alone. */
    TrainingOutcome forward(TrainingBatch batch) {
        Run run = new Run(batch);
        run.forward();
        return run.outcome;
    }

    /** One batch on its way. */
    private final class Run {
        private final TrainingBatch batch;
        private final BatchPlan plan;
        private final TrainingOutcome outcome;
        /** For each tape the call whose activations it holds; -1: none, or not all of its segments. */
        private final int[] heldBy;

        private final float[] memory = new float[backend.memorySize()];
        private final float[] sum = new float[backend.memorySize()];

        Run(TrainingBatch batch) {
            this.batch = batch;
            plan = plan(batch);
            outcome = new TrainingOutcome(batch);
            heldBy = new int[usedTapes];
            Arrays.fill(heldBy, -1);
            if (plan.numStates() > backend.numStates()) {
                throw new IllegalStateException("The batch needs " + plan.numStates()
                        + " memory states, the trainer has " + backend.numStates() + ".");
            }
        }

        // ---- forward ----

        void forward() {
            for (int s = 0; s < batch.startMemories().size(); s++) {
                backend.setState(plan.startState(s), batch.startMemories().get(s));
            }
            for (int call = 0; call < plan.calls().size(); call++) {
                int[] rows = plan.calls().get(call);
                for (int i : rows) {
                    addNoise(i);
                }
                fill(rows);
                int tape = tape(call);
                heldBy[tape] = -1;
                backend.forward(tape, segment);
                heldBy[tape] = call;
                read(rows);
            }
        }

        private int tape(int call) {
            return call % heldBy.length;
        }

        /** A segment with noise reads a state of its own: the memory that it would have read, with noise on what is in use. */
        private void addNoise(int i) {
            float[] noise = batch.segment(i).memoryNoise();
            if (noise == null || memory.length == 0) {
                return;
            }
            int source = plan.sourceState(i);
            if (source == BatchPlan.NO_STATE) {
                backend.getValues(Values.WEIGHTS, initialMemory.orElseThrow(), memory, 0, memory.length);
            } else {
                backend.getState(source, memory);
            }
            for (int m = 0; m < memory.length; m++) {
                memory[m] += memory[m] == 0 ? 0 : noise[m]; // what memory never uses is exactly zero, and stays so
            }
            backend.setState(plan.readState(i), memory);
        }

        /** Puts segments of the batch into the arrays of a call. */
        private void fill(int[] rows) {
            int longest = 0;
            for (int i : rows) {
                longest = Math.max(longest, layout.length(batch.segment(i).content().length));
            }
            segment.begin(longest, hiddenDropout, attentionDropout);
            for (int i : rows) {
                TrainingBatch.Segment one = batch.segment(i);
                int row = layout.addTo(
                        segment,
                        one.content(),
                        plan.readState(i),
                        plan.writeState(i),
                        one.label(),
                        one.labelWeight(),
                        one.dropoutKey());
                for (TrainingBatch.Probe probe : one.probes()) {
                    segment.addProbe(
                            row,
                            probe.level(),
                            probe.position(),
                            probe.firstOutput(),
                            probe.numOutputs(),
                            probe.label(),
                            probe.weight());
                }
            }
        }

        /** Takes what a forward has written. */
        private void read(int[] rows) {
            int labels = backend.numLabels();
            int probe = 0;
            for (int row = 0; row < rows.length; row++) {
                TrainingBatch.Segment one = batch.segment(rows[row]);
                int probes = one.probes().size();
                float[] newMemory = null;
                if (one.keepsMemory()) {
                    newMemory = new float[memory.length];
                    if (newMemory.length > 0) {
                        backend.getState(plan.writeState(rows[row]), newMemory);
                    }
                }
                outcome.put(
                        rows[row],
                        segment.losses()[row],
                        Arrays.copyOfRange(segment.logits(), row * labels, (row + 1) * labels),
                        Arrays.copyOfRange(segment.probeLosses(), probe, probe + probes),
                        Arrays.copyOfRange(segment.probePredictions(), probe, probe + probes),
                        newMemory);
                probe += probes;
            }
        }

        /** Names the first loss that is not finite. */
        void requireFinite() {
            for (int i = 0; i < batch.size(); i++) {
                if (!Double.isFinite(outcome.loss(i))) {
                    throw new NotFiniteException("the loss of segment " + i + " of the batch");
                }
                for (int p = 0; p < batch.segment(i).probes().size(); p++) {
                    if (!Double.isFinite(outcome.probeLoss(i, p))) {
                        throw new NotFiniteException("the loss of probe " + p + " of segment " + i + " of the batch");
                    }
                }
            }
        }

        // ---- backward ----

        void backward(int bpttDepth) {
            int deepest = plan.numWaves() - 1;
            if (bpttDepth == ALL || bpttDepth >= deepest) {
                // Every window is longer than every document: one sweep takes all losses along.
                boolean[] reached = new boolean[batch.size()];
                for (int i = 0; i < reached.length; i++) {
                    reached[i] = contributes(batch.segment(i));
                }
                sweep(reached, deepest, 0, true);
                return;
            }
            for (int wave = deepest; wave >= 0; wave--) {
                boolean[] reached = new boolean[batch.size()];
                boolean any = false;
                for (int i = 0; i < reached.length; i++) {
                    reached[i] = plan.depth(i) == wave && contributes(batch.segment(i));
                    any |= reached[i];
                }
                if (any) {
                    sweep(reached, wave, Math.max(0, wave - bpttDepth), false);
                }
            }
        }

        /**
         * Goes back from the segments in {@code reached}, whose losses are taken, to wave {@code last}.
         *
         * @param first wave of the deepest of them
         * @param every whether the losses of all waves are taken, or those of the first wave only
         */
        private void sweep(boolean[] reached, int first, int last, boolean every) {
            for (int i = batch.size() - 1; i >= 0; i--) {
                int parent = batch.segment(i).parent();
                if (reached[i] && parent != TrainingBatch.NONE && plan.depth(parent) >= last) {
                    reached[parent] = true;
                }
            }
            if (plan.numStates() > 0) {
                backend.clearStateGradient(-1);
            }
            for (int call = plan.calls().size() - 1; call >= 0; call--) {
                int[] all = plan.calls().get(call);
                int wave = plan.depth(all[0]);
                int[] rows = Arrays.stream(all).filter(i -> reached[i]).toArray();
                if (wave > first || wave < last || rows.length == 0) {
                    continue;
                }
                int tape = tape(call);
                boolean held = heldBy[tape] == call;
                // The activations of all segments of the call are there, or only those that are needed are made again.
                // Those
                // that are not needed have no gradient: they add nothing.
                fill(held ? all : rows);
                if (!held) {
                    heldBy[tape] = rows.length == all.length ? call : -1;
                }
                backend.backward(tape, segment, every || wave == first, !held);
                if (wave > last || wave == 0) {
                    for (int i : rows) {
                        passNoiseGradient(i);
                    }
                }
            }
        }

        private static boolean contributes(TrainingBatch.Segment one) {
            return (one.label() != TrainingBatch.NONE && one.labelWeight() > 0)
                    || one.probes().stream().anyMatch(probe -> probe.weight() > 0);
        }

        /** Noise is a constant: the gradient of memory and noise is that of the memory. */
        private void passNoiseGradient(int i) {
            if (batch.segment(i).memoryNoise() == null || memory.length == 0) {
                return;
            }
            backend.getStateGradient(plan.readState(i), memory);
            for (float value : memory) {
                if (!Float.isFinite(value)) {
                    throw new NotFiniteException(
                            "the gradient of the memory that enters segment " + i + " of the batch");
                }
            }
            int source = plan.sourceState(i);
            if (source == BatchPlan.NO_STATE) {
                NativeModel.Parameter parameter = initialMemory.orElseThrow();
                backend.getValues(Values.GRADIENTS, parameter, sum, 0, sum.length);
                addMemory();
                backend.setValues(Values.GRADIENTS, parameter, sum, 0, sum.length);
            } else {
                backend.getStateGradient(source, sum);
                addMemory();
                backend.setStateGradient(source, sum);
            }
        }

        private void addMemory() {
            for (int m = 0; m < sum.length; m++) {
                sum[m] += memory[m];
            }
        }
    }
}
