package dev.rmt.train;

import dev.rmt.InputException;
import dev.rmt.ModelConfig;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.TrainingText;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A whole training run as data: stages one after the other, and what a new model is made of. Read from YAML; the recipes that
 * come along have names.
 *
 * @param name of the recipe, or of its file
 * @param description for people
 * @param model sizes of a new model, without its vocabulary; null: the recipe trains a model that is given
 * @param start starting values of a new model
 * @param seed of starting values and batches, unless another is given
 * @param probes all that any stage uses
 * @param stages one or more
 * @param text the YAML that it was read from
 */
public record Curriculum(
        String name,
        String description,
        ModelSizes model,
        StartingValues start,
        long seed,
        List<ProbeSpec> probes,
        List<Stage> stages,
        String text) {
    private static final List<String> NAMES =
            List.of("small", "control", "paper-memorize", "paper-detect", "paper-reason");
    private static final long MAX_BYTES = 1 << 20;

    /** Sizes of a new model; positions are as many as a segment has. */
    public record ModelSizes(
            int hiddenSize, int numLayers, int numHeads, int intermediateSize, int numMemTokens, int inputLength) {
        /** The model's configuration with a vocabulary of {@code vocabSize}, answering the tasks' places. */
        public ModelConfig config(int vocabSize) {
            return ModelConfig.builder()
                    .hiddenSize(hiddenSize)
                    .numLayers(numLayers)
                    .numHeads(numHeads)
                    .intermediateSize(intermediateSize)
                    .numMemTokens(numMemTokens)
                    .inputLength(inputLength)
                    .maxPositions(inputLength)
                    .vocabSize(vocabSize)
                    .labels(MemoryTask.LABELS)
                    .build();
        }
    }

    public Curriculum {
        Objects.requireNonNull(name, "name");
        probes = List.copyOf(probes);
        stages = List.copyOf(stages);
        if (stages.isEmpty()) {
            throw new IllegalArgumentException("A curriculum needs at least one stage.");
        }
    }

    /** Outputs of all probes together: rows of the trainer's table of probe outputs. */
    public int numProbeOutputs() {
        return probes.stream().mapToInt(probe -> probe.rule().outputs()).sum();
    }

    /** Steps of all stages, at most. */
    public long totalSteps() {
        return stages.stream().mapToLong(Stage::steps).sum();
    }

    /**
     * The stages, ready to run.
     *
     * @param tokenizer of the model
     * @param noise text that facts are hidden in while training
     * @param validationNoise other text, for validation
     * @param config of the model
     * @param seed of batches and of validation samples
     * @throws InputException if the tasks cannot be told in the model's vocabulary or segments, or a stage does not fit it
     */
    public List<TrainingStage> trainingStages(
            WordPieceTokenizer tokenizer, Noise noise, Noise validationNoise, ModelConfig config, long seed) {
        boolean documents = stages.stream().anyMatch(stage -> stage.data() instanceof TaskSettings);
        TrainingText text = documents ? new TrainingText(tokenizer, noise) : null;
        List<TrainingStage> ready = new ArrayList<>();
        for (Stage stage : stages) {
            int number = ready.size();
            try {
                TrainingData batches = stage.data()
                        .batches(new StageData.Source(
                                tokenizer,
                                noise,
                                text,
                                config,
                                seed,
                                number,
                                stage.until().window(),
                                stage.probes()));
                ready.add(stage.training(
                        batches, new TaskValidation(stage.validation(), tokenizer, validationNoise, seed)));
            } catch (IllegalArgumentException e) {
                throw new InputException(
                        "Stage " + (number + 1) + " (" + stage.name() + ") of the recipe " + name
                                + " does not fit the model: " + e.getMessage(),
                        e);
            }
        }
        return ready;
    }

    /** The names of the recipes that come along, for {@link #named}. */
    public static List<String> names() {
        return NAMES;
    }

    /**
     * A recipe that comes along.
     *
     * @throws InputException if there is none of this name
     */
    public static Curriculum named(String name) {
        if (!NAMES.contains(name)) {
            throw new InputException("There is no recipe \"" + name + "\"; there are " + String.join(", ", NAMES)
                    + ", or give a YAML file.");
        }
        try (InputStream in = Curriculum.class.getResourceAsStream("recipes/" + name + ".yaml")) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return CurriculumReader.read("recipe " + name, name, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * A recipe in a file.
     *
     * @throws InputException if it cannot be read; what is wrong is said with the path of the key
     */
    public static Curriculum load(Path file) {
        try {
            if (Files.isRegularFile(file) && Files.size(file) > MAX_BYTES) {
                throw new InputException(
                        "The recipe " + file + " has " + Files.size(file) + " bytes; it may have " + MAX_BYTES + ".");
            }
            String name = String.valueOf(file.getFileName()).replaceFirst("\\.ya?ml$", "");
            return CurriculumReader.read(file.toString(), name, Files.readString(file));
        } catch (CharacterCodingException e) {
            throw new InputException("The recipe " + file + " is not UTF-8 text; give a YAML file.", e);
        } catch (IOException e) {
            throw new InputException("The recipe " + file + " cannot be read (" + e + "); give a YAML file.", e);
        }
    }
}
