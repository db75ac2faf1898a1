package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.RawSafetensors.file;
import static dev.rmt.checkpoint.RawSafetensors.tensor;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.rmt.ModelFormatException;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every class of malformed file ends in one sentence that names the file, soon. */
class SafetensorsBadFilesTest {
    private static final String GOOD = "{" + tensor("a", "F32", "[2]", "[0,8]") + "}";

    /** Where some of a kind break the JSON and others break a rule about what it says. */
    private static final String ANYTHING = "";

    @TempDir
    Path folder;

    /**
     * @param kind what is wrong, the name of the test
     * @param bytes of the file
     * @param said part of the message
     */
    @SuppressWarnings("ArrayRecordComponent")
    record Bad(String kind, byte[] bytes, String said) {
        @Override
        public String toString() {
            return kind;
        }
    }

    static Stream<Bad> badFiles() {
        return Stream.of(
                        headerLengths(),
                        truncated(),
                        notJson(),
                        encodings(),
                        duplicates(),
                        structure(),
                        dtypes(),
                        numbers(),
                        products(),
                        offsets(),
                        coverage(),
                        limits())
                .flatMap(List::stream);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badFiles")
    void aBadFileIsRefusedWithinASecondByASentenceThatNamesIt(Bad bad) {
        Path path = RawSafetensors.write(folder, bad.bytes());

        // Processor time: a busy machine does not make the reader slow. The other limit is for a reader that hangs.
        long nanos = assertTimeoutPreemptively(Duration.ofSeconds(30), () -> {
            ThreadMXBean threads = ManagementFactory.getThreadMXBean();
            long start = threads.getCurrentThreadCpuTime();
            assertThatThrownBy(() -> Safetensors.open(path))
                    .isExactlyInstanceOf(ModelFormatException.class)
                    .hasMessageContaining(path.toString())
                    .hasMessageContaining(bad.said())
                    .satisfies(e -> assertThat(e.getMessage())
                            .hasSizeLessThan(600)
                            .endsWith(".")
                            .doesNotContain("\n", "`"));
            return threads.getCurrentThreadCpuTime() - start;
        });
        assertThat(nanos).isLessThan(Duration.ofSeconds(1).toNanos());
    }

    @Test
    void theFileThatTheBadOnesAreMadeFromIsGood() {
        try (Safetensors opened = Safetensors.open(RawSafetensors.write(folder, file(GOOD, 8)))) {
            assertThat(opened.tensors()).hasSize(1);
        }
    }

    @Test
    void thereAreAtLeastThreeHundredBadFiles() {
        assertThat(badFiles().map(Bad::kind)).hasSizeGreaterThanOrEqualTo(300).doesNotHaveDuplicates();
    }

    private static List<Bad> headerLengths() {
        byte[] json = GOOD.getBytes(StandardCharsets.UTF_8);
        long[] lengths = {
            0,
            -1,
            Long.MIN_VALUE,
            Long.MAX_VALUE,
            1L << 31,
            (1L << 31) - 1,
            1L << 32,
            (1L << 32) + json.length,
            (16 << 20) + 1,
            1L << 62,
            -json.length
        };
        List<Bad> bad = new ArrayList<>();
        for (long length : lengths) {
            bad.add(new Bad("header length " + length, file(length, json, new byte[8]), "header length"));
        }
        bad.add(new Bad("header length beyond the end", file(json.length + 9, json, new byte[8]), "header length"));
        bad.add(new Bad(
                "header length of a little too much", file(json.length + 4, json, new byte[8]), "bytes of data"));
        bad.add(new Bad("header length one too small", file(json.length - 1, json, new byte[8]), "header"));
        bad.add(new Bad("header length 1", file(1, json, new byte[8]), "header"));
        return bad;
    }

    private static List<Bad> truncated() {
        byte[] good = file(GOOD, 8);
        return IntStream.range(0, good.length)
                .mapToObj(length -> new Bad(
                        "cut to " + length + " bytes",
                        Arrays.copyOf(good, length),
                        length < 8 ? "too few" : "not a valid"))
                .toList();
    }

    private static List<Bad> notJson() {
        String[] headers = {
            "",
            " ",
            "[]",
            "null",
            "1",
            "\"a\"",
            "true",
            "x",
            " {}",
            "\n{}",
            "{",
            "{]",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":}",
            "{\"a\":1",
            "{a:1}",
            "{'a':1}",
            "{\"a\":{}}}",
            "{}{}",
            "{} x",
            "{}\0",
            "{,}",
            "{\"a\":{},}",
            "{\"__metadata__\"}",
            "{/* comment */}",
            "{\"a\":NaN}",
            "{\"a\":+1}",
            "{\"a\":01}",
            "{\"\\x\":1}",
            "{\"\\ud8zz\":1}",
            "\0\0\0\0",
            "PK\3\4",
            "\u0080\2}q\0",
            "GGUF",
            "version https://git-lfs.github.com/spec/v1",
        };
        return Arrays.stream(headers)
                .map(header -> new Bad("header " + CheckedFiles.quote(header), file(header, 0), ANYTHING))
                .toList();
    }

    private static List<Bad> encodings() {
        List<Bad> bad = new ArrayList<>();
        for (Charset charset : List.of(StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE, StandardCharsets.UTF_16)) {
            bad.add(new Bad("header in " + charset, file(GOOD.getBytes(charset), 8), "header"));
        }
        bad.add(new Bad("header behind a byte order mark", file("\ufeff" + GOOD, 8), "'{'"));
        int[][] sequences = {
            {0x80},
            {0xff},
            {0xfe},
            {0xc0, 0xaf},
            {0xc1, 0xbf},
            {0xe0, 0x80, 0xaf},
            {0xed, 0xa0, 0x80},
            {0xed, 0xbf, 0xbf},
            {0xf0, 0x80, 0x80, 0xaf},
            {0xf4, 0x90, 0x80, 0x80},
            {0xf5, 0x80, 0x80, 0x80},
            {0xc3},
            {0xe2, 0x82},
            {0xf0, 0x9f, 0x98}
        };
        for (int[] sequence : sequences) {
            ByteArrayOutputStream header = new ByteArrayOutputStream();
            header.writeBytes("{\"".getBytes(StandardCharsets.UTF_8));
            Arrays.stream(sequence).forEach(header::write);
            header.writeBytes(GOOD.substring(2).getBytes(StandardCharsets.UTF_8));
            String name = Arrays.stream(sequence)
                    .mapToObj(Integer::toHexString)
                    .toList()
                    .toString();
            bad.add(new Bad("name of malformed UTF-8 " + name, file(header.toByteArray(), 8), "UTF-8"));
        }
        return bad;
    }

    private static List<Bad> duplicates() {
        String a = tensor("a", "F32", "[2]", "[0,8]");
        return List.of(
                new Bad("the same tensor twice", file("{" + a + "," + a + "}", 8), "uplicate"),
                new Bad(
                        "two tensors of one name",
                        file("{" + a + "," + tensor("a", "F32", "[2]", "[8,16]") + "}", 16),
                        "uplicate"),
                new Bad(
                        "one name, once escaped",
                        file("{" + a + "," + tensor("\\u0061", "F32", "[2]", "[8,16]") + "}", 16),
                        "uplicate"),
                new Bad("metadata twice", file("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "uplicate"),
                new Bad("a metadata key twice", file("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0), "uplicate"),
                new Bad("dtype twice", file(GOOD.replace("\"shape\"", "\"dtype\":\"F32\",\"shape\""), 8), "uplicate"),
                new Bad("shape twice", file(GOOD.replace("\"shape\"", "\"shape\":[2],\"shape\""), 8), "uplicate"),
                new Bad(
                        "data_offsets twice",
                        file(GOOD.replace("\"shape\"", "\"data_offsets\":[0,8],\"shape\""), 8),
                        "uplicate"));
    }

    private static List<Bad> structure() {
        List<Bad> bad = new ArrayList<>();
        for (String value : List.of("1", "null", "\"x\"", "[]", "true", "1.5")) {
            bad.add(new Bad("tensor that is " + value, file("{\"a\":" + value + "}", 0), "\"a\""));
            bad.add(new Bad("metadata that is " + value, file("{\"__metadata__\":" + value + "}", 0), "__metadata__"));
        }
        for (String value : List.of("1", "null", "true", "{}", "[]", "{\"b\":{}}")) {
            bad.add(new Bad(
                    "metadata value that is " + value, file("{\"__metadata__\":{\"k\":" + value + "}}", 0), "\"k\""));
        }
        bad.add(new Bad("empty tensor object", file("{\"a\":{}}", 0), "lacks dtype"));
        bad.add(new Bad("no dtype", file("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8), "lacks dtype"));
        bad.add(new Bad("no shape", file("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8), "lacks shape"));
        bad.add(new Bad("no data_offsets", file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8), "lacks data_offsets"));
        bad.add(new Bad("unknown field", file(GOOD.replace("\"shape\"", "\"x\":1,\"shape\""), 8), "\"x\""));
        bad.add(new Bad("field of another case", file(GOOD.replace("shape", "Shape"), 8), "\"Shape\""));
        for (String value : List.of("2", "null", "\"[2]\"", "{}", "{\"0\":2}", "true")) {
            bad.add(new Bad("shape that is " + value, file(GOOD.replace("[2]", value), 8), "shape"));
            bad.add(new Bad("data_offsets that are " + value, file(GOOD.replace("[0,8]", value), 8), "data_offsets"));
        }
        for (String value :
                List.of("[]", "[0]", "[0,4,8]", "[[0],[8]]", "[0,[8]]", "[0,\"8\"]", "[0,null]", "[0,true]")) {
            bad.add(new Bad("data_offsets " + value, file(GOOD.replace("[0,8]", value), 8), "data_offsets"));
        }
        return bad;
    }

    private static List<Bad> dtypes() {
        List<Bad> bad = new ArrayList<>();
        for (String dtype :
                List.of("", "f32", "F33", "F32 ", " F32", "FLOAT", "F128", "I128", "F4", "\\u0000", "F32\\n")) {
            bad.add(new Bad("dtype " + dtype, file("{" + tensor("a", dtype, "[2]", "[0,8]") + "}", 8), "dtype"));
        }
        for (String value : List.of("1", "null", "[\"F32\"]", "{\"F32\":1}", "true")) {
            bad.add(new Bad("dtype that is " + value, file(GOOD.replace("\"F32\"", value), 8), "dtype"));
        }
        return bad;
    }

    private static List<Bad> numbers() {
        List<Bad> bad = new ArrayList<>();
        String long309 = "1" + "0".repeat(309);
        for (String number : List.of(
                "-1",
                "-0",
                "-2147483648",
                "-9223372036854775808",
                "2.0",
                "0.5",
                "1e400",
                "1e-400",
                "2e0",
                "9223372036854775808",
                "18446744073709551616",
                "-9223372036854775809",
                long309,
                "1" + "0".repeat(5000),
                "[]",
                "[2]",
                "null",
                "true",
                "\"2\"",
                "{}",
                "NaN",
                "0x2",
                "02",
                "2,")) {
            String shown = number.length() > 40 ? "a number of " + number.length() + " digits" : number;
            bad.add(new Bad("shape [" + shown + "]", file(GOOD.replace("[2]", "[" + number + "]"), 8), ANYTHING));
            bad.add(new Bad("begin " + shown, file(GOOD.replace("[0,8]", "[" + number + ",8]"), 8), ANYTHING));
            bad.add(new Bad("end " + shown, file(GOOD.replace("[0,8]", "[0," + number + "]"), 8), ANYTHING));
        }
        return bad;
    }

    private static List<Bad> products() {
        List<Bad> bad = new ArrayList<>();
        for (String shape : List.of(
                "[4194305,4194305,4194305]",
                "[4294967296,4294967296]",
                "[2305843009213693952]",
                "[2305843009213693953]",
                "[9223372036854775807]",
                "[9223372036854775807,9223372036854775807]",
                "[4611686018427387904,4]",
                "[2147483648,2147483648,2]",
                "[65536,65536,65536,65536]",
                "[3,6148914691236517206]",
                "[9223372036854775807,2,0]")) {
            bad.add(new Bad("shape " + shape, file(GOOD.replace("[2]", shape), 8), "2^63"));
        }
        for (String shape : List.of("[]", "[0]", "[1]", "[3]", "[2,2]", "[2,0]", "[1073741826]", "[4294967298]")) {
            bad.add(new Bad("shape " + shape + " for eight bytes", file(GOOD.replace("[2]", shape), 8), "needs"));
        }
        for (String dtype : List.of("F64", "F16", "BF16", "I64", "I16", "U8", "BOOL")) {
            bad.add(new Bad(dtype + " of another size", file(GOOD.replace("F32", dtype), 8), "needs"));
        }
        return bad;
    }

    private static List<Bad> offsets() {
        List<Bad> bad = new ArrayList<>();
        bad.add(new Bad("end before begin", file(GOOD.replace("[0,8]", "[8,0]"), 8), "before it begins"));
        bad.add(new Bad("end one before begin", file(GOOD.replace("[0,8]", "[1,0]"), 8), "before it begins"));
        for (String end : List.of("9", "12", "2147483648", "4294967304", "9223372036854775807")) {
            bad.add(new Bad(
                    "end " + end + " beyond the file",
                    file(GOOD.replace("[0,8]", "[0," + end + "]"), 8),
                    "bytes of data"));
        }
        bad.add(new Bad("begin and end beyond the file", file(GOOD.replace("[0,8]", "[8,16]"), 8), "bytes of data"));
        bad.add(new Bad(
                "empty beyond the file", file("{" + tensor("a", "F32", "[0]", "[4,4]") + "}", 0), "bytes of data"));
        bad.add(new Bad("no data", file(GOOD, 0), "bytes of data"));
        return bad;
    }

    private static List<Bad> coverage() {
        String a = tensor("a", "F32", "[2]", "[0,8]");
        return List.of(
                new Bad(
                        "overlap by one element",
                        file("{" + a + "," + tensor("b", "F32", "[2]", "[4,12]") + "}", 12),
                        "inside"),
                new Bad(
                        "overlap by one byte",
                        file("{" + a + "," + tensor("b", "F32", "[2]", "[7,15]") + "}", 15),
                        "inside"),
                new Bad(
                        "the same bytes twice",
                        file("{" + a + "," + tensor("b", "I32", "[2]", "[0,8]") + "}", 8),
                        "inside"),
                new Bad(
                        "one inside another",
                        file("{" + a + "," + tensor("b", "U8", "[1]", "[3,4]") + "}", 8),
                        "inside"),
                new Bad(
                        "an empty one inside another",
                        file("{" + a + "," + tensor("b", "F32", "[0]", "[4,4]") + "}", 8),
                        "inside"),
                new Bad(
                        "three in a chain of overlaps",
                        file(
                                "{" + a + "," + tensor("b", "F32", "[2]", "[4,12]") + ","
                                        + tensor("c", "F32", "[2]", "[8,16]") + "}",
                                16),
                        "inside"),
                new Bad(
                        "two empty ones at one place",
                        file(
                                "{" + tensor("a", "F32", "[0]", "[0,0]") + "," + tensor("b", "F32", "[0,3]", "[0,0]")
                                        + "}",
                                0),
                        "share"),
                new Bad(
                        "two empty ones at the end",
                        file(
                                "{" + a + "," + tensor("b", "F32", "[0]", "[8,8]") + ","
                                        + tensor("c", "I64", "[0]", "[8,8]") + "}",
                                8),
                        "share"),
                new Bad(
                        "hole at the start",
                        file("{" + tensor("a", "F32", "[2]", "[4,12]") + "}", 12),
                        "belong to nothing"),
                new Bad(
                        "hole of one byte at the start",
                        file("{" + tensor("a", "F32", "[2]", "[1,9]") + "}", 9),
                        "belong to nothing"),
                new Bad(
                        "hole in the middle",
                        file("{" + a + "," + tensor("b", "F32", "[1]", "[12,16]") + "}", 16),
                        "belong to nothing"),
                new Bad("hole at the end", file(GOOD, 12), "belong to nothing"),
                new Bad("one byte too many", file(GOOD, 9), "belong to nothing"),
                new Bad("data without tensors", file("{}", 1), "belong to nothing"),
                new Bad(
                        "data with metadata only",
                        file("{\"__metadata__\":{\"format\":\"pt\"}}", 8),
                        "belong to nothing"));
    }

    private static List<Bad> limits() {
        StringBuilder entries = new StringBuilder("{\"__metadata__\":{\"\":\"\"");
        for (int i = 0; i < 10_000; i++) {
            entries.append(",\"").append(i).append("\":\"\"");
        }
        String half = "v".repeat(600_000);
        StringBuilder many = new StringBuilder("{");
        for (int i = 0; i <= 100_000; i++) {
            many.append(i == 0 ? "" : ",").append(tensor("t" + i, "U8", "[1]", "[" + i + "," + (i + 1) + "]"));
        }
        return List.of(
                new Bad("100,001 tensors", file(many.append('}').toString(), 100_001), "more than 100000 tensors"),
                new Bad("arrays nested 100,000 deep", file("{\"a\":" + "[".repeat(100_000), 0), "\"a\""),
                new Bad("objects nested 100,000 deep", file("{\"a\":".repeat(100_000), 0), "unknown field"),
                new Bad("arrays nested in a shape", file(GOOD.replace("[2]", "[".repeat(100_000)), 8), "shape"),
                new Bad(
                        "objects nested in metadata",
                        file("{\"__metadata__\":" + "{\"k\":".repeat(100_000), 0),
                        "\"k\""),
                new Bad("10,001 metadata entries", file(entries.append("}}").toString(), 0), "__metadata__ has more"),
                new Bad(
                        "more than a million characters of metadata",
                        file("{\"__metadata__\":{\"a\":\"" + half + "\",\"b\":\"" + half + "\"}}", 0),
                        "__metadata__ has more"),
                new Bad("17 dimensions", file(GOOD.replace("[2]", "[2" + ",1".repeat(16) + "]"), 8), "more than 16"),
                new Bad(
                        "a million dimensions",
                        file(GOOD.replace("[2]", "[2" + ",1".repeat(1_000_000) + "]"), 8),
                        "more than 16"),
                new Bad("a name of a million letters", file("{\"" + "n".repeat(1_000_000) + "\":1}", 0), "header"),
                new Bad("a dtype of a million letters", file(GOOD.replace("F32", "F".repeat(1_000_000)), 8), "dtype"),
                new Bad(
                        "a metadata value that never ends",
                        file("{\"__metadata__\":{\"k\":\"" + "v".repeat(8_000_000), 0),
                        "header"),
                new Bad("a header of blanks", file("{" + " ".repeat(8_000_000), 0), "header"));
    }
}
