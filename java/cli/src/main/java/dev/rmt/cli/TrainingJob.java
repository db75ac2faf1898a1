package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.SegmentAlignment;
import dev.rmt.checkpoint.Weights;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.text.WordPieceTokenizer;
import dev.rmt.train.CsvLog;
import dev.rmt.train.Curriculum;
import dev.rmt.train.RmtTrainer;
import dev.rmt.train.Stage;
import dev.rmt.train.TensorBoardLog;
import dev.rmt.train.TrainingListener;
import dev.rmt.train.TrainingProgress;
import dev.rmt.train.TrainingResult;
import dev.rmt.train.ValidationSettings;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Trains, shows and logs, and tests the result.
 *
 * @param start what is trained
 * @param noise text of the training
 * @param validationNoise text of validations and of the table at the end
 * @param checkpointEvery steps; null: by time alone
 * @param keepStages whether the model after each stage is kept
 * @param logEvery steps for each row of the logs
 * @param json where the results go too; null: nowhere
 */
record TrainingJob(
        Curriculum curriculum,
        Start start,
        NoiseText noise,
        NoiseText validationNoise,
        Device device,
        long seed,
        Path out,
        boolean resume,
        Integer checkpointEvery,
        boolean keepStages,
        int logEvery,
        Path json) {
    private static final String RECIPE = "recipe.yaml";
    private static final String PROVENANCE = "provenance.json";
    private static final String TENSOR_BOARD = "tensorboard";
    private static final List<Integer> LENGTHS = List.of(1, 4, 16);
    private static final int BATCH = 8;

    /**
     * A model before training.
     *
     * @param name for people
     * @param identity the same for exactly the same model
     * @param notices what was made up or ignored when it was read
     */
    record Start(
            ModelConfig config,
            WordPieceTokenizer tokenizer,
            Weights weights,
            String name,
            String identity,
            List<String> notices) {}

    /** Noise, and what it is called. */
    record NoiseText(Noise noise, String name) {
        /** @param paths null: it is generated */
        static String name(List<Path> paths) {
            return paths == null
                    ? "generated prose"
                    : paths.stream().map(Path::toString).collect(Collectors.joining(" "));
        }

        private String line() {
            return name + ", " + Text.count(noise.tokens()) + " tokens, " + Text.percent(noise.unknownShare())
                    + " [UNK]";
        }

        private String identity() {
            return noise.tokens() + " tokens, sha256 " + noise.sha256();
        }
    }

    /** Returns the exit status. */
    int run(PrintStream screen) throws IOException {
        Map<String, String> settings = settings();
        printHeader(screen);
        TrainingResult result;
        try (CsvLog csv = new CsvLog(out, logEvery);
                TensorBoardLog tensorBoard = new TensorBoardLog(out.resolve(TENSOR_BOARD), logEvery);
                TrainingScreen view = new TrainingScreen(screen, resume)) {
            RmtTrainer trainer = trainer(settings, List.of(new RecipeFile(), csv, tensorBoard, view));
            try (TrainingInterruption interruption = new TrainingInterruption(trainer, out)) {
                result = trainer.train();
                if (result.cancelled()) {
                    interruption.saved();
                }
            }
        }
        if (result.cancelled()) {
            return ExitCodes.INTERRUPTED;
        }
        TrainingChart.draw(out)
                .ifPresent(reason -> System.err.println("The learning curve could not be drawn: " + reason));
        finish(screen, TrainingRecord.of(device, described(settings), result, out), result);
        return ExitCodes.OK;
    }

    private RmtTrainer trainer(Map<String, String> settings, List<TrainingListener> listeners) {
        RmtTrainer.Builder builder = RmtTrainer.builder(start.config(), start.tokenizer(), start.weights())
                .output(out)
                .device(device)
                .seed(seed)
                .probeOutputs(curriculum.numProbeOutputs())
                .keepStages(keepStages)
                .resume(resume);
        if (checkpointEvery != null) {
            builder.checkpointEvery(checkpointEvery);
        }
        curriculum
                .trainingStages(start.tokenizer(), noise.noise(), validationNoise.noise(), start.config(), seed)
                .forEach(builder::stage);
        settings.forEach(builder::setting);
        listeners.forEach(builder::listener);
        return builder.build();
    }

    /** What must be the same when the run is resumed, beside what the trainer itself compares. */
    private Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("seed", Long.toString(seed));
        settings.put("start", start.identity());
        settings.put("recipe", Digests.sha256(curriculum.text().getBytes(StandardCharsets.UTF_8)));
        settings.put("noise", noise.identity());
        settings.put("validation noise", validationNoise.identity());
        return settings;
    }

    /** The same for the record, with names beside hashes. */
    private Map<String, String> described(Map<String, String> settings) {
        Map<String, String> described = new LinkedHashMap<>(settings);
        described.put("start", start.name() + " (" + settings.get("start") + ")");
        described.put("recipe", curriculum.name() + " (sha256 " + settings.get("recipe") + ")");
        described.put("noise", noise.name() + " (" + settings.get("noise") + ")");
        described.put("validation noise", validationNoise.name() + " (" + settings.get("validation noise") + ")");
        return described;
    }

    private void printHeader(PrintStream screen) {
        Headers.device(device, device.info()).forEach(screen::println);
        screen.println("recipe     " + curriculum.name()
                + ": " + (curriculum.description().isEmpty() ? "" : curriculum.description() + " ")
                + curriculum.stages().size() + (curriculum.stages().size() == 1 ? " stage" : " stages") + ", at most "
                + Text.count(curriculum.totalSteps()) + " steps; seed " + seed);
        screen.println("model      " + start.name() + ": " + Headers.shape(start.config()));
        start.notices().forEach(notice -> screen.println("           " + notice));
        screen.println("noise      " + noise.line());
        screen.println("validation " + validationNoise.line());
        screen.println("out        " + out);
        screen.println();
        screen.flush();
    }

    /** Tests the trained model, and writes down what came out. */
    private void finish(PrintStream screen, ObjectNode record, TrainingResult result) throws IOException {
        Path folder = result.model().orElseThrow();
        screen.println();
        screen.println("Trained " + Text.count(result.steps()) + " steps on "
                + Text.count(result.tokens()) + " tokens in " + Text.seconds(result.seconds())
                + ". The model is " + folder + "; on new samples, facts anywhere in the text of the validation:");
        screen.println();
        OutputFile.write(out.resolve(PROVENANCE), Json.bytes(record)); // the test takes a while: not to be lost with it
        EvalFile file = new EvalFile(null, record);
        try (RmtModel model = RmtModel.load(folder, device)) {
            // another seed: the samples of the seed itself chose the weights
            new EvalRun(model, rows(model), BATCH, SegmentAlignment.RIGHT, seed + 1, EvalRun.Memory.KEPT, file, null)
                    .run(screen);
        }
        byte[] results = Json.bytes(file.toJson());
        OutputFile.write(out.resolve(PROVENANCE), results);
        if (json != null) {
            OutputFile.write(json, results);
        }
    }

    /** The tasks and lengths that any stage was validated on; where none was, all tasks at a few lengths. */
    private List<EvalRun.Row> rows(RmtModel model) {
        Set<TaskKind> kinds = new TreeSet<>();
        Set<Integer> lengths = new TreeSet<>();
        for (Stage stage : curriculum.stages()) {
            ValidationSettings validation = stage.validation();
            if (validation.every() > 0) {
                kinds.addAll(validation.tasks());
                lengths.addAll(validation.samples().keySet());
            }
        }
        ValidationSettings last =
                curriculum.stages().get(curriculum.stages().size() - 1).validation();
        List<EvalRun.Row> rows = new ArrayList<>();
        for (TaskKind kind : kinds.isEmpty() ? List.of(TaskKind.values()) : kinds) {
            MemoryTask task = new MemoryTask(
                    kind,
                    last.placement(),
                    model.tokenizer(),
                    validationNoise.noise(),
                    ReasonFacts.generated(),
                    model.config().segmentSize(),
                    Split.VALIDATION);
            for (int length : lengths.isEmpty() ? LENGTHS : lengths) {
                rows.add(new EvalRun.Row(task, length, EvalCommand.defaultSamples(length)));
            }
        }
        return rows;
    }

    /** Keeps the recipe beside what came of it. */
    private final class RecipeFile implements TrainingListener {
        @Override
        public void stageStarted(TrainingProgress progress) {
            try {
                OutputFile.write(out.resolve(RECIPE), curriculum.text().getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new UncheckedIOException("The recipe cannot be written to " + out + ": " + e.getMessage(), e);
            }
        }
    }
}
