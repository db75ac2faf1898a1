package consumer;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.task.Noise;
import dev.rmt.text.WordPieceTokenizer;
import dev.rmt.train.CsvLog;
import dev.rmt.train.Curriculum;
import dev.rmt.train.RmtTrainer;
import dev.rmt.train.TrainingResult;
import dev.rmt.train.TrainingStage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Trains a tiny model by a recipe, through the public API alone. Ends with 0 if that works. */
public final class TrainAModel {
    private static final String RECIPE = """
            model: {hidden_size: 16, num_layers: 1, num_heads: 2, num_mem_tokens: 2, input_length: 256}
            stages:
              - steps: 3
                learning_rate: {peak: 1.0e-3}
                samples: {segments: 2, batch: 2, tasks: {detect: 1}}
            """;

    private TrainAModel() {}

    /** @param arguments a name for what this run shows */
    public static void main(String[] arguments) throws IOException {
        Path folder = Files.createTempDirectory("rmt-consumer");
        Curriculum recipe = Curriculum.load(Files.writeString(folder.resolve("tiny.yaml"), RECIPE));
        WordPieceTokenizer tokenizer = ReadABook.tokenizer();
        Noise noise = Noise.generated(tokenizer, 1);
        ModelConfig config = recipe.model().config(tokenizer.vocabulary().size());

        try (CsvLog log = new CsvLog(folder, 1)) {
            RmtTrainer.Builder trainer = RmtTrainer.builder(
                            config, tokenizer, recipe.start().weights(config, recipe.seed()))
                    .output(folder.resolve("run"))
                    .device(Device.best())
                    .listener(log);
            for (TrainingStage stage : recipe.trainingStages(tokenizer, noise, noise, config, recipe.seed())) {
                trainer.stage(stage);
            }
            TrainingResult result = trainer.build().train();
            try (RmtModel model = RmtModel.load(result.model().orElseThrow(), Device.best())) {
                if (result.steps() != 3 || !model.trained()) {
                    throw new AssertionError(result);
                }
                System.out.println(arguments[0] + ": trained " + result.steps() + " steps, " + model.sha256());
            }
        }
    }
}
