package dev.rmt.benchmarks.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.rmt.ModelConfig;
import dev.rmt.benchmarks.EncoderShape;
import dev.rmt.benchmarks.EncoderWork;
import dev.rmt.benchmarks.FmaPeak;
import dev.rmt.benchmarks.ResidentMemory;
import dev.rmt.benchmarks.SegmentTraining;
import dev.rmt.benchmarks.report.JmhResults.Cell;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** What the steps have measured so far, and what follows from it. */
final class Findings {
    /** Names of benchmarks in results: methods of JMH classes. */
    static final String FULL = "SegmentForward.full";

    static final String RECURRENCE = "SegmentForward.recurrence";

    private static final int POSITIONS_OF_A_SEGMENT = 512;

    private final Path raw;

    /** @param raw folder of what the steps wrote */
    Findings(Path raw) {
        this.raw = raw;
    }

    /** Cells of a JMH step; none where it has not run. */
    List<Cell> cells(String step) {
        return JmhResults.read(raw.resolve(step + ".json"));
    }

    /** Rows of a comparison with a peer; none where it has not run. */
    List<JsonNode> rows(String step) {
        List<JsonNode> rows = new ArrayList<>();
        Path file = raw.resolve(step + ".json");
        if (Files.isRegularFile(file)) {
            try {
                new ObjectMapper().readTree(file.toFile()).forEach(rows::add);
            } catch (IOException e) {
                return List.of();
            }
        }
        return rows;
    }

    /** Rows of all comparisons of speed; where a peer ran in two settings, the one in which it was faster. */
    List<JsonNode> comparisons() {
        Map<String, JsonNode> rows = new LinkedHashMap<>();
        for (String step : List.of(
                ReportPlan.ONNX_RUNTIME,
                ReportPlan.LIBTORCH,
                ReportPlan.LIBTORCH_PASSIVE,
                ReportPlan.LIBTORCH_TRAINING,
                ReportPlan.LIBTORCH_TRAINING_PASSIVE)) {
            for (JsonNode row : rows(step)) {
                String cell = List.of(row.path("benchmark"), row.path("model"), row.path("peer"), row.path("threads"))
                        .toString();
                rows.merge(cell, row, (one, other) -> milliseconds(other) < milliseconds(one) ? other : one);
            }
        }
        return List.copyOf(rows.values());
    }

    private static double milliseconds(JsonNode row) {
        return row.path("peer_ms").asDouble(Double.POSITIVE_INFINITY);
    }

    /**
     * How time and memory grow with the number of segments.
     *
     * @param cells by number of segments, ascending
     * @param memoryGrowth bytes of resident memory between the shortest and the longest; empty: unknown
     */
    record Scaling(List<Cell> cells, PowerLaw time, Optional<Long> memoryGrowth) {
        Cell longest() {
            return cells.get(cells.size() - 1);
        }
    }

    /** Empty where fewer than two lengths were measured. */
    Optional<Scaling> scaling() {
        List<Cell> cells = sorted(ReportPlan.LINEAR_SCALING, "segments");
        if (cells.size() < 2) {
            return Optional.empty();
        }
        PowerLaw time = PowerLaw.fit(
                cells.stream().mapToDouble(cell -> cell.number("segments")).toArray(),
                cells.stream().mapToDouble(Cell::milliseconds).toArray());
        var shortest = cells.get(0).secondary(ResidentMemory.LABEL);
        var longest = cells.get(cells.size() - 1).secondary(ResidentMemory.LABEL);
        Optional<Long> growth = shortest.isPresent() && longest.isPresent()
                ? Optional.of(Math.round(longest.getAsDouble() - shortest.getAsDouble()))
                : Optional.empty();
        return Optional.of(new Scaling(cells, time, growth));
    }

    List<Cell> fullAttention() {
        return sorted(ReportPlan.FULL_ATTENTION, "positions");
    }

    private List<Cell> sorted(String step, String parameter) {
        return cells(step).stream()
                .sorted(Comparator.comparingInt(cell -> cell.number(parameter)))
                .toList();
    }

    /**
     * Recurrence and full attention on a document of the same length.
     *
     * @param ratio time a token of full attention / of recurrence: a segment holds fewer tokens than positions
     */
    record Crossing(int segments, Cell recurrence, Cell full, double ratio) {}

    /** Where both were measured, by length. */
    List<Crossing> crossings() {
        List<Crossing> crossings = new ArrayList<>();
        List<Cell> recurrence = sorted(ReportPlan.LINEAR_SCALING, "segments");
        for (Cell full : fullAttention()) {
            int segments = full.number("positions") / POSITIONS_OF_A_SEGMENT;
            recurrence.stream()
                    .filter(cell -> cell.number("segments") == segments)
                    .findFirst()
                    .ifPresent(cell -> crossings.add(
                            new Crossing(segments, cell, full, tokensPerSecond(cell) / tokensPerSecond(full))));
        }
        return crossings;
    }

    /** The smallest number of segments from which on recurrence is faster at every length measured; empty: at none. */
    static OptionalInt winsFrom(List<Crossing> crossings) {
        OptionalInt from = OptionalInt.empty();
        for (int i = crossings.size() - 1; i >= 0 && crossings.get(i).ratio() > 1; i--) {
            from = OptionalInt.of(crossings.get(i).segments());
        }
        return from;
    }

    static double tokensPerSecond(Cell cell) {
        return cell.secondary("tokens").orElse(Double.NaN);
    }

    /** FLOP of what a cell of SegmentForward or SegmentTraining executes, over its time and the peak; NaN where unknown. */
    static double shareOfPeak(Cell cell) {
        double peak = cell.largest(FmaPeak.LABEL).orElse(Double.NaN);
        return flop(cell) / (cell.milliseconds() * 1e6) / peak;
    }

    private static double flop(Cell cell) {
        ModelConfig config = EncoderShape.valueOf(cell.parameter("shape")).config();
        int positions = config.inputLength();
        return switch (cell.benchmark()) {
            case FULL -> EncoderWork.forward(config, positions);
            case RECURRENCE -> EncoderWork.forward(config, positions, config.numMemTokens());
            case "SegmentTraining.forwardAndBackward" ->
                SegmentTraining.BATCH_SIZE
                        * EncoderWork.training(
                                config, positions, Boolean.parseBoolean(cell.parameter("allRows")) ? positions : 1);
            default -> Double.NaN;
        };
    }

    /** "tiny 2×128" for "tiny". */
    static String title(String model) {
        try {
            return EncoderShape.valueOf(model.toUpperCase(Locale.ROOT)).title();
        } catch (IllegalArgumentException e) {
            return model;
        }
    }
}
