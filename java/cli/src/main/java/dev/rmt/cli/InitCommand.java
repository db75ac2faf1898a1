package dev.rmt.cli;

import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.ModelWriter;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.task.MemoryTask;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code rmt init}: makes a new untrained model directory. */
@Command(
        name = "init",
        header = "Make a new untrained model directory.",
        customSynopsis = "java -jar rmt.jar init DIR [OPTIONS]",
        description = {
            "",
            "Makes a new model directory with random weights: a BERT encoder with memory tokens and a classifier, in the"
                    + " layout of Hugging Face (config.json, model.safetensors, vocab.txt). The folder must not exist or be"
                    + " empty."
        },
        footer = {
            "  A small model with the built-in vocabulary:",
            "    java -jar rmt.jar init my-model",
            "  A larger one, with a vocabulary made from your own texts:",
            "    java -jar rmt.jar init my-model --hidden-size 256 --num-layers 4 \\",
            "        --num-heads 4 --vocab-from books/*.txt --vocab-size 8000",
            "  With the vocabulary of another BERT:",
            "    java -jar rmt.jar init my-model --vocab bert/vocab.txt",
            "  What came out:",
            "    java -jar rmt.jar info my-model"
        })
final class InitCommand implements Callable<Integer> {
    @Parameters(paramLabel = "DIR", description = "Folder to make.")
    private Path directory;

    @Option(
            names = "--hidden-size",
            paramLabel = "H",
            converter = Converters.Positive.class,
            defaultValue = "128",
            description = "Width of the encoder (default: ${DEFAULT-VALUE}).")
    private int hiddenSize;

    @Option(
            names = "--num-layers",
            paramLabel = "L",
            converter = Converters.Positive.class,
            defaultValue = "2",
            description = "Encoder layers (default: ${DEFAULT-VALUE}).")
    private int numLayers;

    @Option(
            names = "--num-heads",
            paramLabel = "NH",
            converter = Converters.Positive.class,
            description = "Attention heads; must divide H (default: H / 64, at least 1).")
    private Integer numHeads;

    @Option(
            names = "--intermediate-size",
            paramLabel = "F",
            converter = Converters.Positive.class,
            description = "Width of the feed-forward part (default: 4 H).")
    private Integer intermediateSize;

    @Option(
            names = "--input-length",
            paramLabel = "T",
            converter = Converters.Positive.class,
            defaultValue = "512",
            description =
                    "Positions of one segment: content, memory tokens and 3 special tokens (default: ${DEFAULT-VALUE}).")
    private int inputLength;

    @Option(
            names = "--num-mem-tokens",
            paramLabel = "M",
            converter = Converters.NotNegative.class,
            defaultValue = "10",
            description = "Memory tokens (default: ${DEFAULT-VALUE}).")
    private int numMemTokens;

    @Option(
            names = "--labels",
            paramLabel = "NAME",
            split = ",",
            description =
                    "What the classifier answers (default: the six places of the memory tasks, bathroom,hallway,...).")
    private List<String> labels;

    @ArgGroup
    private VocabularyChoice vocabulary = new VocabularyChoice();

    static final class VocabularyChoice {
        @Option(names = "--vocab", paramLabel = "FILE", description = "Take this vocab.txt (one piece a line).")
        private Path file;

        @Option(
                names = "--vocab-from",
                paramLabel = "FILE",
                arity = "1..*",
                description = "Build a lower-case WordPiece vocabulary from these texts.")
        private List<Path> texts;
    }

    @Option(
            names = "--vocab-size",
            paramLabel = "V",
            converter = Converters.Positive.class,
            description = "Pieces that --vocab-from may make at most (default: 8000).")
    private Integer vocabSize;

    @Option(
            names = "--seed",
            paramLabel = "N",
            converter = Converters.Seed.class,
            defaultValue = "42",
            description = "Seed of the random weights (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        checkFolder();
        if (vocabSize != null && vocabulary.texts == null) {
            throw usage("--vocab-size belongs to --vocab-from.");
        }
        WordPieceTokenizer tokenizer = tokenizer();
        ModelConfig config = config(tokenizer.vocabulary().size());
        ModelWriter.write(directory, config, tokenizer, new RandomWeights(config, seed));
        System.out.println("Made " + directory + ": " + config.numLayers() + " layers of " + config.hiddenSize() + ", "
                + Text.count(tokenizer.vocabulary().size()) + " pieces, segments of " + config.segmentSize()
                + " tokens, " + config.numMemTokens() + " memory tokens. It is untrained.");
        return ExitCodes.OK;
    }

    private WordPieceTokenizer tokenizer() throws IOException {
        if (vocabulary.file != null) {
            return Vocabularies.ofFile(vocabulary.file);
        }
        if (vocabulary.texts != null) {
            return Vocabularies.fromTexts(vocabulary.texts, vocabSize == null ? Vocabularies.DEFAULT_SIZE : vocabSize);
        }
        return Vocabularies.builtIn();
    }

    private void checkFolder() throws IOException {
        if (Files.exists(directory)) {
            if (!Files.isDirectory(directory)) {
                throw new UnusableFileException(directory + ": a file stands there; give the name of a new folder.");
            }
            try (Stream<Path> content = Files.list(directory)) {
                if (content.findAny().isPresent()) {
                    throw new UnusableFileException("The folder " + directory
                            + " is not empty; give a new one, so that no model is overwritten.");
                }
            }
        }
        Path parent = directory.toAbsolutePath().getParent();
        if (parent != null && Files.exists(parent) && !Files.isDirectory(parent)) {
            throw new UnusableFileException(directory + ": " + parent + " is not a folder.");
        }
    }

    private ModelConfig config(int pieces) {
        List<String> names = labels == null
                ? MemoryTask.LABELS
                : labels.stream().map(String::trim).toList();
        if (names.stream().anyMatch(String::isEmpty) || new LinkedHashSet<>(names).size() < names.size()) {
            throw usage(
                    "--labels needs names that are all different and not empty, not " + String.join(",", names) + ".");
        }
        int heads = numHeads != null ? numHeads : hiddenSize % 64 == 0 ? hiddenSize / 64 : 1;
        if (intermediateSize == null && hiddenSize > Integer.MAX_VALUE / 4) {
            throw usage("--hidden-size " + hiddenSize + " is too large.");
        }
        try {
            return ModelConfig.builder()
                    .hiddenSize(hiddenSize)
                    .numLayers(numLayers)
                    .numHeads(heads)
                    .intermediateSize(intermediateSize == null ? 4 * hiddenSize : intermediateSize)
                    .vocabSize(pieces)
                    .maxPositions(inputLength)
                    .inputLength(inputLength)
                    .numMemTokens(numMemTokens)
                    .labels(names)
                    .build();
        } catch (IllegalArgumentException e) {
            throw usage(e.getMessage());
        }
    }

    private ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
