package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.TinyBert.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.rmt.LoadOptions;
import dev.rmt.LoadOptions.MemoryRows;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Directories and files that Python wrote, from the folder that RMT_GOLDEN_DIR names (default: shared/data/golden beside the
 * repository) and the small set of the repository. Shapes come from the files.
 */
class ModelDirectoryGoldenTest {
    private static final String WORDS = "embeddings.word_embeddings.weight";

    @TempDir
    Path folder;

    @TestFactory
    Stream<DynamicTest> everyBertDirectoryOpensAndKeepsItsValuesWhenItIsWrittenAgain() throws IOException {
        List<Path> directories = new ArrayList<>();
        for (Path root : roots()) {
            try (Stream<Path> folders = Files.list(root)) {
                folders.filter(ModelDirectoryGoldenTest::isBert).sorted().forEach(directories::add);
            }
        }
        assumeTrue(!directories.isEmpty(), "skipped: no BERT directory in " + roots() + "; set RMT_GOLDEN_DIR");
        return directories.stream()
                .map(d -> DynamicTest.dynamicTest(d.getFileName().toString(), () -> rewrite(d)));
    }

    private void rewrite(Path source) {
        Path target = folder.resolve(source.toAbsolutePath().toString().replace('/', '_'));
        try (ModelDirectory read = ModelDirectory.open(source, LoadOptions.defaults())) {
            Weights weights = read.weights();
            assertThat(weights.names()).hasSize(10 + 16 * read.config().numLayers());
            ModelWriter.write(target, read.config(), read.tokenizer(), weights);
            try (ModelDirectory again = ModelDirectory.open(target, LoadOptions.defaults())) {
                assertThat(again.config()).isEqualTo(read.config());
                for (String name : weights.names()) {
                    assertThat(Arrays.equals(values(again.weights(), name), values(weights, name)))
                            .as(name)
                            .isTrue();
                }
                assertThat(again.sha256()).isEqualTo(read.sha256());
                assertThat(again.trained()).isEqualTo(read.trained());
            }
        }
    }

    @Test
    void aBertWithMemoryRowsHasThemBehindItsVocabulary() throws IOException {
        Path source = golden("rmt-bert-small");
        try (Safetensors file = Safetensors.open(source.resolve("model.safetensors"))) {
            TensorInfo words = file.get("bert." + WORDS);
            float[] rows = file.readFloats(words);
            int pieces = WordPieceTokenizer.load(source).vocabulary().size();
            int memoryRows = (int) (words.shape().get(0) - pieces);
            int hidden = (int) (long) words.shape().get(1);
            assertThat(memoryRows).isPositive();
            LoadOptions options = LoadOptions.defaults().withNumMemTokens(memoryRows);
            try (ModelDirectory auto = ModelDirectory.open(source, options);
                    ModelDirectory last = ModelDirectory.open(source, options.withMemoryRows(MemoryRows.LAST))) {
                assertThat(auto.config().vocabSize()).isEqualTo(pieces);
                assertThat(values(auto.weights(), WORDS)).containsExactly(Arrays.copyOf(rows, pieces * hidden));
                assertThat(values(auto.weights(), "memory"))
                        .containsExactly(Arrays.copyOfRange(rows, pieces * hidden, rows.length));
                assertThat(auto.trained()).isTrue();
                assertThat(last.sha256()).isEqualTo(auto.sha256());
            }
        }
    }

    @Test
    void halfPrecisionWeightsWithoutPrefixAreRead() throws IOException {
        Path source = golden("minilm");
        try (ModelDirectory directory = ModelDirectory.open(source, LoadOptions.defaults());
                Safetensors file = Safetensors.open(source.resolve("model.safetensors"))) {
            TensorInfo norm = file.get("embeddings.LayerNorm.weight");
            assertThat(norm.dtype()).isEqualTo(DType.F16);
            assertThat(values(directory.weights(), "embeddings.LayerNorm.weight"))
                    .containsExactly(file.readFloats(norm));
            assertThat(directory.config().labels()).isEqualTo(ModelDirectory.TASK_LABELS);
            assertThat(directory.initialized())
                    .contains("memory", "classifier.weight")
                    .doesNotContain("pooler.dense.bias");
        }
    }

    @TestFactory
    Stream<DynamicTest> everyFileThatPythonWroteOpensAndIsReadWhole() throws IOException {
        List<Path> files = new ArrayList<>();
        for (Path root : roots()) {
            try (Stream<Path> found = Files.walk(root, 2)) {
                found.filter(file -> file.toString().endsWith(".safetensors"))
                        .sorted()
                        .forEach(files::add);
            }
        }
        assumeTrue(!files.isEmpty(), "skipped: no safetensors files in " + roots() + "; set RMT_GOLDEN_DIR");
        return files.stream()
                .map(path -> DynamicTest.dynamicTest(path.getFileName().toString(), () -> {
                    try (Safetensors file = Safetensors.open(path)) {
                        assertThat(file.tensors()).isNotEmpty();
                        for (TensorInfo tensor : file.tensors()) {
                            if (tensor.dtype().readsAsFloat()) {
                                assertThat(allFinite(file.readFloats(tensor)))
                                        .as(tensor.name())
                                        .isTrue();
                            } else if (tensor.dtype() == DType.I32 || tensor.dtype() == DType.I64) {
                                assertThat(file.readInts(tensor)).hasSize((int) tensor.numElements());
                            }
                        }
                    }
                }));
    }

    private static boolean allFinite(float[] values) {
        for (float value : values) {
            if (!Float.isFinite(value)) {
                return false;
            }
        }
        return true;
    }

    private static boolean isBert(Path directory) {
        try {
            return Files.exists(directory.resolve("config.json"))
                    && Files.exists(directory.resolve("vocab.txt"))
                    && Files.readString(directory.resolve("config.json")).contains("\"bert\"");
        } catch (IOException e) {
            return false;
        }
    }

    private static Path golden(String name) throws IOException {
        for (Path root : roots()) {
            if (Files.isDirectory(root.resolve(name))) {
                return root.resolve(name);
            }
        }
        assumeTrue(false, "skipped: no folder " + name + " in " + roots() + "; set RMT_GOLDEN_DIR");
        throw new AssertionError();
    }

    /** Those of the folders that exist. */
    private static List<Path> roots() {
        Path repository = Path.of("").toAbsolutePath();
        while (repository != null && !Files.exists(repository.resolve("native/include/rmt/rmt.h"))) {
            repository = repository.getParent();
        }
        List<Path> roots = new ArrayList<>();
        String named = System.getenv("RMT_GOLDEN_DIR");
        if (named != null && !named.isEmpty()) {
            roots.add(Path.of(named));
        } else if (repository != null) {
            roots.add(repository.resolve("../shared/data/golden").normalize());
        }
        if (repository != null) {
            roots.add(repository.resolve("native/tests/golden"));
        }
        return roots.stream().filter(Files::isDirectory).toList();
    }
}
