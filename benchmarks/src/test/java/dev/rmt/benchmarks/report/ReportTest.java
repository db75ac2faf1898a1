package dev.rmt.benchmarks.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    private static final CpuPage.Run RUN = new CpuPage.Run(
            "2026-01-02",
            false,
            "benchmarks/report.sh",
            Map.of("processor", "a processor"),
            List.of("java -jar x"),
            List.of("**LinearScaling**: failed, no disk."),
            List.of());

    @TempDir
    Path folder;

    private Path raw;

    @BeforeEach
    void makeFolder() throws IOException {
        raw = Files.createDirectory(folder.resolve("cpu"));
    }

    @Test
    void nothingMeasuredIsStillAPageThatSaysWhatIsLeftOut() {
        Findings findings = new Findings(raw);

        assertThat(CpuPage.of(RUN, findings)).contains("a processor", "**LinearScaling**: failed, no disk.");
        assertThat(new LatestJson(findings).rows()).isEmpty();
    }

    @Test
    void aRowBesideAPeerHasTheKeysAgreedOnAndNoOthers() throws IOException {
        write("OnnxRuntime", """
                [{"benchmark": "SegmentForward.full", "model": "tiny", "peer": "onnxruntime", "threads": 2,
                  "ours_ms": 2.0, "peer_ms": 2.5, "ratio": 1.25, "ratio_min": 1.1, "ratio_max": 1.4,
                  "share_of_peak": 0.7, "difference": 1e-7, "peer_version": "1.29.0"}]
                """);
        Findings findings = new Findings(raw);

        JsonNode row = new LatestJson(findings).rows().get(0);

        assertThat(row.fieldNames())
                .toIterable()
                .containsExactly(
                        "benchmark",
                        "model",
                        "peer",
                        "threads",
                        "ours_ms",
                        "peer_ms",
                        "ratio",
                        "ratio_min",
                        "ratio_max",
                        "share_of_peak");
        assertThat(CpuPage.of(RUN, findings))
                .contains("**1.25** (1.10–1.40)", "≥ 1.30, **not reached**", "| ONNX Runtime | 1.29.0 |");
    }

    @Test
    void timesThatGrowWithTheLengthHaveTheExponentOne() throws IOException {
        write("LinearScaling", cells("LinearScaling.document", "segments", new int[] {1, 4, 64}, 1000.0, 1000));

        Findings findings = new Findings(raw);

        JsonNode row = row(findings, "LinearScaling");
        assertThat(row.get("exponent").asDouble()).isCloseTo(1, within(1e-9));
        assertThat(row.get("r2").asDouble()).isCloseTo(1, within(1e-9));
        assertThat(row.get("memory_growth_bytes").asLong()).isEqualTo(63_000);
        assertThat(CpuPage.of(RUN, findings)).contains("n^1.0000", "± 0.02, reached");
    }

    @Test
    void recurrenceIsComparedWithFullAttentionToken() throws IOException {
        write("LinearScaling", cells("LinearScaling.document", "segments", new int[] {1, 2, 64}, 1000.0, 0));
        // 512, 1024 and 32768 positions, ten times slower a token.
        write(
                "FullAttention",
                cells("FullAttention.document", "positions", new int[] {512, 1024, 32768}, 1000.0 * 51.2, 0));

        List<Findings.Crossing> crossings = new Findings(raw).crossings();

        assertThat(crossings).extracting(Findings.Crossing::segments).containsExactly(1, 2, 64);
        assertThat(crossings)
                .allSatisfy(crossing -> assertThat(crossing.ratio()).isCloseTo(10, within(0.001)));
    }

    @Test
    void aFileThatIsCutOffCountsAsNotMeasured() throws IOException {
        write("LinearScaling", "[{\"benchmark\": ");

        assertThat(new Findings(raw).scaling()).isEmpty();
    }

    @Test
    void aStepThatFailsSaysWhy() throws InterruptedException {
        Step.Outcome outcome = step("echo trying; echo 'java.lang.IllegalStateException: it differs'; exit 3", 10)
                .run(folder);

        assertThat(outcome.problem()).contains("exit code 3: java.lang.IllegalStateException: it differs");
    }

    @Test
    void aBenchmarkThatFailsInsideJmhIsSeen() throws InterruptedException {
        Step.Outcome outcome = step(
                        "echo '# Warmup Iteration   1: <failure>'; echo 'java.lang.Error: no'; echo [] > result.json",
                        10)
                .run(folder);

        assertThat(outcome.problem()).contains("java.lang.Error: no");
    }

    @Test
    void aStepThatHangsIsEnded() throws InterruptedException {
        Step.Outcome outcome = step("sleep 60", 1).run(folder);

        assertThat(outcome.problem())
                .hasValueSatisfying(problem -> assertThat(problem).contains("ended after"));
        assertThat(outcome.taken()).isLessThan(Duration.ofSeconds(50));
    }

    @Test
    void aStepThatWritesItsResultIsFine() throws InterruptedException {
        assertThat(step("echo [] > result.json", 10).run(folder).problem()).isEmpty();
    }

    private Step step(String script, int seconds) {
        Path result = folder.resolve("result.json");
        return new Step(
                "Some",
                Map.of("WHERE", folder.toString()),
                List.of("bash", "-c", "cd \"$WHERE\" && " + script),
                result,
                Duration.ofSeconds(seconds));
    }

    private void write(String step, String json) throws IOException {
        Files.writeString(raw.resolve(step + ".json"), json);
    }

    /** What JMH writes: {@code rate / n} operations a second at length n, bytes resident in proportion to n. */
    private static String cells(String benchmark, String parameter, int[] lengths, double rate, int bytes) {
        StringBuilder json = new StringBuilder("[");
        for (int n : lengths) {
            double score = rate / n;
            double tokens = score * (parameter.equals("positions") ? n / 512.0 : n) * 499;
            json.append(json.length() > 1 ? "," : "")
                    .append("""
                            {"benchmark": "dev.rmt.benchmarks.%s", "threads": 1,
                             "params": {"shape": "TINY", "threads": "2", "%s": "%d"},
                             "primaryMetric": {"score": 1, "rawData": [[%s, %s], [%s]]},
                             "secondaryMetrics": {
                               "tokens": {"score": 1, "rawData": [[%s]]},
                               "resident": {"score": 1, "rawData": [[%d]]}}}
                            """.formatted(benchmark, parameter, n, score * 0.5, score, score * 2, tokens, n * bytes));
        }
        return json.append("]").toString();
    }

    private static JsonNode row(Findings findings, String benchmark) {
        return StreamSupport.stream(new LatestJson(findings).rows().spliterator(), false)
                .filter(row -> row.get("benchmark").asText().equals(benchmark))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void latestJsonIsJson() throws IOException {
        assertThat(new ObjectMapper()
                        .readTree(new LatestJson(new Findings(raw)).text())
                        .isArray())
                .isTrue();
    }
}
