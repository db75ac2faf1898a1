package dev.rmt.cli;

import dev.rmt.Device;
import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.checkpoint.BuiltInModel;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.flops.TransformerSize;
import dev.rmt.task.MemoryTask;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/**
 * A model whose operations are counted.
 *
 * @param size what the paper's formula needs
 * @param config what the kernels run; empty: they cannot
 * @param load loads it, to see the kernels count; empty: there are no weights
 */
record FlopsModel(TransformerSize size, Optional<ModelConfig> config, Optional<Function<Device, RmtModel>> load) {
    /** The built-in model goes by the name of its recipe too. */
    private static final String BUILT_IN_RECIPE = "small";

    private static final int BERT_POSITIONS = 512;
    private static final int BERT_MEMORY_TOKENS = 10;

    /**
     * By name or folder.
     *
     * @throws ParameterException if it is neither, with the names there are
     */
    static FlopsModel find(String name, CommandLine command) {
        TransformerSize known = TransformerSize.known().get(name);
        if (known != null) {
            return new FlopsModel(
                    known, name.startsWith("bert") ? Optional.of(bert(known)) : Optional.empty(), Optional.empty());
        }
        if (name.equals(BuiltInModel.NAME) || name.equals(BUILT_IN_RECIPE)) {
            return of(BuiltInModel.open(ModelDirectory::config), RmtModel::builtIn);
        }
        Path folder = Path.of(name);
        if (!Files.isDirectory(folder)) {
            throw new ParameterException(
                    command,
                    "--models " + name + ": there is no such folder, and the known models are "
                            + String.join(", ", TransformerSize.known().keySet()) + ", " + BuiltInModel.NAME + " and "
                            + BUILT_IN_RECIPE + ".");
        }
        try (ModelDirectory directory = ModelDirectory.open(folder, LoadOptions.defaults())) {
            return of(directory.config(), device -> RmtModel.load(folder, device));
        }
    }

    private static FlopsModel of(ModelConfig config, Function<Device, RmtModel> load) {
        return new FlopsModel(TransformerSize.of(config), Optional.of(config), Optional.of(load));
    }

    /** As it is trained on the memory tasks. */
    private static ModelConfig bert(TransformerSize size) {
        return ModelConfig.builder()
                .numLayers(size.numLayers())
                .hiddenSize(size.hiddenSize())
                .numHeads(size.numHeads())
                .intermediateSize(size.intermediateSize())
                .vocabSize(size.vocabSize())
                .maxPositions(BERT_POSITIONS)
                .inputLength(BERT_POSITIONS)
                .numMemTokens(BERT_MEMORY_TOKENS)
                .labels(MemoryTask.LABELS)
                .build();
    }
}
