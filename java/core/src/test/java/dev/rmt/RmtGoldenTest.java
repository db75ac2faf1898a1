package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.ModelWriter;
import dev.rmt.checkpoint.Safetensors;
import dev.rmt.checkpoint.Weights;
import dev.rmt.text.TokenSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The whole path, from a model directory to logits, against PyTorch in float64; every size comes from the files. */
class RmtGoldenTest {
    @TempDir
    private Path temporary;

    @Tag("gpu")
    @ParameterizedTest
    @ValueSource(strings = {"right", "left", "center"})
    void documentsOfDifferentLengthsHaveMemoriesAndLogitsOfPyTorch(String alignment, TestReporter reporter) {
        Path folder = GoldenFiles.find("rmt-bert-small");
        Path expected = GoldenFiles.find("rmt-bert-small/forward-" + alignment + ".safetensors");
        try (Safetensors golden = Safetensors.open(expected);
                RmtModel model = rmtModel(folder, golden)) {
            List<TokenSource> documents = new ArrayList<>();
            List<Long> lengths = new ArrayList<>();
            for (int d = 0; golden.get("doc." + d + ".ids") != null; d++) {
                int[] ids = GoldenFiles.ints(golden, "doc." + d + ".ids");
                documents.add(TestModels.source(ids));
                lengths.add((long) ids.length);
            }
            Comparison comparison = new Comparison(golden, model.device());
            try (RmtBatch batch = model.newBatch(documents.size())) {
                batch.read(
                        documents,
                        lengths.stream().mapToLong(Long::longValue).toArray(),
                        SegmentAlignment.valueOf(GoldenFiles.metadata(golden, "segment_alignment")
                                .asText()
                                .toUpperCase(Locale.ROOT)),
                        true,
                        new RmtBatch.Listener() {
                            @Override
                            public void afterStep(RmtBatch inside, RmtBatch.Step step) {
                                comparison.step(inside, step);
                            }
                        });
            }
            comparison.finish(reporter, "forward-" + alignment, model);
        }
    }

    /** Compares memory and logits after each step with tensors "segment.STEP.*". */
    private static final class Comparison {
        private final Safetensors golden;
        private final JsonNode yardsticks;
        private final double rounding;
        private double worst;
        private long steps;

        Comparison(Safetensors golden, Device device) {
            this.golden = golden;
            rounding = GoldenFiles.rounding(device);
            yardsticks = GoldenFiles.metadata(golden, "float32_error_of_pytorch");
        }

        void step(RmtBatch batch, RmtBatch.Step step) {
            String prefix = "segment." + step.index() + ".";
            List<Integer> documents = Arrays.stream(GoldenFiles.ints(golden, prefix + "documents"))
                    .boxed()
                    .toList();
            assertThat(step.documents()).isEqualTo(documents);
            compare(prefix + "memory", documents.stream().map(batch::memory).toList());
            compare(prefix + "logits", step.logits());
            steps++;
        }

        private void compare(String name, List<float[]> rows) {
            double error = GoldenFiles.relativeError(concatenate(rows), GoldenFiles.doubles(golden, name));
            assertThat(error).as(name).isLessThanOrEqualTo(rounding * GoldenFiles.tolerance(yardsticks.path(name)));
            worst = Math.max(worst, error);
        }

        void finish(TestReporter reporter, String name, RmtModel model) {
            assertThat(golden.get("segment." + steps + ".memory"))
                    .as("a step that was not run")
                    .isNull();
            assertThat(steps).isPositive();
            report(reporter, name, model, worst);
        }
    }

    @Test
    void aChainOfFullSegmentsHasMemoriesAndLogitsOfPyTorchAtEverySegment(TestReporter reporter) {
        Path folder = GoldenFiles.find("rmt-bert-small");
        Path chain = GoldenFiles.find("rmt-bert-small/chain-64.safetensors");
        Path geometry = GoldenFiles.find("rmt-bert-small/forward-right.safetensors");
        try (Safetensors shape = Safetensors.open(geometry);
                Safetensors golden = Safetensors.open(chain);
                RmtModel model = rmtModel(folder, shape);
                RmtSession session = model.newSession();
                RmtBatch batch = model.newBatch(1)) {
            int[] ids = GoldenFiles.ints(golden, "ids");
            double[] memories = GoldenFiles.doubles(golden, "memory");
            double[] logits = GoldenFiles.doubles(golden, "logits");
            JsonNode yardsticks = GoldenFiles.metadata(golden, "float32_error_of_pytorch_by_segment");
            int size = model.config().segmentSize();
            int segments = ids.length / size;
            int memorySize = memories.length / segments;
            int labels = logits.length / segments;
            double[] worst = {0};
            batch.read(
                    List.of(TestModels.source(ids)),
                    new long[] {ids.length},
                    SegmentAlignment.RIGHT,
                    true,
                    new RmtBatch.Listener() {
                        @Override
                        public void afterStep(RmtBatch inside, RmtBatch.Step step) {
                            int s = (int) step.index();
                            session.read(Arrays.copyOfRange(ids, s * size, (s + 1) * size));
                            float[] memory = session.memory().values();
                            assertThat(inside.memory(0)).containsExactly(memory);
                            double tolerance = GoldenFiles.tolerance(yardsticks.path(s));
                            double ofMemory = GoldenFiles.relativeError(
                                    memory, Arrays.copyOfRange(memories, s * memorySize, (s + 1) * memorySize));
                            double ofLogits = GoldenFiles.relativeError(
                                    step.logits().get(0), Arrays.copyOfRange(logits, s * labels, (s + 1) * labels));
                            assertThat(ofMemory).as("memory %d", s).isLessThanOrEqualTo(tolerance);
                            assertThat(ofLogits).as("logits %d", s).isLessThanOrEqualTo(tolerance);
                            worst[0] = Math.max(worst[0], Math.max(ofMemory, ofLogits));
                        }
                    });
            assertThat(session.memory().segments()).isEqualTo(segments);
            report(reporter, "chain-" + segments, model, worst[0]);
        }
    }

    /**
     * One segment of this text amplifies what enters it fifty times: no float32 run can be expected within the tolerance
     * there. What a segment may be off by is then the tolerance for its own arithmetic and, on top, what it makes of an
     * error in the memory that enters: 1e-6, or what that memory was off by.
     */
    @Test
    void realWeightsOnARealBookHaveMemoriesAndLogitsOfPyTorch(TestReporter reporter) {
        Path folder = GoldenFiles.find("minilm");
        try (Safetensors golden = Safetensors.open(GoldenFiles.find("minilm/rmt.safetensors"));
                RmtModel model = rmtModel(folder, golden);
                RmtBatch batch = model.newBatch(1)) {
            int[] ids = GoldenFiles.ints(golden, "ids");
            double[] memories = GoldenFiles.doubles(golden, "memory");
            double[] logits = GoldenFiles.doubles(golden, "logits");
            int labels = model.config().numLabels();
            int segments = logits.length / labels;
            int memorySize = memories.length / segments;
            SegmentAlignment alignment = SegmentAlignment.valueOf(
                    GoldenFiles.metadata(golden, "segment_alignment").asText().toUpperCase(Locale.ROOT));
            int[] lengths = Segmentation.lengths(ids.length, model.config().segmentSize(), alignment);
            assertThat(lengths).hasSize(segments);
            double tolerance = GoldenFiles.tolerance(GoldenFiles.metadata(golden, "float32_error_of_pytorch"));
            double[] worst = {0};
            double[] entering = {0};
            batch.read(
                    List.of(TestModels.source(ids)), new long[] {ids.length}, alignment, true, new RmtBatch.Listener() {
                        @Override
                        public void afterStep(RmtBatch inside, RmtBatch.Step step) {
                            int s = (int) step.index();
                            double ofMemory =
                                    GoldenFiles.relativeError(inside.memory(0), part(memories, s, memorySize));
                            double ofLogits =
                                    GoldenFiles.relativeError(step.logits().get(0), part(logits, s, labels));
                            double error = Math.max(ofMemory, ofLogits);
                            double allowed = tolerance;
                            if (error > tolerance
                                    && s > 0
                                    && lengths[s] == model.config().segmentSize()) {
                                int start = Arrays.stream(lengths, 0, s).sum();
                                int[] content = Arrays.copyOfRange(ids, start, start + lengths[s]);
                                double noise = entering[0] > tolerance ? entering[0] : 1e-6;
                                allowed += amplified(model, part(memories, s - 1, memorySize), noise, content);
                                reporter.publishEntry(
                                        "minilm rmt, segment " + s,
                                        String.format(
                                                Locale.ROOT,
                                                "error of memory %.2e, of logits %.2e; allowed, as %.2e enters: %.2e",
                                                ofMemory,
                                                ofLogits,
                                                noise,
                                                allowed));
                            }
                            assertThat(error).as("segment %d", s).isLessThanOrEqualTo(allowed);
                            worst[0] = Math.max(worst[0], error);
                            entering[0] = ofMemory;
                        }
                    });
            report(reporter, "minilm rmt", model, worst[0]);
        }
    }

    /** How far off the memory after a full segment is if the one that enters is off by so much of its largest magnitude. */
    private static double amplified(RmtModel model, double[] incoming, double noise, int[] content) {
        double largest = Arrays.stream(incoming).map(Math::abs).max().orElseThrow();
        Random random = new Random(1);
        float[] exact = memoryAfter(model, incoming, content);
        double[] off = Arrays.stream(incoming)
                .map(value -> value + noise * largest * (2 * random.nextDouble() - 1))
                .toArray();
        double[] expected =
                IntStream.range(0, exact.length).mapToDouble(i -> exact[i]).toArray();
        return GoldenFiles.relativeError(memoryAfter(model, off, content), expected);
    }

    private static float[] memoryAfter(RmtModel model, double[] incoming, int[] content) {
        float[] values = new float[incoming.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) incoming[i];
        }
        Memory fresh;
        try (RmtSession session = model.newSession()) {
            fresh = session.memory();
        }
        Memory start = new Memory(
                fresh.modelSha256(),
                fresh.numMemTokens(),
                fresh.hiddenSize(),
                values,
                new int[0],
                fresh.unfinished(),
                0,
                0);
        try (RmtSession session = model.newSession(start)) {
            session.read(content);
            return session.memory().values();
        }
    }

    private static double[] part(double[] values, int index, int size) {
        return Arrays.copyOfRange(values, index * size, (index + 1) * size);
    }

    private static void report(TestReporter reporter, String name, RmtModel model, double worst) {
        reporter.publishEntry(
                name,
                String.format(
                        Locale.ROOT,
                        "largest relative error %.2e (%s)",
                        worst,
                        model.deviceInfo().arithmetic()));
    }

    private static float[] concatenate(List<float[]> rows) {
        float[] all = new float[rows.stream().mapToInt(row -> row.length).sum()];
        int at = 0;
        for (float[] row : rows) {
            System.arraycopy(row, 0, all, at, row.length);
            at += row.length;
        }
        return all;
    }

    /**
     * The model of a golden file: that of a folder with the geometry, and where the file brings them the memory rows and
     * the classifier, of the file. Written as a directory of our own and loaded from there, as a user would.
     */
    private RmtModel rmtModel(Path folder, Safetensors golden) {
        int numMemTokens = GoldenFiles.metadata(golden, "num_mem_tokens").asInt();
        boolean bringsRows = golden.get("memory_rows") != null;
        LoadOptions options = LoadOptions.defaults()
                .withNumMemTokens(numMemTokens)
                .withMemoryRows(bringsRows ? LoadOptions.MemoryRows.NEW : LoadOptions.MemoryRows.LAST);
        Path own = temporary.resolve("model");
        try (ModelDirectory directory = ModelDirectory.open(folder, options)) {
            ModelConfig.Builder config = directory.config().toBuilder()
                    .inputLength(GoldenFiles.metadata(golden, "input_length").asInt());
            Weights weights = directory.weights();
            if (bringsRows) {
                int labels = golden.get("classifier.weight").shape().get(0).intValue();
                config.labels(
                        IntStream.range(0, labels).mapToObj(i -> "label " + i).toList());
                weights = new Replaced(weights, golden);
            }
            ModelWriter.write(own, config.build(), directory.tokenizer(), weights);
        }
        return RmtModel.load(own, Device.best());
    }

    /** Weights of which memory and classifier come from another file. */
    private record Replaced(Weights rest, Safetensors file) implements Weights {
        private String tensor(String name) {
            String own = name.equals(MEMORY) ? "memory_rows" : name;
            return file.get(own) == null ? null : own;
        }

        @Override
        public List<String> names() {
            return rest.names();
        }

        @Override
        public boolean has(String name) {
            return rest.has(name);
        }

        @Override
        public long[] shape(String name) {
            String own = tensor(name);
            return own == null
                    ? rest.shape(name)
                    : file.get(own).shape().stream().mapToLong(Long::longValue).toArray();
        }

        @Override
        public void read(String name, long firstElement, float[] dst, int offset, int count) {
            String own = tensor(name);
            if (own == null) {
                rest.read(name, firstElement, dst, offset, count);
            } else {
                file.read(file.get(own), firstElement, dst, offset, count);
            }
        }
    }
}
