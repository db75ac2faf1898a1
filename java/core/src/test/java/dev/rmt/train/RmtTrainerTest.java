package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.Device;
import dev.rmt.InputException;
import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import dev.rmt.RmtException;
import dev.rmt.RmtModel;
import dev.rmt.TestModels;
import dev.rmt.TrainingDivergedException;
import dev.rmt.checkpoint.HashedFolder;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.RandomWeights;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs of the native trainer on a tiny model: a letter is read, then others, then it is asked for. */
class RmtTrainerTest {
    private static final ModelConfig CONFIG = TestModels.config().build();

    @TempDir
    private Path temporary;

    // ---- what training is for ----

    @Test
    void aModelLearnsToRememberAndIsReadBackFromItsFolder() {
        List<TrainingProgress> steps = new ArrayList<>();

        TrainingStage easy = stage(new Letters(1, false), "one", 400)
                .learningRate(LearningRate.linear(2e-3, 50))
                .build();

        TrainingResult result = trainer("out", List.of(easy), new TrainingListener() {
                    @Override
                    public void stepTaken(TrainingProgress progress) {
                        steps.add(progress);
                    }
                })
                .build()
                .train();

        assertThat(result.steps()).isEqualTo(400);
        assertThat(steps).hasSize(400);
        assertThat(steps.get(0).loss()).isBetween(1.2, 2.5);
        assertThat(steps.get(399).loss()).isLessThan(0.1);
        assertThat(steps.get(399).accuracy()).isEqualTo(1);
        assertThat(steps.get(399).step()).isEqualTo(400);
        assertThat(steps.get(399).totalSteps()).isEqualTo(400);
        assertThat(steps.get(399).tokens()).isEqualTo(400L * Letters.DOCUMENTS * (3 + 1 + 2));
        try (RmtModel model = RmtModel.load(result.model().orElseThrow(), Device.cpu(1))) {
            assertThat(model.trained()).isTrue();
            assertThat(model.config()).isEqualTo(CONFIG);
        }
    }

    @Test
    void theBestValidationIsKeptAndBecomesTheModel() {
        double[] scores = {0.2, 0.7, 0.5, 0.7};
        List<String> hashes = new ArrayList<>();
        List<Boolean> best = new ArrayList<>();
        Validation validation = model -> {
            hashes.add(model.sha256());
            return Map.of("accuracy", scores[hashes.size() - 1]);
        };

        TrainingResult result = trainer(
                        "out",
                        List.of(stage("one", 18, 1).validation(validation, 5).build()),
                        new TrainingListener() {
                            @Override
                            public void validated(
                                    TrainingProgress progress, Map<String, Double> figures, boolean isBest) {
                                best.add(isBest);
                            }
                        })
                .build()
                .train();

        assertThat(best).containsExactly(true, true, false, false);
        assertThat(result.bestScore()).isEqualTo(0.7);
        assertThat(hash(result)).isEqualTo(hashes.get(1)).isNotEqualTo(hashes.get(3));
    }

    @Test
    void theAverageOfTheWeightsIsWhatIsValidatedAndKept() {
        OptimizerSettings averaging = OptimizerSettings.usual().withAverageDecay(0.9);

        TrainingResult plain =
                trainer("plain", List.of(stage("one", 20, 1).build())).build().train();
        TrainingResult average = trainer(
                        "average",
                        List.of(stage("one", 20, 1).optimizer(averaging).build()))
                .build()
                .train();

        assertThat(hash(average)).isNotEqualTo(hash(plain));
    }

    @Test
    void aStageEndsEarlyWhereItsCriterionIsMetAndTheNextOneGoesOn() {
        List<String> events = new ArrayList<>();
        Criterion soon = new Criterion(7, Map.of("steps", 0.0));

        TrainingResult result = trainer(
                        "out",
                        List.of(
                                stage("one", 50, 1).stopWhen(soon).build(),
                                stage("two", 5, 2).build()),
                        new TrainingListener() {
                            @Override
                            public void stageStarted(TrainingProgress progress) {
                                events.add("start " + progress.stageName() + " of " + progress.totalSteps());
                            }

                            @Override
                            public void stageEnded(TrainingProgress progress, boolean early) {
                                events.add("end " + progress.stageName() + " at " + progress.step()
                                        + (early ? " early" : ""));
                            }
                        })
                .build()
                .train();

        assertThat(events).containsExactly("start one of 55", "end one at 7 early", "start two of 12", "end two at 5");
        assertThat(result.steps()).isEqualTo(12);
    }

    @Test
    void recomputationDoesNotChangeABit() {
        TrainingResult with =
                trainer("with", List.of(stage("one", 12, 1).build())).build().train();
        TrainingResult without = trainer(
                        "without", List.of(stage("one", 12, 1).recompute(false).build()))
                .build()
                .train();

        assertThat(hash(without)).isEqualTo(hash(with));
    }

    // ---- stop and resume ----

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aRunThatIsKilledAnywhereAndResumedEndsWithTheSameBits(int threads) throws IOException {
        String never = finalBits(runAll("never", 1, threads, null));
        SplittableRandom random = new SplittableRandom(threads);
        for (int kill = 0; kill < 4; kill++) {
            String folder = "killed-" + kill;
            // Killed several times: in a step, in a validation, while a checkpoint is told of.
            for (int times = 0; times < 3; times++) {
                Killer killer = new Killer(random.nextInt(1, 25));
                try {
                    runAll(folder, 1 + random.nextInt(7), threads, killer);
                } catch (Killed e) {
                    continue;
                }
            }
            assertThat(finalBits(runAll(folder, 3, threads, null))).as(folder).isEqualTo(never);
        }
    }

    @Test
    void theNumberOfThreadsDoesNotChangeABit() throws IOException {
        assertThat(finalBits(runAll("two", 100, 2, null))).isEqualTo(finalBits(runAll("one", 100, 1, null)));
    }

    @Test
    void aRunThatIsCancelledSaysSoAndGoesOn() throws IOException {
        RmtTrainer[] trainer = new RmtTrainer[1];
        trainer[0] = three("out", 1, 1000)
                .listener(new TrainingListener() {
                    @Override
                    public void stepTaken(TrainingProgress progress) {
                        if (progress.totalStep() == 13) {
                            trainer[0].cancel();
                        }
                    }
                })
                .build();

        TrainingResult cancelled = trainer[0].train();

        assertThat(cancelled.cancelled()).isTrue();
        assertThat(cancelled.steps()).isEqualTo(13);
        assertThat(finalBits(runAll("out", 1000, 1, null))).isEqualTo(finalBits(runAll("never", 1000, 1, null)));
    }

    @Test
    void aRunThatIsThroughCanBeResumedAndDoesNothing() throws IOException {
        Path first = runAll("out", 10, 1, null);
        String bits = finalBits(first);

        TrainingResult again = three("out", 1, 10).resume(true).build().train();

        assertThat(again.steps()).isEqualTo(30);
        assertThat(finalBits(again.model().orElseThrow())).isEqualTo(bits);
    }

    @Test
    void theCheckpointBeforeIsUsedWhereACrashCameBetweenTwoRenames() throws IOException {
        String never = finalBits(runAll("never", 4, 1, null));
        killAfter("out", 17);
        Files.move(out("out").resolve("checkpoint"), out("out").resolve("checkpoint.previous"));
        Files.createDirectory(out("out").resolve(".checkpoint-12ab.tmp"));

        assertThat(finalBits(runAll("out", 4, 1, null))).isEqualTo(never);
        assertThat(out("out").resolve("checkpoint.previous")).doesNotExist();
    }

    // ---- what is refused ----

    @Test
    void aFolderThatHoldsACheckpointIsRefusedUnlessTheRunIsResumed() {
        killAfter("out", 9);

        assertThatThrownBy(() -> three("out", 1, 5).build().train())
                .isInstanceOf(InputException.class)
                .hasMessageContaining("holds the checkpoint of a run already; resume it, or choose another folder.");
    }

    @Test
    void otherSettingsAreRefusedByName() {
        killAfter("out", 9);

        assertThatThrownBy(() -> three("out", 1, 5, third().accumulation(3).build())
                        .resume(true)
                        .build()
                        .train())
                .isInstanceOf(InputException.class)
                .hasMessageContaining(
                        "was made with stage 3: accumulation = 2, this run has 3; resume with the settings");
        assertThatThrownBy(() -> three("out", 1, 5)
                        .setting("recipe", "mine")
                        .resume(true)
                        .build()
                        .train())
                .isInstanceOf(InputException.class)
                .hasMessageContaining("was made with recipe = nothing, this run has mine;");
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.safetensors", "optimizer.safetensors", "training.json", "vocab.txt"})
    void aFlippedBitInACheckpointIsNoticed(String name) throws IOException {
        killAfter("out", 9);
        Path file = out("out").resolve("checkpoint").resolve(name);
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);

        assertThatThrownBy(() -> runAll("out", 5, 1, null))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(name + " has the SHA-256")
                .hasMessageContaining("it was changed or damaged.");
    }

    @Test
    void aMissingFileOfACheckpointIsNamed() throws IOException {
        killAfter("out", 9);
        Files.delete(out("out").resolve("checkpoint/optimizer.safetensors"));

        assertThatThrownBy(() -> runAll("out", 5, 1, null))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("lists optimizer.safetensors, which is not there");
    }

    @Test
    void whatIsMissingIsNamedWhenTheTrainerIsBuilt() {
        RmtTrainer.Builder builder = RmtTrainer.builder(CONFIG, TestModels.tokenizer(), new RandomWeights(CONFIG, 3));

        assertThatThrownBy(builder::build).hasMessageContaining("call output(folder)");
        assertThatThrownBy(() -> builder.output(temporary).build()).hasMessageContaining("at least one stage");
        assertThatThrownBy(() -> builder.stage(stage("one", 5, 1)
                                .start(TrainingStage.Start.BEST)
                                .build())
                        .build())
                .hasMessageContaining("no stage before it is validated");
        assertThatThrownBy(() -> stage("one", 0, 1).build()).hasMessageContaining("has 0 steps");
    }

    // ---- what goes wrong ----

    @Test
    void aLossThatIsNotFiniteStopsTheRunAndLeavesTheCheckpoint() throws IOException {
        // Each step multiplies the weights by about -50.
        OptimizerSettings exploding = OptimizerSettings.usual().withWeightDecay(50, true);

        assertThatThrownBy(() -> trainer(
                                "out",
                                List.of(stage("one", 30, 1)
                                        .learningRate(LearningRate.constant(1, 0))
                                        .optimizer(exploding)
                                        .build()))
                        .checkpointEvery(4)
                        .build()
                        .train())
                .isInstanceOfSatisfying(TrainingDivergedException.class, e -> {
                    assertThat(e.stage()).isEqualTo("one");
                    assertThat(e.step()).isPositive();
                    assertThat(e).hasMessageContaining("is not a finite number; go on from the last checkpoint with");
                });

        Path checkpoint = HashedFolder.find(out("out").resolve("checkpoint")).orElseThrow();
        try (RmtModel model = RmtModel.load(checkpoint, Device.cpu(1))) {
            assertThat(model.config()).isEqualTo(CONFIG);
        }
    }

    @Test
    void weightsThatAreNotFiniteAreNeverWrittenToACheckpoint() {
        OptimizerSettings exploding = OptimizerSettings.usual().withWeightDecay(900, true);

        assertThatThrownBy(() -> trainer(
                                "out",
                                List.of(stage("one", 30, 1)
                                        .learningRate(LearningRate.constant(100, 0))
                                        .optimizer(exploding)
                                        .build()))
                        .checkpointEvery(1)
                        .build()
                        .train())
                .isInstanceOf(TrainingDivergedException.class);

        Path checkpoint = HashedFolder.find(out("out").resolve("checkpoint")).orElseThrow();
        RmtModel.load(checkpoint, Device.cpu(1)).close();
        assertThat(out("out")).isDirectoryNotContaining(path -> path.toString().endsWith(".tmp"));
    }

    @Test
    void aFolderThatCannotBeWrittenIsNamedAndTheOldCheckpointStays() throws IOException {
        Assumptions.assumeFalse(
                "root".equals(System.getProperty("user.name")),
                "root may write everywhere: another test fills the disk");
        killAfter("out", 9);
        Files.setPosixFilePermissions(out("out"), PosixFilePermissions.fromString("r-xr-xr-x"));
        try {
            assertThatThrownBy(() -> runAll("out", 1, 1, null))
                    .isInstanceOf(RmtException.class)
                    .hasMessageContaining("Cannot write")
                    .hasMessageContaining("checkpoint");
        } finally {
            Files.setPosixFilePermissions(out("out"), PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        assertThat(finalBits(runAll("out", 4, 1, null))).isEqualTo(finalBits(runAll("never", 4, 1, null)));
    }

    @Test
    void aFileInThePlaceOfTheFolderIsNamed() throws IOException {
        Files.writeString(temporary.resolve("out"), "in the way");

        assertThatThrownBy(() -> runAll("out", 1, 1, null))
                .isInstanceOf(RmtException.class)
                .hasMessageContaining("Cannot write")
                .hasMessageContaining("checkpoint");
    }

    // ---- runs ----

    private Path out(String folder) {
        return temporary.resolve(folder);
    }

    private static TrainingStage.Builder stage(String name, long steps, int seed) {
        return stage(new Letters(seed), name, steps);
    }

    private static TrainingStage.Builder stage(TrainingData data, String name, long steps) {
        return TrainingStage.builder(name, data, steps)
                .learningRate(LearningRate.constant(3e-3, 10))
                .bpttDepth(name.equals("two") ? 1 : -1);
    }

    private static TrainingStage.Builder third() {
        return stage("three", 10, 3)
                .carryOver(TrainingStage.CarryOver.OPTIMIZER)
                .dropout(0.1f, 0.1f)
                .accumulation(2);
    }

    private RmtTrainer.Builder trainer(String folder, List<TrainingStage> stages, TrainingListener... listeners) {
        RmtTrainer.Builder builder = RmtTrainer.builder(
                        CONFIG, TestModels.tokenizer(), new RandomWeights(CONFIG, 3, 0.1))
                .output(out(folder))
                .device(Device.cpu(1))
                .probeOutputs(Letters.PROBE_OUTPUTS);
        stages.forEach(builder::stage);
        for (TrainingListener listener : listeners) {
            builder.listener(listener);
        }
        return builder;
    }

    /** Three stages: one with validations, one from the best of them, one with dropout and accumulation. */
    private RmtTrainer.Builder three(String folder, int threads, long checkpointSteps) {
        return three(folder, threads, checkpointSteps, third().build());
    }

    private RmtTrainer.Builder three(String folder, int threads, long checkpointSteps, TrainingStage third) {
        Validation validation =
                model -> Map.of("score", Math.floorMod(model.sha256().hashCode(), 1000) / 1000.0);
        OptimizerSettings averaging = OptimizerSettings.usual().withAverageDecay(0.8);
        return trainer(
                        folder,
                        List.of(
                                stage("one", 10, 1)
                                        .optimizer(averaging)
                                        .validation(validation, 3)
                                        .build(),
                                stage("two", 10, 2)
                                        .start(TrainingStage.Start.BEST)
                                        .build(),
                                third))
                .device(Device.cpu(threads))
                .checkpointEvery(checkpointSteps);
    }

    private Path runAll(String folder, long checkpointSteps, int threads, Killer killer) {
        RmtTrainer.Builder builder = three(folder, threads, checkpointSteps).resume(true);
        if (killer != null) {
            builder.listener(killer);
        }
        return builder.build().train().model().orElseThrow();
    }

    private void killAfter(String folder, int steps) {
        assertThatThrownBy(() -> runAll(folder, 4, 1, new Killer(steps))).isInstanceOf(Killed.class);
    }

    private static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** Ends a run after so many events of any kind. */
    private static final class Killer implements TrainingListener {
        private int left;

        Killer(int events) {
            left = events;
        }

        private void event() {
            if (--left == 0) {
                throw new Killed();
            }
        }

        @Override
        public void stepTaken(TrainingProgress progress) {
            event();
        }

        @Override
        public void validated(TrainingProgress progress, Map<String, Double> figures, boolean best) {
            event();
        }

        @Override
        public void checkpointSaved(TrainingProgress progress, Path folder) {
            event();
        }
    }

    /** SHA-256 of the weights file. */
    private static String finalBits(Path model) throws IOException {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256")
                            .digest(Files.readAllBytes(model.resolve("model.safetensors"))));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String hash(TrainingResult result) {
        try (ModelDirectory directory = ModelDirectory.open(result.model().orElseThrow(), LoadOptions.defaults())) {
            return directory.sha256();
        }
    }

    /**
     * Documents of two segments: one of six letters, then others, and a question about the first. Half of the documents go on
     * from the memory that an earlier one left, so that the data has a state.
     */
    private static final class Letters implements TrainingData {
        static final int DOCUMENTS = 8;
        static final int PROBE_OUTPUTS = 6;
        private static final int FIRST_LETTER =
                TestModels.tokenizer().vocabulary().id("a");

        private final long seed;
        private float[] carried = new float[0];
        private long learned;

        private final boolean carrying;

        Letters(long seed) {
            this(seed, true);
        }

        /** @param carrying whether half of the documents go on from an earlier memory, and other letters come in between */
        Letters(long seed, boolean carrying) {
            this.seed = seed;
            this.carrying = carrying;
        }

        @Override
        public TrainingBatch next(long index) {
            SplittableRandom random = new SplittableRandom(seed * 1000 + index);
            TrainingBatch.Builder batch = new TrainingBatch.Builder();
            float[] start = carried.length == 0 || !carrying ? null : carried;
            int from = start == null ? -1 : batch.addStart(start);
            for (int d = 0; d < DOCUMENTS; d++) {
                int letter = random.nextInt(6);
                long key = random.nextLong();
                TrainingBatch.SegmentBuilder first = TrainingBatch.reading(
                                new int[] {letter(letter), letter(20), letter(21)})
                        .dropoutKey(key)
                        .probe(new TrainingBatch.Probe(
                                1, 2 + CONFIG.numMemTokens(), 0, PROBE_OUTPUTS, letter, 0.1f / DOCUMENTS));
                if (d % 2 == 1 && from >= 0) {
                    first.from(from);
                }
                int text = batch.add(first.build());
                int[] others = new int[4];
                for (int i = 0; i < others.length; i++) {
                    others[i] = letter(6 + random.nextInt(12));
                }
                int middle = batch.add(TrainingBatch.reading(carrying ? others : new int[] {letter(19)})
                        .after(text)
                        .dropoutKey(key + 1)
                        .keepMemory()
                        .build());
                batch.add(TrainingBatch.reading(new int[] {letter(25), letter(24)})
                        .after(middle)
                        .writesMemory(false)
                        .label(letter, 1f / DOCUMENTS)
                        .dropoutKey(key + 2)
                        .build());
            }
            return batch.build();
        }

        private static int letter(int index) {
            return FIRST_LETTER + 2 * index;
        }

        @Override
        public void learned(TrainingBatch batch, TrainingOutcome outcome) {
            carried = outcome.memory(1);
            learned++;
        }

        @Override
        public Map<String, Double> metrics() {
            Map<String, Double> metrics = new LinkedHashMap<>();
            metrics.put("steps", (double) learned);
            return metrics;
        }

        @Override
        public byte[] save() {
            ByteBuffer bytes = ByteBuffer.allocate(8 + 4 * carried.length);
            bytes.putLong(learned);
            for (float value : carried) {
                bytes.putFloat(value);
            }
            return bytes.array();
        }

        @Override
        public void restore(byte[] state) {
            ByteBuffer bytes = ByteBuffer.wrap(state);
            learned = bytes.getLong();
            carried = new float[bytes.remaining() / 4];
            for (int i = 0; i < carried.length; i++) {
                carried[i] = bytes.getFloat();
            }
        }
    }
}
