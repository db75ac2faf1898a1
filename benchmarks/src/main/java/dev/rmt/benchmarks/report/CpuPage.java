package dev.rmt.benchmarks.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.benchmarks.FmaPeak;
import dev.rmt.benchmarks.ResidentMemory;
import dev.rmt.benchmarks.report.Findings.Crossing;
import dev.rmt.benchmarks.report.Findings.Scaling;
import dev.rmt.benchmarks.report.JmhResults.Cell;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.TreeMap;

/** The page of the report: tables of what was measured, and what was not. */
final class CpuPage {
    private static final double MIB = 1 << 20;
    private static final String LIBTORCH_SETTINGS =
            " libtorch ran as it is and with OMP_WAIT_POLICY=PASSIVE, under which its idle"
                    + " threads sleep instead of spinning: of the two, the row in which it was faster.";

    private final Findings findings;
    private final StringBuilder text = new StringBuilder();

    private CpuPage(Findings findings) {
        this.findings = findings;
    }

    /**
     * What the page says of the run itself.
     *
     * @param facts of the machine
     * @param commands one for each step that ran
     * @param leftOut sentences
     * @param plots names of picture files beside the page
     */
    record Run(
            String date,
            boolean quick,
            String typed,
            Map<String, String> facts,
            List<String> commands,
            List<String> leftOut,
            List<String> plots) {}

    static String of(Run run, Findings findings) {
        CpuPage page = new CpuPage(findings);
        page.head(run);
        page.forward();
        page.training();
        page.memory();
        page.kernels();
        page.oursAlone();
        page.instructionSets();
        page.scaling();
        page.crossings();
        page.documents();
        page.small();
        page.foot(run);
        return page.text.toString();
    }

    private void head(Run run) {
        text.append("# Speed on the CPU, ").append(run.date()).append("\n\n");
        if (run.quick()) {
            text.append("**A quick run that shows that everything works: the figures mean nothing.**\n\n");
        }
        text.append("Made by `")
                .append(run.typed())
                .append("`. fp32; a segment has 512 positions: 499 tokens, 10 of memory")
                .append(
                        " and 3 special ones. Ratios are of the other's time over ours, above 1: we are faster; medians of")
                .append(
                        " alternating rounds in one process with equal threads after equal results were seen, smallest and")
                .append(
                        " largest behind. \"full\" computes all rows of the last layer, as others must; \"recurrence\" is")
                .append(" what reading costs: only the memory rows of the last layer.\n\n");
        text.append(
                        "Share of peak: floating-point operations of the matrix products *executed* (`EncoderWork`), so fewer")
                .append(
                        " for \"recurrence\" and \"saving\", over time and over the GFLOP/s of a loop of fused multiply-adds on")
                .append(" registers, measured between the rounds; its best counts.\n\n");
        MarkdownTable table = new MarkdownTable("machine", "");
        run.facts().forEach((name, value) -> table.row(name, value));
        peaks().forEach((name, value) -> table.row("FMA peak, " + name, format("%.0f GFLOP/s", value)));
        versions().forEach((name, value) -> table.row(name, value));
        add(null, table, "");
        for (String plot : run.plots()) {
            text.append("![").append(plot).append("](").append(plot).append(")\n");
        }
        text.append(run.plots().isEmpty() ? "" : "\n");
    }

    private Map<String, Double> peaks() {
        Map<String, Double> peaks = new TreeMap<>();
        for (String step : List.of(
                ReportPlan.SEGMENT_FORWARD, ReportPlan.INSTRUCTION_SETS_TINY, ReportPlan.INSTRUCTION_SETS_MINILM)) {
            for (Cell cell : findings.cells(step)) {
                String isa = cell.parameter("isa");
                if (!isa.equals("reference")) { // has no loop of its own
                    String name = (isa.equals("default") ? "" : isa + ", ") + count(cell.number("threads"), "thread");
                    cell.largest(FmaPeak.LABEL).ifPresent(gflops -> peaks.merge(name, gflops, Math::max));
                }
            }
        }
        return peaks;
    }

    private Map<String, String> versions() {
        Map<String, String> versions = new TreeMap<>();
        findings.comparisons()
                .forEach(row ->
                        versions.put(peerTitle(row), row.path("peer_version").asText("unknown version")));
        return versions;
    }

    private void forward() {
        MarkdownTable table = new MarkdownTable(
                "model",
                "threads",
                "other",
                "work of ours",
                "ours ms",
                "other ms",
                "other ÷ ours",
                "goal",
                "share of peak",
                "of the other");
        for (JsonNode row : findings.comparisons()) {
            if (benchmark(row).startsWith("SegmentForward.")) {
                table.row(
                        title(row),
                        row.path("threads").asText(),
                        peerTitle(row),
                        benchmark(row).substring("SegmentForward.".length()),
                        number(row, "ours_ms"),
                        number(row, "peer_ms"),
                        ratio(row),
                        goal(row),
                        percent(row, "share_of_peak"),
                        percent(row, "peer_share_of_peak"));
            }
        }
        add("One segment forward, beside others", table, differences("SegmentForward.") + LIBTORCH_SETTINGS);
    }

    private void training() {
        MarkdownTable table = new MarkdownTable(
                "model",
                "threads",
                "last layer of ours",
                "ours ms",
                "other ms",
                "other ÷ ours",
                "goal",
                "share of peak");
        for (JsonNode row : findings.comparisons()) {
            if (benchmark(row).startsWith("SegmentTraining.")) {
                table.row(
                        title(row),
                        row.path("threads").asText(),
                        benchmark(row).endsWith("saving") ? "saving: [CLS] alone" : "all rows",
                        number(row, "ours_ms"),
                        number(row, "peer_ms"),
                        ratio(row),
                        goal(row),
                        percent(row, "share_of_peak"));
            }
        }
        add(
                "Forward and backward, beside libtorch",
                table,
                "A batch of 8 full segments, loss on [CLS], no dropout, no optimizer, nothing recomputed. "
                        + differences("SegmentTraining.")
                        + LIBTORCH_SETTINGS);
    }

    private void memory() {
        MarkdownTable table = new MarkdownTable(
                "model",
                "threads",
                "ours MiB",
                "ONNX Runtime MiB",
                "ours ÷ ONNX Runtime",
                "goal",
                "after reading: ours MiB",
                "ONNX Runtime MiB");
        for (JsonNode row : findings.rows(ReportPlan.MEMORY)) {
            double share = 1 / row.path("ratio").asDouble(Double.NaN);
            OptionalDouble goal = Goals.memory(row.path("model").asText());
            table.row(
                    title(row),
                    row.path("threads").asText(),
                    mebibytes(row.path("ours_bytes")),
                    mebibytes(row.path("peer_bytes")),
                    format("%.2f", share),
                    goal.isPresent()
                            ? format("≤ %.1f, ", goal.getAsDouble()) + reached(share <= goal.getAsDouble())
                            : "–",
                    mebibytes(row.path("ours_after_bytes")),
                    mebibytes(row.path("peer_after_bytes")));
        }
        add(
                "Memory above an idle JVM",
                table,
                "Peak of the resident memory of a process that loads the model from files, embeddings and all, and reads"
                        + " 20 segments, less that of a JVM that does nothing; the same options for all three (16 MiB heap,"
                        + " serial collector); medians.");
    }

    private void kernels() {
        MarkdownTable table = new MarkdownTable(
                "model",
                "linears ms",
                "share of peak",
                "attention ms",
                "share of peak",
                "softmax ms",
                "GELU ms",
                "norms ms",
                "sum",
                "the whole segment ms");
        for (JsonNode row : findings.rows(ReportPlan.KERNELS)) {
            table.row(
                    title(row),
                    number(row, "linears_ms"),
                    percent(row, "linears_share_of_peak"),
                    number(row, "attention_ms"),
                    percent(row, "attention_share_of_peak"),
                    number(row, "softmax_ms"),
                    number(row, "gelu_ms"),
                    number(row, "norms_ms"),
                    number(row, "sum_ms"),
                    number(row, "full_ms"));
        }
        add(
                "Where the time goes",
                table,
                "`segment_bench`, one thread: the kernels of a full segment, each alone with its data, and the whole.");
    }

    private void oursAlone() {
        MarkdownTable table = new MarkdownTable("model", "threads", "benchmark", "ms", "tokens/s", "share of peak");
        for (String step : List.of(ReportPlan.SEGMENT_FORWARD, ReportPlan.SEGMENT_TRAINING)) {
            for (Cell cell : findings.cells(step)) {
                table.row(
                        Findings.title(cell.model()),
                        cell.parameter("threads"),
                        LatestJson.name(cell),
                        number(cell.milliseconds()),
                        grouped(Findings.tokensPerSecond(cell)),
                        percent(Findings.shareOfPeak(cell)));
            }
        }
        add("Ours alone", table, "JMH, medians of all iterations of all forks.");
    }

    private void instructionSets() {
        MarkdownTable table = new MarkdownTable(
                "model", "threads", "instruction set", "ms a segment", "time ÷ that of the best", "share of its peak");
        for (String step : List.of(ReportPlan.INSTRUCTION_SETS_TINY, ReportPlan.INSTRUCTION_SETS_MINILM)) {
            List<Cell> cells = findings.cells(step);
            for (Cell cell : cells) {
                boolean reference = cell.parameter("isa").equals("reference");
                table.row(
                        Findings.title(cell.model()),
                        cell.parameter("threads"),
                        cell.parameter("isa"),
                        number(cell.milliseconds()),
                        format("%.2f", cell.milliseconds() / cells.get(0).milliseconds()),
                        reference ? "–" : percent(Findings.shareOfPeak(cell)));
            }
        }
        add(
                "Ours against ours",
                table,
                "Recurrence; every one equal to the reference kernels, which are plain loops in double.");
    }

    private void scaling() {
        MarkdownTable table =
                new MarkdownTable("segments", "tokens", "ms", "ms a segment", "tokens/s", "peak resident MiB");
        String note = "";
        if (findings.scaling().isPresent()) {
            Scaling scaling = findings.scaling().orElseThrow();
            for (Cell cell : scaling.cells()) {
                int segments = cell.number("segments");
                table.row(
                        grouped(segments),
                        grouped(499L * segments),
                        number(cell.milliseconds()),
                        number(cell.milliseconds() / segments),
                        grouped(Findings.tokensPerSecond(cell)),
                        resident(cell));
            }
            PowerLaw law = scaling.time();
            boolean reached = Math.abs(law.exponent() - Goals.SCALING_EXPONENT) <= Goals.SCALING_TOLERANCE;
            note = format(
                    "%s, %s, whole documents from a fresh memory to their classification. **Time = %.3f ms · n^%.4f, R² = %.6f**"
                            + " (goal: an exponent of 1.00 ± 0.02, %s). Resident memory from %d to %d segments: %s.",
                    Findings.title(scaling.longest().model()),
                    count(scaling.longest().number("threads"), "thread"),
                    law.factor(),
                    law.exponent(),
                    law.r2(),
                    reached(reached),
                    scaling.cells().get(0).number("segments"),
                    scaling.longest().number("segments"),
                    scaling.memoryGrowth()
                            .map(bytes -> format("%+.1f MiB (%+,d bytes)", bytes / MIB, bytes))
                            .orElse("unknown"));
        }
        add("Linear scaling", table, note);
    }

    private void crossings() {
        MarkdownTable table = new MarkdownTable(
                "segments",
                "positions",
                "recurrence ms",
                "full attention ms",
                "full attention ÷ recurrence, a token",
                "resident MiB, recurrence",
                "full attention");
        List<Crossing> crossings = findings.crossings();
        for (Crossing crossing : crossings) {
            table.row(
                    grouped(crossing.segments()),
                    grouped(crossing.full().number("positions")),
                    number(crossing.recurrence().milliseconds()),
                    number(crossing.full().milliseconds()),
                    format("%.2f", crossing.ratio()),
                    resident(crossing.recurrence()),
                    resident(crossing.full()));
        }
        OptionalInt from = Findings.winsFrom(crossings);
        String wins = from.isPresent()
                ? "Recurrence is faster from " + count(from.getAsInt(), "segment") + " on"
                : "Recurrence is not faster at these lengths";
        String at64 = crossings.stream()
                .filter(crossing -> crossing.segments() == 64)
                .findFirst()
                .map(crossing -> format(", %.1f times at 64", crossing.ratio()))
                .orElse("");
        add(
                "Full attention",
                table,
                crossings.isEmpty()
                        ? ""
                        : wins + at64
                                + ". The same encoder and kernels over one long sequence, its last layer too only for the"
                                + " rows that are read; a token, because 512 positions of a segment hold 499.");
    }

    private void documents() {
        MarkdownTable table = new MarkdownTable("model", "threads", "documents at once", "tokens/s");
        for (Cell cell : findings.cells(ReportPlan.MANY_DOCUMENTS)) {
            table.row(
                    Findings.title(cell.model()),
                    cell.parameter("threads"),
                    cell.parameter("batch"),
                    grouped(Findings.tokensPerSecond(cell)));
        }
        List<Cell> one = findings.cells(ReportPlan.ONE_SESSION);
        List<Cell> two = findings.cells(ReportPlan.TWO_SESSIONS);
        StringBuilder note = new StringBuilder("In one batch.");
        for (int i = 0; i < Math.min(one.size(), two.size()); i++) {
            note.append(format(
                    " Two sessions of %s on two Java threads: %s tokens/s together, %.2f times one session (%s).",
                    Findings.title(one.get(i).model()),
                    grouped(Findings.tokensPerSecond(two.get(i))),
                    Findings.tokensPerSecond(two.get(i)) / Findings.tokensPerSecond(one.get(i)),
                    grouped(Findings.tokensPerSecond(one.get(i)))));
        }
        add("Many documents", table, note.toString());
    }

    private void small() {
        MarkdownTable table = new MarkdownTable("", "measured", "goal");
        for (String step : List.of(ReportPlan.TOKENIZER, ReportPlan.TOKENIZER_THREADS)) {
            for (Cell cell : findings.cells(step)) {
                double perThread = Findings.tokensPerSecond(cell) / cell.javaThreads();
                table.row(
                        "Tokenizer, " + count(cell.javaThreads(), "thread"),
                        grouped(perThread) + " tokens/s a thread",
                        "≥ 5,000,000, " + reached(perThread >= Goals.TOKENIZER_TOKENS_PER_SECOND));
            }
        }
        OptionalDouble tokenizer = findings.cells(ReportPlan.TOKENIZER).stream()
                .mapToDouble(Findings::tokensPerSecond)
                .findFirst();
        findings.scaling().filter(it -> tokenizer.isPresent()).ifPresent(scaling -> {
            double model = Findings.tokensPerSecond(scaling.longest());
            double share = (1 / model) / (1 / model + 1 / tokenizer.getAsDouble());
            table.row(
                    "Share of the model in reading text, tiny",
                    format("%.1f %%", 100 * share),
                    "≥ 95 %, " + reached(share >= 0.95));
        });
        for (Cell cell : findings.cells(ReportPlan.NATIVE_CALL)) {
            table.row(cell.benchmark(), format("%.1f ns", cell.score()), "–");
        }
        add("Tokenizer and native calls", table, "One native call a segment; its cost is `call` less `withoutCall`.");
    }

    private void foot(Run run) {
        text.append("## What is left out\n\n");
        run.leftOut().forEach(sentence -> text.append("- ").append(sentence).append('\n'));
        text.append("\n## Commands\n\nRun by the report one after the other; each writes its raw JSON.\n\n```sh\n");
        if (run.commands().stream().anyMatch(command -> command.contains(Step.PEERS_VARIABLE))) {
            text.append("PEERS=benchmarks/peers/target/classes:$(cat benchmarks/peers/target/"
                    + ReportPlan.CLASS_PATH_FILE + ")\n");
        }
        run.commands().forEach(command -> text.append(command).append('\n'));
        text.append("```\n");
    }

    /** A section, if it has anything to say. */
    private void add(String title, MarkdownTable table, String note) {
        if (table.isEmpty()) {
            return;
        }
        if (title != null) {
            text.append("## ").append(title).append("\n\n");
        }
        if (!note.isBlank()) {
            text.append(note.strip()).append("\n\n");
        }
        text.append(table).append('\n');
    }

    private String differences(String prefix) {
        OptionalDouble largest = findings.comparisons().stream()
                .filter(row -> benchmark(row).startsWith(prefix))
                .mapToDouble(row -> row.path("difference").asDouble(Double.NaN))
                .max();
        return largest.isPresent()
                ? format(
                        "Largest difference of a result from the other's, relative to the largest value: %.1e.",
                        largest.getAsDouble())
                : "";
    }

    private static String benchmark(JsonNode row) {
        return row.path("benchmark").asText();
    }

    private static String title(JsonNode row) {
        return Findings.title(row.path("model").asText());
    }

    private static String peerTitle(JsonNode row) {
        return row.path("peer").asText().equals("onnxruntime")
                ? "ONNX Runtime"
                : row.path("peer").asText();
    }

    private static String ratio(JsonNode row) {
        return format(
                "**%.2f** (%.2f–%.2f)",
                row.path("ratio").asDouble(Double.NaN),
                row.path("ratio_min").asDouble(Double.NaN),
                row.path("ratio_max").asDouble(Double.NaN));
    }

    /** Goals are for two threads. */
    private static String goal(JsonNode row) {
        OptionalDouble goal = Goals.speed(
                benchmark(row), row.path("peer").asText(), row.path("model").asText());
        if (goal.isEmpty() || row.path("threads").asInt() != 2) {
            return "–";
        }
        return format("≥ %.2f, ", goal.getAsDouble())
                + reached(row.path("ratio").asDouble(Double.NaN) >= goal.getAsDouble());
    }

    private static String reached(boolean yes) {
        return yes ? "reached" : "**not reached**";
    }

    private static String resident(Cell cell) {
        OptionalDouble bytes = cell.secondary(ResidentMemory.LABEL);
        return bytes.isPresent() ? format("%.1f", bytes.getAsDouble() / MIB) : "–";
    }

    private static String mebibytes(JsonNode bytes) {
        return bytes.isNumber() ? format("%.1f", bytes.asDouble() / MIB) : "–";
    }

    private static String number(JsonNode row, String key) {
        return number(row.path(key).asDouble(Double.NaN));
    }

    /** Three digits. */
    private static String number(double value) {
        return Double.isNaN(value) ? "–" : format(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%,.0f", value);
    }

    private static String grouped(double value) {
        return Double.isNaN(value) ? "–" : format("%,.0f", value);
    }

    private static String percent(JsonNode row, String key) {
        return percent(row.path(key).asDouble(Double.NaN));
    }

    private static String percent(double share) {
        return Double.isFinite(share) ? format("%.0f %%", 100 * share) : "–";
    }

    private static String count(int count, String what) {
        return count + " " + what + (count == 1 ? "" : "s");
    }

    private static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }
}
