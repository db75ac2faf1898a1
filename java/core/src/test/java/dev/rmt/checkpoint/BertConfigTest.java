package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.rmt.ModelFormatException;
import dev.rmt.SegmentAlignment;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BertConfigTest {
    private static final String RMT =
            "\"rmt\": {\"memory_layout\": \"encoder\", \"num_mem_tokens\": 4, \"input_length\": 16, \"segment_size\":"
                    + " 9, \"segment_alignment\": \"right\", \"memory\": \"word_embeddings\"}";
    private static final String GOOD = "{\"model_type\": \"bert\", \"hidden_size\": 8, \"num_hidden_layers\": 2,"
            + " \"num_attention_heads\": 2, \"intermediate_size\": 12, \"vocab_size\": 30, \"max_position_embeddings\":"
            + " 16, \"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12, \"hidden_act\": \"gelu\","
            + " \"position_embedding_type\": \"absolute\", \"is_decoder\": false, \"initializer_range\": 0.05,"
            + " \"id2label\": {\"1\": \"yes\", \"0\": \"no\"}, " + RMT + "}";

    @TempDir
    Path folder;

    private BertConfig read(String json) throws IOException {
        return BertConfig.read(Files.writeString(folder.resolve("config.json"), json));
    }

    @Test
    void everyFieldIsRead() throws IOException {
        BertConfig config = read(GOOD);
        assertThat(config.hiddenSize()).isEqualTo(8);
        assertThat(config.numLayers()).isEqualTo(2);
        assertThat(config.numHeads()).isEqualTo(2);
        assertThat(config.intermediateSize()).isEqualTo(12);
        assertThat(config.wordRows()).isEqualTo(30);
        assertThat(config.maxPositions()).isEqualTo(16);
        assertThat(config.typeVocabSize()).isEqualTo(2);
        assertThat(config.layerNormEps()).isEqualTo(1e-12f);
        assertThat(config.initializerRange()).isEqualTo(0.05);
        assertThat(config.labels()).contains(List.of("no", "yes"));
        assertThat(config.rmt()).hasValueSatisfying(rmt -> {
            assertThat(rmt.numMemTokens()).isEqualTo(4);
            assertThat(rmt.inputLength()).hasValue(16);
            assertThat(rmt.memory()).isEqualTo("word_embeddings");
            assertThat(rmt.segmentAlignment()).contains(SegmentAlignment.RIGHT);
            assertThat(rmt.trained()).isTrue();
        });
        assertThat(config.unknownRmtFields()).isEmpty();
    }

    @Test
    void whatABertMayLeaveOutHasItsUsualValue() throws IOException {
        BertConfig config = read(
                "{\"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"intermediate_size\": 12,"
                        + " \"vocab_size\": 30, \"max_position_embeddings\": 16, \"id2label\": null}");
        assertThat(config.typeVocabSize()).isEqualTo(2);
        assertThat(config.layerNormEps()).isEqualTo(1e-12f);
        assertThat(config.initializerRange()).isEqualTo(0.02);
        assertThat(config.labels()).isEmpty();
        assertThat(config.rmt()).isEmpty();
    }

    @Test
    void elevenLabelsAreInTheOrderOfTheirNumbersNotOfTheirText() throws IOException {
        StringBuilder map = new StringBuilder();
        for (int i = 10; i >= 0; i--) {
            map.append("\"").append(i).append("\": \"label ").append(i).append(i == 0 ? "\"" : "\", ");
        }
        BertConfig config = read(GOOD.replace("\"1\": \"yes\", \"0\": \"no\"", map));
        assertThat(config.labels().orElseThrow()).hasSize(11).element(10).isEqualTo("label 10");
    }

    @Test
    void labelsMayComeFromTheirNumberOrFromTheRmtObject() throws IOException {
        String named = "\"id2label\": {\"1\": \"yes\", \"0\": \"no\"}";
        assertThat(read(GOOD.replace(named, "\"num_labels\": 2")).labels()).contains(List.of("LABEL_0", "LABEL_1"));
        assertThat(read(GOOD.replace(named + ", ", "")
                                .replace("\"num_mem_tokens\"", "\"labels\": [\"a\"], \"num_mem_tokens\""))
                        .labels())
                .contains(List.of("a"));
    }

    @Test
    void fieldsOfTheRmtObjectThatMeanNothingAreNamed() throws IOException {
        assertThat(read(GOOD.replace("\"num_mem_tokens\"", "\"zeta\": 1, \"alpha\": 2, \"num_mem_tokens\""))
                        .unknownRmtFields())
                .containsExactly("alpha", "zeta");
    }

    @ParameterizedTest(name = "{0} -> {1}")
    @CsvSource(
            delimiter = '|',
            value = {
                "\"model_type\": \"bert\" | \"model_type\": \"gpt2\" | model_type \"gpt2\"",
                "\"model_type\": \"bert\" | \"model_type\": 3 | model_type 3",
                "\"hidden_act\": \"gelu\" | \"hidden_act\": \"gelu_new\" | hidden_act \"gelu_new\"",
                "\"hidden_act\": \"gelu\" | \"hidden_act\": \"relu\" | hidden_act \"relu\"",
                "\"absolute\" | \"relative_key\" | position_embedding_type \"relative_key\"",
                "\"is_decoder\": false | \"is_decoder\": true | is_decoder",
                "\"is_decoder\": false | \"is_decoder\": \"no\" | is_decoder",
                "\"hidden_size\": 8, | '' | lacks hidden_size",
                "\"num_hidden_layers\": 2, | '' | lacks num_hidden_layers",
                "\"num_attention_heads\": 2, | '' | lacks num_attention_heads",
                "\"intermediate_size\": 12, | '' | lacks intermediate_size",
                "\"vocab_size\": 30, | '' | lacks vocab_size",
                "\"max_position_embeddings\": 16, | '' | lacks max_position_embeddings",
                "\"hidden_size\": 8 | \"hidden_size\": 0 | hidden_size 0",
                "\"hidden_size\": 8 | \"hidden_size\": -8 | hidden_size -8",
                "\"hidden_size\": 8 | \"hidden_size\": 8.0 | hidden_size 8.0",
                "\"hidden_size\": 8 | \"hidden_size\": \"8\" | hidden_size \"8\"",
                "\"hidden_size\": 8 | \"hidden_size\": null | lacks hidden_size",
                "\"hidden_size\": 8 | \"hidden_size\": 2147483648 | hidden_size 2147483648",
                "\"hidden_size\": 8 | \"hidden_size\": 9 | multiple",
                "\"hidden_size\": 8 | \"hidden_size\": 1e400 | hidden_size",
                "\"num_hidden_layers\": 2 | \"num_hidden_layers\": 2000000000 | num_hidden_layers 2000000000",
                "\"num_attention_heads\": 2 | \"num_attention_heads\": 3 | multiple",
                "\"intermediate_size\": 12 | \"intermediate_size\": 99999999 | intermediate_size 99999999",
                "\"vocab_size\": 30 | \"vocab_size\": 2147483647 | vocab_size 2147483647",
                "\"max_position_embeddings\": 16 | \"max_position_embeddings\": 2147483647 | max_position_embeddings",
                "\"type_vocab_size\": 2 | \"type_vocab_size\": 0 | type_vocab_size 0",
                "\"layer_norm_eps\": 1e-12 | \"layer_norm_eps\": 0 | layer_norm_eps 0",
                "\"layer_norm_eps\": 1e-12 | \"layer_norm_eps\": 1e-60 | layer_norm_eps",
                "\"layer_norm_eps\": 1e-12 | \"layer_norm_eps\": -1 | layer_norm_eps -1",
                "\"layer_norm_eps\": 1e-12 | \"layer_norm_eps\": \"x\" | layer_norm_eps \"x\"",
                "\"layer_norm_eps\": 1e-12 | \"layer_norm_eps\": NaN | not valid JSON",
                "\"initializer_range\": 0.05 | \"initializer_range\": 7 | initializer_range 7",
                "{\"1\": \"yes\", \"0\": \"no\"} | {} | id2label",
                "{\"1\": \"yes\", \"0\": \"no\"} | [] | id2label",
                "{\"1\": \"yes\", \"0\": \"no\"} | {\"1\": \"yes\", \"2\": \"no\"} | id2label",
                "{\"1\": \"yes\", \"0\": \"no\"} | {\"1\": \"yes\", \"0\": 5} | 0 5",
                "{\"1\": \"yes\", \"0\": \"no\"} | {\"1\": \"yes\", \"0\": \"no\"}, \"num_labels\": 3 | num_labels 3",
                "{\"1\": \"yes\", \"0\": \"no\"} | {\"1\": \"yes\", \"1\": \"no\"} | uplicate",
                "\"id2label\": {\"1\": \"yes\", \"0\": \"no\"} | \"num_labels\": 0 | num_labels 0",
                "\"id2label\": {\"1\": \"yes\", \"0\": \"no\"} | \"num_labels\": 2000000000 | num_labels 2000000000",
                "\"memory_layout\": \"encoder\" | \"memory_layout\": \"decoder\" | memory_layout \"decoder\"",
                "\"num_mem_tokens\": 4 | \"num_mem_tokens\": -1 | rmt.num_mem_tokens -1",
                "\"num_mem_tokens\": 4, | '' | lacks rmt.num_mem_tokens",
                "\"input_length\": 16 | \"input_length\": 0 | rmt.input_length 0",
                "\"segment_size\": 9 | \"segment_size\": 10 | segment_size 10",
                "\"segment_alignment\": \"right\" | \"segment_alignment\": \"up\" | segment_alignment \"up\"",
                "\"memory\": \"word_embeddings\" | \"memory\": 1 | rmt.memory 1",
                "\"memory\": \"word_embeddings\" | \"trained\": 1 | rmt.trained 1",
                "\"memory\": \"word_embeddings\" | \"labels\": [\"no\"] | rmt.labels",
                "\"memory\": \"word_embeddings\" | \"labels\": [1] | rmt.labels",
                "\"memory\": \"word_embeddings\" | \"labels\": \"no\" | rmt.labels",
            })
    void aWrongFieldIsRefusedByName(String from, String to, String said) {
        assertThat(GOOD).contains(from);
        assertThatThrownBy(() -> read(GOOD.replace(from, to)))
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContaining(folder.resolve("config.json").toString())
                .hasMessageContaining(said);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "   ",
                "[]",
                "1",
                "null",
                "{",
                "{} {}",
                "{\"hidden_size\": 1, \"hidden_size\": 2}",
                "{\"rmt\": 3}"
            })
    void whatIsNotAConfigurationIsRefused(String json) {
        assertThatThrownBy(() -> read(json))
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContaining(folder.resolve("config.json").toString());
    }

    @Test
    void deepNestingAndMalformedTextAreRefused() throws IOException {
        Path file = folder.resolve("config.json");
        Files.writeString(file, "{\"x\":" + "[".repeat(100_000));
        assertThatThrownBy(() -> BertConfig.read(file)).isExactlyInstanceOf(ModelFormatException.class);
        Files.write(file, new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'});
        assertThatThrownBy(() -> BertConfig.read(file))
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContaining("UTF-8");
        Files.write(file, GOOD.getBytes(StandardCharsets.UTF_16));
        assertThatThrownBy(() -> BertConfig.read(file)).isExactlyInstanceOf(ModelFormatException.class);
        assertThatThrownBy(() -> BertConfig.read(folder))
                .isExactlyInstanceOf(ModelFormatException.class)
                .hasMessageContaining("is a directory");
    }

    @Test
    void aDamagedConfigurationIsReadOrRefusedAndNothingElse() throws IOException {
        byte[] good = GOOD.getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve("config.json");
        for (int i = 0; i < 2_000; i++) {
            Random random = new Random(i);
            byte[] bytes = good.clone();
            for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                bytes[random.nextInt(bytes.length)] =
                        (byte) "{}[]\",:0123456789eE-+.\\u x\u00e9".charAt(random.nextInt(27));
            }
            Files.write(file, bytes);
            try {
                assertThat(BertConfig.read(file).hiddenSize()).isPositive();
            } catch (ModelFormatException e) {
                assertThat(e.getMessage()).contains(file.toString());
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + i, e);
            }
        }
    }
}
