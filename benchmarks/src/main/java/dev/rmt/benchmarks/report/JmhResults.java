package dev.rmt.benchmarks.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.rmt.benchmarks.Rounds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.stream.DoubleStream;

/** What JMH wrote with {@code -rf json}. */
final class JmhResults {
    private JmhResults() {}

    /** One benchmark method with one set of parameters. */
    record Cell(JsonNode json) {
        /** "SegmentForward.full". */
        String benchmark() {
            String name = json.path("benchmark").asText();
            int method = name.lastIndexOf('.');
            return name.substring(name.lastIndexOf('.', method - 1) + 1);
        }

        /** "" where there is no such parameter. */
        String parameter(String name) {
            return json.path("params").path(name).asText("");
        }

        int number(String name) {
            return Integer.parseInt(parameter(name));
        }

        /** "tiny". */
        String model() {
            return parameter("shape").toLowerCase(Locale.ROOT);
        }

        /** Java threads, not those of a device. */
        int javaThreads() {
            return json.path("threads").asInt();
        }

        /** Median over all iterations of all forks, in the unit of the benchmark. */
        double score() {
            return median(json.path("primaryMetric"));
        }

        /** Where the benchmark counts operations a second of one Java thread. */
        double milliseconds() {
            return 1000 / score();
        }

        /** Of a counter or profiler; empty where there is none. */
        OptionalDouble secondary(String name) {
            JsonNode metric = json.path("secondaryMetrics").path(name);
            return metric.isMissingNode() ? OptionalDouble.empty() : OptionalDouble.of(median(metric));
        }

        /** The largest value of a counter or profiler. */
        OptionalDouble largest(String name) {
            return raw(json.path("secondaryMetrics").path(name)).max();
        }

        private static double median(JsonNode metric) {
            double[] values = raw(metric).toArray();
            return values.length == 0 ? metric.path("score").asDouble(Double.NaN) : Rounds.median(values);
        }

        private static DoubleStream raw(JsonNode metric) {
            DoubleStream.Builder values = DoubleStream.builder();
            metric.path("rawData").forEach(fork -> fork.forEach(value -> values.add(value.asDouble())));
            return values.build();
        }
    }

    /** No cells where there is no file, or JMH did not finish it. */
    static List<Cell> read(Path file) {
        List<Cell> cells = new ArrayList<>();
        if (Files.isRegularFile(file)) {
            try {
                new ObjectMapper().readTree(file.toFile()).forEach(node -> cells.add(new Cell(node)));
            } catch (IOException e) {
                return List.of();
            }
        }
        return cells;
    }
}
