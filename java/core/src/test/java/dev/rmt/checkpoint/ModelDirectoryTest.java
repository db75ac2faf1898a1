package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.TinyBert.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.rmt.LoadOptions;
import dev.rmt.LoadOptions.MemoryRows;
import dev.rmt.ModelFormatException;
import dev.rmt.SegmentAlignment;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelDirectoryTest {
    private static final String WORDS = "embeddings.word_embeddings.weight";
    /** The number of memory tokens fits into 32 positions. */
    private static final LoadOptions FOUR = LoadOptions.defaults().withNumMemTokens(4);

    @TempDir
    Path folder;

    private final TinyBert bert = new TinyBert();

    private ModelDirectory open(LoadOptions options) {
        return ModelDirectory.open(bert.write(folder), options);
    }

    private void assertRefused(LoadOptions options, String... said) {
        bert.write(folder);
        assertRefusedAsItIs(options, said);
    }

    private void assertRefusedAsItIs(LoadOptions options, String... said) {
        assertThatThrownBy(() -> ModelDirectory.open(folder, options).close())
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContaining(folder.toString())
                .hasMessageContainingAll(said)
                .satisfies(e -> assertThat(e.getMessage()).endsWith(".").doesNotContain("\n"));
    }

    @Test
    void aPlainBertIsReadAsItIsAndGetsNewMemory() {
        try (ModelDirectory directory = open(FOUR)) {
            assertThat(directory.config().vocabSize()).isEqualTo(20);
            assertThat(directory.config().numMemTokens()).isEqualTo(4);
            assertThat(directory.config().inputLength()).isEqualTo(32);
            assertThat(directory.config().segmentSize()).isEqualTo(25);
            assertThat(directory.config().labels()).containsExactly("no", "yes", "perhaps");
            assertThat(directory.hasRmtObject()).isFalse();
            assertThat(directory.tokenizer().vocabulary().size()).isEqualTo(20);
            Weights weights = directory.weights();
            bert.tensors.forEach((name, tensor) -> {
                String canonical = name.replaceFirst("^bert\\.", "");
                assertThat(weights.shape(canonical)).containsExactly(tensor.shape());
                assertThat(values(weights, canonical)).as(name).containsExactly(tensor.values());
            });
            assertThat(weights.names()).hasSize(bert.tensors.size() + 1);
            assertThat(directory.initialized()).containsExactly("memory");
            assertThat(directory.trained()).isFalse();
            assertThat(directory.notices()).singleElement().asString().contains("4 rows", "new", "seed 42");
        }
    }

    @Test
    void newMemoryIsAFunctionOfTheSeedAndOfTheInitializerRange() {
        bert.config.put("initializer_range", 0.5);
        float[] memory;
        try (ModelDirectory directory = open(FOUR)) {
            memory = values(directory.weights(), "memory");
            assertThat(directory.weights().shape("memory")).containsExactly(4, 4);
            double squares = 0;
            for (float value : memory) {
                squares += value * value;
            }
            assertThat(Math.sqrt(squares / 16)).isBetween(0.25, 0.9);
        }
        try (ModelDirectory directory = open(FOUR)) {
            assertThat(values(directory.weights(), "memory")).containsExactly(memory);
        }
        try (ModelDirectory directory = open(FOUR.withSeed(5))) {
            assertThat(values(directory.weights(), "memory")).isNotEqualTo(memory);
        }
    }

    @Test
    void tenMemoryTokensAreTheDefault() {
        try (ModelDirectory directory = ModelDirectory.open(bert.write(folder), OptionalInt.empty(), MemoryRows.AUTO)) {
            assertThat(directory.config().numMemTokens()).isEqualTo(10);
        }
    }

    @Test
    void withoutMemoryNothingIsMadeUp() {
        try (ModelDirectory directory = open(LoadOptions.defaults().withNumMemTokens(0))) {
            assertThat(directory.weights().shape("memory")).containsExactly(0, 4);
            assertThat(directory.initialized()).isEmpty();
            assertThat(directory.notices()).isEmpty();
            assertThat(directory.trained()).isTrue();
        }
    }

    @Test
    void namesWithoutPrefixAndOldLayerNormNamesMeanTheSame() {
        float[] words = bert.tensors.get("bert." + WORDS).values();
        float[] norm =
                bert.tensors.get("bert.encoder.layer.1.output.LayerNorm.weight").values();
        bert.rename(name -> name.replaceFirst("^bert\\.", "")
                .replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta"));
        try (ModelDirectory directory = open(FOUR)) {
            assertThat(values(directory.weights(), WORDS)).containsExactly(words);
            assertThat(values(directory.weights(), "encoder.layer.1.output.LayerNorm.weight"))
                    .containsExactly(norm);
            assertThat(directory.weights().describe(WORDS)).contains(WORDS, "model.safetensors");
        }
    }

    @Test
    void twoTensorsThatMeanTheSameAreRefused() {
        bert.add(WORDS, 20, 4);
        assertRefused(FOUR, "\"bert." + WORDS + "\"", "\"" + WORDS + "\"", "both mean");
        bert.remove(WORDS).add("bert.embeddings.LayerNorm.gamma", 4);
        assertRefused(FOUR, "LayerNorm.gamma", "LayerNorm.weight");
    }

    @Test
    void allMissingAndMisshapedTensorsAreListedAtOnce() {
        bert.remove("bert.encoder.layer.0.attention.self.key.bias");
        bert.remove("bert.embeddings.LayerNorm.weight");
        bert.add("bert.encoder.layer.1.intermediate.dense.weight", 4, 6);
        assertRefused(
                FOUR,
                "3 tensors",
                "\"encoder.layer.0.attention.self.key.bias\" is missing",
                "\"embeddings.LayerNorm.weight\" is missing",
                "\"bert.encoder.layer.1.intermediate.dense.weight\" has the shape [4, 6] instead of [6, 4]");
    }

    @Test
    void aListOfMissingTensorsIsCutAndCounted() {
        bert.config.put("num_hidden_layers", 1000);
        assertRefused(
                FOUR, "15968 tensors", "\"encoder.layer.2.attention.self.query.weight\" is missing", "15958 more");
    }

    @Test
    void aTableOfAnotherSizeThanTheConfigurationSaysIsRefused() {
        bert.config.put("vocab_size", 21);
        assertRefused(FOUR, WORDS, "[20, 4] instead of [21, 4]");
        bert.config.put("vocab_size", 20).put("max_position_embeddings", 64);
        assertRefused(FOUR, "position_embeddings", "[32, 4] instead of [64, 4]");
    }

    @Test
    void weightsThatAreNotFloatsAreRefused() {
        bert.writeAllButWeights(folder);
        SafetensorsWriter writer = new SafetensorsWriter();
        bert.tensors.forEach((name, tensor) -> {
            if (name.endsWith("self.key.bias")) {
                writer.ints(name, tensor.shape(), new int[4]);
            } else {
                writer.floats(name, tensor.shape(), tensor.values());
            }
        });
        writer.write(folder.resolve("model.safetensors"));
        assertRefusedAsItIs(FOUR, "layer.1.attention.self.key.bias\" is stored as I32");
    }

    @Test
    void aMissingPoolerAndClassifierAreMadeFromTheSeedAndAnnounced() {
        bert.remove("bert.pooler.dense.weight").remove("bert.pooler.dense.bias");
        bert.remove("classifier.weight").remove("classifier.bias");
        bert.config.remove("id2label");
        try (ModelDirectory directory = open(FOUR)) {
            assertThat(directory.config().labels()).isEqualTo(ModelDirectory.TASK_LABELS);
            assertThat(directory.initialized())
                    .containsExactlyInAnyOrder(
                            "memory",
                            "pooler.dense.weight",
                            "pooler.dense.bias",
                            "classifier.weight",
                            "classifier.bias");
            assertThat(directory.notices())
                    .hasSize(3)
                    .anyMatch(n -> n.contains("no pooler"))
                    .anyMatch(n -> n.contains("no classifier"));
            assertThat(values(directory.weights(), "classifier.weight"))
                    .hasSize(24)
                    .doesNotContain(0);
            assertThat(values(directory.weights(), "classifier.bias"))
                    .hasSize(6)
                    .containsOnly(0);
        }
    }

    @Test
    void halfAClassifierIsRefused() {
        bert.remove("classifier.bias");
        assertRefused(FOUR, "\"classifier.bias\" is missing");
        bert.add("classifier.bias", 3).remove("bert.pooler.dense.weight");
        assertRefused(FOUR, "\"pooler.dense.weight\" is missing");
    }

    @Test
    void aClassifierWithAnotherNumberOfLabelsIsRefused() {
        bert.config.putObject("id2label").put("0", "a").put("1", "b");
        assertRefused(FOUR, "has 2 labels", "classifier.weight", "[3, 4]");
    }

    @Test
    void labelsWithoutNamesAreNumbered() {
        bert.config.remove("id2label");
        try (ModelDirectory directory = open(FOUR)) {
            assertThat(directory.config().labels()).containsExactly("LABEL_0", "LABEL_1", "LABEL_2");
            assertThat(directory.notices()).anyMatch(notice -> notice.contains("LABEL_0 to LABEL_2"));
        }
    }

    @Test
    void otherHeadsAndUnexpectedTensorsAreIgnoredAndListed() {
        bert.add("cls.predictions.bias", 20)
                .add("bert.embeddings.position_ids", 1, 32)
                .add("zzz", 1);
        try (ModelDirectory directory = open(FOUR)) {
            assertThat(directory.notices())
                    .anyMatch(notice -> notice.contains("3 tensors")
                            && notice.contains("bert.embeddings.position_ids, cls.predictions.bias, zzz"));
            assertThat(directory.weights().names()).noneMatch(name -> name.contains("position_ids"));
        }
    }

    @Test
    void theLastRowsAreTheMemoryWhereTheVocabularyLeavesExactlyThoseFree() {
        TinyBert withRows = new TinyBert(24);
        withRows.write(folder);
        float[] rows = withRows.tensors.get("bert." + WORDS).values();
        try (ModelDirectory directory = ModelDirectory.open(folder, FOUR)) {
            assertThat(directory.config().vocabSize()).isEqualTo(20);
            assertThat(values(directory.weights(), WORDS)).containsExactly(Arrays.copyOf(rows, 80));
            assertThat(values(directory.weights(), "memory")).containsExactly(Arrays.copyOfRange(rows, 80, 96));
            assertThat(directory.notices()).singleElement().asString().contains("last 4 rows", "24 rows", "20 pieces");
            assertThat(directory.trained()).isTrue();
            assertThatThrownBy(() -> directory.weights().read(WORDS, 80, new float[1], 0, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
        try (ModelDirectory directory = ModelDirectory.open(folder, FOUR.withMemoryRows(MemoryRows.NEW))) {
            assertThat(directory.config().vocabSize()).isEqualTo(24);
            assertThat(directory.initialized()).containsExactly("memory");
        }
        try (ModelDirectory directory = ModelDirectory.open(folder, FOUR.withNumMemTokens(3))) {
            assertThat(directory.config().vocabSize()).isEqualTo(24);
            assertThat(directory.initialized()).containsExactly("memory");
        }
        try (ModelDirectory directory =
                ModelDirectory.open(folder, FOUR.withNumMemTokens(3).withMemoryRows(MemoryRows.LAST))) {
            assertThat(directory.config().vocabSize()).isEqualTo(21);
            assertThat(values(directory.weights(), "memory")).containsExactly(Arrays.copyOfRange(rows, 84, 96));
        }
    }

    @Test
    void theRmtObjectSaysWhereTheMemoryIs() {
        TinyBert withRows = new TinyBert(24);
        withRows.rmt()
                .put("num_mem_tokens", 3)
                .put("input_length", 16)
                .put("segment_alignment", "CENTER")
                .put("novel", 1);
        withRows.write(folder);
        float[] rows = withRows.tensors.get("bert." + WORDS).values();
        try (ModelDirectory directory = ModelDirectory.open(folder, LoadOptions.defaults())) {
            assertThat(directory.hasRmtObject()).isTrue();
            assertThat(directory.config().numMemTokens()).isEqualTo(3);
            assertThat(directory.config().vocabSize()).isEqualTo(21);
            assertThat(directory.config().inputLength()).isEqualTo(16);
            assertThat(directory.config().segmentSize()).isEqualTo(10);
            assertThat(directory.segmentAlignment()).contains(SegmentAlignment.CENTER);
            assertThat(values(directory.weights(), "memory")).containsExactly(Arrays.copyOfRange(rows, 84, 96));
            assertThat(directory.notices()).singleElement().asString().contains("novel");
        }
        assertRefusedAsItIs(FOUR, "num_mem_tokens 3", "4 memory tokens");
        try (ModelDirectory directory =
                ModelDirectory.open(folder, LoadOptions.defaults().withMemoryRows(MemoryRows.NEW))) {
            assertThat(values(directory.weights(), "memory")).containsExactly(Arrays.copyOfRange(rows, 84, 96));
            assertThat(directory.notices()).anyMatch(notice -> notice.contains("NEW") && notice.contains("not used"));
        }
    }

    @Test
    void theRmtObjectMayNameATensorOfItsOwn() {
        bert.add("memory_rows", 4, 4);
        bert.rmt().put("num_mem_tokens", 4).put("memory", "memory_rows").put("trained", false);
        try (ModelDirectory directory = open(LoadOptions.defaults())) {
            assertThat(directory.config().vocabSize()).isEqualTo(20);
            assertThat(values(directory.weights(), "memory"))
                    .containsExactly(bert.tensors.get("memory_rows").values());
            assertThat(directory.trained()).isFalse();
            assertThat(directory.initialized()).isEmpty();
            assertThat(directory.notices()).singleElement().asString().contains("random");
        }
        bert.rmt().put("num_mem_tokens", 5);
        assertRefused(LoadOptions.defaults(), "memory_rows", "[4, 4] instead of [5, 4]");
        bert.rmt().put("memory", "elsewhere");
        assertRefused(LoadOptions.defaults(), "elsewhere", "no such tensor");
    }

    @Test
    void aVocabularyWithMorePiecesThanRowsIsRefused() {
        bert.pieces.add("one more");
        assertRefused(FOUR, "21 pieces", "20 rows");
        assertRefused(FOUR.withMemoryRows(MemoryRows.LAST), "21 pieces", "last 4");
        bert.pieces.remove(20);
        assertRefused(FOUR.withMemoryRows(MemoryRows.LAST), "20 pieces", "last 4");
        assertRefused(FOUR.withNumMemTokens(Integer.MAX_VALUE).withMemoryRows(MemoryRows.LAST), "20 rows");
    }

    @Test
    void memoryThatLeavesNoRoomForContentIsRefused() {
        assertRefused(FOUR.withNumMemTokens(29), "32", "29");
        bert.rmt().put("num_mem_tokens", 0).put("input_length", 33);
        assertRefused(LoadOptions.defaults(), "33", "32");
    }

    @Test
    void shardsAreReadThroughTheirIndex() throws IOException {
        bert.writeSharded(folder);
        try (ModelDirectory directory = ModelDirectory.open(folder, FOUR)) {
            bert.tensors.forEach(
                    (name, tensor) -> assertThat(values(directory.weights(), name.replaceFirst("^bert\\.", "")))
                            .containsExactly(tensor.values()));
        }
        Files.delete(folder.resolve("model-00002-of-00002.safetensors"));
        assertRefusedAsItIs(FOUR, "model-00002-of-00002.safetensors", "no such file");
    }

    @Test
    void anIndexThatDoesNotFitItsShardsIsRefused() throws IOException {
        bert.writeSharded(folder);
        Path index = folder.resolve("model.safetensors.index.json");
        String good = Files.readString(index);
        Files.writeString(index, good.replace("bert.pooler.dense.bias", "bert.pooler.dense.bios"));
        assertRefusedAsItIs(FOUR, "bert.pooler.dense.bios", "not there");
        Files.writeString(index, good.replaceFirst("00001-of", "00002-of"));
        assertRefusedAsItIs(FOUR, "not there");
        Files.writeString(index, "{}");
        assertRefusedAsItIs(FOUR, "weight_map");
        Files.writeString(index, "{\"weight_map\":{\"a\":1}}");
        assertRefusedAsItIs(FOUR, "\"a\"");
        Files.writeString(index, good);
        bert.writeTensors(folder.resolve("model-00002-of-00002.safetensors"), List.copyOf(bert.tensors.keySet()));
        assertRefusedAsItIs(FOUR, "in both");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../model.safetensors",
                "..",
                ".",
                "",
                "/etc/passwd",
                "a/../../b",
                "sub/model.safetensors",
                "..\\b",
                "a\\b",
                "C:\\model",
                "C:model",
                "\\\\server\\share\\model",
                "//server/share",
                "file:model",
                "./model",
                "a\u0000b",
                "a\nb",
                "~/../x",
                "%2e%2e/x",
                "shard/",
                "/",
                "\\",
                "...../x"
            })
    void aShardNameThatIsNotAPlainFileNameIsRefusedBeforeAnythingIsOpened(String name) throws IOException {
        bert.writeSharded(folder);
        // A directory in the place of the good shard: opening it would be another complaint.
        Path first = folder.resolve("model-00001-of-00002.safetensors");
        Files.delete(first);
        Files.createDirectory(first);
        String text = new ObjectMapper().writeValueAsString(name);
        TinyBert.writeText(
                folder.resolve("model.safetensors.index.json"),
                "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\",\"z\":" + text + "}}");
        assertRefusedAsItIs(FOUR, "only names of files in the same folder");
    }

    @Test
    void aShardThatIsALinkOutOfTheFolderIsRefusedUnlessItIsTheCacheOfHuggingFace() throws IOException {
        Path cache = Files.createDirectories(folder.resolve("models--x"));
        Path blobs = Files.createDirectories(cache.resolve("blobs"));
        Path snapshot = Files.createDirectories(cache.resolve("snapshots").resolve("abc"));
        bert.writeSharded(snapshot);
        String shard = "model-00002-of-00002.safetensors";
        Files.move(snapshot.resolve(shard), blobs.resolve("123"));
        Files.createSymbolicLink(snapshot.resolve(shard), Path.of("../../blobs/123"));
        ModelDirectory.open(snapshot, FOUR).close();

        Files.move(blobs.resolve("123"), cache.resolve("123"));
        Files.delete(snapshot.resolve(shard));
        Files.createSymbolicLink(snapshot.resolve(shard), Path.of("../../123"));
        assertThatThrownBy(() -> ModelDirectory.open(snapshot, FOUR).close())
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll(shard, "outside the folder");

        Files.delete(snapshot.resolve(shard));
        Files.move(cache.resolve("123"), snapshot.resolve("real"));
        Files.createSymbolicLink(snapshot.resolve(shard), Path.of("real"));
        ModelDirectory.open(snapshot, FOUR).close();
    }

    @Test
    void whatIsNotAModelDirectoryIsRefusedByName() throws IOException {
        assertThatThrownBy(() -> ModelDirectory.open(folder.resolve("absent"), FOUR))
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll("absent", "no model directory");
        assertRefusedAsItIs(FOUR, "config.json", "no such file");
        bert.writeAllButWeights(folder);
        assertRefusedAsItIs(FOUR, "model.safetensors", "Hugging Face BERT");
        Files.writeString(folder.resolve("pytorch_model.bin"), "x");
        assertRefusedAsItIs(FOUR, "pytorch_model.bin", "convert it to safetensors");
        assertThatThrownBy(() -> ModelDirectory.open(folder.resolve("config.json"), FOUR))
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContaining("is a file");
        Files.createDirectory(folder.resolve("model.safetensors"));
        assertRefusedAsItIs(FOUR, "model.safetensors is a directory");
        Files.delete(folder.resolve("model.safetensors"));
        Files.createFile(folder.resolve("model.safetensors"));
        assertRefusedAsItIs(FOUR, "model.safetensors has 0 bytes");
        Files.delete(folder.resolve("vocab.txt"));
        assertRefusedAsItIs(FOUR, "vocab.txt");
    }

    @Test
    void theFilesAreClosedWithTheDirectoryAndWhenOpeningFails() {
        ModelDirectory directory = open(FOUR);
        directory.close();
        directory.close();
        assertThatThrownBy(() -> values(directory.weights(), WORDS)).isInstanceOf(IllegalStateException.class);
    }
}
