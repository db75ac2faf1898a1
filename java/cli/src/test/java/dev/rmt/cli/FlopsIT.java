package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Counts of operations by the printed output, the JSON and the pictures of the program. */
class FlopsIT {
    @TempDir
    Path folder;

    private Program program;

    @BeforeEach
    void setUp() {
        program = new Program(folder);
    }

    private JsonNode json(String name) throws IOException {
        return new ObjectMapper().readTree(folder.resolve(name).toFile());
    }

    private static List<String> names(JsonNode node) {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }

    @Test
    void theJsonHoldsTheFactorsOfThePaper() throws IOException {
        Program.Result result =
                program.run("flops", "--models", "opt-125m,opt-175b", "--tokens", "2048000", "--json", "f.json");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains("295.07").contains("29.015").contains("2,048,000");
        JsonNode json = json("f.json");
        assertThat(names(json)).containsExactly("results");
        assertThat(json.get("results")).hasSize(2);
        for (JsonNode row : json.get("results")) {
            assertThat(names(row)).containsExactly("model", "tokens", "rmt_flops", "full_attention_flops", "reduction");
            assertThat(row.get("tokens").asLong()).isEqualTo(2_048_000);
            assertThat(row.get("full_attention_flops").asDouble()
                            / row.get("rmt_flops").asDouble())
                    .isEqualTo(row.get("reduction").asDouble(), within(1e-9));
        }
        assertThat(json.get("results").get(0).get("model").asText()).isEqualTo("opt-125m");
        assertThat(json.get("results").get(0).get("reduction").asDouble()).isEqualTo(295.07, within(0.005));
        assertThat(json.get("results").get(1).get("reduction").asDouble()).isEqualTo(29.015, within(0.0005));
    }

    @Test
    void theKernelsCountWhatTheExactTableSays() throws IOException {
        Program.Result made = program.run("init", "mine");
        assertThat(made.status()).as(made.toString()).isZero();
        Program.Result result = program.run(
                "flops", "--exact", "--models", "built-in,mine,gpt2", "--tokens", "499,2043904", "--json", "f.json");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out())
                .containsPattern("built-in: the kernels counted [0-9,]+ operations for 500 tokens, as many as")
                .containsPattern("mine: the kernels counted")
                .contains("gpt2: not BERT");
        JsonNode exact = json("f.json").get("exact");
        assertThat(exact).hasSize(4);
        JsonNode longest = exact.get(1);
        assertThat(longest.get("segments").asLong()).isEqualTo(4096);
        assertThat(longest.get("flops").asLong())
                .isGreaterThanOrEqualTo(longest.get("flops_without_filling").asLong());
        assertThat(longest.get("flops").asDouble() / exact.get(0).get("flops").asDouble())
                .as("4096 segments")
                .isEqualTo(4096, within(1.0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-5", "1000000000000001", "12x", "99999999999999999999"})
    void aLengthThatCannotBeIsRefused(String tokens) {
        Program.Result result = program.run("flops", "--tokens", tokens);
        assertThat(result.status()).isEqualTo(2);
        assertThat(result.out()).isEmpty();
        assertThat(result.err()).contains("'" + tokens + "' is not a whole number from 1 to 1000000000000000.");
    }

    @Test
    void anUnknownModelIsRefusedWithTheNamesThatAreKnown() {
        Program.Result result = program.run("flops", "--models", "opt-125m,opt-1t");
        assertThat(result.status()).isEqualTo(2);
        assertThat(result.err())
                .contains("opt-1t")
                .contains("opt-175b")
                .contains("bert-base")
                .contains("built-in");
    }

    @Test
    void aPictureThatCannotBeWrittenTakesNoResultWithIt() throws IOException {
        Program.Result result =
                program.run("flops", "--tokens", "512", "--json", "f.json", "--plot", "missing/flops.png");
        assertThat(result.status()).isEqualTo(4);
        assertThat(result.out()).contains("opt-125m");
        assertThat(json("f.json").get("results")).hasSize(5);
        assertThat(result.err().lines()).singleElement().asString().contains("missing/flops.png", "no folder");
        Program.Result pdf = program.run("flops", "--plot", "flops.pdf");
        assertThat(pdf.status()).isEqualTo(2);
        assertThat(pdf.err()).contains(".png or .svg");
    }

    @Test
    void thePictureIsAPngOrAnSvg() throws IOException {
        for (String name : List.of("f.png", "f.svg")) {
            Program.Result result = program.run("flops", "--tokens", "512", "--plot", name);
            assertThat(result.status()).as(result.toString()).isZero();
        }
        assertThat(Files.readAllBytes(folder.resolve("f.png"))).startsWith(0x89, 'P', 'N', 'G');
        assertThat(Files.readString(folder.resolve("f.svg")))
                .contains("<svg", "full attention", "opt-125m")
                .contains("</svg");
    }
}
