package dev.rmt.benchmarks.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.benchmarks.FmaPeak;
import dev.rmt.benchmarks.report.Findings.Crossing;
import dev.rmt.benchmarks.report.JmhResults.Cell;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * All cells for machines to read: one row each. {@code ratio} is the peer's time (or bytes) over ours, above 1 is better; null is
 * what was not measured, and a row without a peer is ours alone.
 */
final class LatestJson {
    private static final List<String> KEYS = List.of(
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

    private final ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    private final ArrayNode rows = mapper.createArrayNode();

    LatestJson(Findings findings) {
        findings.comparisons().forEach(this::addComparison);
        for (String step : List.of(ReportPlan.SEGMENT_FORWARD, ReportPlan.SEGMENT_TRAINING)) {
            for (Cell cell : findings.cells(step)) {
                addOurs(name(cell), cell, cell.number("threads"), Findings.shareOfPeak(cell));
            }
        }
        addInstructionSets(findings.cells(ReportPlan.INSTRUCTION_SETS_TINY));
        addInstructionSets(findings.cells(ReportPlan.INSTRUCTION_SETS_MINILM));
        findings.scaling().ifPresent(scaling -> {
            ObjectNode row = rows.addObject()
                    .put("benchmark", "LinearScaling")
                    .put("model", scaling.longest().model())
                    .put("threads", scaling.longest().number("threads"))
                    .put("exponent", scaling.time().exponent())
                    .put("r2", scaling.time().r2());
            scaling.memoryGrowth()
                    .ifPresentOrElse(
                            bytes -> row.put("memory_growth_bytes", bytes), () -> row.putNull("memory_growth_bytes"));
        });
        findings.crossings().forEach(this::addCrossing);
        for (Cell cell : findings.cells(ReportPlan.MANY_DOCUMENTS)) {
            addOurs("ManyDocuments.batch" + cell.parameter("batch"), cell, cell.number("threads"), Double.NaN);
        }
        findings.rows(ReportPlan.MEMORY).forEach(rows::add);
        for (String step : List.of(ReportPlan.TOKENIZER, ReportPlan.TOKENIZER_THREADS)) {
            for (Cell cell : findings.cells(step)) {
                rows.addObject()
                        .put("benchmark", "Tokenizer")
                        .put("threads", cell.javaThreads())
                        .put("tokens_per_second", Findings.tokensPerSecond(cell));
            }
        }
        for (Cell cell : findings.cells(ReportPlan.NATIVE_CALL)) {
            rows.addObject().put("benchmark", cell.benchmark()).put("nanoseconds", cell.score());
        }
    }

    static String name(Cell cell) {
        return cell.benchmark().startsWith("SegmentTraining.")
                ? "SegmentTraining." + (cell.parameter("allRows").equals("true") ? "allRows" : "saving")
                : cell.benchmark();
    }

    private void addComparison(JsonNode measured) {
        ObjectNode row = rows.addObject();
        KEYS.forEach(key -> row.set(key, measured.path(key).isMissingNode() ? null : measured.get(key)));
    }

    private void addOurs(String benchmark, Cell cell, int threads, double share) {
        ObjectNode row = row(benchmark, cell.model(), null, threads, cell.milliseconds());
        putFinite(row, "share_of_peak", share);
    }

    /** The best instruction set is ours, the others are its peers. */
    private void addInstructionSets(List<Cell> cells) {
        if (cells.isEmpty()) {
            return;
        }
        Cell best = cells.get(0);
        for (Cell cell : cells) {
            ObjectNode row = row(
                    "InstructionSets",
                    cell.model(),
                    "ours:" + cell.parameter("isa"),
                    cell.number("threads"),
                    best.milliseconds());
            row.put("peer_ms", cell.milliseconds()).put("ratio", cell.milliseconds() / best.milliseconds());
            if (cell.largest(FmaPeak.LABEL).isPresent()) {
                putFinite(row, "share_of_peak", Findings.shareOfPeak(best));
            }
        }
    }

    private void addCrossing(Crossing crossing) {
        row(
                        "FullAttention." + crossing.segments() + "segments",
                        crossing.full().model(),
                        "ours:full attention",
                        crossing.full().number("threads"),
                        crossing.recurrence().milliseconds())
                .put("peer_ms", crossing.full().milliseconds())
                .put("ratio", crossing.ratio());
    }

    private ObjectNode row(String benchmark, String model, String peer, int threads, double milliseconds) {
        ObjectNode row = rows.addObject();
        KEYS.forEach(row::putNull);
        row.put("benchmark", benchmark).put("model", model).put("peer", peer).put("threads", threads);
        return row.put("ours_ms", milliseconds);
    }

    private static void putFinite(ObjectNode row, String key, double value) {
        if (Double.isFinite(value)) {
            row.put(key, value);
        }
    }

    ArrayNode rows() {
        return rows;
    }

    String text() {
        try {
            return mapper.writeValueAsString(rows) + "\n";
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }
}
