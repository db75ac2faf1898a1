package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.TinyBert.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.rmt.InputException;
import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.RmtException;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelWriterTest {
    private static final WordPieceTokenizer TOKENIZER =
            new WordPieceTokenizer(Vocabulary.of(new TinyBert().pieces), new WordPieceOptions(false, true, false));
    private static final ModelConfig CONFIG = ModelConfig.builder()
            .hiddenSize(8)
            .numHeads(2)
            .intermediateSize(12)
            .vocabSize(22)
            .maxPositions(40)
            .inputLength(32)
            .numMemTokens(5)
            .typeVocabSize(3)
            .layerNormEps(1e-7f)
            .labels(List.of("no", "yes"))
            .build();
    private static final Weights WEIGHTS = new RandomWeights(CONFIG, 3);

    @TempDir
    Path folder;

    @Test
    void whatIsWrittenIsOpenedWithTheSameValues() {
        Path target = folder.resolve("new").resolve("model");
        ModelWriter.write(target, CONFIG, TOKENIZER, WEIGHTS);
        try (ModelDirectory directory = ModelDirectory.open(target, LoadOptions.defaults())) {
            assertThat(directory.config()).isEqualTo(CONFIG);
            assertThat(directory.tokenizer().options()).isEqualTo(TOKENIZER.options());
            assertThat(directory.tokenizer().vocabulary().pieces())
                    .isEqualTo(TOKENIZER.vocabulary().pieces());
            assertThat(directory.weights().names()).isEqualTo(WEIGHTS.names());
            for (String name : WEIGHTS.names()) {
                assertThat(values(directory.weights(), name)).as(name).containsExactly(values(WEIGHTS, name));
            }
            assertThat(directory.initialized()).isEmpty();
            assertThat(directory.trained()).isFalse();
            assertThat(directory.sha256()).isEqualTo(ModelHash.of(CONFIG, TOKENIZER, WEIGHTS));
        }
    }

    @Test
    void theFilesAreThoseThatPythonExpects() throws IOException {
        Path target = folder.resolve("model");
        ModelWriter.write(target, CONFIG, TOKENIZER, WEIGHTS);
        try (Stream<Path> files = Files.list(target)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            "config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt");
        }
        JsonNode config =
                new ObjectMapper().readTree(target.resolve("config.json").toFile());
        assertThat(config.get("architectures").get(0).textValue()).isEqualTo("BertForSequenceClassification");
        assertThat(config.get("vocab_size").intValue()).isEqualTo(27);
        assertThat(config.get("id2label").get("1").textValue()).isEqualTo("yes");
        assertThat(config.get("label2id").get("yes").intValue()).isEqualTo(1);
        assertThat(config.get("layer_norm_eps").doubleValue()).isEqualTo(1e-7);
        assertThat(config.get("rmt").get("num_mem_tokens").intValue()).isEqualTo(5);
        assertThat(config.get("rmt").get("segment_size").intValue()).isEqualTo(24);
        try (Safetensors file = Safetensors.open(target.resolve("model.safetensors"))) {
            assertThat(file.metadata()).containsEntry("format", "pt");
            assertThat(file.get("bert.embeddings.word_embeddings.weight").shape())
                    .containsExactly(27L, 8L);
            assertThat(file.get("classifier.weight").shape()).containsExactly(2L, 8L);
            assertThat(file.get("memory")).isNull();
            assertThat(file.tensors()).allMatch(tensor -> tensor.dtype() == DType.F32);
        }
    }

    @Test
    void theSameModelGivesTheSameBytes() throws IOException {
        ModelWriter.write(folder.resolve("one"), CONFIG, TOKENIZER, WEIGHTS);
        ModelWriter.write(folder.resolve("two"), CONFIG, TOKENIZER, new RandomWeights(CONFIG, 3));
        for (String name : List.of("config.json", "model.safetensors", "vocab.txt")) {
            assertThat(Files.readAllBytes(folder.resolve("one").resolve(name)))
                    .isEqualTo(Files.readAllBytes(folder.resolve("two").resolve(name)));
        }
    }

    @Test
    void aModelWithoutMemoryOrLabelsIsWrittenToo() {
        ModelConfig encoder =
                CONFIG.toBuilder().numMemTokens(0).labels(List.of()).build();
        ModelWriter.write(folder.resolve("encoder"), encoder, TOKENIZER, new RandomWeights(encoder, 1));
        try (ModelDirectory directory = ModelDirectory.open(folder.resolve("encoder"), LoadOptions.defaults())) {
            assertThat(directory.config().numMemTokens()).isZero();
            assertThat(directory.initialized()).contains("pooler.dense.weight").doesNotContain("memory");
        }
    }

    @Test
    void anEmptyFolderIsTakenAndAnythingElseIsLeftAlone() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        ModelWriter.write(empty, CONFIG, TOKENIZER, WEIGHTS);
        assertThat(empty.resolve("config.json")).exists();
        byte[] written = Files.readAllBytes(empty.resolve("config.json"));

        assertThatThrownBy(() -> ModelWriter.write(empty, CONFIG, TOKENIZER, WEIGHTS))
                .isExactlyInstanceOf(InputException.class)
                .hasMessageContainingAll(empty.toString(), "not empty");
        Path file = empty.resolve("config.json");
        assertThatThrownBy(() -> ModelWriter.write(file, CONFIG, TOKENIZER, WEIGHTS))
                .isExactlyInstanceOf(InputException.class)
                .hasMessageContainingAll(file.toString(), "is a file");
        Path below = file.resolve("model");
        assertThatThrownBy(() -> ModelWriter.write(below, CONFIG, TOKENIZER, WEIGHTS))
                .isInstanceOf(RmtException.class)
                .hasMessageContaining(below.toString());
        assertThat(Files.readAllBytes(file)).isEqualTo(written);
        assertOnly("empty");
    }

    @Test
    void aWriteThatFailsHalfWayLeavesNothing() throws IOException {
        Weights failing = new Weights() {
            @Override
            public List<String> names() {
                return WEIGHTS.names();
            }

            @Override
            public boolean has(String name) {
                return WEIGHTS.has(name);
            }

            @Override
            public long[] shape(String name) {
                return WEIGHTS.shape(name);
            }

            @Override
            public void read(String name, long firstElement, float[] dst, int offset, int count) {
                if (name.startsWith("encoder.layer.1")) {
                    throw new IllegalStateException("the source failed");
                }
                WEIGHTS.read(name, firstElement, dst, offset, count);
            }
        };
        assertThatThrownBy(() -> ModelWriter.write(folder.resolve("model"), CONFIG, TOKENIZER, failing))
                .hasMessage("the source failed");
        assertOnly();
    }

    @Test
    void partsThatDoNotFitTogetherAreRefused() throws IOException {
        ModelConfig small = CONFIG.toBuilder().vocabSize(19).build();
        assertThatThrownBy(() -> ModelWriter.write(folder.resolve("a"), small, TOKENIZER, new RandomWeights(small, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("20 pieces", "19 rows");
        ModelConfig wide = CONFIG.toBuilder().hiddenSize(16).build();
        assertThatThrownBy(() -> ModelWriter.write(folder.resolve("a"), wide, TOKENIZER, WEIGHTS))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("[22, 8]", "[22, 16]");
        assertOnly();
    }

    private void assertOnly(String... names) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactlyInAnyOrder(names);
        }
    }
}
