package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.Device;
import dev.rmt.GoldenFiles;
import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.SegmentAlignment;
import dev.rmt.Segmentation;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.Safetensors;
import dev.rmt.checkpoint.TensorInfo;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.NativeTrainer;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.internal.TrainingBackend.Values;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Gradients and optimizer trajectories of the public PyTorch implementation, through the native trainer. The native tests hold
 * the kernels to the strictest tolerances; what is tested here is the loop over segments, its windows, the schedule and the
 * settings, of which any mistake shows in the first digits.
 */
class TrainingGoldenTest {
    private static final String FOLDER = "rmt-bert-small/";
    private static final String WORDS = "embeddings.word_embeddings.weight";
    /** For gradients where PyTorch's own error is not known; the floor where it is. */
    private static final double GRADIENT_TOLERANCE = 5e-6;

    private static final double LOSS_TOLERANCE = 2e-6;
    /**
     * AdamW divides small gradients by their own size, so single weights end further apart than any gradient was; how far depends
     * on where a kernel rounds.
     */
    private static final double WEIGHT_TOLERANCE = 1e-4;

    @Tag("gpu")
    @ParameterizedTest
    @CsvSource({
        "gradients-last, -1, true, true",
        "gradients-last, -1, true, false",
        "gradients-last-depth0, 0, true, true",
        "gradients-last-depth1, 1, true, true",
        "gradients-last-depth1, 1, true, false",
        "gradients-mean, -1, false, true",
        "gradients-mean-depth0, 0, false, true",
        "gradients-mean-depth1, 1, false, true",
        "gradients-mean-depth1, 1, false, false"
    })
    void gradientsAreThoseOfTheReference(String name, int bpttDepth, boolean last, boolean recompute) {
        try (Trained trained = new Trained(name, last, recompute ? 1 : 8)) {
            TrainingOutcome outcome = trained.loop.run(trained.batch, bpttDepth);

            double loss = GoldenFiles.doubles(trained.golden, "loss")[0];
            assertThat(Math.abs(outcome.loss() - loss) / loss).as("loss").isLessThan(LOSS_TOLERANCE);
            Map<String, Double> errors = trained.errors(Values.GRADIENTS, "grad.");
            System.out.println(name + (recompute ? "" : " without recompute") + ": largest error " + worst(errors));
            assertThat(errors).hasSizeGreaterThan(50);
            errors.forEach((parameter, error) ->
                    assertThat(error).as(parameter).isLessThan(trained.tolerance(parameter, GRADIENT_TOLERANCE)));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"adamw-paper", "adamw-usual"})
    void trajectoriesOfTheOptimizerAreThoseOfTheReference(String name) {
        try (Trained trained = new Trained(name, true, 1)) {
            JsonNode setting = GoldenFiles.metadata(trained.golden, "setting");
            LearningRate rate = LearningRate.linear(
                    setting.get("lr").asDouble(), setting.get("warmup").asLong());
            OptimizerSettings optimizer = OptimizerSettings.usual()
                    .withWeightDecay(
                            setting.get("wd").asDouble(),
                            setting.get("decay").asText().equals("all"))
                    .withClipping(
                            setting.get("clip_value").asDouble(0),
                            setting.get("clip_norm").asDouble(0));
            double[] losses = GoldenFiles.doubles(trained.golden, "losses");
            double[] norms = GoldenFiles.doubles(trained.golden, "gradient_norms");
            double[] rates = GoldenFiles.doubles(trained.golden, "learning_rates");

            double worstLoss = 0;
            for (int step = 0; step < losses.length; step++) {
                double now = rate.at(step, setting.get("total").asLong());
                TrainingOutcome outcome = trained.loop.run(trained.batch, -1);
                double norm = trained.trainer.step(optimizer.step(now, 1, step + 1));

                assertThat(now).isCloseTo(rates[step], org.assertj.core.data.Percentage.withPercentage(1e-10));
                worstLoss = Math.max(worstLoss, Math.abs(outcome.loss() - losses[step]) / losses[step]);
                assertThat(Math.abs(norm - norms[step]) / norms[step])
                        .as("gradient norm " + step)
                        .isLessThan(1e-4);
            }
            Map<String, Double> errors = trained.errors(Values.WEIGHTS, "final.");
            System.out.println(
                    name + ": largest error of a loss " + worstLoss + ", of the final weights " + worst(errors));
            assertThat(worstLoss).isLessThan(2e-5);
            errors.forEach((parameter, error) -> assertThat(error).as(parameter).isLessThan(WEIGHT_TOLERANCE));
        }
    }

    private static String worst(Map<String, Double> errors) {
        Map.Entry<String, Double> worst =
                errors.entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow();
        return worst.getValue() + " (" + worst.getKey() + ")";
    }

    /** The golden model in a trainer, and the documents of a golden file as a batch. */
    private static final class Trained implements AutoCloseable {
        final Safetensors golden;
        final NativeDevice device = NativeDevice.of(Device.best());
        final NativeTrainer trainer;
        final Backpropagation loop;
        final TrainingBatch batch;
        private final ModelConfig config;

        Trained(String name, boolean last, int tapes) {
            golden = Safetensors.open(GoldenFiles.find(FOLDER + name + ".safetensors"));
            try (ModelDirectory model = ModelDirectory.open(GoldenFiles.find(FOLDER), LoadOptions.defaults())) {
                config = model.config();
                trainer = NativeTrainer.create(device, config, new NativeTrainer.Limits(2, 1024, 16, tapes, 0, false));
                TrainingCheckpoint.copyWeights(trainer, model.weights(), parameter -> true);
                SegmentLayout layout = SegmentLayout.encoder(
                        config.inputLength(),
                        config.numMemTokens(),
                        model.tokenizer().vocabulary().clsId(),
                        model.tokenizer().vocabulary().sepId());
                loop = new Backpropagation(trainer, layout, 0, 0, tapes);
            }
            batch = documents(last);
        }

        /** Documents cut RIGHT; those with fewer segments take part in the last ones. */
        private TrainingBatch documents(boolean last) {
            int[] labels = GoldenFiles.ints(golden, "labels");
            int[][] ids = new int[labels.length][];
            Segmentation[] cuts = new Segmentation[labels.length];
            int segments = 0;
            for (int d = 0; d < labels.length; d++) {
                ids[d] = GoldenFiles.ints(golden, "doc." + d + ".ids");
                cuts[d] = new Segmentation(ids[d].length, config.segmentSize(), SegmentAlignment.RIGHT);
                segments = Math.max(segments, (int) cuts[d].count());
            }
            TrainingBatch.Builder builder = new TrainingBatch.Builder();
            int[] previous = new int[labels.length];
            Arrays.fill(previous, TrainingBatch.NONE);
            int[] read = new int[labels.length];
            for (int s = 0; s < segments; s++) {
                int first = segments - s;
                long present =
                        Arrays.stream(cuts).filter(cut -> cut.count() >= first).count();
                for (int d = 0; d < labels.length; d++) {
                    long own = s - (segments - cuts[d].count());
                    if (own < 0) {
                        continue;
                    }
                    int length = cuts[d].length(own);
                    TrainingBatch.SegmentBuilder segment = TrainingBatch.reading(
                                    Arrays.copyOfRange(ids[d], read[d], read[d] + length))
                            .writesMemory(s < segments - 1);
                    read[d] += length;
                    if (previous[d] != TrainingBatch.NONE) {
                        segment.after(previous[d]);
                    }
                    if (!last || s == segments - 1) {
                        segment.label(labels[d], 1f / present / (last ? 1 : segments));
                    }
                    previous[d] = builder.add(segment.build());
                }
            }
            return builder.build();
        }

        /** Error of every parameter that the file has, relative to its largest magnitude; key biases are noise there. */
        Map<String, Double> errors(Values which, String prefix) {
            Map<String, Double> errors = new LinkedHashMap<>();
            for (NativeModel.Parameter parameter : trainer.parameters()) {
                String name = parameter.name();
                if (name.endsWith("key.bias")) {
                    continue;
                }
                float[] values = new float[Math.toIntExact(parameter.count())];
                trainer.getValues(which, parameter, values, 0, values.length);
                double[] expected = expected(prefix, name, values.length);
                if (expected != null) {
                    errors.put(name, GoldenFiles.relativeError(values, expected));
                }
            }
            return errors;
        }

        private double[] expected(String prefix, String name, int count) {
            // Memory is the last rows of the word embeddings in the file.
            boolean memory = name.equals("memory");
            TensorInfo tensor = tensor(prefix, memory ? WORDS : name);
            if (tensor == null) {
                return null;
            }
            double[] values = GoldenFiles.doubles(golden, tensor.name());
            if (!memory && !name.equals(WORDS)) {
                return values;
            }
            return memory
                    ? Arrays.copyOfRange(values, values.length - count, values.length)
                    : Arrays.copyOf(values, count);
        }

        private TensorInfo tensor(String prefix, String name) {
            TensorInfo tensor = golden.get(prefix + "bert." + name);
            return tensor != null ? tensor : golden.get(prefix + name);
        }

        /** Twice PyTorch's own error where it is known, at least the floor. */
        double tolerance(String parameter, double floor) {
            String name = parameter.equals("memory") ? WORDS : parameter;
            JsonNode known = GoldenFiles.metadata(golden, "float32_error_of_pytorch");
            double own = known.path("bert." + name).asDouble(known.path(name).asDouble(0));
            return GoldenFiles.rounding(Device.best()) * Math.max(floor, 2 * own);
        }

        @Override
        public void close() {
            trainer.close();
            device.close();
            golden.close();
        }
    }
}
