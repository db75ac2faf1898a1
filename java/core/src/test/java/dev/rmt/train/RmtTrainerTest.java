package dev.rmt.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.CheckpointException;
import dev.rmt.Device;
import dev.rmt.InputException;
import dev.rmt.LoadOptions;
import dev.rmt.ModelFormatException;
import dev.rmt.RmtModel;
import dev.rmt.TestModels;
import dev.rmt.TrainingDivergedException;
import dev.rmt.checkpoint.HashedFolder;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs of the native trainer on a tiny model: a letter is read, then others, then it is asked for. */
class RmtTrainerTest {
    @TempDir
    private Path temporary;

    // ---- what training is for ----

    @Test
    void aModelLearnsToRememberAndIsReadBackFromItsFolder() {
        List<TrainingProgress> steps = new ArrayList<>();

        TrainingStage easy = TinyRuns.stage(new LetterData(1, false), "one", 400)
                .learningRate(LearningRate.linear(2e-3, 50))
                .build();

        TrainingResult result = TinyRuns.trainer(out("out"), List.of(easy), new TrainingListener() {
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
        assertThat(steps.get(399).tokens()).isEqualTo(400L * LetterData.DOCUMENTS * (3 + 1 + 2));
        try (RmtModel model = RmtModel.load(result.model().orElseThrow(), Device.cpu(1))) {
            assertThat(model.trained()).isTrue();
            assertThat(model.config()).isEqualTo(TinyRuns.CONFIG);
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

        TrainingResult result = TinyRuns.trainer(
                        out("out"),
                        List.of(TinyRuns.stage("one", 18, 1)
                                .validation(validation, 5)
                                .build()),
                        new TrainingListener() {
                            @Override
                            public void validated(
                                    TrainingProgress progress, Map<String, Double> figures, boolean isBest) {
                                best.add(isBest);
                            }
                        })
                .build()
                .train();

        assertThat(best).as("of equal ones the later").containsExactly(true, true, false, true);
        assertThat(result.bestScore()).isEqualTo(0.7);
        assertThat(hash(result)).isEqualTo(hashes.get(3)).isNotEqualTo(hashes.get(1));
    }

    @Test
    void whatIsFrozenKeepsItsBitsAndTheRestLearns() {
        OptimizerSettings freezing = new OptimizerSettings(
                0.9, 0.999, 1e-8, 0, false, 0, 1, 0, List.of("memory[:3]", "encoder.layer.0.output"));
        TrainingResult result = TinyRuns.trainer(
                        out("out"),
                        List.of(TinyRuns.stage("one", 10, 1).optimizer(freezing).build()))
                .build()
                .train();

        Weights before = new RandomWeights(TinyRuns.CONFIG, 3, 0.1);
        try (ModelDirectory directory = ModelDirectory.open(result.model().orElseThrow(), LoadOptions.defaults())) {
            Weights after = directory.weights();
            int hidden = TinyRuns.CONFIG.hiddenSize();
            float[] memoryBefore = all(before, Weights.MEMORY);
            float[] memoryAfter = all(after, Weights.MEMORY);
            for (int i = 0; i < memoryBefore.length; i++) {
                if (i % hidden < 3) {
                    assertThat(memoryAfter[i]).isEqualTo(memoryBefore[i]);
                } else {
                    assertThat(memoryAfter[i]).isNotEqualTo(memoryBefore[i]);
                }
            }
            String frozen = "encoder.layer.0.output.dense.weight";
            assertThat(all(after, frozen)).isEqualTo(all(before, frozen));
            String free = "encoder.layer.0.intermediate.dense.weight";
            assertThat(all(after, free)).isNotEqualTo(all(before, free));
        }
    }

    private static float[] all(Weights weights, String name) {
        long count = 1;
        for (long size : weights.shape(name)) {
            count *= size;
        }
        float[] values = new float[(int) count];
        weights.read(name, 0, values, 0, values.length);
        return values;
    }

    @Test
    void whatIsFrozenMustExistAndNameColumns() {
        assertThatThrownBy(() -> new OptimizerSettings(0.9, 0.999, 1e-8, 0, false, 0, 1, 0, List.of("memory[:0]")))
                .hasMessageContaining("memory[:0]")
                .hasMessageContaining("no columns");
        OptimizerSettings unknown = new OptimizerSettings(0.9, 0.999, 1e-8, 0, false, 0, 1, 0, List.of("decoder[:2]"));
        RmtTrainer trainer = TinyRuns.trainer(
                        out("out"),
                        List.of(TinyRuns.stage("one", 2, 1).optimizer(unknown).build()))
                .build();
        assertThatThrownBy(trainer::train).isInstanceOf(InputException.class).hasMessageContaining("freezes decoder");
    }

    @Test
    void theAverageOfTheWeightsIsWhatIsValidatedAndKept() {
        OptimizerSettings averaging = OptimizerSettings.usual().withAverageDecay(0.9);

        TrainingResult plain = TinyRuns.trainer(
                        out("plain"), List.of(TinyRuns.stage("one", 20, 1).build()))
                .build()
                .train();
        TrainingResult average = TinyRuns.trainer(
                        out("average"),
                        List.of(TinyRuns.stage("one", 20, 1)
                                .optimizer(averaging)
                                .build()))
                .build()
                .train();

        assertThat(hash(average)).isNotEqualTo(hash(plain));
    }

    @Test
    void aStageEndsEarlyWhereItsCriterionIsMetAndTheNextOneGoesOn() {
        List<String> events = new ArrayList<>();
        Criterion soon = new Criterion(7, Map.of("steps", 0.0));

        TrainingResult result = TinyRuns.trainer(
                        out("out"),
                        List.of(
                                TinyRuns.stage("one", 50, 1).stopWhen(soon).build(),
                                TinyRuns.stage("two", 5, 2).build()),
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
        TrainingResult with = TinyRuns.trainer(
                        out("with"), List.of(TinyRuns.stage("one", 12, 1).build()))
                .build()
                .train();
        TrainingResult without = TinyRuns.trainer(
                        out("without"),
                        List.of(TinyRuns.stage("one", 12, 1).recompute(false).build()))
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
        trainer[0] = TinyRuns.three(out("out"), 1, 1000)
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
    void aRunThatIsResumedInTheMiddleOfAStageKnowsHowManyStepsThereAreInAll() {
        killAfter("out", 17);
        Set<Long> totals = new HashSet<>();

        TinyRuns.three(out("out"), 1, 4)
                .resume(true)
                .listener(new TrainingListener() {
                    @Override
                    public void stageStarted(TrainingProgress progress) {
                        totals.add(progress.totalSteps());
                    }
                })
                .build()
                .train();

        assertThat(totals).containsExactly(30L);
    }

    @Test
    void aRunThatIsThroughCanBeResumedAndDoesNothing() throws IOException {
        Path first = runAll("out", 10, 1, null);
        String bits = finalBits(first);

        TrainingResult again =
                TinyRuns.three(out("out"), 1, 10).resume(true).build().train();

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

        assertThatThrownBy(() -> TinyRuns.three(out("out"), 1, 5).build().train())
                .isInstanceOf(InputException.class)
                .hasMessageContaining("holds the checkpoint of a run already; resume it, or choose another folder.");
    }

    @Test
    void otherSettingsAreRefusedByName() {
        killAfter("out", 9);

        assertThatThrownBy(() -> TinyRuns.three(
                                out("out"),
                                1,
                                5,
                                TinyRuns.third().accumulation(3).build())
                        .resume(true)
                        .build()
                        .train())
                .isInstanceOf(InputException.class)
                .hasMessageContaining(
                        "was made with stage 3: accumulation = 2, this run has 3; resume with the settings");
        assertThatThrownBy(() -> TinyRuns.three(out("out"), 1, 5)
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
        RmtTrainer.Builder builder =
                RmtTrainer.builder(TinyRuns.CONFIG, TestModels.tokenizer(), new RandomWeights(TinyRuns.CONFIG, 3));

        assertThatThrownBy(builder::build).hasMessageContaining("call output(folder)");
        assertThatThrownBy(() -> builder.output(temporary).build()).hasMessageContaining("at least one stage");
        assertThatThrownBy(() -> builder.stage(TinyRuns.stage("one", 5, 1)
                                .start(TrainingStage.Start.BEST)
                                .build())
                        .build())
                .hasMessageContaining("no stage before it is validated");
        assertThatThrownBy(() -> TinyRuns.stage("one", 0, 1).build()).hasMessageContaining("has 0 steps");
    }

    @Test
    void theModelAfterEachStageIsKeptWhereItIsAskedFor() throws IOException {
        TinyRuns.trainer(out("out"), twoShortStages()).keepStages(true).build().train();
        TinyRuns.trainer(out("other"), twoShortStages()).build().train();

        assertThat(modelHash(out("out").resolve("stage-2")))
                .isEqualTo(modelHash(out("out").resolve("model")))
                .isEqualTo(modelHash(out("other").resolve("model")))
                .isNotEqualTo(modelHash(out("out").resolve("stage-1")));
        assertThat(out("other").resolve("stage-1")).doesNotExist();
    }

    private static List<TrainingStage> twoShortStages() {
        return List.of(
                TinyRuns.stage("one", 3, 1).build(), TinyRuns.stage("two", 3, 2).build());
    }

    private static String modelHash(Path folder) {
        try (RmtModel model = RmtModel.load(folder, Device.cpu(1))) {
            return model.sha256();
        }
    }

    // ---- what goes wrong ----

    @Test
    void aLossThatIsNotFiniteStopsTheRunAndLeavesTheCheckpoint() throws IOException {
        // Each step multiplies the weights by about -50.
        OptimizerSettings exploding = OptimizerSettings.usual().withWeightDecay(50, true);

        assertThatThrownBy(() -> TinyRuns.trainer(
                                out("out"),
                                List.of(TinyRuns.stage("one", 30, 1)
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
            assertThat(model.config()).isEqualTo(TinyRuns.CONFIG);
        }
    }

    @Test
    void weightsThatAreNotFiniteAreNeverWrittenToACheckpoint() {
        OptimizerSettings exploding = OptimizerSettings.usual().withWeightDecay(900, true);

        assertThatThrownBy(() -> TinyRuns.trainer(
                                out("out"),
                                List.of(TinyRuns.stage("one", 30, 1)
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
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("Cannot write")
                    .hasMessageContaining("is whole: resume from it");
        } finally {
            Files.setPosixFilePermissions(out("out"), PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        assertThat(finalBits(runAll("out", 4, 1, null))).isEqualTo(finalBits(runAll("never", 4, 1, null)));
    }

    @Test
    void aFileInThePlaceOfTheFolderIsNamed() throws IOException {
        Files.writeString(temporary.resolve("out"), "in the way");

        assertThatThrownBy(() -> runAll("out", 1, 1, null))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("Cannot write " + out("out").resolve("checkpoint") + ": ")
                .hasMessageEndingWith("; nothing has been trained.");
    }

    @Test
    void aCheckpointThatCannotBeWrittenEndsTheRunAndSaysWhereItCanGoOn() throws IOException {
        // Where the checkpoint has to step aside to, something appears that cannot be cleared away: a folder with
        // another in it.
        Path inTheWay = out("out").resolve("checkpoint.previous/folder/in it");
        TrainingListener obstacle = new TrainingListener() {
            @Override
            public void stepTaken(TrainingProgress progress) {
                if (progress.totalStep() == 6) {
                    assertThat(inTheWay.toFile().mkdirs()).isTrue();
                }
            }
        };

        assertThatThrownBy(() -> TinyRuns.three(out("out"), 1, 4)
                        .listener(obstacle)
                        .build()
                        .train())
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("Cannot write " + out("out").resolve("checkpoint") + ": ")
                .hasMessageContaining("the last checkpoint, of step 4 of all stages, is whole: resume from it");

        Files.delete(inTheWay);
        Files.delete(inTheWay.getParent());
        assertThat(finalBits(runAll("out", 4, 1, null))).isEqualTo(finalBits(runAll("never", 4, 1, null)));
    }

    // ---- runs ----

    private Path out(String folder) {
        return temporary.resolve(folder);
    }

    private Path runAll(String folder, long checkpointSteps, int threads, Killer killer) {
        RmtTrainer.Builder builder =
                TinyRuns.three(out(folder), threads, checkpointSteps).resume(true);
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
}
