package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.CudaInfo;
import dev.rmt.Device;
import dev.rmt.DeviceException;
import dev.rmt.DeviceInfo;
import dev.rmt.LoadOptions;
import dev.rmt.RmtBatch;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.SegmentAlignment;
import dev.rmt.TestModels;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.Weights;
import dev.rmt.text.TokenSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a GPU does beside what every device does. Runs only with librmt_cuda, or with its emulation. */
@Tag("gpu-only")
class GpuTest {
    @TempDir
    private Path folder;

    @Test
    void theBestDeviceIsTheGpuAndSaysWhatItIs() {
        Device best = Device.best();
        assertThat(best.name()).isEqualTo("cuda");
        assertThat(best.notice()).isEmpty();

        DeviceInfo info = best.info();
        assertThat(info.name()).isEqualTo("cuda");
        DeviceInfo.Gpu gpu = info.gpu().orElseThrow();
        assertThat(gpu.index()).isZero();
        assertThat(gpu.model()).isNotBlank();
        assertThat(gpu.computeCapability()).matches("[1-9][0-9]?\\.[0-9]");
        assertThat(gpu.precision()).isEqualTo("fp32");
        assertThat(info.availableBytes()).isPositive().isLessThanOrEqualTo(gpu.totalBytes());

        CudaInfo cuda = Device.cudaInfo();
        assertThat(cuda.problem()).isEmpty();
        assertThat(cuda.origin()).contains("rmt.cuda.library");
        assertThat(cuda.library()).isEqualTo(System.getProperty("rmt.cuda.library"));
        assertThatThrownBy(() -> Device.cuda(cuda.numDevices()))
                .isInstanceOf(DeviceException.class)
                .hasMessageContaining("no GPU " + cuda.numDevices());
    }

    @Test
    void documentsOfUnequalLengthSideBySideHaveTheBitsThatEachHasAlone() {
        int[][] documents = {ids(70), ids(9), ids(41)};
        try (RmtModel model = TestModels.tiny(Device.cuda(0));
                RmtBatch batch = model.newBatch(documents.length);
                RmtBatch inTurns = model.newBatch(2)) {
            assertThat(model.deviceInfo().name()).isEqualTo("cuda");
            List<TokenSource> sources = new ArrayList<>();
            for (int[] document : documents) {
                sources.add(TestModels.source(document));
            }
            long[] lengths = Arrays.stream(documents).mapToLong(d -> d.length).toArray();
            float[][] logits = batch.read(sources, lengths, SegmentAlignment.LEFT);
            assertThat(inTurns.read(
                            Arrays.stream(documents).map(TestModels::source).toList(), lengths, SegmentAlignment.LEFT))
                    .isDeepEqualTo(logits);
            for (int d = 0; d < documents.length; d++) {
                try (RmtBatch alone = model.newBatch(1)) {
                    alone.read(
                            List.of(TestModels.source(documents[d])),
                            new long[] {documents[d].length},
                            SegmentAlignment.LEFT);
                    assertThat(batch.memory(d)).as("document %d", d).containsExactly(alone.memory(0));
                }
            }
        }
    }

    @Test
    void aSessionReadsLikeOneOnTheCpu() {
        try (RmtModel gpu = TestModels.tiny(Device.cuda(0));
                RmtModel cpu = TestModels.tiny(Device.cpu(1));
                RmtSession there = gpu.newSession();
                RmtSession here = cpu.newSession()) {
            there.read(ids(50));
            here.read(ids(50));
            assertClose(there.memory().values(), here.memory().values(), 1e-5, "memory");
        }
    }

    @Test
    void threeStepsOfTrainingComeToTheWeightsOfTheCpu() {
        run("gpu", 3).device(Device.cuda(0)).build().train();
        run("cpu", 3).build().train();

        assertSameWeights(folder.resolve("gpu/model"), folder.resolve("cpu/model"));
    }

    @Test
    void aRunThatBeganOnTheGpuGoesOnOnTheCpu() {
        List<String> notices = new ArrayList<>();
        RmtTrainer[] running = new RmtTrainer[1];
        TrainingListener stopping = new TrainingListener() {
            @Override
            public void stepTaken(TrainingProgress progress) {
                if (progress.totalStep() == 2) {
                    running[0].cancel();
                }
            }
        };
        TrainingListener listening = new TrainingListener() {
            @Override
            public void noticed(String notice) {
                notices.add(notice);
            }
        };
        running[0] = run("both", 4, stopping).device(Device.cuda(0)).build();
        assertThat(running[0].train().cancelled()).isTrue();

        TrainingResult result = run("both", 4, listening).resume(true).build().train();

        assertThat(result.steps()).isEqualTo(4);
        assertThat(notices).anyMatch(text -> text.contains("compute capability"));
        run("cpu", 4).build().train();
        assertSameWeights(folder.resolve("both/model"), folder.resolve("cpu/model"));
    }

    /** On the CPU unless changed. Each with data of its own, which remembers how far it was read. */
    private RmtTrainer.Builder run(String name, int steps, TrainingListener... listeners) {
        return TinyRuns.trainer(
                folder.resolve(name), List.of(TinyRuns.stage("one", steps, 1).build()), listeners);
    }

    private static void assertSameWeights(Path actual, Path expected) {
        try (ModelDirectory a = ModelDirectory.open(actual, LoadOptions.defaults());
                ModelDirectory b = ModelDirectory.open(expected, LoadOptions.defaults())) {
            for (String name : b.weights().names()) {
                // The optimizer divides by the size of a gradient, however small: noise where it ought to be zero.
                if (!name.endsWith("key.bias")) {
                    assertClose(values(a.weights(), name), values(b.weights(), name), 1e-4, name);
                }
            }
        }
    }

    private static float[] values(Weights weights, String name) {
        long count = Arrays.stream(weights.shape(name)).reduce(1, Math::multiplyExact);
        float[] values = new float[Math.toIntExact(count)];
        weights.read(name, 0, values, 0, values.length);
        return values;
    }

    /** Equal but for rounding: off by so much of the largest magnitude at most. */
    private static void assertClose(float[] actual, float[] expected, double tolerance, String what) {
        assertThat(actual).as(what).hasSameSizeAs(expected);
        double largest = 0;
        double error = 0;
        for (int i = 0; i < expected.length; i++) {
            largest = Math.max(largest, Math.abs(expected[i]));
            error = Math.max(error, Math.abs((double) actual[i] - expected[i]));
        }
        assertThat(error / largest).as(what).isLessThan(tolerance);
    }

    private static int[] ids(int count) {
        int[] ids = new int[count];
        Arrays.setAll(ids, i -> 8 + i * 7 % 40);
        return ids;
    }
}
