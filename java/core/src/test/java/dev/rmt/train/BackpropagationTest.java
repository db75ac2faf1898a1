package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.rmt.internal.FakeTrainingBackend;
import dev.rmt.internal.NotFiniteException;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.internal.TrainingBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The loop over segments on a model whose loss is recomputed here by plain recursion: gradients against central differences of
 * that loss, with every cut of {@code bptt_depth} made explicit in the recursion.
 */
class BackpropagationTest {
    private static final SegmentLayout LAYOUT = SegmentLayout.encoder(16, 1, 0, 1);
    private static final int H = FakeTrainingBackend.HIDDEN;

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 1, 2, 3, 7})
    void gradientsAreThoseOfTheLossWithItsWindows(int bpttDepth) {
        TrainingBatch batch = forest(false);
        FakeTrainingBackend backend = backend(2, 1);

        run(backend, batch, bpttDepth);

        assertGradients(backend, batch, bpttDepth, 1e-8);
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 1, 2})
    void noiseOnMemoryIsAConstant(int bpttDepth) {
        TrainingBatch batch = forest(true);
        FakeTrainingBackend backend = backend(2, 1);

        run(backend, batch, bpttDepth);

        // Gradients of memory pass through float here.
        assertGradients(backend, batch, bpttDepth, 1e-6);
    }

    @Test
    void lossesAndPredictionsAreThoseOfThePlainRecursion() {
        TrainingBatch batch = forest(true);
        FakeTrainingBackend backend = backend(2, 1);

        TrainingOutcome outcome = new Backpropagation(backend, LAYOUT, 0, 0, 1).forward(batch);

        assertThat(outcome.loss()).isCloseTo(new Recursion(backend, batch).loss(-1), within(1e-6));
        assertThat(outcome.loss(0)).isZero();
        assertThat(outcome.memory(3)).hasSize(H);
        assertThatThrownBy(() -> outcome.memory(0)).hasMessageContaining("was not kept");
        assertThatThrownBy(() -> outcome.prediction(0)).hasMessageContaining("has no label");
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 1, 2})
    void recomputationChangesNothing(int bpttDepth) {
        TrainingBatch batch = forest(false);
        FakeTrainingBackend none = backend(2, 40);
        FakeTrainingBackend all = backend(2, 1);

        run(none, batch, bpttDepth);
        run(all, batch, bpttDepth);

        assertThat(none.calls).noneMatch(call -> call.endsWith("recomputed"));
        assertThat(all.calls).anyMatch(call -> call.endsWith("recomputed"));
        none.gradients.forEach(
                (name, values) -> assertThat(all.gradients.get(name)).as(name).containsExactly(values, within(1e-14)));
    }

    @Test
    void theCallThatWasRunLastIsNotRunAgain() {
        FakeTrainingBackend backend = backend(8, 1);

        run(backend, TrainingBatch.of(List.of(reading(1).label(0, 1).build())), -1);

        assertThat(backend.calls).containsExactly("forward 0 of 1 documents", "backward 0 of 1 documents");
    }

    @Test
    void segmentsThatNoLossReachesAreNotRunBackwards() {
        FakeTrainingBackend backend = backend(8, 1);
        TrainingBatch batch = TrainingBatch.of(List.of(
                reading(1).build(),
                reading(2).build(),
                reading(3).after(0).label(1, 1).build(),
                reading(4).after(1).build()));

        run(backend, batch, -1);

        assertThat(backend.calls)
                .containsExactly(
                        "forward 0 of 2 documents",
                        "forward 0 of 2 documents",
                        "backward 0 of 2 documents",
                        "backward 0 of 1 documents, recomputed");
    }

    @Test
    void theOrderOfDocumentsDoesNotMatter() {
        TrainingBatch batch = forest(false);
        int[] order = {8, 4, 0, 9, 6, 1, 5, 2, 3, 7};
        List<TrainingBatch.Segment> shuffled = new ArrayList<>();
        int[] newIndex = new int[order.length];
        for (int i : order) {
            TrainingBatch.Segment old = batch.segment(i);
            newIndex[i] = shuffled.size();
            shuffled.add(new TrainingBatch.Segment(
                    old.parent() < 0 ? -1 : newIndex[old.parent()],
                    old.start(),
                    old.content(),
                    old.writesMemory(),
                    old.label(),
                    old.labelWeight(),
                    old.memoryNoise(),
                    old.dropoutKey(),
                    old.probes(),
                    old.keepsMemory()));
        }
        FakeTrainingBackend first = backend(3, 1);
        FakeTrainingBackend second = backend(3, 1);

        run(first, batch, 1);
        run(second, new TrainingBatch(shuffled, batch.startMemories()), 1);

        first.gradients.forEach((name, values) ->
                assertThat(second.gradients.get(name)).as(name).containsExactly(values, within(1e-13)));
    }

    @Test
    void aBatchIsDividedIntoCallsThatTheBackendCanHold() {
        FakeTrainingBackend backend = new FakeTrainingBackend(LAYOUT, 3, 12, 40, 1, 5);
        List<TrainingBatch.Segment> segments = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            segments.add(reading(1 + i, 2).label(0, 1).build());
        }

        new Backpropagation(backend, LAYOUT, 0, 0, 1).forward(TrainingBatch.of(segments));

        // Six positions each: 12 hold two of them.
        assertThat(backend.calls)
                .containsExactly("forward 0 of 2 documents", "forward 0 of 2 documents", "forward 0 of 1 documents");
    }

    @Test
    void aLossThatIsNotFiniteIsNamedBeforeAnyGradientIsMade() {
        FakeTrainingBackend backend = backend(8, 1);
        backend.weights.get("classifier")[0] = Double.NaN;
        TrainingBatch batch = TrainingBatch.of(
                List.of(reading(1).build(), reading(2).after(0).label(1, 1).build()));

        assertThatThrownBy(() -> run(backend, batch, -1))
                .isInstanceOf(NotFiniteException.class)
                .hasMessage("the loss of segment 1 of the batch");
        assertThat(backend.calls).noneMatch(call -> call.startsWith("backward"));
    }

    @Test
    void whatDoesNotFitTheModelIsNamed() {
        Backpropagation loop = new Backpropagation(backend(8, 1), LAYOUT, 0, 0, 1);

        assertThatThrownBy(() -> loop.forward(TrainingBatch.of(
                        List.of(TrainingBatch.reading(new int[13]).build()))))
                .hasMessage("13 content tokens do not fit a segment that holds 12.");
        assertThatThrownBy(() -> loop.forward(TrainingBatch.of(
                        List.of(reading(1).memoryNoise(new float[7]).build()))))
                .hasMessage("The memory noise of segment 0 has 7 values; a memory of this model has 3.");
        assertThatThrownBy(() -> new Backpropagation(new FakeTrainingBackend(LAYOUT, 8, 100, 1, 1, 5), LAYOUT, 0, 0, 1)
                        .forward(TrainingBatch.of(
                                List.of(reading(1).build(), reading(1).build()))))
                .hasMessage("The batch needs 2 memory states, the trainer has 1.");
    }

    // ---- what is run ----

    private static FakeTrainingBackend backend(int maxBatchSize, int tapes) {
        return new FakeTrainingBackend(LAYOUT, maxBatchSize, 1000, 40, tapes, 5);
    }

    private static void run(FakeTrainingBackend backend, TrainingBatch batch, int bpttDepth) {
        new Backpropagation(backend, LAYOUT, 0, 0, backend.numTapes()).run(batch, bpttDepth);
    }

    private static TrainingBatch.SegmentBuilder reading(int... ids) {
        return TrainingBatch.reading(ids);
    }

    /** Three documents that branch, with losses at inner segments and leaves; one starts from a given memory. */
    private static TrainingBatch forest(boolean noise) {
        TrainingBatch.Builder builder = new TrainingBatch.Builder();
        int start = builder.addStart(new float[] {0.3f, -0.8f, 0.5f});
        Random random = new Random(3);
        int a0 = builder.add(reading(2, 3, 4).build());
        int a1 = builder.add(noisy(reading(5).after(a0), noise, random)
                .probe(probe(1, 0, 3, 2))
                .build());
        int a2 = builder.add(reading(6, 7).after(a1).label(2, 0.7f).build());
        int a3 = builder.add(noisy(reading(3, 3, 8, 9).after(a2), noise, random)
                .label(0, 0.25f)
                .keepMemory()
                .build());
        int b0 = builder.add(
                noisy(reading(9, 10).from(start), noise, random).label(1, 0.4f).build());
        builder.add(reading(4).after(b0).writesMemory(false).label(3, 1).build());
        builder.add(reading(2, 10).after(a0).writesMemory(false).label(3, 0.5f).build());
        builder.add(noisy(reading(5, 5).after(a3), noise, random)
                .writesMemory(false)
                .label(1, 0.6f)
                .probe(probe(0, 1, 4, 0))
                .probe(probe(1, 0, 3, 0))
                .build());
        int c0 = builder.add(noisy(reading(8), noise, random).label(2, 0.3f).build());
        builder.add(reading(7, 4).after(c0).label(0, 0.9f).build());
        return builder.build();
    }

    private static TrainingBatch.Probe probe(int level, int first, int count, int label) {
        return new TrainingBatch.Probe(level, 3, first, count, label, 0.35f);
    }

    private static TrainingBatch.SegmentBuilder noisy(
            TrainingBatch.SegmentBuilder segment, boolean noise, Random random) {
        return noise
                ? segment.memoryNoise(new float[] {random.nextFloat() - 0.5f, random.nextFloat(), -random.nextFloat()})
                : segment;
    }

    // ---- the same by recursion ----

    private static void assertGradients(
            FakeTrainingBackend backend, TrainingBatch batch, int bpttDepth, double tolerance) {
        Map<String, double[]> gradients = new LinkedHashMap<>();
        backend.gradients.forEach((name, values) -> gradients.put(name, values.clone()));
        Recursion recursion = new Recursion(backend, batch);
        double step = 1e-5;
        gradients.forEach((name, values) -> {
            for (int i = 0; i < values.length; i++) {
                double[] weights = backend.weights.get(name);
                double kept = weights[i];
                weights[i] = kept + step;
                double above = recursion.loss(bpttDepth);
                weights[i] = kept - step;
                double below = recursion.loss(bpttDepth);
                weights[i] = kept;
                assertThat(values[i]).as(name + " " + i).isCloseTo((above - below) / (2 * step), within(tolerance));
            }
        });
        assertThat(Arrays.stream(gradients.get(TrainingBackend.MEMORY))
                        .map(Math::abs)
                        .sum())
                .isPositive();
    }

    /** The loss of a batch, each document followed anew for each loss. */
    private static final class Recursion {
        private final FakeTrainingBackend backend;
        private final TrainingBatch batch;
        /** Memories that segments wrote with the weights as they were at first: what a cut makes constant. */
        private final Map<Integer, double[]> constants = new LinkedHashMap<>();

        Recursion(FakeTrainingBackend backend, TrainingBatch batch) {
            this.backend = backend;
            this.batch = batch;
            for (int i = 0; i < batch.size(); i++) {
                constants.put(i, hidden(i, -1));
            }
        }

        double loss(int bpttDepth) {
            double sum = 0;
            for (int i = 0; i < batch.size(); i++) {
                TrainingBatch.Segment segment = batch.segment(i);
                double[] hidden = hidden(i, bpttDepth);
                if (segment.label() >= 0) {
                    sum += segment.labelWeight()
                            * FakeTrainingBackend.crossEntropy(
                                    linear("classifier", 0, FakeTrainingBackend.LABELS, hidden), segment.label());
                }
                for (TrainingBatch.Probe probe : segment.probes()) {
                    double[] in = probe.level() == 0 ? embedding(i) : hidden;
                    sum += probe.weight()
                            * FakeTrainingBackend.crossEntropy(
                                    linear("probe.weight", probe.firstOutput(), probe.numOutputs(), in), probe.label());
                }
            }
            return sum;
        }

        /** @param window how many earlier segments are followed; -1: all */
        private double[] hidden(int i, int window) {
            TrainingBatch.Segment segment = batch.segment(i);
            double[] memory;
            if (segment.parent() >= 0) {
                memory = window == 0 ? constants.get(segment.parent()) : hidden(segment.parent(), window - 1);
            } else if (segment.start() >= 0) {
                float[] start = batch.startMemories().get(segment.start());
                memory = new double[] {start[0], start[1], start[2]};
            } else {
                memory = backend.weights.get(TrainingBackend.MEMORY);
            }
            memory = memory.clone();
            for (int k = 0; k < H && segment.memoryNoise() != null; k++) {
                memory[k] += segment.memoryNoise()[k];
            }
            double[] hidden = linear("recurrence", 0, H, memory);
            double[] embedding = embedding(i);
            for (int k = 0; k < H; k++) {
                hidden[k] = Math.tanh(hidden[k] + embedding[k]);
            }
            return hidden;
        }

        private double[] embedding(int i) {
            int[] ids = batch.segment(i).content();
            double[] mean = new double[H];
            for (int id : ids) {
                for (int k = 0; k < H; k++) {
                    mean[k] += backend.weights.get("embedding")[id * H + k] / ids.length;
                }
            }
            return mean;
        }

        private double[] linear(String weight, int first, int count, double[] in) {
            double[] out = new double[count];
            for (int o = 0; o < count; o++) {
                for (int k = 0; k < H; k++) {
                    out[o] += backend.weights.get(weight)[(first + o) * H + k] * in[k];
                }
            }
            return out;
        }
    }
}
