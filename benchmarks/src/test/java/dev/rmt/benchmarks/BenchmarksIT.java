package dev.rmt.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The packaged jar, as a process. */
class BenchmarksIT {
    private static final Path JAR = Path.of(System.getProperty("benchmarks.jar"));

    @TempDir
    Path folder;

    @Test
    void everyBenchmarkFindsItsResultsRightAndRuns() throws Exception {
        Path json = folder.resolve("results.json");
        Path log = folder.resolve("output.txt");
        // One short iteration of each in one JVM, beside whatever JMH runs elsewhere; -foe: the first failure ends it.
        int status = run(
                log,
                List.of("-Djmh.ignoreLock=true"),
                ("-f 0 -wi 0 -i 1 -r 10ms -foe true -p shape=TINY -p threads=1 -p segments=2 -p positions=1024 -p batch=2"
                                + " -rf json -rff")
                        .split(" "),
                json.toString());

        assertThat(status).as(Files.readString(log)).isZero();
        assertThat(new ObjectMapper().readTree(json.toFile()))
                .extracting(cell -> cell.path("benchmark").asText().replaceAll(".*\\.(\\w+)\\.\\w+$", "$1"))
                .contains(
                        "SegmentForward",
                        "SegmentTraining",
                        "LinearScaling",
                        "FullAttention",
                        "NativeCall",
                        "ManyDocuments",
                        "Tokenizer");
        for (JsonNode cell : new ObjectMapper().readTree(json.toFile())) {
            boolean countsTokens = !cell.path("benchmark").asText().contains("NativeCall");
            assertThat(cell.at("/secondaryMetrics/tokens/score").asDouble(0) > 0)
                    .as(cell.path("benchmark").asText())
                    .isEqualTo(countsTokens);
        }
    }

    @Test
    void aWrongOptionOfTheReportIsRefusedBeforeAnythingRuns() throws Exception {
        Path log = folder.resolve("output.txt");

        String[] report = {"report", "--only", "Nothing", "--out"};

        int status = run(log, List.of(), report, folder.resolve("out").toString());

        assertThat(status).isEqualTo(2);
        assertThat(Files.readString(log)).startsWith("--only Nothing: there is no such step");
    }

    private static int run(Path log, List<String> jvmOptions, String[] arguments, String last) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvmOptions);
        command.addAll(List.of("-jar", JAR.toString()));
        command.addAll(List.of(arguments));
        command.add(last);
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            process.getOutputStream().close();
            assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
            return process.exitValue();
        } finally {
            process.destroyForcibly();
        }
    }
}
