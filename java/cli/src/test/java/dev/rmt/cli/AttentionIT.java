package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a model attends to, by printed output, JSON, arrays and pictures. */
class AttentionIT {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int POSITIONS = 512;
    private static final int MEMORY_TOKENS = 10;

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

    private Path file(String name) {
        return folder.resolve("attention").resolve(name);
    }

    private static List<Integer> numbers(JsonNode array) {
        List<Integer> numbers = new ArrayList<>();
        array.forEach(number -> numbers.add(number.asInt()));
        return numbers;
    }

    @Test
    void theFourOperationsOfMemoryAreFoundInTheBuiltInModel() throws IOException {
        Program.Result result = program.run("attention");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out())
                .contains("detect and write", "keep", "append", "read and answer", ", which is right", "figure6.png");
        JsonNode json = json("attention/attention.json");

        JsonNode operations = json.get("operations");
        List<String> names = new ArrayList<>();
        operations.forEach(operation -> names.add(operation.get("operation").asText()));
        assertThat(names).containsExactly("write", "keep", "append", "read");
        List<Integer> segments = new ArrayList<>();
        operations.forEach(operation -> segments.add(operation.get("segment").asInt()));
        assertThat(segments).containsExactly(0, 1, 2, 3);
        for (JsonNode operation : operations) {
            assertThat(operation.get("share").asDouble())
                    .as(operation.toString())
                    .isGreaterThan(5 * operation.get("if_even").asDouble());
        }
        // Memory moved where the second fact was, not where there was none.
        JsonNode changes = json.get("memory").get("changes");
        assertThat(changes).hasSize(3);
        assertThat(changes.get(2).get("distance").asDouble())
                .isGreaterThan(changes.get(1).get("distance").asDouble());
        float[] memory = NpyFileTest.read(file("memory.npy"), "(4, 10, 128)");
        double distance = 0;
        for (int i = 0; i < MEMORY_TOKENS * 128; i++) {
            distance += Math.pow(memory[3 * 1280 + i] - memory[2 * 1280 + i], 2);
        }
        assertThat(Math.sqrt(distance)).isCloseTo(changes.get(2).get("distance").asDouble(), within(1e-6));

        for (String picture : List.of("figure6.png", "memory.png")) {
            BufferedImage image = ImageIO.read(file(picture).toFile());
            assertThat(image.getWidth()).as(picture).isBetween(400, 2000);
            assertThat(image.getHeight()).as(picture).isBetween(300, 2000);
        }
    }

    @Test
    void chosenMapsAreWrittenWithTheLabelsOfTheirPositions() throws IOException {
        Program.Result result = program.run(
                "attention",
                "--layers",
                "2,0",
                "--heads",
                "3",
                "--show-segments",
                "2",
                "--range",
                "0-4,511",
                "--format",
                "svg");
        assertThat(result.status()).as(result.toString()).isZero();
        JsonNode json = json("attention/attention.json");
        assertThat(numbers(json.get("layers"))).containsExactly(0, 2);
        assertThat(numbers(json.get("heads"))).containsExactly(3);
        assertThat(json.get("segments")).hasSize(1);
        JsonNode segment = json.get("segments").get(0);
        assertThat(segment.get("segment").asInt()).isEqualTo(2);
        assertThat(segment.get("labels")).hasSize(POSITIONS);

        List<Integer> facts = numbers(segment.get("fact_positions"));
        StringBuilder words = new StringBuilder();
        facts.forEach(position ->
                words.append(segment.get("labels").get(position).asText()).append(' '));
        String fact = json.get("sample").get("facts").get(1).get("text").asText();
        assertThat(words.toString().trim())
                .isEqualTo(fact.toLowerCase(Locale.ROOT).replace(".", " ."));

        float[] maps = NpyFileTest.read(file(segment.get("attention").asText()), "(2, 1, 512, 512)");
        double[] toFact = new double[2];
        for (int layer = 0; layer < 2; layer++) {
            for (int row = 0; row < POSITIONS; row++) {
                double sum = 0;
                for (int column = 0; column < POSITIONS; column++) {
                    float value = maps[(layer * POSITIONS + row) * POSITIONS + column];
                    sum += value;
                    boolean memory = row >= 1 && row <= MEMORY_TOKENS;
                    toFact[layer] += memory && facts.contains(column) ? value / MEMORY_TOKENS : 0;
                }
                assertThat(sum).isCloseTo(1, within(1e-5));
            }
            assertThat(segment.get("shares").get(layer).get("memory_to_fact").asDouble())
                    .isCloseTo(toFact[layer], within(1e-6));
        }
        for (int layer : new int[] {0, 2}) {
            assertThat(file("segment-2-layer-" + layer + "-head-3.svg"))
                    .content()
                    .contains("[mem 4]")
                    .doesNotContain("[mem 5]");
        }
    }

    @Test
    void aTextIsShownToItsEndWithAndWithoutAQuestion() throws IOException {
        byte[] text = "Mary went to the garden. ".repeat(200).getBytes(StandardCharsets.UTF_8);
        Program.Result asked = program.runWithInput(
                text, "attention", "--text", "-", "--question", "Where is Mary?", "--layers", "1", "--heads", "0");
        assertThat(asked.status()).as(asked.toString()).isZero();
        assertThat(asked.out()).contains("read and answer", "keep").doesNotContain("detect and write");
        JsonNode json = json("attention/attention.json");
        assertThat(json.get("segment_count").asInt()).isEqualTo(3);
        JsonNode last = json.get("segments").get(2);
        assertThat(last.get("answering").asBoolean()).isTrue();
        int length = last.get("labels").size();
        assertThat(numbers(last.get("question_positions")))
                .containsExactly(length - 5, length - 4, length - 3, length - 2);
        assertThat(last.get("labels").get(length - 5).asText()).isEqualTo("where");

        Files.write(folder.resolve("text.txt"), text);
        Program.Result read =
                program.run("attention", "--text", "text.txt", "--layers", "1", "--heads", "0", "--json", "r.json");
        assertThat(read.status()).as(read.toString()).isZero();
        assertThat(json("r.json").get("segments").get(2).get("answering").asBoolean())
                .isFalse();
        assertThat(json("r.json").get("memory").get("changes")).hasSize(3);
    }

    @Test
    void layersHeadsSegmentsAndPositionsThatThereAreNotAreNamedWithTheirRange() throws IOException {
        Files.writeString(folder.resolve("text.txt"), "Mary went to the garden.");
        for (List<String> wrong : List.of(
                List.of("--layers", "3", "There is no layer 3; the model has layers 0 to 2."),
                List.of("--heads", "0,8", "There is no head 8; a layer has heads 0 to 7."),
                List.of("--show-segments", "4", "There is no segment 4; the sample has segments 0 to 3."),
                List.of("--fact-segments", "0,4", "There is no segment 4"),
                List.of("--range", "0-512", "whose positions are 0 to 511"),
                List.of("--range", "9-2", "ends before it begins"),
                List.of("--layers", "-1", "is not a whole number from 0"))) {
            Program.Result result = program.run("attention", wrong.get(0), wrong.get(1));
            assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.USAGE);
            assertThat(result.err()).contains(wrong.get(2));
        }
        Program.Result result = program.run("attention", "--text", "text.txt", "--show-segments", "1");
        assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.USAGE);
        assertThat(result.err()).contains("There is no segment 1; the text has segments 0 to 0.");
    }

    @Test
    void aFileThatCannotBeWrittenCostsNoOtherResult() throws IOException {
        Files.createDirectories(file("figure6.png"));
        Files.createDirectories(file("segment-0.npy"));
        Program.Result result = program.run("attention", "--layers", "2", "--heads", "1", "--show-segments", "0,3");
        assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.FAILED);
        assertThat(result.err().lines().filter(line -> line.startsWith("There is no ")))
                .hasSize(2)
                .anyMatch(line -> line.contains("figure6.png: "))
                .anyMatch(line -> line.contains("segment-0.npy: "));
        assertThat(result.out()).contains("detect and write", "read and answer");
        JsonNode segments = json("attention/attention.json").get("segments");
        assertThat(segments.get(0).get("attention").isNull()).isTrue();
        assertThat(segments.get(1).get("attention").asText()).isEqualTo("segment-3.npy");
        assertThat(file("memory.png")).isRegularFile();

        Program.Result empty = program.runWithInput(new byte[0], "attention", "--text", "-");
        assertThat(empty.status()).isEqualTo(ExitCodes.BAD_INPUT);
        assertThat(empty.err()).contains("There is nothing to read");

        Files.writeString(folder.resolve("taken"), "");
        Program.Result taken = program.run("attention", "--out", "taken");
        assertThat(taken.status()).isEqualTo(ExitCodes.BAD_INPUT);
        assertThat(taken.err()).contains("a file stands there");
    }

    @Test
    void aModelWithoutMemoryOrWithOtherAnswersIsShownAsFarAsItGoes() throws IOException {
        assertThat(program.run("init", "plain", "--num-mem-tokens", "0", "--input-length", "64")
                        .status())
                .isZero();
        Files.writeString(folder.resolve("text.txt"), "Mary went to the garden. ".repeat(20));
        Program.Result plain =
                program.run("attention", "--model", "plain", "--text", "text.txt", "--question", "Where is Mary?");
        assertThat(plain.status()).as(plain.toString()).isZero();
        assertThat(plain.out()).contains("the model has no memory tokens");
        assertThat(json("attention/attention.json").has("memory")).isFalse();

        assertThat(program.run("init", "other", "--labels", "yes,no").status()).isZero();
        Program.Result other = program.run("attention", "--model", "other");
        assertThat(other.status()).as(other.toString()).isEqualTo(ExitCodes.BAD_INPUT);
        assertThat(other.err()).contains("other answers yes, no; --text shows");
    }

    @Test
    void optionsThatContradictEachOtherAreRefused() throws IOException {
        Files.writeString(folder.resolve("text.txt"), "Mary went to the garden.");
        for (List<String> wrong : List.of(
                List.of("--text", "text.txt", "--task", "detect"),
                List.of("--question", "Where?"),
                List.of("--sample", "1", "--fact-segments", "0,1"),
                List.of("--task", "memorize", "--fact-segments", "1"))) {
            List<String> arguments = new ArrayList<>(List.of("attention"));
            arguments.addAll(wrong);
            Program.Result result = program.run(arguments.toArray(String[]::new));
            assertThat(result.status()).as(result.toString()).isEqualTo(ExitCodes.USAGE);
        }
    }
}
