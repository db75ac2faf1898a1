package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reading real documents by its printed output and its JSON. */
class ReadIT {
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

    /** Prose with characters of one to four bytes. */
    private static byte[] text() {
        StringBuilder text = new StringBuilder();
        Random random = new Random(1);
        for (int i = 0; i < 2000; i++) {
            text.append("The caf\u00e9 at no. ")
                    .append(random.nextInt(1000))
                    .append(" sold \u20ac5 cakes to Daniel \ud83c\udf70. ");
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void stoppedAndResumedAnywhereEqualsReadAtOnce() throws IOException {
        byte[] text = text();
        Files.write(folder.resolve("whole.txt"), text);
        Program.Result result = program.run("read", "whole.txt", "--json", "whole.json");
        assertThat(result.status()).as(result.toString()).isZero();
        String whole = json("whole.json").get("memory_sha256").asText();
        assertThat(whole).matches("[0-9a-f]{64}");

        int euro = indexOfByte(text, (byte) 0xe2, text.length / 2);
        int word = indexOfByte(text, (byte) 'k', text.length / 2); // in "cakes"
        for (int cut : new int[] {euro + 1, word, 1, text.length - 1}) {
            Files.write(folder.resolve("1.txt"), Arrays.copyOf(text, cut));
            Files.write(folder.resolve("2.txt"), Arrays.copyOfRange(text, cut, text.length));
            Program.Result first = program.run("read", "1.txt", "--save-memory", "s.rmt");
            assertThat(first.status()).as(first.toString()).isZero();
            Program.Result second = program.run("read", "2.txt", "--memory", "s.rmt", "--json", "r.json");
            assertThat(second.status()).as(second.toString()).isZero();
            assertThat(json("r.json").get("memory_sha256").asText())
                    .as("cut at byte " + cut)
                    .isEqualTo(whole);
        }
    }

    private static int indexOfByte(byte[] bytes, byte wanted, int from) {
        for (int i = from; i < bytes.length; i++) {
            if (bytes[i] == wanted) {
                return i;
            }
        }
        throw new IllegalArgumentException("not found");
    }

    @Test
    void theJsonCountsTokensSegmentsAndWhatIsPending() throws IOException {
        Files.writeString(folder.resolve("t.txt"), "one two three. ".repeat(400));
        Program.Result result = program.run("read", "t.txt", "--question", "Where is Daniel?", "--json", "r.json");
        assertThat(result.status()).as(result.toString()).isZero();
        JsonNode json = json("r.json");
        assertThat(json.get("tokens").asLong())
                .isEqualTo(499 * json.get("segments").asLong()
                        + json.get("pending").asLong());
        assertThat(json.get("pending").asInt()).isBetween(0, 498);
        assertThat(json.get("seconds").asDouble()).isPositive();
        assertThat(json.get("tokens_per_second").asDouble()).isPositive();
        assertThat(json.get("peak_rss_bytes").asLong()).isGreaterThan(10_000_000);
        assertThat(json.get("answer").asText()).isIn("bathroom", "hallway", "garden", "office", "bedroom", "kitchen");
        assertThat(result.out()).contains("built-in", "answer").doesNotContain("a guess");
    }

    @Test
    void severalFilesAreSeparatedByWhiteSpace() throws IOException {
        Files.writeString(folder.resolve("1.txt"), "The gar");
        Files.writeString(folder.resolve("2.txt"), "den is green.");
        Files.writeString(folder.resolve("3.txt"), "The gar den is green.");
        assertThat(program.run("read", "1.txt", "2.txt", "--json", "a.json").status())
                .isZero();
        assertThat(program.run("read", "3.txt", "--json", "b.json").status()).isZero();
        assertThat(json("a.json").get("memory_sha256")).isEqualTo(json("b.json").get("memory_sha256"));
    }

    @Test
    void stdinIsReadLikeAFile() throws IOException {
        byte[] text = text();
        Files.write(folder.resolve("t.txt"), text);
        assertThat(program.run("read", "t.txt", "--json", "a.json").status()).isZero();
        assertThat(program.runWithInput(text, "read", "-", "--json", "b.json").status())
                .isZero();
        assertThat(json("a.json").get("memory_sha256")).isEqualTo(json("b.json").get("memory_sha256"));
    }

    @Test
    void emptyInputIsRefused() throws IOException {
        Files.createFile(folder.resolve("empty.txt"));
        for (Program.Result result :
                new Program.Result[] {program.run("read", "-"), program.run("read", "empty.txt")}) {
            assertThat(result.status()).as(result.toString()).isEqualTo(4);
            assertThat(result.err()).contains("nothing to read").doesNotContain("\tat ");
        }
    }

    @Test
    void bytesThatAreNotUtf8AreReplacedAndCounted() throws IOException {
        byte[] bytes = new byte[200_000];
        new Random(7).nextBytes(bytes);
        Program.Result result = program.runWithInput(bytes, "read", "-", "--json", "r.json");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(json("r.json").get("replaced_bytes").asLong()).isGreaterThan(10_000);
        assertThat(result.out()).contains("bytes were not UTF-8");
    }

    @Test
    void aMegabyteWithoutASpaceIsRead() {
        byte[] bytes = new byte[1 << 20];
        Arrays.fill(bytes, (byte) 'x');
        Program.Result result = program.runWithInput(bytes, "read", "-");
        assertThat(result.status()).as(result.toString()).isZero();
    }

    @Test
    void aMemoryOfAnotherModelIsRefused() throws IOException {
        Files.writeString(folder.resolve("t.txt"), "Some words.");
        assertThat(program.run("init", "m", "--seed", "1").status()).isZero();
        assertThat(program.run("read", "t.txt", "--save-memory", "s.rmt").status())
                .isZero();
        Program.Result result = program.run("read", "t.txt", "--model", "m", "--memory", "s.rmt");
        assertThat(result.status()).as(result.toString()).isEqualTo(4);
        assertThat(result.err()).contains("model").doesNotContain("\tat ");
    }

    @Test
    void aBrokenMemoryFileIsRefused() throws IOException {
        Files.writeString(folder.resolve("t.txt"), "Some words.");
        Files.writeString(folder.resolve("s.rmt"), "no memory");
        Program.Result result = program.run("read", "t.txt", "--memory", "s.rmt");
        assertThat(result.status()).as(result.toString()).isEqualTo(4);
        assertThat(result.err()).contains("s.rmt").doesNotContain("\tat ");
    }
}
