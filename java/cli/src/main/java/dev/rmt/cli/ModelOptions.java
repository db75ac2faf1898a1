package dev.rmt.cli;

import dev.rmt.Device;
import dev.rmt.InputException;
import dev.rmt.LoadOptions;
import dev.rmt.LoadOptions.MemoryRows;
import dev.rmt.RmtModel;
import dev.rmt.checkpoint.BuiltInModel;
import dev.rmt.task.MemoryTask;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Which model runs, and where. */
final class ModelOptions {
    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = {
                "A Hugging Face BERT directory (config.json, model.safetensors, vocab.txt or tokenizer.json).",
                "Default: the small built-in model, trained for the three memory tasks."
            })
    Path model;

    @Option(
            names = "--num-mem-tokens",
            paramLabel = "M",
            converter = Converters.NotNegative.class,
            description = "Memory tokens of a --model whose config.json has no \"rmt\" object (default: 10).")
    Integer numMemTokens;

    @Option(
            names = "--memory-rows",
            paramLabel = "ROWS",
            description = {
                "Where such a model's initial memory comes from: last (the last M rows of the word embeddings), new (random"
                        + " rows) or auto (default: last if no piece of the vocabulary names them, else new; the output says"
                        + " which)."
            })
    MemoryRows memoryRows;

    @Option(
            names = "--seed",
            paramLabel = "N",
            converter = Converters.Seed.class,
            defaultValue = "42",
            description =
                    "Seed of everything random: samples, and parts that a model lacks (default: ${DEFAULT-VALUE}).")
    long seed;

    @Mixin
    DeviceOptions device;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    /** Refuses options that contradict each other, before anything is loaded. */
    void check() {
        if (model == null && (numMemTokens != null || memoryRows != null)) {
            throw new ParameterException(
                    command.commandLine(),
                    (numMemTokens != null ? "--num-mem-tokens" : "--memory-rows")
                            + " is for a --model that does not say it" + " itself; name the model.");
        }
        if (model != null && !Files.isDirectory(model)) {
            throw new UnusableFileException("--model " + model + ": "
                    + (Files.exists(model)
                            ? "that is a file; give the folder that holds config.json."
                            : "there is no such folder."));
        }
    }

    RmtModel load() {
        Device where = device.open();
        if (model == null) {
            return RmtModel.builtIn(where);
        }
        LoadOptions options = LoadOptions.defaults().withSeed(seed);
        if (numMemTokens != null) {
            options = options.withNumMemTokens(numMemTokens);
        }
        if (memoryRows != null) {
            options = options.withMemoryRows(memoryRows);
        }
        return RmtModel.load(model, where, options);
    }

    /**
     * Refuses a model that does not answer with the places of the memory tasks.
     *
     * @param whose what asks for places: "tasks"
     * @param end of the sentence
     */
    void requirePlaces(RmtModel loaded, String whose, String end) {
        List<String> labels = loaded.config().labels();
        if (!labels.equals(MemoryTask.LABELS)) {
            throw new InputException("The " + whose + " ask for one of " + String.join(", ", MemoryTask.LABELS)
                    + ", but " + name() + " answers "
                    + (labels.isEmpty() ? "nothing (it has no classifier)" : String.join(", ", labels)) + end);
        }
    }

    /** The model as results name it: the folder as it was given, or "built-in". */
    String name() {
        return model == null ? BuiltInModel.NAME : model.toString();
    }
}
