package dev.rmt.train;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.TestModels;
import dev.rmt.checkpoint.RandomWeights;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Runs of a few dozen steps on a tiny model. */
final class TinyRuns {
    static final ModelConfig CONFIG = TestModels.config().build();

    private TinyRuns() {}

    static TrainingStage.Builder stage(String name, long steps, int seed) {
        return stage(new LetterData(seed), name, steps);
    }

    static TrainingStage.Builder stage(TrainingData data, String name, long steps) {
        return TrainingStage.builder(name, data, steps)
                .learningRate(LearningRate.constant(3e-3, 10))
                .bpttDepth(name.equals("two") ? 1 : -1);
    }

    static TrainingStage.Builder third() {
        return stage("three", 10, 3)
                .carryOver(TrainingStage.CarryOver.OPTIMIZER)
                .dropout(0.1f, 0.1f)
                .accumulation(2);
    }

    static RmtTrainer.Builder trainer(Path folder, List<TrainingStage> stages, TrainingListener... listeners) {
        RmtTrainer.Builder builder = RmtTrainer.builder(
                        CONFIG, TestModels.tokenizer(), new RandomWeights(CONFIG, 3, 0.1))
                .output(folder)
                .device(Device.cpu(1))
                .probeOutputs(LetterData.PROBE_OUTPUTS);
        stages.forEach(builder::stage);
        for (TrainingListener listener : listeners) {
            builder.listener(listener);
        }
        return builder;
    }

    /** Three stages: one with validations, one from the best of them, one with dropout and accumulation. */
    static RmtTrainer.Builder three(Path folder, int threads, long checkpointSteps) {
        return three(folder, threads, checkpointSteps, third().build());
    }

    static RmtTrainer.Builder three(Path folder, int threads, long checkpointSteps, TrainingStage third) {
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
}
