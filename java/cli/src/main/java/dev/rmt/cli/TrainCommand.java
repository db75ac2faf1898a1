package dev.rmt.cli;

import dev.rmt.Device;
import dev.rmt.InputException;
import dev.rmt.LoadOptions;
import dev.rmt.LoadOptions.MemoryRows;
import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.text.WordPieceTokenizer;
import dev.rmt.train.Curriculum;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code rmt train}: a model through the stages of a recipe. */
@Command(
        name = "train",
        header = "Train a model on the memory tasks, by a recipe.",
        customSynopsis = "java -jar rmt.jar train --out DIR [OPTIONS]",
        description = {
            "",
            "Trains a model through the stages of a recipe: a new one, or one of yours with --model. The folder holds, at the"
                    + " end: model (give it to eval --model), training.csv, validation.csv and training.png (the learning"
                    + " curve), tensorboard (the same for TensorBoard), recipe.yaml and provenance.json; besides, checkpoint and"
                    + " best, which --resume needs.",
            "A run that was stopped, by Ctrl-C or a crash, goes on with --resume to the same weights, bit for bit, as if it had"
                    + " not been."
        },
        footer = {
            "  A small model from scratch, facts hidden in your own books:",
            "    java -jar rmt.jar train --recipe small --out my-model --noise books/",
            "  Go on after an interruption (the other options as before):",
            "    java -jar rmt.jar train --recipe small --out my-model --noise books/ \\",
            "        --resume",
            "  A BERT of yours, by the paper's recipe for one task:",
            "    java -jar rmt.jar train --recipe paper-detect --model bert --out my-model",
            "  A recipe of your own:",
            "    java -jar rmt.jar train --recipe my.yaml --out my-model",
            "  How good is it?",
            "    java -jar rmt.jar eval --model my-model/model"
        })
final class TrainCommand implements Callable<Integer> {
    /** Recipes by name, for the help. */
    static final class Recipes extends ArrayList<String> {
        private static final long serialVersionUID = 1L;

        Recipes() {
            super(Curriculum.names());
        }
    }

    @Option(
            names = "--recipe",
            paramLabel = "NAME|FILE",
            defaultValue = "small",
            completionCandidates = Recipes.class,
            description =
                    "What is trained how: one of ${COMPLETION-CANDIDATES}, or a YAML file (default: ${DEFAULT-VALUE}).")
    private String recipe;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Folder of the run: new or empty, or that of the run that is resumed.")
    private Path out;

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "Start from this Hugging Face BERT directory (default: a new model, as the recipe says).")
    private Path model;

    @Option(
            names = "--num-mem-tokens",
            paramLabel = "M",
            converter = Converters.NotNegative.class,
            description = "Memory tokens of a --model whose config.json has no \"rmt\" object (default: 10).")
    private Integer numMemTokens;

    @Option(
            names = "--memory-rows",
            paramLabel = "ROWS",
            description = "Where such a model's initial memory comes from: last, new or auto (default), as in eval.")
    private MemoryRows memoryRows;

    @Option(
            names = "--vocab",
            paramLabel = "FILE",
            description = "Vocabulary of a new model, a vocab.txt (default: the built-in one).")
    private Path vocabulary;

    @Option(
            names = "--noise",
            paramLabel = "PATH",
            arity = "1..*",
            description = {
                "Texts that facts are hidden in: files, or folders with *.txt files (default: English prose from a built-in"
                        + " generator)."
            })
    private List<Path> noise;

    @Option(
            names = "--validation-noise",
            paramLabel = "PATH",
            arity = "1..*",
            description = "The same for validation and the table at the end: other texts (default: generated prose).")
    private List<Path> validationNoise;

    @Option(
            names = "--seed",
            paramLabel = "N",
            converter = Converters.Seed.class,
            description = "Seed of everything random (default: the recipe's).")
    private Long seed;

    @Option(
            names = "--checkpoint-every",
            paramLabel = "N",
            converter = Converters.Positive.class,
            description = "Write a checkpoint every N steps too (default: every minute, and after each stage).")
    private Integer checkpointEvery;

    @Option(
            names = "--keep-stages",
            description =
                    "Keep the model after each stage too, as it stands then: folders stage-1, stage-2 ... in --out.")
    private boolean keepStages;

    @Option(
            names = "--log-every",
            paramLabel = "N",
            converter = Converters.Positive.class,
            defaultValue = "10",
            description = "Steps for each row of the logs (default: ${DEFAULT-VALUE}).")
    private int logEvery;

    @Option(names = "--resume", description = "Go on from the checkpoint in --out; the options must be the same.")
    private boolean resume;

    @Option(
            names = "--plot-only",
            description = "Draw training.png of the run in --out as far as it has come, and do nothing else.")
    private boolean plotOnly;

    @Option(names = "--json", paramLabel = "FILE", description = "Write the results as JSON too.")
    private Path json;

    @Mixin
    private DeviceOptions device;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        if (plotOnly) {
            return plot();
        }
        check();
        Curriculum curriculum = curriculum();
        if (curriculum.model() == null && model == null) {
            throw new ParameterException(
                    spec.commandLine(),
                    "The recipe " + recipe + " does not say what a new model is like; name a model with --model.");
        }
        Device where = device.open();
        long seedNow = seed != null ? seed : curriculum.seed();
        try (RunFolder folder = RunFolder.take(out, resume)) {
            if (model == null) {
                WordPieceTokenizer tokenizer =
                        vocabulary == null ? Vocabularies.builtIn() : Vocabularies.ofFile(vocabulary);
                ModelConfig config =
                        curriculum.model().config(tokenizer.vocabulary().size());
                TrainingJob.Start start = new TrainingJob.Start(
                        config,
                        tokenizer,
                        curriculum.start().weights(config, seedNow),
                        "new",
                        "from the recipe and the seed",
                        List.of());
                return job(curriculum, start, where, seedNow).run(System.out);
            }
            try (ModelDirectory directory = ModelDirectory.open(model, loadOptions(seedNow))) {
                requirePlaces(directory.config());
                TrainingJob.Start start = new TrainingJob.Start(
                        directory.config(),
                        directory.tokenizer(),
                        directory.weights(),
                        model.toString(),
                        "sha256 " + directory.sha256(),
                        directory.notices());
                return job(curriculum, start, where, seedNow).run(System.out);
            }
        }
    }

    private int plot() {
        TrainingChart.draw(out).ifPresent(reason -> {
            throw new UnusableFileException(
                    "--out " + out + ": the learning curve could not be drawn: " + reason + ".");
        });
        System.out.println("Drew " + out.resolve(TrainingChart.FILE) + ".");
        return ExitCodes.OK;
    }

    private TrainingJob job(Curriculum curriculum, TrainingJob.Start start, Device where, long seedNow) {
        TrainingJob.NoiseText text = new TrainingJob.NoiseText(
                noise == null ? Noise.generated(start.tokenizer(), seedNow) : Noise.files(noise, start.tokenizer()),
                TrainingJob.NoiseText.name(noise));
        // Another seed: where both are generated, validation must not be read from what was learned on.
        TrainingJob.NoiseText other = new TrainingJob.NoiseText(
                validationNoise == null
                        ? Noise.generated(start.tokenizer(), ~seedNow)
                        : Noise.files(validationNoise, start.tokenizer()),
                TrainingJob.NoiseText.name(validationNoise));
        return new TrainingJob(
                curriculum,
                start,
                text,
                other,
                where,
                seedNow,
                out,
                resume,
                checkpointEvery,
                keepStages,
                logEvery,
                json);
    }

    /** Refuses what cannot work before anything is made. */
    private void check() {
        if (model == null && (numMemTokens != null || memoryRows != null)) {
            throw new ParameterException(
                    spec.commandLine(),
                    (numMemTokens != null ? "--num-mem-tokens" : "--memory-rows")
                            + " is for a --model that does not say it itself; name the model.");
        }
        if (model != null && vocabulary != null) {
            throw new ParameterException(
                    spec.commandLine(), "--vocab is for a new model; the one of --model has a vocabulary.");
        }
        InputFile.requirePaths("--noise ", noise);
        InputFile.requirePaths("--validation-noise ", validationNoise);
        if (json != null) {
            OutputFile.requireWritable("--json", json);
        }
    }

    private Curriculum curriculum() {
        if (Curriculum.names().contains(recipe)) {
            return Curriculum.named(recipe);
        }
        Path file = Path.of(recipe);
        if (!Files.exists(file)) {
            throw new UnusableFileException("--recipe " + recipe + ": there is no recipe of that name ("
                    + String.join(", ", Curriculum.names()) + "), and no such file.");
        }
        InputFile.requireReadable("--recipe ", file);
        return Curriculum.load(file);
    }

    private LoadOptions loadOptions(long seedNow) {
        LoadOptions options = LoadOptions.defaults().withSeed(seedNow);
        if (numMemTokens != null) {
            options = options.withNumMemTokens(numMemTokens);
        }
        return memoryRows == null ? options : options.withMemoryRows(memoryRows);
    }

    private void requirePlaces(ModelConfig config) {
        if (!config.labels().equals(MemoryTask.LABELS)) {
            throw new InputException("The tasks ask for one of " + String.join(", ", MemoryTask.LABELS)
                    + ", but the classifier of " + model + " answers " + String.join(", ", config.labels())
                    + "; give a model without a classifier.");
        }
    }
}
