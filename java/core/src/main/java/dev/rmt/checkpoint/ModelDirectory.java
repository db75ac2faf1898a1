package dev.rmt.checkpoint;

import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import dev.rmt.SegmentAlignment;
import dev.rmt.text.WordPieceTokenizer;
import java.io.Closeable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A Hugging Face BERT directory, opened and checked as a whole: {@code config.json} (with or without an "rmt" object),
 * {@code model.safetensors} or an index of several, and the vocabulary. Weights are streamed out of the files in pieces, so
 * the directory must stay as it is until {@link #close}.
 */
public final class ModelDirectory implements Closeable {
    /** Labels of a new classifier where the directory names none: the places of the paper's memory tasks, in its order. */
    public static final List<String> TASK_LABELS =
            List.of("bathroom", "hallway", "garden", "office", "bedroom", "kitchen");

    private static final String CONFIG = "config.json";

    private final ModelConfig config;
    private final BertConfig file;
    private final WordPieceTokenizer tokenizer;
    private final WeightFiles files;
    private final DirectoryWeights weights;
    private final List<String> initialized;
    private final List<String> notices;
    private String sha256;

    ModelDirectory(
            ModelConfig config,
            BertConfig file,
            WordPieceTokenizer tokenizer,
            WeightFiles files,
            DirectoryWeights weights,
            List<String> initialized,
            List<String> notices) {
        this.config = config;
        this.file = file;
        this.tokenizer = tokenizer;
        this.files = files;
        this.weights = weights;
        this.initialized = List.copyOf(initialized);
        this.notices = List.copyOf(notices);
    }

    /** {@link #open(Path, LoadOptions)} with the default seed. */
    public static ModelDirectory open(Path directory, OptionalInt numMemTokens, LoadOptions.MemoryRows rows) {
        return open(
                directory,
                new LoadOptions(numMemTokens, rows, LoadOptions.defaults().seed()));
    }

    /**
     * Opens a directory and checks everything but the values of the weights.
     *
     * @throws ModelFormatException naming the file, what disagrees, and what to do
     */
    public static ModelDirectory open(Path directory, LoadOptions options) {
        if (!Files.exists(directory)) {
            throw new ModelFormatException("There is no model directory " + directory + "; check the path.");
        }
        if (!Files.isDirectory(directory)) {
            throw new ModelFormatException(
                    directory + " is a file; give the folder that holds config.json and the weights.");
        }
        Path configFile = directory.resolve(CONFIG);
        BertConfig file = BertConfig.read(configFile);
        WordPieceTokenizer tokenizer = WordPieceTokenizer.load(directory);
        MemoryRowsPlan memory =
                MemoryRowsPlan.of(configFile, file, tokenizer.vocabulary().size(), options);
        WeightFiles files = WeightFiles.open(directory);
        try {
            return new ModelAssembly(configFile, file, files, memory, options.seed()).assemble(tokenizer);
        } catch (RuntimeException | Error e) {
            files.close();
            throw e;
        }
    }

    /** The shape of the model; its vocabulary size does not count memory rows. */
    public ModelConfig config() {
        return config;
    }

    /** Whether {@code config.json} has an "rmt" object: whether the directory was made as an RMT. */
    public boolean hasRmtObject() {
        return file.rmt().isPresent();
    }

    /** Alignment of the segments that the model was trained with, if the "rmt" object names it. */
    public Optional<SegmentAlignment> segmentAlignment() {
        return file.rmt().flatMap(BertConfig.RmtObject::segmentAlignment);
    }

    public WordPieceTokenizer tokenizer() {
        return tokenizer;
    }

    /** All parameters of {@link #config}, those made from the seed among them; to be read before {@link #close}. */
    public Weights weights() {
        return weights;
    }

    /** Names of the parameters that the files do not hold and that were made from the seed. */
    public List<String> initialized() {
        return initialized;
    }

    /** Whether all parameters come from the files and the files do not say that they are random. */
    public boolean trained() {
        return weights.trained();
    }

    /** What was made up, assumed or ignored: one sentence each. */
    public List<String> notices() {
        return notices;
    }

    /**
     * Hash of the model that is in effect, see {@link ModelHash}; reads all weights the first time.
     *
     * @return 64 hexadecimal digits
     */
    public synchronized String sha256() {
        if (sha256 == null) {
            sha256 = ModelHash.of(config, tokenizer, weights);
        }
        return sha256;
    }

    @Override
    public void close() {
        files.close();
    }
}
