package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The main job by its printed output and its JSON. */
class EvalIT {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @TempDir
    Path folder;

    private Program program;

    @BeforeEach
    void setUp() {
        program = new Program(folder);
    }

    private JsonNode json(String name) throws IOException {
        return MAPPER.readTree(folder.resolve(name).toFile());
    }

    private static List<String> names(JsonNode node) {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }

    @Test
    void theJsonHoldsARowForEveryTaskAndLength() throws IOException {
        Program.Result result = program.run("eval", "--segments", "1,2", "--samples", "4", "--json", "r.json");
        assertThat(result.status()).as(result.toString()).isZero();
        JsonNode json = json("r.json");
        assertThat(names(json)).contains("version", "device", "model", "threads", "seed", "results");
        assertThat(json.get("device").asText()).isEqualTo("cpu");
        assertThat(json.get("seed").asLong()).isEqualTo(42);
        assertThat(json.get("threads").asInt()).isPositive();
        JsonNode rows = json.get("results");
        assertThat(rows).hasSize(6);
        int i = 0;
        for (String task : List.of("memorize", "detect", "reason")) {
            for (int segments : List.of(1, 2)) {
                JsonNode row = rows.get(i++);
                assertThat(names(row))
                        .containsExactly(
                                "task",
                                "placement",
                                "alignment",
                                "segments",
                                "tokens",
                                "samples",
                                "correct",
                                "accuracy",
                                "ms_per_segment",
                                "tokens_per_second",
                                "peak_rss_bytes");
                assertThat(row.get("task").asText()).isEqualTo(task);
                assertThat(row.get("placement").asText()).isEqualTo("any");
                assertThat(row.get("alignment").asText()).isEqualTo("RIGHT");
                assertThat(row.get("segments").asInt()).isEqualTo(segments);
                assertThat(row.get("tokens").asLong()).isEqualTo(499L * segments);
                assertThat(row.get("samples").asInt()).isEqualTo(4);
                assertThat(row.get("accuracy").asDouble())
                        .isEqualTo(row.get("correct").asInt() / 4.0);
                double milliseconds = row.get("ms_per_segment").asDouble();
                assertThat(milliseconds).isPositive();
                assertThat(row.get("tokens_per_second").asDouble() * milliseconds / 1000)
                        .isBetween(499 * 0.999, 499 * 1.001);
                assertThat(row.get("peak_rss_bytes").asLong()).isGreaterThan(10_000_000);
            }
        }
    }

    @Test
    void theTableOfTheBuiltInModelIsOnStdout() {
        Program.Result result = program.run("eval", "--segments", "1", "--samples", "2", "--task", "reason,detect");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out())
                .doesNotContain("UNTRAINED")
                .contains(
                        "built-in: 3 layers of 128",
                        "[UNK]",
                        "segments",
                        "tokens",
                        "accuracy",
                        "tokens/s",
                        "ms/segment",
                        "peak memory")
                .containsPattern("reason +1 +499 +2 ")
                .containsPattern("detect +1 +499 +2 ");
        assertThat(result.err()).isEmpty();
    }

    @Test
    void theSameSeedGivesTheSameAnswersWhateverThreadsAndBatch() throws IOException {
        String[] base = {"eval", "--segments", "3", "--samples", "20"};
        assertThat(program.run(with(base, "--json", "a.json", "--threads", "1", "--batch", "1"))
                        .status())
                .isZero();
        assertThat(program.run(with(base, "--json", "b.json", "--threads", "2", "--batch", "7"))
                        .status())
                .isZero();
        for (int i = 0; i < 3; i++) {
            assertThat(json("a.json").get("results").get(i).get("correct").asInt())
                    .isEqualTo(
                            json("b.json").get("results").get(i).get("correct").asInt());
        }
    }

    @Test
    void aRunThatWasCutShortGoesOnToTheSameResult() throws IOException {
        String[] options = {"eval", "--segments", "2", "--samples", "10", "--batch", "2", "--json", "r.json"};
        assertThat(program.run(options).status()).isZero();
        JsonNode whole = json("r.json");

        // As if the program had been stopped in the second task: one row whole, one half done, one missing.
        ObjectNode cut = whole.deepCopy();
        ArrayNode rows = (ArrayNode) cut.get("results");
        rows.remove(2);
        String[] first = {"eval", "--segments", "2", "--samples", "4", "--batch", "2", "--task", "detect"};
        assertThat(program.run(with(first, "--json", "part.json")).status()).isZero();
        ObjectNode half = (ObjectNode) json("part.json").get("results").get(0);
        rows.set(1, half);
        MAPPER.writeValue(folder.resolve("r.json").toFile(), cut);

        Program.Result resumed = program.run(with(options, "--resume"));
        assertThat(resumed.status()).as(resumed.toString()).isZero();
        assertThat(json("r.json").get("results")).hasSize(3);
        for (int i = 0; i < 3; i++) {
            for (String field : List.of("task", "segments", "samples", "correct", "accuracy")) {
                assertThat(json("r.json").get("results").get(i).get(field))
                        .isEqualTo(whole.get("results").get(i).get(field));
            }
        }
        // A finished row is taken over as it is, its times too.
        assertThat(json("r.json").get("results").get(0))
                .isEqualTo(whole.get("results").get(0));
    }

    @Test
    void resumeRefusesOtherSettingsAndNamesThem() {
        String[] options = {"eval", "--segments", "1", "--samples", "2", "--task", "detect", "--json", "r.json"};
        assertThat(program.run(options).status()).isZero();
        Program.Result result = program.run(with(options, "--resume", "--seed", "43", "--reset-memory"));
        assertThat(result.status()).as(result.toString()).isEqualTo(4);
        assertThat(result.err()).contains("seed: 42 there, 43 now", "reset_memory: false there, true now");
    }

    @Test
    void resumeRefusesAFileThatIsNoResult() throws IOException {
        Files.writeString(folder.resolve("r.json"), "[1, 2");
        Program.Result result =
                program.run("eval", "--segments", "1", "--samples", "1", "--json", "r.json", "--resume");
        assertThat(result.status()).as(result.toString()).isEqualTo(4);
        assertThat(result.err()).contains("r.json").doesNotContain("\tat ");
    }

    @Test
    void controlCEndsWith130AndTheResultsSoFarAreSaved() throws IOException, InterruptedException {
        Process process = program.start(
                List.of(),
                Map.of(),
                "eval",
                "--segments",
                "4",
                "--samples",
                "1000000",
                "--task",
                "detect",
                "--json",
                "r.json");
        try {
            long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (!Files.exists(folder.resolve("r.json")) && System.nanoTime() < limit) {
                Thread.sleep(50);
            }
            new ProcessBuilder("kill", "-INT", Long.toString(process.pid()))
                    .start()
                    .waitFor();
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(130);
            assertThat(json("r.json").get("results").get(0).get("samples").asInt())
                    .isPositive();
            assertThat(new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8))
                    .contains("--resume");
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void withoutMemoryTheFactsAreKeptOutOfTheLastSegment() {
        Program.Result result =
                program.run("eval", "--segments", "2", "--samples", "2", "--task", "detect", "--reset-memory");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains("memory RESET", "facts are kept out of the last one");
    }

    @Test
    void theControlIsWhatResetMemoryGivesAndStandsBesideTheResult() throws IOException {
        String[] options = {"eval", "--segments", "1,2", "--samples", "12", "--task", "detect"};
        Program.Result both = program.run(with(options, "--control", "--json", "both.json"));
        assertThat(both.status()).as(both.toString()).isZero();
        Program.Result kept = program.run(with(options, "--json", "kept.json"));
        Program.Result reset = program.run(with(options, "--reset-memory", "--json", "reset.json"));
        assertThat(kept.status()).isZero();
        assertThat(reset.status()).isZero();

        JsonNode control = json("both.json").get("control");
        assertThat(control).as("a single segment has no control").hasSize(1);
        int right = control.get(0).get("correct").asInt();
        assertThat(right)
                .isEqualTo(
                        json("reset.json").get("results").get(1).get("correct").asInt());
        for (int i = 0; i < 2; i++) {
            assertThat(json("both.json").get("results").get(i).get("correct"))
                    .isEqualTo(json("kept.json").get("results").get(i).get("correct"));
        }
        assertThat(json("kept.json").has("control")).isFalse();
        String share = String.format(Locale.ROOT, "%.1f %%", 100.0 * right / 12);
        assertThat(both.out())
                .contains("control    the same with memory RESET")
                .containsPattern("peak memory +control")
                .containsPattern("detect +1 +499 .* -\n")
                .containsPattern("detect +2 +998 .*B +" + share + "\n");
    }

    @Test
    void aRunWithAControlGoesOnInTheControlToo() throws IOException {
        String[] options = {
            "eval",
            "--segments",
            "2",
            "--samples",
            "6",
            "--batch",
            "2",
            "--task",
            "detect",
            "--control",
            "--json",
            "r.json"
        };
        assertThat(program.run(options).status()).isZero();
        JsonNode whole = json("r.json");
        ObjectNode cut = whole.deepCopy();
        ((ObjectNode) cut.get("control").get(0))
                .put("samples", 0)
                .put("correct", 0)
                .put("accuracy", 0);
        MAPPER.writeValue(folder.resolve("r.json").toFile(), cut);
        Program.Result resumed = program.run(with(options, "--resume"));
        assertThat(resumed.status()).as(resumed.toString()).isZero();
        assertThat(json("r.json").get("results")).isEqualTo(whole.get("results"));
        assertThat(json("r.json").get("control").get(0).get("correct"))
                .isEqualTo(whole.get("control").get(0).get("correct"));
    }

    @Test
    void noiseThatIsTooStrangeForTheVocabularyIsSaid() throws IOException {
        Files.writeString(folder.resolve("noise.txt"), "\u0416\u0436\u0416 ".repeat(2000));
        Program.Result result =
                program.run("eval", "--segments", "1", "--samples", "1", "--task", "detect", "--noise", "noise.txt");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).contains("100.0 % [UNK]");
    }

    private static String[] with(String[] options, String... more) {
        List<String> all = new ArrayList<>(List.of(options));
        all.addAll(List.of(more));
        return all.toArray(new String[0]);
    }
}
