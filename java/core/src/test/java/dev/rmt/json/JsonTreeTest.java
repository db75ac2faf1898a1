package dev.rmt.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTreeTest {
    private static final JsonFactory STRICT = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private static JsonNode read(String json) throws IOException {
        try (JsonParser parser = STRICT.createParser(json)) {
            return JsonTree.read(parser);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "[]",
                "null",
                "\"text, \\u00e9, \\\"\\\\\"",
                "[true, false, null, [], {}, [[1]], \"\"]",
                "[0, -0, -1, 2147483647, 2147483648, -2147483649, 9223372036854775807, 9223372036854775808]",
                "[0.5, -0.0, 1e-12, 1e400, 1e-400, 123456789.123456789]",
                "{\"a\": {\"b\": [{\"c\": 1}, 2]}, \"\": 3, \"d\": {}}"
            })
    void aTreeIsTheOneThatJacksonMakes(String json) throws IOException {
        JsonNode tree = read(json);

        assertThat(tree).isEqualTo(new JsonMapper().readTree(json));
        assertThat(tree.toString()).isEqualTo(new JsonMapper().readTree(json).toString());
    }

    @Test
    void fieldsKeepTheirOrder() throws IOException {
        assertThat(read("{\"z\": 1, \"a\": 2, \"m\": 3}").fieldNames())
                .toIterable()
                .containsExactly("z", "a", "m");
    }

    @Test
    void whiteSpaceAloneIsNoTree() throws IOException {
        assertThat(read(" \n\t ")).isNull();
        assertThat(read("")).isNull();
    }

    @ParameterizedTest
    @ValueSource(strings = {"{} {}", "{} 1", "1 \"x\"", "[] []"})
    void whatFollowsTheValueIsRefusedWithItsPlace(String json) {
        assertThatThrownBy(() -> read(json))
                .isInstanceOf(JsonParseException.class)
                .hasMessageContaining("Trailing token")
                .satisfies(
                        e -> assertThat(((JsonParseException) e).getLocation().getColumnNr())
                                .isEqualTo(json.indexOf(' ') + 2));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"{", "[1", "{\"a\"", "{\"a\":", "{\"a\":1,}", "[1,]", "{\"a\":1,\"a\":2}", "{}}", "tru", "{a:1}"
            })
    void whatIsMalformedIsRefused(String json) {
        assertThatThrownBy(() -> read(json)).isInstanceOf(JsonProcessingException.class);
    }

    @Test
    void theParserSaysHowDeepATreeMayBe() {
        assertThatThrownBy(() -> read("[".repeat(100_000)))
                .isInstanceOf(JsonProcessingException.class)
                .hasMessageContaining("nesting depth");
    }
}
